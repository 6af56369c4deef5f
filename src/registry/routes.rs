//! MLflow's registry routes, under `/api/2.0` and, for its UI's clients, `/ajax-api/2.0`.

use super::{
    Service, graphql,
    model::{ModelVersion, NewVersion, RegisteredModel},
    service::no_version,
};
use crate::{
    auth,
    kernel::error::{Error, Result},
    tracking::{
        self,
        search::reach::Reach,
        service::path_is_safe,
        wire::{Answer, Fields, MlflowError, pairs},
    },
};
use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::{delete, get, patch, post},
};
use serde_json::{Value, json};

const DEFAULT_MODELS: i64 = 100;
const DEFAULT_VERSIONS: i64 = 10_000;

pub fn router(service: Service, tracker: tracking::Service) -> Router {
    let routes = Router::new()
        .route("/registered-models/create", post(model_create))
        .route("/registered-models/rename", post(model_rename))
        .route("/registered-models/update", patch(model_update).post(model_update))
        .route("/registered-models/delete", delete(model_delete))
        .route("/registered-models/get", get(model_get))
        .route("/registered-models/search", get(models_search).post(models_search))
        .route("/registered-models/get-latest-versions", get(latest_versions).post(latest_versions))
        .route("/registered-models/set-tag", post(model_tag_set))
        .route("/registered-models/delete-tag", delete(model_tag_delete))
        .route("/registered-models/alias", get(alias_get).post(alias_set).delete(alias_delete))
        .route("/model-versions/create", post(version_create))
        .route("/model-versions/get", get(version_get))
        .route("/model-versions/update", patch(version_update).post(version_update))
        .route("/model-versions/delete", delete(version_delete))
        .route("/model-versions/search", get(versions_search).post(versions_search))
        .route("/model-versions/transition-stage", post(version_transition))
        .route("/model-versions/get-download-uri", get(version_download_uri))
        .route("/model-versions/set-tag", post(version_tag_set))
        .route("/model-versions/delete-tag", delete(version_tag_delete))
        .with_state(service.clone());
    Router::new()
        .nest("/api/2.0/mlflow", routes.clone())
        .nest("/ajax-api/2.0/mlflow", routes)
        .route(
            "/model-versions/get-artifact",
            get(version_file).with_state((service.clone(), tracker.clone())),
        )
        .merge(graphql::router(service.clone(), tracker))
        .merge(super::import::router(service.clone()))
        .merge(super::gc::router(service))
}

type Registry = State<Service>;

// ---- registered models

async fn model_create(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, description) = (fields.required("name")?, fields.text_or_empty("description")?);
    let model = registry.model_create(name, description, fields.pairs("tags")?).await?;
    Ok(Json(json!({ "registered_model": model_json(&model) })))
}

async fn model_rename(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let model = registry.model_rename(fields.required("name")?, fields.required("new_name")?).await?;
    Ok(Json(json!({ "registered_model": model_json(&model) })))
}

async fn model_update(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let model =
        registry.model_describe(fields.required("name")?, fields.text_or_empty("description")?).await?;
    Ok(Json(json!({ "registered_model": model_json(&model) })))
}

async fn model_delete(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    registry.model_delete(fields.required("name")?).await?;
    Ok(Json(json!({})))
}

async fn model_get(_: auth::Viewer, State(registry): Registry, fields: Fields) -> Answer {
    let model = registry.model_get(fields.required("name")?).await?;
    Ok(Json(json!({ "registered_model": model_json(&model) })))
}

async fn models_search(_: auth::Viewer, State(registry): Registry, reach: Reach, fields: Fields) -> Answer {
    let most = fields.int("max_results")?.unwrap_or(DEFAULT_MODELS);
    let (filter, token) = (fields.text_or_empty("filter")?, fields.text_or_empty("page_token")?);
    let page = registry.models_search(&reach, filter, &fields.texts("order_by")?, most, token).await?;
    let models: Vec<_> = page.items.iter().map(model_json).collect();
    Ok(Json(with_token(json!({ "registered_models": models }), page.next)))
}

async fn latest_versions(_: auth::Viewer, State(registry): Registry, fields: Fields) -> Answer {
    let versions = registry.latest_versions(fields.required("name")?, &fields.texts("stages")?).await?;
    Ok(Json(json!({ "model_versions": versions.iter().map(version_json).collect::<Vec<_>>() })))
}

async fn model_tag_set(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, key) = (fields.required("name")?, fields.required("key")?);
    registry.model_tag_set(name, key, fields.text_or_empty("value")?).await?;
    Ok(Json(json!({})))
}

async fn model_tag_delete(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    registry.model_tag_delete(fields.required("name")?, fields.required("key")?).await?;
    Ok(Json(json!({})))
}

// ---- aliases

async fn alias_set(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, alias) = (fields.required("name")?, fields.required("alias")?);
    registry.alias_set(name, alias, version_of(&fields)?).await?;
    Ok(Json(json!({})))
}

async fn alias_delete(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    registry.alias_delete(fields.required("name")?, fields.required("alias")?).await?;
    Ok(Json(json!({})))
}

async fn alias_get(_: auth::Viewer, State(registry): Registry, fields: Fields) -> Answer {
    let version = registry.version_by_alias(fields.required("name")?, fields.required("alias")?).await?;
    Ok(Json(json!({ "model_version": version_json(&version) })))
}

// ---- versions

