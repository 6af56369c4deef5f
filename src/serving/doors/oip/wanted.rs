//! The outputs a caller asks for, and the form each shall have.

use super::{classify::classify, shared};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, TensorSpec},
        memory::{Lent, Place, Span},
    },
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
    /// Where its bytes are written, in place of the answer.
    pub memory: Option<Span>,
}

impl Wanted {
    /// All outputs of the model, as they are.
    pub fn all(specs: &[TensorSpec], binary: bool) -> Vec<Self> {
        let one = |spec: &TensorSpec| Self { name: spec.name.clone(), binary, classes: None, memory: None };
        specs.iter().map(one).collect()
    }

    /// An output by its name. `classes` is the value of its parameter `classification`.
    pub fn named(specs: &[TensorSpec], name: &str, classes: Option<i64>) -> Result<Self> {
        if !specs.iter().any(|spec| spec.name == name) {
            let names: Vec<_> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
            return Err(Error::invalid(format!(
                "The model has no output `{name}`. It gives {}.",
                names.join(", ")
            )));
        }
        let classes = match classes.map(usize::try_from) {
            None | Some(Ok(0)) => None,
            Some(Ok(classes)) => Some(classes),
            Some(Err(_)) => {
                return Err(Error::invalid(format!("Output `{name}`: classification must not be negative.")));
            }
        };
        Ok(Self { name: name.to_owned(), binary: false, classes, memory: None })
    }

    /// The same, written into shared memory.
    pub fn into_memory(self, place: &Place, lent: Option<&Lent>) -> Result<Self> {
        let tensor = format!("Output `{}`", self.name);
        if self.classes.is_some() {
            return Err(Error::invalid(format!(
                "{tensor} can't set both 'shared_memory_region' and 'classification'."
            )));
        }
        let span = lent.ok_or_else(|| shared::not_here(&tensor))?.span(place)?;
        Ok(Self { memory: Some(span), ..self })
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
