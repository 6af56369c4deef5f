//! The grammar, case by case: what each filter compiles to, and how each wrong one is refused.

use super::{
    experiments, filter, models, order,
    page::{Ask, Asked},
    runs,
    sql::{Bind, Sql},
};

fn run_sql(filter: &str) -> Sql {
    let mut found = runs::compile_filter(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    std::mem::take(found.joins.append(found.condition))
}

fn refusal(filter: &str) -> String {
    match runs::compile_filter(filter) {
        Ok(_) => panic!("{filter} was accepted"),
        Err(error) => error.message,
    }
}

fn text(value: &str) -> Bind {
    Bind::Text(value.into())
}

#[test]
fn values_are_bound_and_never_in_the_text() {
    let evil = "x' OR '1'='1";
    let sql = run_sql(&format!("params.`a' b` = \"{evil}\""));
    assert_eq!(sql.binds, [text("a' b"), text(evil)]);
    assert!(!sql.text.contains("1'='1"), "{}", sql.text);
}

#[test]
fn every_entity_has_its_aliases() {
    for name in ["metric.m", "metrics.m", "metrics.`m`", "metrics.\"m\"", "metrics.'m'", "`metrics`.m"] {
        assert_eq!(run_sql(&format!("{name} > 1")).binds, [text("m"), Bind::Real(1.0)], "{name}");
    }
    for name in ["param.p", "params.p", "parameter.p", "parameters.p"] {
        assert_eq!(run_sql(&format!("{name} = 'v'")).binds, [text("p"), text("v")], "{name}");
    }
    for name in ["status", "attr.status", "attribute.status", "attributes.status", "run.status"] {
        assert_eq!(run_sql(&format!("{name} = 'FINISHED'")).text, " AND r.status = ?", "{name}");
    }
}

#[test]
fn keys_may_hold_dots_slashes_and_spaces() {
    assert_eq!(run_sql("params.a.b.c = 'v'").binds[0], text("a.b.c"));
    assert_eq!(run_sql("metrics.`val/loss 1` < 2").binds[0], text("val/loss 1"));
    assert_eq!(run_sql("tags.`mlflow.source.name` LIKE '%x%'").binds[0], text("mlflow.source.name"));
}

#[test]
fn like_minds_case_and_ilike_does_not() {
    let like = run_sql("tags.t LIKE 'a%_[*'");
    assert!(like.text.ends_with("f0.value GLOB ?"), "{}", like.text);
    assert_eq!(like.binds[1], text("a*?[[][*]"));
    assert!(run_sql("tags.t ilike 'a%'").text.ends_with("f0.value LIKE ?"));
}

#[test]
fn lists_and_nulls() {
    let sql = run_sql("run_id IN ('a', \"b\",) AND attributes.run_id NOT IN ('c')");
    assert_eq!(sql.text, " AND r.id IN (?, ?) AND r.id NOT IN (?)");
    assert_eq!(run_sql("datasets.name in ('x')").binds, [text("x")]);
    assert!(run_sql("params.p IS NULL").text.starts_with(" AND NOT EXISTS"));
    assert!(run_sql("tags.t is not null and metrics.m >= -1.5e-3").text.contains("f0.value IS NOT NULL"));
}

#[test]
fn quotes_inside_text() {
    assert_eq!(run_sql("params.p = 'it''s'").binds[1], text("it's"));
    assert_eq!(run_sql("params.p = \"it's\"").binds[1], text("it's"));
    assert_eq!(run_sql("params.p = ''").binds[1], text(""));
}

#[test]
fn wrong_filters_are_refused_in_mlflows_words() {
    let cases = [
        ("metrics.m > 'x'", "Expected numeric value type for metric. Found 'x'"),
        ("metrics.m LIKE 1", "Invalid comparator 'LIKE' not one of"),
        ("params.p = 5", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"),
        ("params.p = v", "Parameter value is either not quoted"),
        ("params.p > 'v'", "Invalid comparator '>' not one of"),
        ("params.p IN ('v')", "Expected a quoted string value for parameter"),
        ("foo.p = 'v'", "Invalid entity type 'foo'. Valid values are"),
        ("attribute.nope = 'v'", "Invalid attribute key 'nope' specified"),
        ("dataset.nope = 'v'", "Invalid dataset key 'nope' specified"),
        ("start_time > 'x'", "Expected numeric value type for numeric attribute: start_time"),
        ("status IN ('FINISHED')", "Only ['run_id'] attributes support"),
        ("metrics.m IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("run_id IN ()", "got empty list"),
        ("run_id IN (1)", "different type in list"),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("metrics.m > 1 OR metrics.n > 2", "Invalid clause(s) in filter string: 'OR'"),
        ("metrics.m > 1 AND", "Invalid clause(s) in filter string"),
        ("metrics.m", "Invalid clause(s) in filter string: 'metrics.m'"),
        ("metrics.m >", "Invalid clause(s) in filter string: 'metrics.m', '>'"),
        ("metrics.m == 1", "Invalid comparator '==' not one of"),
        ("tags.t NOT LIKE 'x'", "Invalid comparator 'NOT LIKE' not one of"),
        ("'m' = 1", "Expected 'Identifier' found ''m''"),
        ("params.p = 'open", "Invalid clause(s) in filter string"),
        ("metrics.m > 1; metrics.n > 2", "multiple expression"),
        ("(((", "Invalid clause(s) in filter string"),
    ];
    for (filter, expected) in cases {
        let message = refusal(filter);
        assert!(message.contains(expected), "{filter}: {message}");
    }
}

#[test]
fn nothing_a_caller_writes_can_panic_the_parser() {
    let pieces =
        ["'", "\"", "`", ".", "a", "=", "(", ")", ",", "-", "1", "e", " ", "é", "AND", "IN", ";", "!"];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                for d in pieces {
                    let text = format!("{a}{b}{c}{d}");
                    let _ = filter::parse(&text);
                    let _ = order::parse(&text);
                    let _ = runs::compile_filter(&format!("metrics.{text}"));
                }
            }
        }
    }
}

