//! Reading queries: the language, its bounds, and what the schema refuses.

use super::{limits, parse, plan};
use serde_json::{Map, Value, json};

fn planned(text: &str, name: Option<&str>, variables: Value) -> Result<plan::Plan, String> {
    let document = parse::document(text)?;
    limits::check(&document)?;
    let variables: Map<_, _> = variables.as_object().cloned().unwrap_or_default();
    plan::plan(&document, name, &variables)
}

fn error(text: &str) -> String {
    planned(text, None, json!({})).expect_err("refused")
}

#[test]
fn fragments_variables_and_directives_are_resolved() {
    let text = r#"
        # What MLflow's pages send, and then some.
        query GetRun($data: MlflowGetRunInput!, $more: Boolean = false) @component(name: "Runs") {
            one: mlflowGetRun(input: $data) { __typename run { ...Info experiment @include(if: $more) { name } } }
        }
        fragment Info on MlflowRunExtension { info { runId, ... on MlflowRunInfo { status @skip(if: true) } } }
        query Other { mlflowGetExperiment(input: {experimentId: "1"}) { experiment { name } } }
    "#;
    let plan = planned(text, Some("GetRun"), json!({ "data": { "runId": "r" } })).expect("reads");
    let root = &plan.roots[0];
    assert_eq!(root.key, "one");
    assert_eq!(root.root.as_ref().expect("a field").1["runId"], "r");
    let run = &root.nodes[1];
    assert_eq!((run.name.as_str(), run.nodes.len()), ("run", 1));
    assert_eq!(run.nodes[0].nodes.len(), 1);
    assert!(planned(text, None, json!({})).expect_err("two").contains("Must provide operation name"));
    assert!(planned(text, Some("GetRun"), json!({})).expect_err("no data").contains("'$data'"));
}

#[test]
fn broken_documents_are_refused_in_words() {
    for (text, said) in [
        ("", "Unexpected <EOF>"),
        ("{", "Unexpected <EOF>"),
        ("{}", "Expected Name"),
        ("query {a(x: \"", "Unterminated string"),
        ("{ a ^ }", "Unexpected character"),
        ("{ a(x: 1.2.3) }", "Invalid number"),
        ("subscription { a }", "Unexpected Name 'subscription'"),
        ("{ ...F }", "Unknown fragment 'F'"),
        ("{ mlflowDropAll { a } }", "Cannot query field 'mlflowDropAll' on type 'Query'."),
        (
            "{ mlflowGetRun(input: {runId: \"r\"}) { run { info { password } } } }",
            "Cannot query field 'password'",
        ),
        ("{ mlflowGetRun(input: {runId: \"r\"}) { run } }", "must have a selection"),
        (
            "{ mlflowGetRun(input: {runid: \"r\"}) { run { info { runId } } } }",
            "Field 'runid' is not defined",
        ),
        ("{ mlflowGetRun(input: {runId: $id}) { run { info { runId } } } }", "Variable '$id' is not defined"),
    ] {
        let found = error(text);
        assert!(found.contains(said), "{text}: {found}");
    }
    assert!(error(&format!("{{ a(x: {}", "[".repeat(5000))).contains("nested too deeply"));
}

#[test]
fn a_query_has_its_bounds() {
    let many = |count: usize, one: &str| {
        (0..count).map(|index| one.replace('#', &index.to_string())).collect::<String>()
    };
    let roots = format!("{{ {} }}", many(11, "k#: mlflowGetRun { run { info { runId } } } "));
    assert!(error(&roots).contains("at most 10 root fields"), "{}", error(&roots));
    let aliases = format!("{{ mlflowGetRun {{ {} }} }}", many(11, "k#: run { info { runId } } "));
    assert!(error(&aliases).contains("at most 10 aliases"));
    let deep = format!("{{ {} a {} }}", many(10, "a { "), "}".repeat(10));
    assert_eq!(error(&deep), "Query exceeds maximum depth of 10");
    let wide = format!("{{ a {{ {} }} }}", many(1000, "f# "));
    assert_eq!(error(&wide), "Query exceeds maximum total selections of 1000");
    let round = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A a { ...A } }";
    assert!(error(round).contains("maximum depth"), "{}", error(round));
}
