//! KernelSHAP against the shap package's explanations, made by tests/fixtures/shap/make.py, and against
//! Shapley's definition where shap only samples.

use super::{
    coalitions,
    kernel::Asked,
    sample::{Sample, usual_size},
};
use crate::serving::{
    engine::{
        Model, NamedTensor,
        tests::{fixture_in, rows, tensor},
    },
    loading::runner::Runner,
};
use serde_json::Value;

struct Case {
    model: Runner,
    json: Value,
    rows: Vec<NamedTensor>,
    background: Vec<NamedTensor>,
}

fn case(name: &str) -> Case {
    let json: Value = serde_json::from_slice(&fixture_in("shap", &format!("{name}.json"))).expect("JSON");
    let tensors = |key: &str| json[key].as_array().expect("a list").iter().map(tensor).collect();
    let model = Model::load(&fixture_in("shap", &format!("{name}.onnx"))).expect("the model loads");
    Case {
        rows: tensors("rows"),
        background: tensors("background"),
        model: Runner::Onnx(Box::new(model)),
        json,
    }
}

impl Case {
    fn asked<'a>(&'a self, go_on: &'a dyn Fn() -> bool) -> Asked<'a> {
        Asked {
            model: &self.model,
            output: self.json["output"].as_str().expect("names the output"),
            rows: &self.rows,
            background: &self.background,
            samples: None,
            seed: 0,
            go_on,
        }
    }
}

fn near(context: &str, found: &[f64], wanted: &Value) {
    let wanted: Vec<f64> =
        wanted.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect();
    assert_eq!(found.len(), wanted.len(), "{context}");
    let largest = wanted.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
    for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!((found - wanted).abs() <= 1e-6 * largest, "{context}: {at} is {found}, not {wanted}");
    }
}

#[test]
fn any_model_is_explained_as_shap_explains_it() {
    for name in ["svm_two", "network", "pipeline"] {
        let case = case(name);
        let found = case.asked(&|| true).explain().expect("is explained");
        assert_eq!(found.sampled, None, "{name}");
        near(&format!("{name}, base"), &found.base, &case.json["base"]);
        near(name, &found.attributions, &case.json["attributions"]);
    }
}

#[test]
fn what_takes_too_long_is_given_up() {
    let case = case("network");
    assert!(case.asked(&|| false).explain().is_err());
}

#[test]
fn a_row_like_its_background_has_nothing_to_explain() {
    let mut case = case("pipeline");
    case.rows.iter_mut().for_each(|input| *input = rows(input, 0..1));
    case.background = case.rows.clone();
    let found = case.asked(&|| true).explain().expect("is explained");
    assert_eq!(found.attributions, [0.0; 4]);
    assert_eq!(found.base, found.values);
}

#[test]
fn work_without_bounds_is_refused_before_it_begins() {
    let mut case = case("network");
    let many = |input: &NamedTensor, count: usize| {
        let width = input.shape[1];
        let cells = (0..count * width).map(|at| (true, at % input.data.len()));
        let data = input.data.mix(&input.data, cells).expect("of one type");
        NamedTensor { name: input.name.clone(), shape: vec![count, width], data }
    };
    (case.rows, case.background) = (vec![many(&case.rows[0], 500)], vec![many(&case.background[0], 1000)]);
    let Err(refused) = case.asked(&|| true).explain() else { panic!("is explained") };
    assert!(refused.message.contains("Send fewer rows"), "{refused:?}");
}

/// A game in which some columns work together, in pairs and threes.
fn game(has: impl Fn(usize) -> bool) -> f64 {
    let value = |column: usize| if has(column) { (column + 1) as f64 } else { 0.0 };
    (0..13).map(value).sum::<f64>() + 0.5 * value(2) * value(5) - 0.25 * value(0) * value(7) * value(11)
}

/// Shares of `game` by hand: a product is split evenly among its columns.
fn by_hand() -> Vec<f64> {
    let mut shares: Vec<f64> = (1..14).map(f64::from).collect();
    for column in [2, 5] {
        shares[column] += 0.5 * 3.0 * 6.0 / 2.0;
    }
    for column in [0, 7, 11] {
        shares[column] -= 0.25 * 8.0 * 12.0 / 3.0;
    }
    shares
}

#[test]
fn all_coalitions_give_the_definitions_shares() {
    let worth: Vec<f64> = coalitions::all(13).iter().map(|one| game(|column| one.has(column))).collect();
    let found = coalitions::exact(13, &[0.0], &[game(|_| true)], &worth);
    for (found, wanted) in found.iter().zip(by_hand()) {
        assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
    }
}

fn sampled(size: usize, seed: u64, game: impl Fn(&coalitions::Coalition) -> f64, whole: f64) -> Vec<f64> {
    let sample = Sample::draw(13, size, seed);
    assert!(
        sample.coalitions.len() <= size && sample.coalitions.len() + 2 > size,
        "{}",
        sample.coalitions.len()
    );
    let worth: Vec<f64> = sample.coalitions.iter().map(game).collect();
    sample.fit(&[0.0], &[whole], &worth).expect("tells the columns apart")
}

#[test]
fn a_sample_adds_up_and_comes_near() {
    let whole = game(|_| true);
    for seed in 0..5 {
        let found = sampled(usual_size(13), seed, |one| game(|column| one.has(column)), whole);
        assert!((found.iter().sum::<f64>() - whole).abs() < 1e-9);
        for (found, wanted) in found.iter().zip(by_hand()) {
            assert!((found - wanted).abs() < 0.5, "seed {seed}: {found}, not {wanted}");
        }
        assert_eq!(found, sampled(usual_size(13), seed, |one| game(|column| one.has(column)), whole));
    }
}

#[test]
fn a_sum_is_told_apart_exactly_by_a_small_sample() {
    let value = |column: usize| (column * column) as f64 - 20.0;
    let sum = |one: &coalitions::Coalition| (0..13).filter(|&at| one.has(at)).map(value).sum::<f64>();
    for size in [60, 500] {
        let found = sampled(size, 7, sum, (0..13).map(value).sum());
        for (column, found) in found.iter().enumerate() {
            assert!((found - value(column)).abs() < 1e-8, "{size}: {found}, not {}", value(column));
        }
    }
}
