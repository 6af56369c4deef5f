//! Finds the experiments and models a request is about. A run, a logged model or an artifact stands for
//! its experiment.

use super::{
    model::{Kind, Permission},
    rules::Target,
    service::Service,
};
use crate::{
    kernel::error::{Error, Kind as ErrorKind, Result},
    registry::{ModelUri, RunUri, artifact_path},
    tracking::{
        check,
        service::{path_is_safe, prefix_of},
        wire::Fields,
    },
};
use http::request::Parts;

/// One thing that a permission is asked over.
pub type Resource = (Kind, String);

/// What the request names; nothing found means that nobody but the house may have it.
pub async fn find(
    service: &Service,
    target: &Target,
    request: &Parts,
    fields: &Fields,
) -> Result<Vec<Resource>> {
    let found = match target {
        Target::Experiment => vec![experiment(fields.text("experiment_id")?.unwrap_or_default())],
        Target::ExperimentByName => {
            let name = fields.required("experiment_name")?;
            vec![experiment(&service.tracking().experiment_by_name(name).await?.experiment_id)]
        }
        Target::Experiments => {
            let mut ids = fields.texts("experiment_ids")?;
            ids.extend(fields.text("experiment_id")?.map(str::to_owned));
            ids.iter().map(|id| experiment(id)).collect()
        }
        Target::ExperimentHeader => {
            let header = request.headers.get("x-mlflow-experiment-id");
            let id = header.and_then(|value| value.to_str().ok());
            vec![experiment(
                id.ok_or_else(|| Error::invalid("Missing required header: X-Mlflow-Experiment-Id"))?,
            )]
        }
        Target::Run => vec![of_run(service, fields.run_id()?).await?],
        Target::RunOrLoggedModel => match fields.text_or_empty("model_id")? {
            "" => vec![of_run(service, fields.run_id()?).await?],
            id => vec![of_logged_model(service, id).await?],
        },
        Target::RunInQuery => {
            let query = Fields::from_query(&request.uri)?;
            vec![of_run(service, query.text_or_empty("run_uuid")?).await?]
        }
        Target::Runs(name) => {
            let mut found = Vec::new();
            for run in fields.texts(name)? {
                found.push(of_run(service, &run).await?);
            }
            found
        }
        Target::Trace(id) => vec![of_trace(service, id).await?],
        Target::TraceIn(name) => vec![of_trace(service, fields.required(name)?).await?],
        Target::TraceFile => of_trace_file(service, fields.required("request_id")?).await?,
        Target::Scorers => {
            let found = service.tracking().scorer_experiments(fields.texts("scorer_ids")?).await?;
            found.iter().map(|id| experiment(&id.to_string())).collect()
        }
        Target::Traces => of_traces(service, fields).await?,
        Target::TracesAndRun => {
            let mut found = of_traces(service, fields).await?;
            found.push(of_run(service, fields.run_id()?).await?);
            found
        }
        Target::NewTrace => of_new_trace(service, fields).await?,
        Target::Locations => of_locations(fields)?,
        Target::LoggedModel(id) => vec![of_logged_model(service, id).await?],
        Target::Model => vec![model(fields.required("name")?)],
        Target::Artifact(path) => of_artifact(service, path).await?,
        Target::ArtifactInQuery => of_artifact(service, fields.text_or_empty("path")?).await?,
        Target::Resource => {
            let (kind, id) = (fields.required("resource_type")?, fields.required("resource_id")?);
            vec![resource(Kind::parse(kind)?, id)]
        }
    };
    Ok(found)
}

/// What a new version is made from, as far as it is kept here.
pub async fn sources(service: &Service, fields: &Fields) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    let source = fields.text_or_empty("source")?;
    let in_source = RunUri::parse(source).map_or("", |uri| uri.id);
    for run in [fields.text_or_empty("run_id")?, in_source].into_iter().filter(|run| !run.is_empty()) {
        found.extend(known(of_run(service, run).await)?);
    }
    let uri = ModelUri::parse(source).ok();
    let in_source = if let Some(ModelUri::Logged(id)) = &uri { id } else { "" };
    for id in [fields.text_or_empty("model_id")?, in_source].into_iter().filter(|id| !id.is_empty()) {
        found.extend(known(of_logged_model(service, id).await)?);
    }
    if let Some(ModelUri::Registered { name, .. }) = &uri {
        found.push(model(name));
    }
    if let Some(path) = artifact_path(source) {
        found.extend(of_artifact(service, &path).await?);
    }
    Ok(found)
}

