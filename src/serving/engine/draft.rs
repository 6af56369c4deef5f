//! A model file that was read and not yet made into a model: tensors of it may lie in files beside it, as MLflow
//! saves all ONNX models unless it is told otherwise, and the caller knows where to get those.

use std::collections::{BTreeSet, HashMap};

use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto};
use tract_onnx::prelude::Framework;

use super::maps::{self, MapType};
use super::ops;
use crate::kernel::error::{Error, Result};

pub struct Draft {
    pub(super) proto: ModelProto,
    /// The inputs that are maps, of which the message says nothing.
    pub(super) maps: HashMap<String, MapType>,
}

impl Draft {
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let proto = ops::framework().proto_model_for_read(&mut &*bytes).map_err(|error| {
            let mut failure = Error::invalid(
                "This is not an ONNX model: the file is cut short, damaged or something else.",
            );
            failure.cause = Some(format!("{error:#}").into());
            failure
        })?;
        let is_unread = |info: &ValueInfoProto| info.r#type.as_ref().is_some_and(|kind| kind.value.is_none());
        let has_unread = proto.graph.iter().flat_map(|graph| &graph.input).any(is_unread);
        let maps = if has_unread { maps::inputs(bytes) } else { HashMap::new() };
        Ok(Self { proto, maps })
    }

    /// The files that hold tensors of the model, by their paths from where it lies.
    pub fn files(&mut self) -> Result<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        each_tensor(self.proto.graph.as_mut(), &mut |tensor| {
            if let Some(place) = Place::of(tensor)? {
                files.insert(place.file);
            }
            Ok(())
        })?;
        Ok(files)
    }

    /// Puts the tensors where they belong.
    pub fn fill(&mut self, files: &HashMap<String, impl AsRef<[u8]>>) -> Result<()> {
        each_tensor(self.proto.graph.as_mut(), &mut |tensor| {
            let Some(place) = Place::of(tensor)? else { return Ok(()) };
            let Some(bytes) = files.get(&place.file) else { return Ok(()) };
            tensor.raw_data = place.cut(&tensor.name, bytes.as_ref())?.to_vec();
            tensor.data_location = None;
            tensor.external_data.clear();
            Ok(())
        })
    }
}

/// Where a tensor's bytes are.
struct Place {
    file: String,
    start: usize,
    length: Option<usize>,
}

impl Place {
    fn of(tensor: &TensorProto) -> Result<Option<Self>> {
        if tensor.data_location != Some(DataLocation::External as i32) {
            return Ok(None);
        }
        let entry =
            |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
        let number = |key: &str| match entry(key) {
            Some(text) => text.trim().parse::<usize>().map(Some).map_err(|_| {
                Error::invalid(format!(
                    "Tensor `{}` has the {key} {text:?} in its file, which is no number.",
                    tensor.name
                ))
            }),
            None => Ok(None),
        };
        let file = entry("location").cloned().unwrap_or_default();
        let is_beside = |part: &str| !matches!(part, "" | "." | "..");
        if !file.split('/').all(is_beside) || file.contains(['\\', '\0']) {
            return Err(Error::invalid(format!(
                "Tensor `{}` lies in the file {file:?}, which is not beside the model.",
                tensor.name
            )));
        }
        Ok(Some(Self { file, start: number("offset")?.unwrap_or_default(), length: number("length")? }))
    }

    fn cut<'a>(&self, tensor: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let end = self.length.map_or(Some(bytes.len()), |length| self.start.checked_add(length));
        end.and_then(|end| bytes.get(self.start..end)).ok_or_else(|| {
            Error::invalid(format!(
                "Tensor `{tensor}` lies beyond the end of the file {}, which has {} bytes: the file is cut short.",
                self.file,
                bytes.len()
            ))
        })
    }
}

/// Every tensor of a graph and of those within it.
fn each_tensor<'a>(
    graph: impl IntoIterator<Item = &'a mut GraphProto>,
    visit: &mut dyn FnMut(&mut TensorProto) -> Result<()>,
) -> Result<()> {
    let mut open: Vec<&mut GraphProto> = graph.into_iter().collect();
    while let Some(graph) = open.pop() {
        graph.initializer.iter_mut().try_for_each(&mut *visit)?;
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            attribute.t.iter_mut().chain(&mut attribute.tensors).try_for_each(&mut *visit)?;
            open.extend(attribute.g.iter_mut().chain(&mut attribute.graphs));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::StringStringEntryProto;

    fn outside(location: &str, offset: &str, length: Option<&str>) -> TensorProto {
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        let mut tensor = TensorProto { name: "w".into(), ..TensorProto::default() };
        tensor.data_location = Some(DataLocation::External as i32);
        tensor.external_data = vec![entry("location", location), entry("offset", offset)];
        tensor.external_data.extend(length.map(|length| entry("length", length)));
        tensor
    }

    fn draft(tensor: TensorProto) -> Draft {
        let graph = GraphProto { initializer: vec![tensor], ..GraphProto::default() };
        let proto = ModelProto { graph: Some(graph), ..ModelProto::default() };
        Draft { proto, maps: HashMap::new() }
    }

    #[test]
    fn a_tensor_is_taken_from_its_file() {
        let mut draft = draft(outside("model.data", "2", Some("3")));
        assert_eq!(draft.files().expect("are beside it"), BTreeSet::from(["model.data".to_owned()]));
        let files = HashMap::from([("model.data".to_owned(), b"abcdefg".to_vec())]);
        draft.fill(&files).expect("is there");
        let tensor = &draft.proto.graph.as_ref().expect("has a graph").initializer[0];
        assert_eq!((tensor.raw_data.as_slice(), tensor.data_location), (&b"cde"[..], None));
    }

    #[test]
    fn a_file_elsewhere_or_too_short_is_refused() {
        for location in ["../model.data", "/etc/passwd", "", "a//b", "a/../../b", ".."] {
            assert!(draft(outside(location, "0", None)).files().is_err(), "{location}");
        }
        assert!(draft(outside("a", "x", None)).files().is_err());
        let files = HashMap::from([("a".to_owned(), b"abc".to_vec())]);
        for (offset, length) in [("2", "2"), ("4", "0"), ("1", "18446744073709551615")] {
            let refused = draft(outside("a", offset, Some(length))).fill(&files).expect_err("is cut short");
            assert!(refused.message.contains("beyond the end"), "{}", refused.message);
        }
    }
}
