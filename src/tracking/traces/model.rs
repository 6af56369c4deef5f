//! Traces, spans and assessments as this room holds them.

use super::{keys, usage};
use serde_json::Value;

/// Keys with their values, in the order of the keys.
pub type Pairs = Vec<(String, String)>;

/// The states of a trace: the protocol's names and numbers. Its second version calls the first one
/// `TRACE_STATUS_UNSPECIFIED`.
pub const STATES: &[(&str, i64)] = &[("STATE_UNSPECIFIED", 0), ("OK", 1), ("ERROR", 2), ("IN_PROGRESS", 3)];

/// A trace without its spans.
#[derive(Clone, Debug, Default)]
pub struct TraceInfo {
    /// The number of its row.
    pub tid: i64,
    pub id: String,
    pub experiment_id: i64,
    pub started_at: i64,
    pub duration: Option<i64>,
    pub state: String,
    pub client_request_id: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    pub metadata: Pairs,
    pub tags: Pairs,
    pub assessments: Vec<Assessment>,
}

impl TraceInfo {
    pub fn tag(&self, key: &str) -> Option<&str> {
        find(&self.tags, key)
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        find(&self.metadata, key)
    }

    /// Whether its spans are in this database, not in a file the client wrote.
    pub fn spans_are_here(&self) -> bool {
        self.tag(keys::SPANS_LOCATION) == Some(keys::TRACKING_STORE)
    }

    /// How many spans its client says it has.
    pub fn spans_announced(&self) -> usize {
        let stats = self.metadata(keys::SIZE_STATS).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let spans = stats.as_ref().and_then(|stats| stats["num_spans"].as_u64());
        usize::try_from(spans.unwrap_or(0)).unwrap_or(usize::MAX)
    }
}

fn find<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
}

/// A trace with the contents of its spans, root first, then by time.
#[derive(Clone, Debug)]
pub struct Trace {
    pub info: TraceInfo,
    pub spans: Vec<String>,
}

/// One span, ready to be stored.
#[derive(Clone, Debug)]
pub struct Span {
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub kind: Option<String>,
    pub status: &'static str,
    pub started_ns: i64,
    pub ended_ns: Option<i64>,
    pub content: String,
    pub usage: Option<Value>,
    pub cost: Option<Value>,
    pub model: Option<String>,
    pub provider: Option<String>,
}

/// The spans of one trace that came in one request, and what they say of the trace.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub trace_id: String,
    pub spans: Vec<Span>,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    /// How the root span ended, if it is among them.
    pub state: Option<&'static str>,
    pub session: Option<String>,
    pub user: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    /// What the resource says of itself, then the tags the trace's maker set.
    pub tags: Pairs,
}

impl Batch {
    pub fn has_root(&self) -> bool {
        self.state.is_some()
    }
}

/// What somebody says of a trace, or of one span of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    pub id: String,
    pub trace_id: String,
    pub name: String,
    /// `feedback`, `expectation` or `issue`.
    pub kind: &'static str,
    pub value: Value,
    pub error: Option<Value>,
    pub created_at: i64,
    pub updated_at: i64,
    pub source_type: String,
    pub source_id: String,
    pub span_id: Option<String>,
    pub rationale: Option<String>,
    pub overrides: Option<String>,
    pub valid: bool,
    pub metadata: Option<Value>,
}

pub const ASSESSMENT_KINDS: [&str; 3] = ["feedback", "expectation", "issue"];

/// Makes the metadata that are numbers in a text what they will be compared and added up as; a value
/// that is no such thing is dropped.
pub fn settle_metadata(metadata: &mut Pairs) {
    metadata.retain_mut(|(key, value)| {
        let settled = match key.as_str() {
            keys::TOKEN_USAGE => usage::tokens_in(value),
            keys::COST => usage::costs_in(value),
            _ => return true,
        };
        match settled {
            Some(settled) => {
                *value = settled;
                true
            }
            None => false,
        }
    });
}
