//! Records read, told apart and merged; the filters of datasets and issues; a scorer's model.

use super::{record, scorer, search};
use crate::tracking::search::sql::{Bind, Sql};
use serde_json::{Value, json};

#[test]
fn records_are_told_apart_by_their_inputs_alone() {
    let text = json!([
        { "inputs": { "a": 1, "b": { "x": [1, 2], "y": null } }, "tags": { "t": "1" } },
        { "inputs": { "b": { "y": null, "x": [1, 2] }, "a": 1 }, "expectations": { "e": true } },
        { "inputs": { "a": 1.5 } },
    ])
    .to_string();
    let records = record::read_all(&text).unwrap();
    assert_eq!(records[0].fingerprint(), records[1].fingerprint());
    assert_ne!(records[0].fingerprint(), records[2].fingerprint());
}

#[test]
fn wrong_records_are_refused_by_their_place() {
    for (text, expected) in [
        ("{}", "It must be a list of records."),
        ("[1]", "[0] must be an object."),
        (r#"[{"inputs": []}]"#, "[0] 'inputs' must be an object."),
        (r#"[{}, {"tags": "x"}]"#, "[1] 'tags' must be an object."),
        (r#"[{"source": {"source_type": "moon"}}]"#, "Invalid dataset record source type: MOON."),
        ("[", "Invalid value for parameter 'records' supplied:"),
    ] {
        let message = record::read_all(text).unwrap_err().message;
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn a_source_is_found_by_its_trace() {
    let text = r#"[{"inputs": {}, "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1"}}}]"#;
    let source = record::read_all(text).unwrap().remove(0).source.unwrap();
    assert_eq!((source.kind.as_str(), source.id()), ("TRACE", Some("tr-1")));
}

#[test]
fn a_schema_keeps_the_first_type_of_each_field() {
    let first = record::read_all(r#"[{"inputs": {"q": "x", "n": 1}, "outputs": 2.5}]"#).unwrap();
    let schema = record::grown_schema(None, &first).unwrap();
    let more = record::read_all(r#"[{"inputs": {"q": 3, "l": []}, "expectations": {"e": {}}}]"#).unwrap();
    let schema: Value = serde_json::from_str(&record::grown_schema(Some(&schema), &more).unwrap()).unwrap();
    assert_eq!(schema["inputs"], json!({ "q": "string", "n": "integer", "l": "array" }));
    assert_eq!(schema["outputs"], "float");
    assert_eq!(schema["expectations"], json!({ "e": "object" }));
}

#[test]
fn dataset_filters() {
    let mut sql = Sql::default();
    let filter = "name IN ('a', 'b') AND tags.team LIKE 'm%' AND created_time > 5 AND created_by = 'u'";
    search::filter_datasets(filter, &mut sql).unwrap();
    let text = |text: &str| Bind::Text(text.into());
    assert_eq!(sql.binds, [text("a"), text("b"), text("team"), text("m*"), Bind::Int(5), text("u")]);
    for (filter, expected) in [
        ("nope = 'x'", "Invalid attribute key 'nope' specified"),
        ("tag.t = 'x'", "Invalid identifier token 'tag' specified"),
        ("created_by IN ('x')", "only supported with the IN comparator"),
        ("name > 'x'", "Invalid comparator for string attribute: >"),
        ("created_time LIKE 'x'", "Invalid comparator for numeric attribute: LIKE"),
        ("created_time > 1.5", "Invalid value for numeric attribute 'created_time'"),
        ("tags.t > 'x'", "Invalid comparator for tag: >"),
    ] {
        let message = search::filter_datasets(filter, &mut Sql::default()).unwrap_err().message;
        assert!(message.contains(expected), "{filter}: {message}");
    }
}

#[test]
fn dataset_order_ends_in_the_id() {
    assert_eq!(search::order_datasets(&[]).unwrap().text(), "d.created_at DESC, d.dataset_id DESC");
    let order = search::order_datasets(&["name ASC".to_owned()]).unwrap();
    assert_eq!(order.text(), "d.name, d.dataset_id DESC");
    for clause in ["tags.t", "created_by", "name sideways"] {
        assert!(search::order_datasets(&[clause.to_owned()]).is_err(), "{clause}");
    }
}

#[test]
fn issue_filters_know_two_fields() {
    let mut sql = Sql::default();
    search::filter_issues("status = 'resolved' AND source_run_id != 'r'", &mut sql).unwrap();
    assert_eq!(sql.text, " AND i.status = ? AND i.source_run_id <> ?");
    for filter in ["name = 'x'", "status LIKE 'x'", "status = 5"] {
        assert!(search::filter_issues(filter, &mut Sql::default()).is_err(), "{filter}");
    }
}

#[test]
fn a_scorers_model_is_found_where_its_kind_keeps_it() {
    for text in [
        r#"{"instructions_judge_pydantic_data": {"model": "gateway:/e"}}"#,
        r#"{"memory_augmented_judge_data": {"base_judge": {"builtin_scorer_pydantic_data": {"model": "gateway:/e"}}}}"#,
        r#"{"third_party_scorer_data": {"model": "gateway:/e"}}"#,
    ] {
        let mut value = scorer::read(text).unwrap();
        assert_eq!(scorer::endpoint(&mut value), Some("e"), "{text}");
        scorer::set_endpoint(&mut value, Some("id"));
        assert_eq!(scorer::endpoint(&mut value), Some("id"), "{text}");
    }
    let mut other = scorer::read(r#"{"builtin_scorer_pydantic_data": {"model": "openai:/gpt"}}"#).unwrap();
    assert_eq!(scorer::endpoint(&mut other), None);
    for wrong in ["[]", "x", r#"{"third_party_scorer_data": {"model": 5}}"#] {
        assert!(scorer::read(wrong).is_err(), "{wrong}");
    }
}
