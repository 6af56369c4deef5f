//! Logging into a run, on the wire.

use crate::{
    auth::Editor,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        model::{Dataset, DatasetInput, Double, Metric, ModelOutput, Pair},
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

/// A metric's fields, wherever they stand.
pub(super) fn metric_in(fields: &Fields) -> Result<Metric> {
    let text = |name| Ok::<_, Error>(fields.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
    let (dataset_name, dataset_digest) = (text("dataset_name")?, text("dataset_digest")?);
    if dataset_name.is_some() != dataset_digest.is_some() {
        return Err(Error::invalid(
            "Both dataset_name and dataset_digest must be provided if one is provided",
        ));
    }
    Ok(Metric {
        key: fields.required("key")?.to_owned(),
        value: Double(fields.float("value")?.ok_or_else(|| fields.missing("value"))?),
        timestamp: fields.int("timestamp")?.ok_or_else(|| fields.missing("timestamp"))?,
        step: fields.int("step")?.unwrap_or(0),
        model_id: text("model_id")?,
        dataset_name,
        dataset_digest,
        run_id: None,
    })
}

pub(super) fn pair_in(fields: &Fields) -> Result<Pair> {
    Ok(Pair { key: fields.required("key")?.to_owned(), value: fields.text_or_empty("value")?.to_owned() })
}

pub async fn metric(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.metric_log(fields.run_id()?, metric_in(&fields)?).await?;
    Ok(Json(json!({})))
}

pub async fn param(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.param_log(fields.run_id()?, pair_in(&fields)?).await?;
    Ok(Json(json!({})))
}

pub async fn set_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.tag_set(fields.run_id()?, pair_in(&fields)?).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.tag_delete(fields.run_id()?, fields.required("key")?).await?;
    Ok(Json(json!({})))
}

pub async fn model(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (run_id, text) = (fields.run_id()?, fields.required("model_json")?);
    let model: Value = serde_json::from_str(text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let missing: Vec<_> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .iter()
        .filter(|field| model.get(field).is_none())
        .map(|field| format!("'{field}'"))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Error::invalid(format!("Model json is missing mandatory fields: {{{missing}}}")).into());
    }
    tracker.model_record(run_id, &model).await?;
    Ok(Json(json!({})))
}

fn dataset_in(input: &Fields) -> Result<DatasetInput> {
    let dataset = input.item("dataset")?.ok_or_else(|| input.missing("dataset"))?;
    let text = |name| Ok::<_, Error>(dataset.text(name)?.map(str::to_owned));
    Ok(DatasetInput {
        tags: input.pairs("tags")?.into_iter().map(Pair::from).collect(),
        dataset: Dataset {
            name: dataset.required("name")?.to_owned(),
            digest: dataset.required("digest")?.to_owned(),
            source_type: dataset.required("source_type")?.to_owned(),
            source: dataset.required("source")?.to_owned(),
            schema: text("schema")?,
            profile: text("profile")?,
        },
    })
}

pub async fn inputs(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let datasets = fields.items("datasets")?.iter().map(dataset_in).collect::<Result<_>>()?;
    let model = |item: &Fields| Ok(item.required("model_id")?.to_owned());
    let models = fields.items("models")?.iter().map(model).collect::<Result<_>>()?;
    tracker.inputs_log(fields.run_id()?, datasets, models).await?;
    Ok(Json(json!({})))
}

pub async fn outputs(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    if !fields.has("models") {
        return Err(fields.missing("models").into());
    }
    let output = |item: &Fields| {
        let step = item.int("step")?.unwrap_or(0);
        Ok(ModelOutput { model_id: item.required("model_id")?.to_owned(), step })
    };
    let outputs = fields.items("models")?.iter().map(output).collect::<Result<_>>()?;
    tracker.outputs_log(fields.run_id()?, outputs).await?;
    Ok(Json(json!({})))
}
