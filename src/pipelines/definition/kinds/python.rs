//! `python`: a script in a named virtual environment.

use super::{super::yaml::Scalar, Complaints};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};

/// A script with its arguments; the texts may hold templates.
#[derive(Clone, Debug)]
pub struct Python {
    pub script: Script,
    /// A name, or a path; none is the `python3` of the server's PATH.
    pub venv: Option<String>,
    pub args: Vec<String>,
}

impl Python {
    /// Its texts as the definition has them, without code.
    pub fn texts(&self) -> Vec<&str> {
        let script = match &self.script {
            Script::File(path) => Some(path),
            Script::Code(_) => None,
        };
        script.into_iter().chain(&self.venv).chain(&self.args).map(String::as_str).collect()
    }
}

#[derive(Clone, Debug)]
pub enum Script {
    /// A path, from the folder of the definition's file.
    File(String),
    /// The program itself.
    Code(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipelines::definition) struct File {
    #[serde(default)]
    script: Option<Spanned<String>>,
    #[serde(default)]
    code: Option<Spanned<String>>,
    #[serde(default)]
    venv: Option<Spanned<String>>,
    #[serde(default)]
    args: Vec<Spanned<Scalar>>,
}

impl File {
    /// Code is left as it is: braces mean something in Python, and values are in the environment.
    pub fn texts(&self) -> Vec<(&str, Location)> {
        let plain = self.script.iter().chain(&self.venv).map(|text| (text.value.as_str(), text.referenced));
        let args = self.args.iter().filter_map(|arg| Some((arg.value.0.as_deref()?, arg.referenced)));
        plain.chain(args).collect()
    }
}

pub(super) fn check(file: &File, place: Location, complain: &mut Complaints<'_>) -> Python {
    let script = match (&file.script, &file.code) {
        (Some(script), None) => Script::File(script.value.clone()),
        (None, Some(code)) => Script::Code(code.value.clone()),
        _ => {
            complain.at(place, "python needs either script or code");
            Script::Code(String::new())
        }
    };
    if let Some(venv) = file.venv.as_ref().filter(|venv| venv.value.trim().is_empty()) {
        complain.at(venv.referenced, "python: venv is empty");
    }
    Python {
        script,
        venv: file.venv.as_ref().map(|venv| venv.value.clone()),
        args: file.args.iter().map(|arg| arg.value.0.clone().unwrap_or_default()).collect(),
    }
}

pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "additionalProperties": false,
        "oneOf": [{ "required": ["script"] }, { "required": ["code"] }],
        "description": "A script in a virtual environment",
        "properties": {
            "script": text, "code": text, "venv": text,
            "args": { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
        },
    })
}
