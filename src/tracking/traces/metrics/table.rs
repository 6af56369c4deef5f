//! What can be asked about many traces: each number with the ways of putting it together and the names
//! by which it may be told apart.

/// What is counted: traces, their spans, or what is said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Traces,
    Spans,
    Assessments,
}

pub const VIEWS: &[(&str, i64)] = &[("TRACES", 1), ("SPANS", 2), ("ASSESSMENTS", 3)];
pub const AGGREGATIONS: &[(&str, i64)] =
    &[("COUNT", 1), ("SUM", 2), ("AVG", 3), ("PERCENTILE", 4), ("MIN", 5), ("MAX", 6)];

impl View {
    pub fn from_number(number: i64) -> Self {
        match number {
            2 => Self::Spans,
            3 => Self::Assessments,
            _ => Self::Traces,
        }
    }

    pub(super) fn word(self) -> &'static str {
        VIEWS[self as usize].0
    }

    /// The tables, joined; traces are always `t`.
    pub(super) fn tables(self) -> &'static str {
        match self {
            View::Traces => "traces t",
            View::Spans => "spans s JOIN traces t ON t.tid = s.trace",
            View::Assessments => "assessments a JOIN traces t ON t.tid = a.trace AND a.valid",
        }
    }

    /// The time, in milliseconds, by which things are put into buckets.
    pub(super) fn time(self) -> &'static str {
        if self == View::Spans { "(s.started_ns / 1000000)" } else { "t.started_at" }
    }
}

/// One number that can be asked for.
pub(super) struct Metric {
    pub view: View,
    pub name: &'static str,
    /// The value, in SQL.
    pub value: &'static str,
    pub aggregations: &'static [&'static str],
    pub dimensions: &'static [&'static str],
}

const COUNTED: &[&str] = &["COUNT"];
const MEASURED: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE"];
const SUMMED: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];
const BY_MODEL: &[&str] = &["span_model_name", "span_model_provider"];

macro_rules! tokens {
    ($name:literal) => {
        Metric {
            view: View::Traces,
            name: $name,
            value: concat!(
                "(SELECT json_extract(u.value, '$.",
                $name,
                "') FROM trace_metadata u WHERE u.trace = t.tid AND u.key = 'mlflow.trace.tokenUsage')"
            ),
            aggregations: SUMMED,
            dimensions: &["trace_name"],
        }
    };
}

macro_rules! cost {
    ($name:literal) => {
        Metric {
            view: View::Spans,
            name: $name,
            value: concat!("CAST(json_extract(s.cost, '$.", $name, "') AS REAL)"),
            aggregations: SUMMED,
            dimensions: BY_MODEL,
        }
    };
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        view: View::Traces,
        name: "trace_count",
        value: "t.id",
        aggregations: COUNTED,
        dimensions: &["trace_name", "trace_status"],
    },
    Metric {
        view: View::Traces,
        name: "session_count",
        value: "(SELECT u.value FROM trace_metadata u WHERE u.trace = t.tid AND u.key = 'mlflow.trace.session')",
        aggregations: COUNTED,
        dimensions: &[],
    },
    Metric {
        view: View::Traces,
        name: "latency",
        value: "t.duration",
        aggregations: MEASURED,
        dimensions: &["trace_name"],
    },
    tokens!("input_tokens"),
    tokens!("output_tokens"),
    tokens!("total_tokens"),
    tokens!("cache_read_input_tokens"),
    tokens!("cache_creation_input_tokens"),
    Metric {
        view: View::Spans,
        name: "span_count",
        value: "s.id",
        aggregations: COUNTED,
        dimensions: &["span_model_name", "span_model_provider", "span_name", "span_status", "span_type"],
    },
    Metric {
        view: View::Spans,
        name: "latency",
        value: "((s.ended_ns - s.started_ns) / 1000000)",
        aggregations: MEASURED,
        dimensions: &["span_name", "span_status"],
    },
    cost!("input_cost"),
    cost!("output_cost"),
    cost!("total_cost"),
    Metric {
        view: View::Assessments,
        name: "assessment_count",
        value: "a.id",
        aggregations: COUNTED,
        dimensions: &["assessment_name", "assessment_value"],
    },
    Metric {
        view: View::Assessments,
        name: "assessment_value",
        value: "a.number",
        aggregations: MEASURED,
        dimensions: &["assessment_name"],
    },
];

/// The columns by which things are told apart.
const DIMENSIONS: &[(&str, &str)] = &[
    ("trace_name", "(SELECT n.value FROM trace_tags n WHERE n.trace = t.tid AND n.key = 'mlflow.traceName')"),
    ("trace_status", "t.state"),
    ("span_name", "s.name"),
    ("span_type", "s.type"),
    ("span_status", "s.status"),
    ("span_model_name", "s.model"),
    ("span_model_provider", "s.provider"),
    ("assessment_name", "a.name"),
    ("assessment_value", "a.value"),
];

/// The column of a dimension.
pub(super) fn column_of(dimension: &str) -> Option<&'static str> {
    DIMENSIONS.iter().find(|(name, _)| *name == dimension).map(|(_, column)| *column)
}
