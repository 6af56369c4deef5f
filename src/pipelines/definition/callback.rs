//! `callbacks`: who is told how a run ended, or that it is late.

use super::{Problem, kinds, yaml};
use crate::pipelines::model::RunState;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

const MOST: usize = 10;

/// An address that is told of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub url: String,
    pub on: Vec<Moment>,
    /// The variable whose text signs what is sent; none: it is not signed.
    pub secret: Option<String>,
}

/// When it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Failure,
    Success,
    Deadline,
}

impl Moment {
    pub const ALL: [(&str, Self); 3] =
        [("failure", Self::Failure), ("success", Self::Success), ("deadline", Self::Deadline)];

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, moment)| *moment == self).map_or("", |(word, _)| word)
    }

    /// What the end of a run is, if anybody is told of it.
    pub fn of(state: RunState) -> Option<Self> {
        match state {
            RunState::Failed => Some(Self::Failure),
            RunState::Success => Some(Self::Success),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    url: Spanned<String>,
    #[serde(default)]
    on: Vec<Spanned<String>>,
    #[serde(default)]
    secret: Option<Spanned<String>>,
}

pub(super) fn check(
    given: &[Spanned<File>],
    has_deadline: bool,
    problems: &mut Vec<Problem>,
) -> Vec<Callback> {
    if let Some(over) = given.get(MOST) {
        let message = format!("{} callbacks; the most is {MOST}", given.len());
        problems.push(yaml::problem(message, over.referenced));
    }
    given.iter().map(|one| one_callback(&one.value, has_deadline, problems)).collect()
}

fn one_callback(file: &File, has_deadline: bool, problems: &mut Vec<Problem>) -> Callback {
    if let Err(why) = kinds::check_url(&file.url.value) {
        problems.push(yaml::problem(format!("callback: url {why}"), file.url.referenced));
    }
    let mut on = Vec::new();
    for word in &file.on {
        match Moment::ALL.iter().find(|(known, _)| *known == word.value) {
            Some((_, Moment::Deadline)) if !has_deadline => {
                let message = "callback: on deadline needs the pipeline's deadline, like `deadline: 2h`";
                problems.push(yaml::problem(message, word.referenced));
            }
            Some((_, moment)) => on.push(*moment),
            None => {
                let words = Moment::ALL.map(|(word, _)| word).join(", ");
                let message = format!("callback: on {:?} is not one of {words}", word.value);
                problems.push(yaml::problem(message, word.referenced));
            }
        }
    }
    if file.on.is_empty() {
        on = vec![Moment::Failure, Moment::Deadline];
    }
    Callback { url: file.url.value.clone(), on, secret: file.secret.as_ref().map(|name| name.value.clone()) }
}

pub(super) fn schema() -> Value {
    let words = Moment::ALL.map(|(word, _)| word);
    json!({
        "type": "array", "maxItems": MOST, "description": "Who is told how a run ended, or that it is late",
        "items": {
            "type": "object", "additionalProperties": false, "required": ["url"],
            "properties": {
                "url": { "type": "string" },
                "on": { "type": "array", "items": { "enum": words } },
                "secret": { "type": "string", "description": "The variable whose text signs what is sent" },
            },
        },
    })
}
