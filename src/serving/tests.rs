//! What a request means: tables, tensors, bytes and numbers, before any model runs.

use super::{
    doors::scoring::{
        answer::records,
        csv, feed,
        payload::{self, Payload},
    },
    engine::{NamedTensor, TensorData, TensorSpec},
    loading::mlmodel::{Column, MlModel},
    wire::json,
};
use serde_json::{Value, json};

fn spec(name: &str, datatype: &str, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), datatype: datatype.into(), shape: shape.to_vec(), is_map: false }
}

fn column(name: &str, is_text: bool) -> Column {
    Column { name: name.into(), is_text, required: true }
}

fn feed_of(
    body: Value,
    specs: &[TensorSpec],
    columns: Option<&[Column]>,
) -> Result<Vec<NamedTensor>, String> {
    let payload = payload::read(body, columns).map_err(|error| error.message)?;
    feed::tensors(&payload, specs, columns).map_err(|error| error.message)
}

#[test]
fn columns_go_to_inputs_by_name() {
    let specs = [spec("age", "FP32", &[-1, 1]), spec("city", "BYTES", &[-1, 1])];
    let bodies = [
        json!({"dataframe_split": {"columns": ["city", "age"], "data": [["Rome", 1], ["Oslo", null]]}}),
        json!({"dataframe_records": [{"age": 1.0, "city": "Rome"}, {"city": "Oslo"}]}),
        json!({"inputs": {"age": [1, null], "city": ["Rome", "Oslo"]}}),
        json!({"instances": [{"age": 1, "city": "Rome"}, {"age": "NaN", "city": "Oslo"}]}),
    ];
    for body in bodies {
        for columns in [None, Some(&[column("age", false), column("city", true)][..])] {
            let tensors = feed_of(body.clone(), &specs, columns).expect("fits");
            let age = tensors.iter().find(|tensor| tensor.name == "age").expect("age");
            let TensorData::F32(values) = &age.data else { panic!("{age:?}") };
            assert!(age.shape == [2, 1] && values[0] == 1.0 && values[1].is_nan(), "{body}: {age:?}");
            let city = tensors.iter().find(|tensor| tensor.name == "city").expect("city");
            assert_eq!(city.data, TensorData::Str(vec!["Rome".into(), "Oslo".into()]));
        }
    }
}

