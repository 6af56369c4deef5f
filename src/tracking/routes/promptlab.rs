//! The prompt playground's runs, on the wire.

use crate::{
    auth::Editor,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        model::Pair,
        promptlab::Prompting,
        service::CreateRun,
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    // In this order, which decides what is said of a request that lacks several.
    let experiment_id = wanted(&fields, "experiment_id")?;
    let template = wanted(&fields, "prompt_template")?;
    let parameters = pairs(&fields, "prompt_parameters")?;
    if parameters.is_empty() {
        return Err(lacks("prompt_parameters").into());
    }
    let prompting = Prompting {
        template,
        parameters,
        model: wanted(&fields, "model_route")?,
        model_parameters: pairs(&fields, "model_parameters")?,
        input: wanted(&fields, "model_input")?,
        output: fields.text("model_output")?.map(str::to_owned),
        output_parameters: pairs(&fields, "model_output_parameters")?,
        mlflow_version: wanted(&fields, "mlflow_version")?,
        run: CreateRun {
            experiment_id,
            user_id: fields.text("user_id")?.unwrap_or("unknown").to_owned(),
            name: fields.text_or_empty("run_name")?.to_owned(),
            started_at: fields.int("start_time")?,
            tags: fields.pairs("tags")?.into_iter().map(Pair::from).collect(),
        },
    };
    Ok(Json(json!({ "run": tracker.prompting_record(prompting).await? })))
}

fn lacks(name: &str) -> Error {
    Error::invalid(format!("CreatePromptlabRun request must specify {name}."))
}

fn wanted(fields: &Fields, name: &str) -> Result<String> {
    match fields.text_or_empty(name)? {
        "" => Err(lacks(name)),
        text => Ok(text.to_owned()),
    }
}

/// Pairs whose values may be of any type, and are kept as Python would write them.
fn pairs(fields: &Fields, name: &str) -> Result<Vec<Pair>> {
    let pair = |item: &Fields| {
        let value = match item.raw("value") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(true)) => "True".into(),
            Some(Value::Bool(false)) => "False".into(),
            None | Some(Value::Null) => "None".into(),
            Some(other) => other.to_string(),
        };
        Ok(Pair { key: item.required("key")?.to_owned(), value })
    };
    fields.items(name)?.iter().map(pair).collect()
}
