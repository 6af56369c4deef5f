//! The outputs a caller asks for, and the form each shall have.

use super::classify::classify;
use crate::{
    kernel::error::{Error, Result},
    serving::engine::{NamedTensor, TensorSpec},
};
use std::borrow::Cow;

/// One output.
#[derive(Debug)]
pub struct Wanted {
    pub name: String,
    /// As bytes behind the JSON. gRPC has a place for bytes, and does not ask.
    pub binary: bool,
    /// How many of the largest values are wanted, instead of all values.
    pub classes: Option<usize>,
}

impl Wanted {
    /// All outputs of the model, as they are.
    pub fn all(specs: &[TensorSpec], binary: bool) -> Vec<Self> {
        specs.iter().map(|spec| Self { name: spec.name.clone(), binary, classes: None }).collect()
    }

    /// An output by its name. `parameters` are the names of the output's parameters, `classes` the value
    /// of `classification` among them.
    pub fn named<'a>(
        specs: &[TensorSpec],
        name: &str,
        parameters: impl IntoIterator<Item = &'a String>,
        classes: Option<i64>,
    ) -> Result<Self> {
        if !specs.iter().any(|spec| spec.name == name) {
            let names: Vec<_> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
            return Err(Error::invalid(format!(
                "The model has no output `{name}`. It gives {}.",
                names.join(", ")
            )));
        }
        if parameters.into_iter().any(|key| key.starts_with("shared_memory")) {
            return Err(Error::invalid(format!("Output `{name}`: this server writes to no shared memory.")));
        }
        let classes = match classes.map(usize::try_from) {
            None | Some(Ok(0)) => None,
            Some(Ok(classes)) => Some(classes),
            Some(Err(_)) => {
                return Err(Error::invalid(format!("Output `{name}`: classification must not be negative.")));
            }
        };
        Ok(Self { name: name.to_owned(), binary: false, classes })
    }

    /// This output among a model's results.
    pub fn pick<'a>(&self, results: &'a [NamedTensor]) -> Result<Option<Cow<'a, NamedTensor>>> {
        let Some(result) = results.iter().find(|result| result.name == self.name) else { return Ok(None) };
        Ok(Some(match self.classes {
            Some(classes) => Cow::Owned(classify(result, classes)?),
            None => Cow::Borrowed(result),
        }))
    }
}
