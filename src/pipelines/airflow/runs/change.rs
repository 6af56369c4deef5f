//! What becomes of dag runs by hand: their state, their note, their end; one by one or many at once.

use super::{ANY, DagRun, one};
use crate::{
    auth::Editor,
    kernel::clock::now_ms,
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Asked, Body, given, mask, read},
            bulk::{self, Bulk, Entities},
            fault::Fault,
            shapes::run,
        },
        by_hand,
        model::RunState,
        service::Service,
        store::{self, RunNote},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::patch,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dags/{dag_id}/dagRuns", patch(many))
        .route("/dags/{dag_id}/dagRuns/{run_id}", patch(change).delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchBody {
    state: Option<String>,
    #[serde(default, deserialize_with = "given")]
    note: Option<Option<String>>,
}

async fn change(
    _: Editor,
    State(service): State<Service>,
    Path((dag, id)): Path<(String, String)>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let named = mask(&asked, &["state", "note"])?;
    act(&service, &dag, &id, read(body)?, named.as_deref()).await?;
    Ok(Json(run::run(&one(&service, &dag, &id).await?)))
}

async fn act(
    service: &Service,
    dag: &str,
    id: &str,
    body: PatchBody,
    mask: Option<&[&str]>,
) -> Result<(), Fault> {
    let wanted = |name: &str| mask.is_none_or(|names| names.contains(&name));
    let state = body.state.filter(|_| wanted("state")).map(|word| state(&word)).transpose()?;
    let found = one(service, dag, id).await?;
    if let Some(note) = body.note.filter(|_| wanted("note")) {
        let DagRun { run, note: old } = &found;
        let (run, note) =
            (run.clone(), RunNote { note: note.filter(|text| !text.is_empty()), ..old.clone() });
        service.db().write(move |db| store::note_put(db, &run.id, &run.pipeline, &note)).await?;
    }
    if let Some(state) = state {
        let run_id = found.run.id;
        service.by_hand(move |db| Ok(((), vec![by_hand::set_run(db, &run_id, state, now_ms())?]))).await?;
    }
    Ok(())
}

fn state(word: &str) -> Result<RunState, Fault> {
    match word {
        "queued" => Ok(RunState::Queued),
        "success" => Ok(RunState::Success),
        "failed" => Ok(RunState::Failed),
        other => {
            let message = "Input should be 'queued', 'success' or 'failed'";
            Err(Fault::unfit(&["body", "state"], "enum", message, &other.into()))
        }
    }
}

async fn remove(
    _: Editor,
    State(service): State<Service>,
    Path((dag, id)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let found = one(&service, &dag, &id).await?;
    service.delete_run(&found.run.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn many(
    _: Editor,
    State(service): State<Service>,
    Path(dag): Path<String>,
    body: Body<Bulk>,
) -> Answer {
    bulk::run(Runs { service, dag }, body).await
}

struct Runs {
    service: Service,
    dag: String,
}

/// Between dag and run in a key: no id holds it.
const CUT: char = '\0';

fn named(key: &str) -> Result<(&str, &str), Fault> {
    match key.split_once(CUT) {
        Some((dag, id)) if dag != ANY && !id.is_empty() => Ok((dag, id)),
        _ => {
            let message = "Where the path has `~`, every entity names its dag_id and its dag_run_id.";
            Err(Fault::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

impl Entities for Runs {
    const KEY: &'static str = "dag_run_id";

    fn key(&self, entity: &Value) -> String {
        let id = entity.as_str().or_else(|| entity[Self::KEY].as_str()).unwrap_or_default();
        format!("{}{CUT}{id}", entity["dag_id"].as_str().unwrap_or(&self.dag))
    }

    fn called(&self, key: &str) -> String {
        key.replace(CUT, ".")
    }

    async fn create(&self, _: Value) -> Result<(), Fault> {
        let message = "Dag runs bulk create is not supported";
        Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, message))
    }

    async fn update(&self, key: &str, mut body: Value, mask: Option<&[&str]>) -> Result<(), Fault> {
        let (dag, id) = named(key)?;
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !["dag_id", "dag_run_id"].contains(&name.as_str()));
        }
        act(&self.service, dag, id, read(body)?, mask).await
    }

    async fn delete(&self, key: &str) -> Result<(), Fault> {
        let (dag, id) = named(key)?;
        let found = one(&self.service, dag, id).await?;
        Ok(self.service.delete_run(&found.run.id).await?)
    }

    async fn exists(&self, key: &str) -> Result<bool, Fault> {
        let (dag, id) = named(key)?;
        Ok(one(&self.service, dag, id).await.is_ok())
    }
}