/// What is not here was made on another server, and nothing of it can be read here.
fn known(found: Result<Resource>) -> Result<Option<Resource>> {
    match found {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// An id may be written in more than one way: `07` means what `7` means.
fn experiment(id: &str) -> Resource {
    let id = match id {
        // Clients that name none mean the default one.
        "" => "0".to_owned(),
        id => check::experiment_id(id).map_or_else(|_| id.to_owned(), |id| id.to_string()),
    };
    (Kind::Experiment, id)
}

fn model(name: &str) -> Resource {
    (Kind::RegisteredModel, name.to_owned())
}

pub fn resource(kind: Kind, id: &str) -> Resource {
    match kind {
        Kind::Experiment => experiment(id),
        kind => (kind, id.to_owned()),
    }
}

async fn of_run(service: &Service, run: &str) -> Result<Resource> {
    Ok(experiment(&service.tracking().run_info(run).await?.experiment_id))
}

fn of_locations(fields: &Fields) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    for location in fields.items("locations")? {
        if let Some(place) = location.item("mlflow_experiment")? {
            found.push(experiment(place.text_or_empty("experiment_id")?));
        }
    }
    Ok(found)
}

async fn of_trace(service: &Service, id: &str) -> Result<Resource> {
    Ok(experiment(&service.tracking().trace_info(id).await?.experiment_id.to_string()))
}

/// Ids of no trace are passed over by the handlers; where none is left, only the house is answered.
async fn of_traces(service: &Service, fields: &Fields) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    for id in fields.texts("trace_ids")? {
        found.extend(known(of_trace(service, &id).await)?);
    }
    Ok(found)
}

/// A trace's files are where a tag says, which whoever edits the trace may have changed.
async fn of_trace_file(service: &Service, id: &str) -> Result<Vec<Resource>> {
    let info = service.tracking().trace_info(id).await?;
    let mut found = vec![experiment(&info.experiment_id.to_string())];
    if let Some(location) = info.tag("mlflow.artifactLocation").filter(|text| !text.is_empty()) {
        let owners = of_artifact(service, &prefix_of(location)?).await?;
        if owners.is_empty() {
            return Ok(owners);
        }
        found.extend(owners);
    }
    Ok(found)
}

/// Where the trace is to be, and where it is if it is here already. The second version of the API names
/// the experiment outside of the trace, the third within it.
async fn of_new_trace(service: &Service, fields: &Fields) -> Result<Vec<Resource>> {
    let mut found = Vec::new();
    if fields.has("experiment_id") {
        found.push(experiment(fields.text_or_empty("experiment_id")?));
    }
    let Some(trace) = fields.item("trace")? else { return Ok(found) };
    let info = trace.item("trace_info")?.unwrap_or_default();
    let place =
        info.item("trace_location")?.unwrap_or_default().item("mlflow_experiment")?.unwrap_or_default();
    found.push(experiment(place.text_or_empty("experiment_id")?));
    found.extend(known(of_trace(service, info.text_or_empty("trace_id")?).await)?);
    Ok(found)
}

async fn of_logged_model(service: &Service, id: &str) -> Result<Resource> {
    Ok(experiment(&service.tracking().logged_model_get(id, true).await?.info.experiment_id))
}

/// The experiments in whose folder the path lies. Each must allow it, for two can share a folder.
async fn of_artifact(service: &Service, path: &str) -> Result<Vec<Resource>> {
    let path = path_is_safe(path)?;
    let places = service.tracking().experiment_places().await?;
    let holds = |location: &str| {
        prefix_of(location).is_ok_and(|folder| {
            path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let owners = places.iter().filter(|(_, location)| holds(location));
    Ok(owners.map(|(id, _)| (Kind::Experiment, id.to_string())).collect())
}

/// What a refusal says about what it was asked over.
pub fn words(resource: &Resource, needed: Permission) -> String {
    let (kind, id) = resource;
    let kind = if *kind == Kind::Experiment { "experiment" } else { "model" };
    format!("this needs {} on {kind} {id:?}", needed.name())
}