#[test]
fn one_input_takes_the_columns_side_by_side_in_the_signatures_order() {
    let specs = [spec("X", "FP32", &[-1, 2])];
    let columns = [column("a", false), column("b", false)];
    let body = json!({"dataframe_split": {"columns": ["b", "extra", "a"], "data": [[2, 9, 1], [4, 9, 3]]}});
    let tensors = feed_of(body, &specs, Some(&columns)).expect("fits");
    assert_eq!(tensors[0].shape, [2, 2]);
    assert_eq!(tensors[0].data, TensorData::F32(vec![1.0, 2.0, 3.0, 4.0]));
    let nameless = json!({"inputs": [[1, 2], [3, 4]]});
    for columns in [None, Some(&columns[..])] {
        let again = feed_of(nameless.clone(), &specs, columns).expect("fits");
        assert_eq!(again, tensors);
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let specs = [spec("age", "FP32", &[-1, 1]), spec("n", "INT64", &[-1, 1])];
    let columns = [column("age", false), column("n", false)];
    let frame = |columns: Value, data: Value| json!({"dataframe_split": {"columns": columns, "data": data}});
    for (body, word) in [
        (frame(json!(["age"]), json!([[1]])), "missing inputs ['n']"),
        (frame(json!(["age", "n"]), json!([["old", 1]])), "column age"),
        (frame(json!(["age", "n"]), json!([[1, 1.5]])), "Column n, row 0, must be an integer"),
        (frame(json!(["age", "n"]), json!([[1, 2], [1]])), "row 1 has 1 values"),
        (
            json!({"dataframe_records": [{"age": [1], "n": [[1]]}, {"age": [1, 2], "n": 1}]}),
            "row 1 has another shape",
        ),
        (json!({"inputs": {"age": [1, 2], "n": [1]}}), "column n has 1 values"),
        (json!({"instances": [1, {"a": 1}]}), "records throughout"),
        (json!({"rows": []}), "exactly one of"),
        (json!([1]), "Received a list"),
        (json!({"inputs": [[1]], "instances": [[1]]}), "exactly one of"),
        (json!({"dataframe_split": [1]}), "must be a dictionary"),
    ] {
        let message = feed_of(body.clone(), &specs, Some(&columns)).expect_err("is refused");
        assert!(message.contains(word), "{body}: {message}");
    }
    let ragged = feed_of(json!({"inputs": [[1, 2], [3]]}), &[spec("X", "FP32", &[-1, 2])], None);
    assert!(ragged.expect_err("is ragged").contains("`X` is ragged"));
}

#[test]
fn a_small_body_cannot_ask_for_a_huge_tensor() {
    let wide = Value::Array(vec![json!(1); 100_000]);
    let mut rows = vec![wide];
    rows.resize(100_000, json!([]));
    feed_of(json!({"inputs": rows}), &[spec("X", "FP32", &[-1, -1])], None).expect_err("is ragged");
    let sparse: Vec<Value> = (0..20_000).map(|row| json!({row.to_string(): 1})).collect();
    feed_of(json!({"dataframe_records": sparse}), &[], None).expect_err("is too sparse");
}

#[test]
fn rows_come_back_as_records() {
    let results = [
        NamedTensor { name: "label".into(), shape: vec![2], data: TensorData::I64(vec![0, 1]) },
        NamedTensor {
            name: "p".into(),
            shape: vec![2, 2],
            data: TensorData::F32(vec![0.5, 0.5, f32::NAN, 1.0]),
        },
        NamedTensor { name: "v".into(), shape: vec![2, 1], data: TensorData::F64(vec![1.5, 2.5]) },
    ];
    let expected = json!([{"label": 0, "p": [0.5, 0.5], "v": 1.5}, {"label": 1, "p": [null, 1.0], "v": 2.5}]);
    assert_eq!(records(2, &results), expected);
}

#[test]
fn csv_reads_as_pandas_writes_it() {
    let columns = [column("city", true), column("age", false)];
    let text = "city,age\r\n\"Ro\"\"me, IT\",1.5\n007,\n\n";
    let frame = csv::read(text, Some(&columns)).expect("reads");
    assert_eq!(frame.columns, [vec![json!("Ro\"me, IT"), json!("007")], vec![json!(1.5), Value::Null]]);
    csv::read("a,b\n1\n", None).expect_err("a short row");
    csv::read("", None).expect_err("nothing");
    csv::read("a\n\"x", None).expect_err("an open quote");
}

#[test]
fn pythons_bare_nan_is_read_outside_texts_only() {
    let value =
        json::parse(br#"{"a": [NaN, -Infinity, Infinity, 1], "b\"NaN": "NaN \" NaN"}"#).expect("reads");
    assert_eq!(value, json!({"a": ["NaN", "-Infinity", "Infinity", 1], "b\"NaN": "NaN \" NaN"}));
    json::parse(b"{\"a\": NaN").expect_err("is cut short");
    json::parse(b"{\"a\": Nan}").expect_err("is no number");
}

#[test]
fn numbers_are_taken_exactly_or_not_at_all() {
    let one = |datatype: &str, value: Value| json::tensor(datatype, &[&value], &|_| "It".into()).ok();
    assert_eq!(one("INT64", json!(i64::MAX)), Some(TensorData::I64(vec![i64::MAX])));
    assert_eq!(one("INT64", json!(3.0)), Some(TensorData::I64(vec![3])));
    assert_eq!(one("INT64", json!(1e300)), None);
    assert_eq!(one("INT64", Value::Null), None);
    assert_eq!(one("UINT8", json!(256)), None);
    assert_eq!(one("UINT64", json!(u64::MAX)), Some(TensorData::U64(vec![u64::MAX])));
    assert_eq!(one("BYTES", json!(1)), None);
    assert_eq!(one("FP32", json!("1")), None);
    assert_eq!(one("FP32", json!(0.1)), Some(TensorData::F32(vec![0.1])));
    assert_eq!(one("BOOL", json!(2)), None);
    assert_eq!(one("WHAT", json!(2)), None);
}

#[test]
fn an_mlmodel_file_names_its_onnx_file_and_columns() {
    let text = "
artifact_path: models:/m-1
flavors:
  onnx:
    data: model.onnx
    onnx_version: 1.17.0
  python_function:
    data: model.onnx
saved_input_example_info:
  artifact_path: input_example.json
  serving_input_path: serving_input_example.json
signature:
  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": true}, {\"type\": \"string\",
    \"name\": \"b\", \"required\": false}]'
  outputs: null
  params: null
";
    let about = MlModel::parse(text).expect("reads");
    assert_eq!(
        (about.onnx.as_deref(), about.example.as_deref()),
        (Some("model.onnx"), Some("serving_input_example.json"))
    );
    let columns = about.signature.and_then(|signature| signature.columns).expect("has columns");
    assert_eq!(columns, [column("a", false), Column { required: false, ..column("b", true) }]);
    assert!(MlModel::parse("flavors: {sklearn: {}}").is_err());
    assert!(MlModel::parse("flavors: {onnx: {data: ../../x}}").is_err());
    assert!(MlModel::parse(": : :").is_err());
}

#[test]
fn a_list_of_values_fits_a_column_input() {
    let specs = [spec("x", "FP32", &[-1, 1])];
    let payload = payload::read(json!({"inputs": {"x": [1, 2]}}), None).expect("reads");
    assert!(matches!(payload, Payload::Named(_)));
    assert_eq!(feed::tensors(&payload, &specs, None).expect("fits")[0].shape, [2, 1]);
}