async fn version_create(
    auth::Editor(who): auth::Editor,
    State(registry): Registry,
    fields: Fields,
) -> Answer {
    let name = fields.required("name")?;
    let new = NewVersion {
        source: fields.required("source")?.to_owned(),
        storage: String::new(),
        run_id: fields.text_or_empty("run_id")?.to_owned(),
        run_link: fields.text_or_empty("run_link")?.to_owned(),
        description: fields.text_or_empty("description")?.to_owned(),
        logged_model_id: fields.text("model_id")?.filter(|id| !id.is_empty()).map(ToOwned::to_owned),
        user_id: Some(who.user),
        tags: fields.pairs("tags")?,
    };
    let version = registry.version_create(name, new).await?;
    Ok(Json(json!({ "model_version": version_json(&version) })))
}

async fn version_get(_: auth::Viewer, State(registry): Registry, fields: Fields) -> Answer {
    let version = registry.version_get(fields.required("name")?, version_of(&fields)?).await?;
    Ok(Json(json!({ "model_version": version_json(&version) })))
}

async fn version_update(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, text) = (fields.required("name")?, fields.text("description")?);
    let version = registry.version_describe(name, version_of(&fields)?, text).await?;
    Ok(Json(json!({ "model_version": version_json(&version) })))
}

async fn version_delete(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    registry.version_delete(fields.required("name")?, version_of(&fields)?).await?;
    Ok(Json(json!({})))
}

pub(super) async fn versions_search(
    _: auth::Viewer,
    State(registry): Registry,
    reach: Reach,
    fields: Fields,
) -> Answer {
    let most = fields.int("max_results")?.unwrap_or(DEFAULT_VERSIONS);
    let (filter, token) = (fields.text_or_empty("filter")?, fields.text_or_empty("page_token")?);
    let page = registry.versions_search(&reach, filter, &fields.texts("order_by")?, most, token).await?;
    let versions: Vec<_> = page.items.iter().map(version_json).collect();
    Ok(Json(with_token(json!({ "model_versions": versions }), page.next)))
}

async fn version_transition(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, stage) = (fields.required("name")?, fields.required("stage")?);
    let archive = fields.flag("archive_existing_versions")?.unwrap_or(false);
    let version = registry.version_transition(name, version_of(&fields)?, stage, archive).await?;
    Ok(Json(json!({ "model_version": version_json(&version) })))
}

async fn version_download_uri(_: auth::Viewer, State(registry): Registry, fields: Fields) -> Answer {
    let version = registry.version_get(fields.required("name")?, version_of(&fields)?).await?;
    Ok(Json(json!({ "artifact_uri": version.storage })))
}

/// One file of a version, for MLflow's pages.
async fn version_file(
    _: auth::Viewer,
    State((registry, tracker)): State<(Service, tracking::Service)>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, MlflowError> {
    let path = path_is_safe(fields.required("path")?)?;
    let version = registry.version_get(fields.required("name")?, version_of(&fields)?).await?;
    let key = registry.version_file(&version, &path).await?;
    Ok(tracking::send_artifact(&tracker, &key, &headers).await?)
}

async fn version_tag_set(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, key) = (fields.required("name")?, fields.required("key")?);
    registry.version_tag_set(name, version_of(&fields)?, key, fields.text_or_empty("value")?).await?;
    Ok(Json(json!({})))
}

async fn version_tag_delete(_: auth::Editor, State(registry): Registry, fields: Fields) -> Answer {
    let (name, key) = (fields.required("name")?, fields.required("key")?);
    registry.version_tag_delete(name, version_of(&fields)?, key).await?;
    Ok(Json(json!({})))
}

// ---- shapes

/// MLflow writes a version as text, but a number is as clear.
fn version_of(fields: &Fields) -> Result<u32> {
    let number = match fields.raw("version") {
        Some(Value::Number(_)) => fields.int("version")?.unwrap_or(0),
        _ => {
            let text = fields.required("version")?;
            text.trim().parse().map_err(|_| {
                Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'."))
            })?
        }
    };
    match u32::try_from(number) {
        Ok(version) => Ok(version),
        // There is none, and whoever asked is told so by the number they know.
        Err(_) => Err(no_version(fields.required("name")?, number)),
    }
}

fn with_token(mut answer: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        answer["next_page_token"] = token.into();
    }
    answer
}

fn model_json(model: &RegisteredModel) -> Value {
    let aliases: Vec<_> = model
        .aliases
        .iter()
        .map(|(alias, version)| json!({ "alias": alias, "version": version.to_string() }))
        .collect();
    let mut out = json!({
        "name": model.name,
        "creation_timestamp": model.created_ms,
        "last_updated_timestamp": model.updated_ms,
    });
    if !model.description.is_empty() {
        out["description"] = model.description.as_str().into();
    }
    // Protobuf's JSON leaves empty lists out.
    for (name, list) in [
        ("latest_versions", model.latest.iter().map(version_json).collect()),
        ("tags", pairs(&model.tags)),
        ("aliases", Value::Array(aliases)),
    ] {
        put_list(&mut out, name, list);
    }
    out
}

fn version_json(version: &ModelVersion) -> Value {
    let mut out = json!({
        "name": version.name,
        "version": version.version.to_string(),
        "creation_timestamp": version.created_ms,
        "last_updated_timestamp": version.updated_ms,
        "current_stage": version.stage.name(),
        "source": version.source,
        "run_id": version.run_id,
        "status": "READY",
        "run_link": version.run_link,
    });
    for (name, text) in [
        ("description", &version.description),
        ("user_id", &version.user_id),
        ("model_id", &version.logged_model_id),
    ] {
        if let Some(text) = text {
            out[name] = text.as_str().into();
        }
    }
    put_list(&mut out, "tags", pairs(&version.tags));
    put_list(&mut out, "aliases", version.aliases.iter().map(String::as_str).collect());
    out
}

fn put_list(out: &mut Value, name: &str, list: Value) {
    if list.as_array().is_some_and(|list| !list.is_empty()) {
        out[name] = list;
    }
}
