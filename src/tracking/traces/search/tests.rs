//! The grammar over traces, case by case: what each filter compiles to, and how each wrong one is refused.

use super::{compile_filter, compile_order};
use crate::tracking::search::sql::{Bind, Sql};

fn sql(filter: &str) -> Sql {
    let mut sql = Sql::default();
    compile_filter(filter, &[1, 2], &mut sql).unwrap_or_else(|error| panic!("{filter}: {error}"));
    sql
}

fn text(value: &str) -> Bind {
    Bind::Text(value.into())
}

#[test]
fn attributes_have_their_aliases() {
    for name in ["status", "attribute.status", "attributes.status", "trace.status"] {
        assert_eq!(sql(&format!("{name} = 'OK'")).text, " AND t.state = ?", "{name}");
    }
    for name in ["timestamp", "timestamp_ms", "trace.timestamp_ms", "attributes.timestamp"] {
        let sql = sql(&format!("{name} >= 5"));
        assert_eq!((sql.text.as_str(), sql.binds), (" AND t.started_at >= ?", vec![Bind::Int(5)]), "{name}");
    }
    assert_eq!(sql("request_id IN ('a', 'b')").text, " AND t.id IN (?, ?)");
    assert_eq!(sql("timestamp > '7'").binds, [Bind::Int(7)]);
    assert!(sql("end_time < 9").text.contains("coalesce(t.duration, 0)"));
}

#[test]
fn tags_and_metadata() {
    for name in ["tag.k", "tags.k", "tags.`k`"] {
        assert_eq!(sql(&format!("{name} = 'v'")).binds, [text("k"), text("v")], "{name}");
    }
    for name in ["metadata.k", "request_metadata.k"] {
        assert!(sql(&format!("{name} RLIKE '^v'")).text.ends_with("p.value REGEXP ?)"), "{name}");
    }
    assert_eq!(sql("name = 'n'").binds, [text("mlflow.traceName"), text("n")]);
    assert!(sql("tags.k IS NULL").text.starts_with(" AND NOT EXISTS"));
    assert!(sql("run_id = 'r'").text.contains("trace_links"));
    assert!(!sql("run_id != 'r'").text.contains("trace_links"));
    assert_eq!(sql("prompt = 'p/1'").binds, [text("p/1")]);
}

#[test]
fn comparisons_of_spans_speak_of_one_span() {
    let sql = sql("span.name = 'n' AND span.attributes.`a b` LIKE '%x%' AND trace.text ILIKE '%y%'");
    assert_eq!(sql.text.matches("FROM spans").count(), 1);
    assert_eq!(sql.binds, [text("n"), text("a b"), text("*x*"), text("%y%")]);
}

#[test]
fn assessments_of_a_trace_or_of_its_conversation() {
    let equal = sql("feedback.`is right` = 'yes'");
    assert_eq!(equal.binds[..4], [text("feedback"), text("is right"), text("yes"), text("\"yes\"")]);
    assert_eq!(equal.binds[4..6], [Bind::Int(1), Bind::Int(2)]);
    assert!(sql("expectation.score >= 0.5").text.contains("a.numeric AND a.number >= ?"));
    assert!(sql("feedback.x IS NULL").text.starts_with(" AND NOT (t.tid IN"));
    assert_eq!(sql("issue.id = 'iss-1'").binds, [text("iss-1")]);
}

#[test]
fn wrong_filters_are_refused_in_mlflows_words() {
    for (filter, words) in [
        ("foo.x = 'y'", "Invalid entity type 'foo'. Valid values are"),
        ("nope = 'y'", "Invalid attribute key 'nope' specified. Valid keys are"),
        ("status = 5", "attributes support comparison with numeric values."),
        ("status > 'OK'", "Invalid comparator '>' not one of"),
        ("timestamp LIKE 5", "Invalid comparator 'LIKE' not one of"),
        ("timestamp = 'x'", "Expected numeric value type for numeric attribute: timestamp"),
        ("timestamp IS NULL", "Invalid comparator 'IS NULL' not one of"),
        ("tags.k = 5", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"),
        ("tags.k = v", "Parameter value is either not quoted"),
        ("tags.k > 'v'", "Invalid comparator '>' not one of"),
        ("tags.k IN ('v')", "Invalid comparator 'IN' not one of"),
        ("metadata.k = 5", "Expected a quoted string value for request_metadata"),
        ("metadata.`mlflow.trace.cost` LIKE '%1%'", "is not supported for reserved metadata"),
        ("span.nope = 'v'", "Invalid span attribute 'nope'. Supported attributes: name, status, type"),
        ("span.attributes. = 'v'", "Span attribute name cannot be empty"),
        ("span.name > 'v'", "span.name comparator '>' not one of"),
        ("span.content = 'v'", "span.content comparator '=' not one of"),
        ("span.name = 5", "Expected a quoted string value for span"),
        ("feedback.x > 'v'", "Expected a numeric value for feedback when using comparator '>'"),
        ("feedback.x = 5", "Expected a quoted string value for feedback (e.g. 'my-value')"),
        ("issue.name = 'v'", "Invalid issue attribute 'name'. Supported attributes: id"),
        ("issue.id != 'v'", "issue.id comparator '!=' not one of"),
        ("prompt LIKE 'p/%'", "Invalid comparator 'LIKE' for prompts filter"),
        ("prompt = 'p'", "Invalid prompts filter value 'p'"),
        ("tags.k RLIKE '('", "Invalid regular expression '('"),
        ("status = 'OK' OR status = 'ERROR'", "Invalid clause(s) in filter string: 'OR'"),
        ("status", "Invalid clause(s) in filter string: 'status'"),
    ] {
        let error = compile_filter(filter, &[1], &mut Sql::default()).err();
        let message = error.unwrap_or_else(|| panic!("{filter} was accepted")).message;
        assert!(message.contains(words), "{filter}: {message}");
    }
    let long = format!("tags.k LIKE '{}'", "x".repeat(60_000));
    assert!(compile_filter(&long, &[1], &mut Sql::default()).is_err());
}

#[test]
fn orders() {
    let clauses = ["tag.k DESC", "execution_time", "metadata.m ASC"].map(str::to_owned);
    let (joins, order) = compile_order(&clauses).unwrap();
    assert_eq!(joins.binds, [text("k"), text("m")]);
    assert!(order.text().starts_with("o0.value IS NULL, o0.value DESC, t.duration IS NULL, t.duration, "));
    assert!(order.text().ends_with("t.started_at DESC, t.id"));
    for wrong in ["nope", "feedback.x", "timestamp sideways", "metadata.`mlflow.trace.cost`"] {
        assert!(compile_order(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
    let twice = ["status", "status DESC"].map(str::to_owned);
    assert!(compile_order(&twice).unwrap_err().message.contains("duplicate fields"));
}
