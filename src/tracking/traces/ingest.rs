//! The spans of one request, sorted by trace, and what they say of each trace as a whole.

use super::{
    json::plain,
    keys::{self, span as attribute},
    model::{Batch, Pairs, Span},
    otlp::{
        proto::{ExportRequest, Resource},
        value,
    },
    preview,
    span::{self, Unfit},
    translate::{Attributes, get},
};
use crate::tracking::check;
use serde_json::Value;

const TAG_VALUE_MAX: usize = check::TAG_VALUE_MAX;
const METADATA_MAX: usize = 250;

/// One batch for each trace in the request, in the order in which they occur.
pub fn batches(request: &ExportRequest) -> Result<Vec<Batch>, Unfit> {
    let mut batches: Vec<Batch> = Vec::new();
    for group in &request.resource_spans {
        for sent in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
            let (span, trace_id, attributes) = span::from_proto(sent)?;
            let known = batches.iter_mut().position(|batch| batch.trace_id == trace_id);
            let index = known.unwrap_or_else(|| {
                batches.push(Batch { trace_id, started_at: i64::MAX, ..Batch::default() });
                batches.len() - 1
            });
            let batch = &mut batches[index];
            if batch.tags.is_empty()
                && let Some(resource) = &group.resource
            {
                batch.tags = resource_tags(resource);
            }
            batch.add(span, &attributes);
        }
    }
    Ok(batches)
}

impl Batch {
    fn add(&mut self, span: Span, attributes: &Attributes) {
        self.started_at = self.started_at.min(span.started_ns / 1_000_000);
        self.ended_at = self.ended_at.max(span.ended_ns.map(|ended| ended / 1_000_000));
        let text = |key| get(attributes, key).map(plain).filter(|text| !text.is_empty());
        if self.session.is_none() {
            let session = text(attribute::SESSION).or_else(|| text(attribute::CONVERSATION));
            self.session = session.filter(|session| session.chars().count() <= METADATA_MAX);
        }
        if self.user.is_none() {
            self.user = text(attribute::USER);
        }
        if span.parent.is_none() {
            self.state = Some(if span.status == "ERROR" { "ERROR" } else { "OK" });
            let shown = |key, role| get(attributes, key).map(|text| preview::of(text, role));
            self.request_preview = shown(attribute::INPUTS, "user");
            self.response_preview = shown(attribute::OUTPUTS, "assistant");
            // The tags the trace's maker set come last and hold against what the resource says.
            for (key, value) in attributes {
                if let Some(key) = key.strip_prefix(attribute::TAG_PREFIX) {
                    push_tag(&mut self.tags, key, plain(value.as_str().unwrap_or_default()));
                }
            }
        }
        self.spans.push(span);
    }
}

/// What sent the spans, as tags: `service.name` and so on. MLflow's own names are not the sender's
/// to set in this way.
fn resource_tags(resource: &Resource) -> Pairs {
    let mut tags = Pairs::new();
    for (key, value) in value::attributes(&resource.attributes) {
        if !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow.") {
            push_tag(
                &mut tags,
                &key,
                match value {
                    Value::String(text) => text,
                    other => super::json::dumps(&other),
                },
            );
        }
    }
    tags
}

/// A tag that breaks the rules is left out: it is no reason to lose the spans.
fn push_tag(tags: &mut Pairs, key: &str, mut value: String) {
    let fits = check::name("key", key).is_ok() && check::length("key", check::KEY_MAX, key).is_ok();
    if fits && !keys::FIXED_TAGS.contains(&key) {
        check::cut(TAG_VALUE_MAX, &mut value);
        tags.push((key.to_owned(), value));
    }
}
