//! Where dags come from: their texts, versions of these, and files that are wrong.

use super::{
    Answer, Door,
    asked::Asked,
    dags,
    fault::Fault,
    search::{Page, fits, no_order},
    shapes::{
        dag::{bundle, file, file_token},
        number, time, uuid,
    },
};
use crate::{
    auth::{Editor, Viewer},
    kernel::{clock::rfc3339, error::Result},
    pipelines::{service::Service, store},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dagSources/{dag_id}", get(source))
        .route("/dags/{dag_id}/dagVersions", get(versions))
        .route("/dags/{dag_id}/dagVersions/{number}", get(version))
        .route("/parseDagFile/{token}", put(read_now))
        .route("/importErrors", get(errors))
        .route("/importErrors/{id}", get(error))
}

/// Has a file read now. Files of folders and buckets are read as soon as they change; a repository is asked.
async fn read_now(
    _: Editor,
    State(service): State<Service>,
    Path(token): Path<String>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let pipelines = service.list().await?;
    let found = pipelines.iter().find(|one| file_token(&one.pipeline.source) == token);
    let found = found.ok_or_else(|| Fault::not_found("File not found"))?;
    if bundle(&found.pipeline.source) == "git" {
        service.source_pushed()?;
    }
    Ok((StatusCode::CREATED, Json(Value::Null)))
}

/// A text a dag had, counted from 1 over those its runs were made from and the one it has now.
struct Version {
    number: usize,
    text: String,
    created_at: i64,
}

async fn all(service: &Service, dag: &str) -> Result<Vec<Version>, Fault> {
    let now = dags::one(service, dag).await?;
    let name = dag.to_owned();
    let mut texts = service.db().read(move |db| store::definition_list(db, &name)).await?;
    let current = now.overview.pipeline.definition;
    if texts.last().is_none_or(|(text, _)| *text != current) {
        texts.retain(|(text, _)| *text != current);
        texts.push((current, now.updated_at));
    }
    let count = |(at, (text, created_at))| Version { number: at + 1, text, created_at };
    Ok(texts.into_iter().enumerate().map(count).collect())
}

fn find(all: Vec<Version>, dag: &str, number: Option<i64>) -> Result<Version, Fault> {
    let wanted = number.unwrap_or(i64::try_from(all.len()).unwrap_or_default());
    let found = all.into_iter().find(|one| i64::try_from(one.number) == Ok(wanted));
    found.ok_or_else(|| {
        Fault::not_found(format!(
            "The DagVersion with dag_id: `{dag}` and version_number: `{wanted}` was not found"
        ))
    })
}

fn shape(dag: &str, one: &Version) -> Value {
    json!({
        "id": uuid(&format!("{dag}\0{}", one.text)),
        "version_number": one.number,
        "dag_id": dag,
        "dag_display_name": dag,
        "bundle_name": null,
        "bundle_version": null,
        "bundle_url": null,
        "created_at": rfc3339(one.created_at),
    })
}

async fn versions(
    _: Viewer,
    State(service): State<Service>,
    Path(dag): Path<String>,
    asked: Asked,
) -> Answer {
    let mut found = all(&service, &dag).await?;
    let wanted = asked.whole("version_number")?;
    found.retain(|one| wanted.is_none_or(|wanted| i64::try_from(one.number) == Ok(wanted)));
    match asked.one("order_by").unwrap_or("id") {
        "id" | "version_number" | "created_at" => {}
        "-id" | "-version_number" | "-created_at" => found.reverse(),
        other => return Err(no_order(other)),
    }
    let total = found.len();
    let page = Page::of(&asked)?.cut(found);
    let shown: Vec<Value> = page.iter().map(|one| shape(&dag, one)).collect();
    Ok(Json(json!({ "dag_versions": shown, "total_entries": total })))
}

async fn version(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, number)): Path<(String, i64)>,
) -> Answer {
    Ok(Json(shape(&dag, &find(all(&service, &dag).await?, &dag, Some(number))?)))
}

async fn source(
    _: Viewer,
    State(service): State<Service>,
    Path(dag): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Fault> {
    let found = find(all(&service, &dag).await?, &dag, asked.whole("version_number")?)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    if accept.trim_start().starts_with("text/plain") {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], found.text).into_response());
    }
    if !["json", "*/*", "application/*"].iter().any(|kind| accept.contains(kind)) {
        return Err(Fault::new(
            StatusCode::NOT_ACCEPTABLE,
            "Only application/json or text/plain is supported",
        ));
    }
    let body = json!({
        "content": found.text, "dag_id": dag, "dag_display_name": dag, "version_number": found.number,
    });
    Ok(Json(body).into_response())
}

/// The files whose newest text is wrong.
async fn broken(service: &Service) -> Result<Vec<Value>, Fault> {
    let times = service.db().read(store::pipeline_times).await?;
    let broken = service.list().await?.into_iter().filter_map(|one| {
        let pipeline = one.pipeline;
        let seen = times.iter().find(|(name, ..)| *name == pipeline.name).map(|(_, _, updated)| *updated);
        Some(json!({
            "import_error_id": number(&pipeline.source),
            "timestamp": time(Some(seen.unwrap_or_default())),
            "filename": file(&pipeline.source),
            "bundle_name": bundle(&pipeline.source),
            "stack_trace": pipeline.error?,
        }))
    });
    Ok(broken.collect())
}

async fn errors(_: Viewer, State(service): State<Service>, asked: Asked) -> Answer {
    let mut found = broken(&service).await?;
    found.retain(|one| {
        let text = |field: &str| one[field].as_str().unwrap_or_default();
        fits(&asked, "filename", text("filename"))
            && asked.one("filename").is_none_or(|name| name == text("filename"))
            && asked.one("bundle_name").is_none_or(|name| name == text("bundle_name"))
    });
    let order = asked.one("order_by").unwrap_or("id");
    let key = match order.trim_start_matches('-') {
        "id" | "import_error_id" => "import_error_id",
        field @ ("timestamp" | "filename" | "bundle_name" | "stacktrace") => field,
        other => return Err(no_order(other)),
    };
    found.sort_by_cached_key(|one| one[key].to_string());
    if order.starts_with('-') {
        found.reverse();
    }
    let total = found.len();
    Ok(Json(json!({ "import_errors": Page::of(&asked)?.cut(found), "total_entries": total })))
}

async fn error(_: Viewer, State(service): State<Service>, Path(id): Path<i64>) -> Answer {
    let found = broken(&service).await?.into_iter().find(|one| one["import_error_id"] == id);
    let missing = || Fault::not_found(format!("The ImportError with import_error_id: `{id}` was not found"));
    Ok(Json(found.ok_or_else(missing)?))
}
