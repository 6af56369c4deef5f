//! What signatures mean for a worker, and answers that are not what they say.

use super::{
    frames::{self, Said},
    signature::manner,
};
use crate::serving::{
    engine::{NamedTensor, TensorData},
    loading::mlmodel::MlModel,
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

fn signature(inputs: &str) -> String {
    format!(
        "flavors:\n  python_function:\n    loader_module: m\nsignature:\n  inputs: '{inputs}'\n  outputs: null\n  params: null\n"
    )
}

#[test]
fn columns_become_tensors_of_their_type() {
    let text = signature(
        r#"[{"type": "double", "name": "a", "required": true}, {"type": "long", "name": "b", "required": true}, {"type": "datetime", "name": "at", "required": false}]"#,
    );
    let about = MlModel::parse(&text).expect("is an MLmodel");
    assert_eq!(about.onnx, None);
    let manner = manner(about.signature.as_ref()).expect("can be asked");
    let kinds: Vec<_> =
        manner.inputs.iter().map(|spec| (spec.name.as_str(), spec.datatype.as_str())).collect();
    assert_eq!(kinds, [("a", "FP64"), ("b", "INT64"), ("at", "BYTES")]);
    assert!(manner.frame);
    assert_eq!(manner.times, ["at"]);
}

#[test]
fn tensors_keep_their_shape_and_what_cannot_be_sent_is_named() {
    let text = signature(r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}]"#);
    let about = MlModel::parse(&text).expect("is an MLmodel");
    let manner_of = |about: &MlModel| manner(about.signature.as_ref());
    let found = manner_of(&about).expect("can be asked");
    assert!(!found.frame);
    assert_eq!((found.inputs[0].name.as_str(), found.inputs[0].shape.as_slice()), ("input", &[-1, 4][..]));

    let text =
        signature(r#"[{"type": "map", "name": "words", "values": {"type": "string"}, "required": true}]"#);
    let about = MlModel::parse(&text).expect("is an MLmodel");
    assert!(manner_of(&about).expect_err("a map").message.contains("`words`"));
    assert!(manner(None).expect_err("none").message.contains("no signature"));
}

/// Asks a worker that answers with these bytes.
fn answered(head: &str, body: &[u8]) -> std::io::Result<Said<Vec<NamedTensor>>> {
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let mut frame = (head.len() as u32).to_le_bytes().to_vec();
    frame.extend((body.len() as u64).to_le_bytes());
    frame.extend(head.as_bytes());
    frame.extend(body);
    let worker = thread::spawn(move || {
        let mut lengths = [0; 12];
        theirs.read_exact(&mut lengths).expect("is asked");
        theirs.write_all(&frame).expect("is heard");
    });
    let input = NamedTensor { name: "x".into(), shape: vec![2], data: TensorData::F64(vec![1.0, 2.0]) };
    let said = frames::ask(&mut ours, &[input], None);
    worker.join().expect("no panic");
    said
}

#[test]
fn an_answer_is_read_by_its_own_word_and_refused_when_it_lies() {
    let head = |shape: &str, bytes: usize| {
        format!(
            r#"{{"ok": {{"tensors": [{{"name": "y", "datatype": "INT32", "shape": {shape}, "bytes": {bytes}}}], "named": true}}}}"#
        )
    };
    let Said::Ok(outputs) = answered(&head("[2]", 8), &[1, 0, 0, 0, 2, 0, 0, 0]).expect("can be read") else {
        panic!("no error was sent");
    };
    assert_eq!((outputs[0].name.as_str(), &outputs[0].data), ("y", &TensorData::I32(vec![1, 2])));
    assert!(answered(&head("[3]", 8), &[0; 8]).is_err(), "three values in eight bytes");
    assert!(answered(&head("[2]", 80), &[0; 8]).is_err(), "more bytes than came");
    assert!(answered("{}", &[]).is_err(), "neither an answer nor an error");
    let said =
        answered(r#"{"error": {"kind": "model", "message": "no such word"}}"#, &[]).expect("can be read");
    assert!(matches!(said, Said::Error { message, .. } if message == "no such word"));
}
