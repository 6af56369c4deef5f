//! What a question may ask, and what names come to.

use super::{input, names};
use crate::tracking::wire::Fields;
use serde_json::{Value, json};

fn read(input: Value) -> Result<Value, String> {
    let Value::Object(map) = json!({ "input": input }) else { return Err(String::new()) };
    input::read(&Fields::from_map(map)).map_err(|error| error.message)
}

#[test]
fn inputs_are_kept_as_they_are_meant() {
    for (given, kept) in [
        (
            json!({ "pass_fail": { "positive_label": "Yes", "negative_label": "No" } }),
            json!({ "pass_fail": { "positive_label": "Yes", "negative_label": "No" } }),
        ),
        (
            json!({ "categorical": { "options": ["a", "b"] } }),
            json!({ "categorical": { "options": ["a", "b"], "multi_select": false } }),
        ),
        (
            json!({ "numeric": { "min_value": 1, "max_value": "2.5" } }),
            json!({ "numeric": { "min_value": 1.0, "max_value": 2.5 } }),
        ),
        (json!({ "text": { "max_length": "80" } }), json!({ "text": { "max_length": 80 } })),
        (json!({ "text": {} }), json!({ "text": {} })),
    ] {
        assert_eq!(read(given.clone()).unwrap(), kept, "{given}");
    }
}

#[test]
fn inputs_that_cannot_be_asked_are_refused() {
    for (given, why) in [
        (json!({}), "got an empty oneof"),
        (json!({ "pass_fail": { "positive_label": "Same", "negative_label": "Same" } }), "must be distinct"),
        (
            json!({ "pass_fail": { "positive_label": "Yes" } }),
            "`InputPassFail.negative_label` must be a non-empty",
        ),
        (json!({ "categorical": { "options": [] } }), "must be a non-empty list; got []"),
        (json!({ "categorical": { "options": ["a", "a"] } }), "'a' appears twice"),
        (json!({ "categorical": { "options": vec!["x"; 11] } }), "at most 10 entries; got 11"),
        (json!({ "categorical": { "options": ["x".repeat(65)] } }), "at most 64 characters; got 65"),
        (json!({ "numeric": { "min_value": 2, "max_value": 2 } }), "got min=2.0, max=2.0"),
        (json!({ "text": { "max_length": 0 } }), "must be at least 1; got 0"),
        (json!({ "text": { "max_length": "long" } }), "max_length"),
    ] {
        let message = read(given.clone()).unwrap_err();
        assert!(message.contains(why), "{given}: {message}");
    }
}

#[test]
fn another_kind_of_answer_is_another_question() {
    let (one, several) = (
        read(json!({ "categorical": { "options": ["a"] } })).unwrap(),
        read(json!({ "categorical": { "options": ["a"], "multi_select": true } })).unwrap(),
    );
    assert!(
        input::may_become(&one, &read(json!({ "categorical": { "options": ["a", "b"] } })).unwrap()).is_ok()
    );
    let message = input::may_become(&one, &several).unwrap_err().message;
    assert!(message.contains("multi_select"), "{message}");
    let message = input::may_become(&one, &input::any_text()).unwrap_err().message;
    assert!(message.contains("(existing: InputCategorical, got: InputText)"), "{message}");
}

#[test]
fn users_are_known_whatever_the_case() {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names::users(&texts(&[" Ana ", "ben", "ANA"])).unwrap(), ["ana", "ben"]);
    let many: Vec<_> = (0..11).map(|n| format!("u{n}")).collect();
    assert!(names::users(&many).unwrap_err().message.ends_with("got 11."));
    assert!(names::items(&[]).unwrap_err().message.ends_with("got []."));
    assert!(names::queue(" Default ").unwrap_err().message.contains("reserved"));
    assert!(names::schema_name("FEEDBACK").unwrap_err().message.contains("reserved"));
    assert_eq!(names::queue(" Morning ").unwrap(), "Morning");
    assert_eq!(names::shown(&["a", "b"]), "['a', 'b']");
}
