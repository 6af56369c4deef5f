//! Numbers over many traces: how many, how long, how many tokens, at what price and with what
//! verdicts; by name, state, model and hour. What can be asked is in `table`; the rest is SQL.

mod table;

pub use table::{AGGREGATIONS, VIEWS, View};

use super::{json, keys, search};
use crate::{
    kernel::error::{Error, Result},
    tracking::search::{
        filter::{self, Op},
        sql::{Bind, Sql},
    },
};
use table::{METRICS, Metric, column_of};

/// One way of putting many values into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    pub word: &'static str,
    /// For `PERCENTILE` alone.
    pub percent: Option<f64>,
}

impl Aggregation {
    /// The name under which the answer has it.
    pub fn label(&self) -> String {
        match self.percent {
            Some(percent) => format!("P{}", json::dumps(&percent)),
            None => self.word.to_owned(),
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub experiments: Vec<i64>,
    pub view: View,
    pub metric: String,
    pub aggregations: Vec<Aggregation>,
    pub dimensions: Vec<String>,
    pub filters: Vec<String>,
    pub interval_s: Option<i64>,
    pub from: Option<i64>,
    pub until: Option<i64>,
    pub limit: i64,
}

pub const BUCKET: &str = "time_bucket";

impl Question {
    /// The names of the columns by which the answer is told apart, in order.
    pub fn keys(&self) -> Vec<&str> {
        let bucket = self.interval_s.map(|_| BUCKET);
        bucket.into_iter().chain(self.dimensions.iter().map(String::as_str)).collect()
    }

    fn metric(&self) -> Result<&'static Metric> {
        let of_view = || METRICS.iter().filter(|metric| metric.view == self.view);
        let metric = of_view().find(|metric| metric.name == self.metric).ok_or_else(|| {
            let known: Vec<_> = of_view().map(|metric| metric.name).collect();
            Error::invalid(format!("metric_name must be one of {}, got '{}'", quoted(&known), self.metric))
        })?;
        let asked: Vec<_> = self.aggregations.iter().map(|aggregation| aggregation.word).collect();
        refuse_strangers("aggregation_type(s)", "aggregation types", &asked, metric.aggregations)?;
        let asked: Vec<_> = self.dimensions.iter().map(String::as_str).collect();
        refuse_strangers("dimension(s)", "dimensions", &asked, metric.dimensions)?;
        Ok(metric)
    }

    /// The question in SQL: first the keys' columns, then the aggregations'.
    pub fn compile(&self) -> Result<Sql> {
        let metric = self.metric()?;
        let mut columns = Sql::default();
        if let Some(seconds) = self.interval_s {
            let width = seconds.saturating_mul(1000);
            columns.push(&format!("({} / {width}) * {width}, ", self.view.time()));
        }
        let dimensions: Vec<_> = self.dimensions.iter().filter_map(|name| column_of(name)).collect();
        for column in &dimensions {
            columns.push(column).push(", ");
        }
        let mut sql = Sql::default();
        sql.push("SELECT ").append(columns);
        for (index, aggregation) in self.aggregations.iter().enumerate() {
            sql.push(if index > 0 { ", " } else { "" });
            aggregated(&mut sql, aggregation, metric);
        }
        sql.push(&format!(" FROM {} WHERE ", self.view.tables()))
            .append(search::scope("t", &self.experiments));
        self.limit_time(&mut sql, metric);
        for filter in &self.filters {
            self.limit_by(&mut sql, filter)?;
        }
        // A thing without the value, or without a name to be told apart by, is in no group.
        for column in dimensions.iter().copied().chain([metric.value]) {
            sql.push(&format!(" AND {column} IS NOT NULL"));
        }
        let places: Vec<_> = (1..=self.keys().len()).map(|place| place.to_string()).collect();
        if !places.is_empty() {
            let places = places.join(", ");
            sql.push(&format!(" GROUP BY {places} ORDER BY {places}"));
        }
        sql.push(" LIMIT ").bind(Bind::Int(self.limit));
        Ok(sql)
    }

    fn limit_time(&self, sql: &mut Sql, metric: &Metric) {
        // A price belongs to the moment of its span, all else to that of its trace.
        let by_span = self.view == View::Spans && metric.name.ends_with("_cost");
        let time = if by_span { View::Spans.time() } else { View::Traces.time() };
        for (sign, moment) in [(">=", self.from), ("<=", self.until)] {
            if let Some(moment) = moment {
                sql.push(&format!(" AND {time} {sign} ")).bind(Bind::Int(moment));
            }
        }
    }

    /// One filter, `view.entity = 'value'` or `view.entity.key = 'value'`.
    fn limit_by(&self, sql: &mut Sql, text: &str) -> Result<()> {
        let comparisons = filter::parse(text)?;
        let [comparison] = comparisons.as_slice() else {
            return Err(Error::invalid(format!("Invalid filter: '{text}'. Expected one filter clause.")));
        };
        comparison.op.among(&[Op::Eq])?;
        let name = comparison.name.as_str();
        let (view, rest) = name.split_once('.').ok_or_else(|| {
            Error::invalid(format!(
                "Invalid identifier '{name}'. Columns should be specified as 'trace.<key>', 'span.<key>', \
                 'assessment.<key>'."
            ))
        })?;
        let (entity, key) = rest.split_once('.').map_or((rest, None), |(entity, key)| (entity, Some(key)));
        let value = filter::text_of(comparison, &format!("{entity} value"))?;
        if let Some(key) = key {
            let key = key.trim_matches(['`', '"', '\'']);
            return pair(sql, view, entity, key, value);
        }
        let column = match (view, entity) {
            ("trace", "status") => "t.state",
            ("span", "name") => "s.name",
            ("span", "status") => "s.status",
            ("span", "type") => "s.type",
            ("assessment", "name") => "a.name",
            ("assessment", "type") => "a.kind",
            ("trace", "tag" | "metadata") => {
                return Err(Error::invalid(format!(
                    "Filtering by {entity} requires a key, e.g. '{view}.{entity}.<key> = <value>'"
                )));
            }
            _ => return Err(unknown(view, entity)),
        };
        let fits = match view {
            "span" => self.view == View::Spans,
            "assessment" => self.view == View::Assessments,
            _ => true,
        };
        if !fits {
            let wanted = if view == "span" { View::Spans } else { View::Assessments };
            return Err(Error::invalid(format!(
                "Filtering by {view} is only supported for {} view type, got {}",
                wanted.word(),
                self.view.word()
            )));
        }
        sql.push(&format!(" AND {column} = ")).text(value);
        Ok(())
    }
}

fn pair(sql: &mut Sql, view: &str, entity: &str, key: &str, value: String) -> Result<()> {
    let table = match (view, entity) {
        ("trace", "tag") => "trace_tags",
        ("trace", "metadata") => "trace_metadata",
        ("trace", "status") | ("span" | "assessment", "name" | "status" | "type") => {
            return Err(Error::invalid(format!(
                "Filtering by {entity} does not require a key, use '{view}.{entity}' instead"
            )));
        }
        _ => return Err(unknown(view, entity)),
    };
    sql.push(&format!(" AND (EXISTS (SELECT 1 FROM {table} p WHERE p.trace = t.tid AND p.key = ")).text(key);
    sql.push(" AND p.value = ").text(value.clone()).push(")");
    if key == keys::SOURCE_RUN && entity == "metadata" {
        sql.push(" OR EXISTS (SELECT 1 FROM trace_links l WHERE l.trace = t.tid AND l.kind = 'run' AND l.target = ");
        sql.text(value).push(")");
    }
    sql.push(")");
    Ok(())
}

fn unknown(view: &str, entity: &str) -> Error {
    let entities = match view {
        "trace" => "['status', 'tag', 'metadata']",
        "span" => "['name', 'status', 'type']",
        "assessment" => "['name', 'type']",
        other => {
            return Error::invalid(format!(
                "Invalid view type '{other}'. Valid values are ['trace', 'span', 'assessment']"
            ));
        }
    };
    Error::invalid(format!(
        "Invalid entity '{entity}' specified for view type '{view}'. Valid entities are {entities}"
    ))
}

fn aggregated(sql: &mut Sql, aggregation: &Aggregation, metric: &Metric) {
    let value = metric.value;
    match (aggregation.word, aggregation.percent) {
        ("PERCENTILE", percent) => {
            sql.push(&format!("percentile({value}, "));
            sql.bind(Bind::Real(percent.unwrap_or(50.0))).push(")");
        }
        ("COUNT", _) if metric.name == "session_count" => {
            sql.push(&format!("count(DISTINCT {value})"));
        }
        (word, _) => {
            sql.push(&format!("{word}({value})"));
        }
    }
}

fn refuse_strangers(what: &str, known_as: &str, asked: &[&str], known: &[&str]) -> Result<()> {
    let strange: Vec<_> = asked.iter().copied().filter(|name| !known.contains(name)).collect();
    if strange.is_empty() {
        return Ok(());
    }
    let (strange, known) = (quoted(&strange), quoted(known));
    Err(Error::invalid(format!("Found invalid {what}: {strange}. Supported {known_as}: {known}")))
}

fn quoted(names: &[&str]) -> String {
    format!("['{}']", names.join("', '"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(view: View, metric: &str) -> Question {
        Question {
            experiments: vec![1],
            view,
            metric: metric.into(),
            aggregations: vec![Aggregation { word: "COUNT", percent: None }],
            dimensions: Vec::new(),
            filters: Vec::new(),
            interval_s: None,
            from: None,
            until: None,
            limit: 10,
        }
    }

    #[test]
    fn a_count_by_state_and_hour() {
        let asked = Question {
            dimensions: vec!["trace_status".into()],
            interval_s: Some(3600),
            from: Some(5),
            filters: vec!["trace.tag.`a.b` = 'c'".into()],
            ..question(View::Traces, "trace_count")
        };
        let sql = asked.compile().unwrap();
        assert!(
            sql.text.contains("(t.started_at / 3600000) * 3600000, t.state, COUNT(t.id)"),
            "{}",
            sql.text
        );
        assert!(sql.text.ends_with("GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ?"), "{}", sql.text);
        assert_eq!(sql.binds[1..4], [Bind::Int(5), Bind::Text("a.b".into()), Bind::Text("c".into())]);
        assert_eq!(asked.keys(), ["time_bucket", "trace_status"]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let words = |question: Question| question.compile().unwrap_err().message;
        let base = || question(View::Traces, "trace_count");
        assert!(words(question(View::Traces, "x")).starts_with("metric_name must be one of ['trace_count'"));
        assert!(
            words(question(View::Traces, "latency"))
                .starts_with("Found invalid aggregation_type(s): ['COUNT']")
        );
        let dimensions = vec!["span_name".into()];
        assert!(words(Question { dimensions, ..base() }).starts_with("Found invalid dimension(s)"));
        for (filter, expected) in [
            ("trace.status = 'OK' AND trace.status = 'OK'", "Expected one filter clause"),
            ("status = 'OK'", "Invalid identifier 'status'"),
            ("run.x = 'OK'", "Invalid view type 'run'"),
            ("trace.x = 'OK'", "Invalid entity 'x' specified for view type 'trace'"),
            ("trace.tag = 'OK'", "Filtering by tag requires a key"),
            ("trace.status.x = 'OK'", "Filtering by status does not require a key"),
            ("span.name = 'x'", "Filtering by span is only supported for SPANS view type, got TRACES"),
            ("trace.status = 5", "Expected a quoted string value for status value"),
            ("trace.status > 'OK'", "Invalid comparator '>'"),
        ] {
            let message = words(Question { filters: vec![filter.into()], ..base() });
            assert!(message.contains(expected), "{filter}: {message}");
        }
    }

    #[test]
    fn labels() {
        assert_eq!(Aggregation { word: "PERCENTILE", percent: Some(99.0) }.label(), "P99.0");
        assert_eq!(Aggregation { word: "AVG", percent: None }.label(), "AVG");
    }
}
