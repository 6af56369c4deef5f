//! Explanations of tree ensembles against the shap package's, made by tests/fixtures/shap/make.py.

use serde_json::Value;

use super::tests::{fixture_in, tensor};
use super::{Draft, Model, NamedTensor, Shares};

/// Of the largest number that goes into a comparison.
const TOLERANCE: f64 = 1e-6;

struct Case {
    model: Model,
    rows: NamedTensor,
    background: Option<NamedTensor>,
    base: Vec<f64>,
    shape: Vec<usize>,
    shares: Vec<f64>,
}

fn reals(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn case(name: &str) -> Case {
    let json: Value = serde_json::from_slice(&fixture_in("shap", &format!("{name}.json"))).expect("JSON");
    Case {
        model: Model::load(&fixture_in("shap", &format!("{name}.onnx"))).expect("the model loads"),
        rows: tensor(&json["rows"][0]),
        background: json["background"].get(0).map(tensor),
        base: reals(&json["base"]),
        shape: reals(&json["shape"]).into_iter().map(|size| size as usize).collect(),
        shares: reals(&json["attributions"]),
    }
}

/// Two classes are one score here, where the file holds one, and two to shap, which are opposites.
fn compare(name: &str, case: &Case, found: &Shares) {
    let (ours, theirs) = (found.base.len(), case.shape[2]);
    assert!(ours == theirs || (ours, theirs) == (1, 2), "{name}: {ours} outputs, not {theirs}");
    let largest = found.scores.iter().chain(&case.shares).fold(1.0, |most: f64, value| most.max(value.abs()));
    let near = |left: f64, right: f64| (left - right).abs() <= TOLERANCE * largest;
    for (output, &base) in found.base.iter().enumerate() {
        assert!(near(base, case.base[output + theirs - ours]), "{name}: base {base}, not {:?}", case.base);
    }
    for (at, pair) in found.shares.chunks_exact(ours).zip(case.shares.chunks_exact(theirs)).enumerate() {
        for (output, &left) in pair.0.iter().enumerate() {
            let right = pair.1[output + theirs - ours];
            assert!(near(left, right), "{name}: share {at} of output {output} is {left}, not {right}");
        }
    }
}

/// What the shares and the base add up to is the score.
fn adds_up(name: &str, found: &Shares, columns: usize) {
    let outputs = found.base.len();
    for (row, scores) in found.scores.chunks_exact(outputs).enumerate() {
        for (output, score) in scores.iter().enumerate() {
            let shares = (0..columns).map(|column| found.shares[(row * columns + column) * outputs + output]);
            let sum = found.base[output] + shares.sum::<f64>();
            assert!(
                (sum - score).abs() <= 1e-9 * score.abs().max(1.0),
                "{name}, row {row}: {sum}, not {score}"
            );
        }
    }
}

#[test]
fn trees_are_explained_as_shap_explains_them() {
    let names = [
        "forest_two",
        "forest_three",
        "forest_regressor",
        "tree_three",
        "gradient_two",
        "gradient_regressor",
        "hist_regressor",
        "xgboost_two",
        "xgboost_regressor",
        "lightgbm_two",
        "lightgbm_three",
        "lightgbm_regressor",
    ];
    for name in names {
        let case = case(name);
        let trees = case.model.trees().unwrap_or_else(|| panic!("{name} is an ensemble"));
        let background = case.background.as_ref().expect("has a background");
        let found = trees.explain(&case.rows, background, &|| true).expect("fits").expect("is not stopped");
        compare(name, &case, &found);
        adds_up(name, &found, case.shape[1]);
        assert!(trees.explain(&case.rows, background, &|| false).expect("fits").is_none(), "{name} stops");
    }
}

#[test]
fn trees_with_counts_of_training_rows_need_no_background() {
    for name in ["forest_two", "forest_three", "forest_regressor", "tree_three", "gradient_two"] {
        let case = case(&format!("covers_{name}"));
        let trees = case.model.trees().unwrap_or_else(|| panic!("{name} is an ensemble"));
        assert!(case.background.is_none() && trees.has_covers(), "{name}");
        let found = trees.explain_by_covers(&case.rows, &|| true).expect("fits").expect("is not stopped");
        compare(name, &case, &found);
        adds_up(name, &found, case.shape[1]);
        assert!(trees.explain_by_covers(&case.rows, &|| false).expect("fits").is_none(), "{name} stops");
        let cut = NamedTensor { shape: vec![case.rows.shape[0] * 7, 1], ..case.rows.clone() };
        assert!(trees.explain_by_covers(&cut, &|| true).is_err(), "{name} looks at more columns");
    }
}

#[test]
fn counts_that_cannot_be_counts_are_none() {
    let bytes = fixture_in("shap", "covers_tree_three.onnx");
    let covers = |change: &dyn Fn(&mut Vec<f32>)| {
        let mut draft = Draft::read(&bytes).expect("a model");
        let graph = draft.proto.graph.as_mut().expect("a graph");
        let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        let found = attributes.filter(|attribute| attribute.name == "nodes_hitrates");
        found.for_each(|attribute| change(&mut attribute.floats));
        Model::build(draft).expect("the model loads").trees().expect("is an ensemble").has_covers()
    };
    assert!(covers(&|_| {}));
    assert!(
        covers(&|counts| counts.iter_mut().for_each(|count| *count *= 0.01)),
        "shares are as good as counts"
    );
    assert!(!covers(&|counts| counts.fill(1.0)), "what exporters write");
    assert!(!covers(&|counts| counts[0] += 1.0), "one row too many");
    assert!(!covers(&|counts| counts.iter_mut().for_each(|count| *count = -*count)));
    assert!(!covers(&|counts| counts[0] = f32::NAN));
    assert!(!covers(&|counts| counts.fill(0.0)));
    assert!(!covers(&|counts| counts.truncate(3)));
}

#[test]
fn what_is_no_lone_ensemble_is_not_taken_for_one() {
    for name in ["pipeline", "svm_two", "network"] {
        assert!(case(name).model.trees().is_none(), "{name}");
    }
}

#[test]
fn classes_are_named_by_the_file() {
    assert_eq!(case("forest_three").model.classes(), ["0", "1", "2"]);
    assert!(case("network").model.classes().is_empty());
}

#[test]
fn a_table_that_does_not_fit_is_refused() {
    let case = case("forest_two");
    let trees = case.model.trees().expect("is an ensemble");
    let narrow = NamedTensor { shape: vec![case.rows.shape[0] * 7, 1], ..case.rows.clone() };
    assert!(trees.explain(&case.rows, &narrow, &|| true).is_err());
    assert!(trees.explain(&narrow, &narrow, &|| true).is_err());
    let cut = NamedTensor { shape: vec![3, 7], ..case.rows.clone() };
    assert!(trees.explain(&cut, &cut, &|| true).is_err());
}