#[test]
fn what_fits_least_often_is_looked_up_first() {
    let sql = run_sql("metrics.m > 1 AND params.p = 'v'");
    assert_eq!(sql.binds, [text("p"), text("m"), Bind::Real(1.0), text("v")]);
    let many: Vec<_> = (0..80).map(|n| format!("tags.t{n} != 'x'")).collect();
    let sql = run_sql(&many.join(" AND "));
    assert_eq!((sql.text.matches("CROSS JOIN").count(), sql.text.matches("EXISTS").count()), (30, 50));
}

#[test]
fn run_order() {
    let clauses = ["metrics.`a b` DESC".to_owned(), "params.p".to_owned(), "start_time ASC".to_owned()];
    let (joins, order) = runs::compile_order(&clauses).unwrap();
    assert_eq!(joins.binds, [text("a b"), text("p")]);
    let keys = order.columns().text;
    assert!(keys.ends_with("o1.value AS k3, r.started_at AS k4, r.id AS k5"), "{keys}");
    assert_eq!(order.clause(), " ORDER BY k0, k1 DESC, k2, k3, k4, k5");
    for (clause, expected) in [
        ("metrics.m sideways", "Invalid ordering key"),
        ("metrics.m DESC x", "Could not be parsed"),
        ("attribute.nope", "Invalid attribute key"),
        ("dataset.name", "Invalid identifier type"),
    ] {
        let message = runs::compile_order(&[clause.to_owned()]).unwrap_err().message;
        assert!(message.contains(expected), "{clause}: {message}");
    }
    let twice = ["metrics.m".to_owned(), "metrics.m DESC".to_owned()];
    assert!(runs::compile_order(&twice).unwrap_err().message.contains("duplicate fields"));
}

#[test]
fn experiments_by_name_id_time_and_tag() {
    let mut sql = Sql::default();
    let filter = "name LIKE 'a%' AND tags.k = 'v' AND experiment_id IN ('1', '2') AND creation_time > 5";
    experiments::compile_filter(filter, &mut sql).unwrap();
    assert_eq!(sql.binds, [text("a*"), text("k"), text("v"), Bind::Int(1), Bind::Int(2), Bind::Int(5)]);
    for filter in
        ["params.p = 'v'", "name > 'a'", "creation_time > 1.5", "tags.t > 'v'", "experiment_id = 'x'"]
    {
        assert!(experiments::compile_filter(filter, &mut Sql::default()).is_err(), "{filter}");
    }
}

#[test]
fn models_by_metric_on_a_dataset() {
    let mut sql = Sql::default();
    let datasets = [models::OnDataset { name: "train".into(), digest: None }];
    models::compile_filter("metrics.auc > 0.5 AND params.p = 'v' AND name = 'n'", &datasets, &mut sql)
        .unwrap();
    assert!(sql.text.contains("m.dataset_name = ?"), "{}", sql.text);
    assert!(models::compile_filter("foo.x = 'y'", &[], &mut Sql::default()).is_err());
    assert!(models::compile_filter("metrics.auc LIKE 'y'", &[], &mut Sql::default()).is_err());
}

fn asked(filter: &str, order: &[&str]) -> Asked {
    Asked::of("runs").by("Filter string", &filter).by("Order by", &order)
}

#[test]
fn a_token_leads_behind_the_row_it_was_made_of() {
    let place = vec![
        Bind::Null,
        text("ä \" \\"),
        Bind::Int(i64::MIN),
        Bind::Real(f64::NEG_INFINITY),
        Bind::Real(0.1 + 0.2),
    ];
    let first = Ask::new(asked("a = 'b'", &["name"]), 10, "").unwrap();
    assert_eq!(first.after(5).unwrap(), None);
    let token = first.next(place.clone());
    let next = Ask::new(asked("a = 'b'", &["name"]), 10, &token).unwrap();
    assert_eq!(next.after(5).unwrap(), Some(place.as_slice()));
    assert!(next.after(4).unwrap_err().message.starts_with("Invalid page token"));
}

#[test]
fn tokens_of_another_query_are_refused() {
    let token = Ask::new(asked("a = 'b'", &["name"]), 10, "").unwrap().next(vec![Bind::Int(1)]);
    let refusal = |asked| Ask::new(asked, 10, &token).unwrap_err().message;
    assert!(
        refusal(asked("a = 'c'", &["name"]))
            .starts_with("Filter string in the page token does not match the requested filter string.")
    );
    assert!(refusal(asked("a = 'b'", &["name DESC"])).starts_with("Order by in the page token"));
    assert!(refusal(asked("a = 'b'", &[])).starts_with("Order by in the page token"));
    let other = Asked::of("traces").by("Filter string", &"a = 'b'").by("Order by", &["name"]);
    assert_eq!(refusal(other), "Invalid page token: it is of a search for runs, and this is one for traces");
}

#[test]
fn what_is_no_token_is_refused_in_mlflows_words() {
    for (wrong, expected) in [
        ("!!", "Invalid page token, could not base64-decode"),
        ("bm90IGpzb24=", "Invalid page token, decoded value=b'not json'"),
        ("e30=", "Invalid page token, parsed value={}"),
        ("eyJvZmZzZXQiOiA1fQ==", "Invalid page token, parsed value={\"offset\":5}"),
    ] {
        assert_eq!(Ask::new(asked("", &[]), 10, wrong).unwrap_err().message, expected, "{wrong}");
    }
}
