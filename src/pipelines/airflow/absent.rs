//! What the house has none of: lists are empty, single things are not found, and what would change
//! something answers 501 in plain words rather than pretend.

use super::{
    Answer, Door,
    asked::Asked,
    dags,
    fault::Fault,
    instances,
    search::{Page, no_order},
    shapes::run,
};
use crate::{
    auth::{Editor, Viewer},
    pipelines::{service::Service, store},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{MethodRouter, get, post},
};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Door> {
    const TASK: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}";
    let task = |rest: &str| format!("{TASK}{rest}");
    Router::new()
        .route("/dagStats", get(stats))
        .route("/dagTags", empty("tags"))
        .route("/dagWarnings", empty("dag_warnings"))
        .route("/eventLogs", empty("event_logs"))
        .route("/eventLogs/{id}", nothing("This server keeps no event log."))
        .route("/jobs", empty("jobs"))
        .route("/plugins", empty("plugins"))
        .route("/plugins/importErrors", empty("import_errors"))
        .route("/providers", empty("providers"))
        .route("/assets", empty("assets"))
        .route("/assets/aliases", empty("asset_aliases"))
        .route("/assets/aliases/{id}", nothing(NO_ASSETS))
        .route("/assets/events", empty("asset_events").post(no_assets))
        .route("/assets/{id}", nothing(NO_ASSETS))
        .route("/assets/{id}/materialize", post(no_assets))
        .route("/assets/{id}/queuedEvents", nothing(NO_ASSETS).delete(no_assets))
        .route("/assets/{id}/state-store", nothing(NO_ASSETS).delete(no_assets))
        .route("/assets/{id}/state-store/{key}", nothing(NO_ASSETS).put(no_assets).delete(no_assets))
        .route("/dags/{dag_id}/assets/queuedEvents", nothing(NO_ASSETS).delete(no_assets))
        .route("/dags/{dag_id}/assets/{id}/queuedEvents", nothing(NO_ASSETS).delete(no_assets))
        .route("/config", get(hidden))
        .route("/config/section/{section}/option/{option}", get(hidden))
        .route("/connections/defaults", post(no_defaults))
        .route("/connections/enqueue-test", post(no_test).get(no_test))
        .route("/dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents", empty("asset_events"))
        .route("/dags/{dag_id}/dagRuns/{run_id}/hitlDetails", empty("hitl_details"))
        .route(&task("/links"), get(links))
        .route(&task("/state-store"), nothing(NO_STATES).delete(no_states))
        .route(
            &task("/state-store/{key}"),
            nothing(NO_STATES).put(no_states).patch(no_states).delete(no_states),
        )
        .route(&task("/{map_index}/hitlDetails"), nothing(NO_HITL).patch(no_hitl))
        .route(&task("/{map_index}/hitlDetails/tries/{number}"), nothing(NO_HITL))
        .fallback(unknown)
}

const NO_STATES: &str =
    "Tasks keep no state of their own here: what one gives to others are its XCom entries.";
const NO_HITL: &str = "No task of this server waits for a person's answer.";

async fn no_assets(_: Editor) -> Fault {
    Fault::not_found(NO_ASSETS)
}

async fn no_states(_: Editor) -> Fault {
    Fault::new(StatusCode::NOT_IMPLEMENTED, NO_STATES)
}

async fn no_hitl(_: Editor) -> Fault {
    Fault::new(StatusCode::NOT_IMPLEMENTED, NO_HITL)
}

async fn no_defaults(_: Editor) -> Fault {
    let why = "This server has no connections of its own making: create those that are needed.";
    Fault::new(StatusCode::FORBIDDEN, why)
}

/// Nothing here knows how to reach other systems; Airflow too refuses unless it is set up to.
pub(super) async fn no_test(_: Editor) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, "Testing connections is disabled: this server reaches no other system.")
}

async fn unknown(_: Viewer, uri: Uri) -> Fault {
    Fault::not_found(format!("Airflow's API has no operation at {} that this server knows.", uri.path()))
}

const NO_ASSETS: &str = "This server has no assets.";

/// A list of what there is none of.
fn empty(field: &'static str) -> MethodRouter<Door> {
    get(move |_: Viewer, asked: Asked| async move {
        Page::of(&asked)?;
        Ok::<_, Fault>(Json(json!({ field: [], "total_entries": 0 })))
    })
}

fn nothing(why: &'static str) -> MethodRouter<Door> {
    get(move |_: Viewer| async move { Fault::not_found(why) })
}

async fn hidden(_: Viewer) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, "This server does not expose its configuration here.")
}

/// How many runs of each dag are in each state.
async fn stats(_: Viewer, State(service): State<Service>, asked: Asked) -> Answer {
    if let Some(order) = asked.one("order_by") {
        return Err(no_order(order));
    }
    let wanted = asked.all("dag_ids");
    let counts = service.db().read(store::run_counts).await?;
    let dags = dags::all(&service).await?;
    let shown = dags.iter().filter(|dag| wanted.is_empty() || wanted.contains(&dag.id())).map(|dag| {
        let of = |state: &str| -> i64 {
            let fits = |own: &str| own == state || own == "cancelled" && state == "failed";
            counts
                .iter()
                .filter(|(name, own, _)| name == dag.id() && fits(own))
                .map(|(.., count)| count)
                .sum()
        };
        let states: Vec<Value> =
            run::STATES.iter().map(|state| json!({ "state": state, "count": of(state) })).collect();
        json!({ "dag_id": dag.id(), "dag_display_name": dag.id(), "stats": states })
    });
    let shown: Vec<Value> = shown.collect();
    Ok(Json(json!({ "total_entries": shown.len(), "dags": shown })))
}

/// Tasks have no links to other places.
async fn links(
    _: Viewer,
    State(service): State<Service>,
    Path(named): Path<instances::Named>,
    asked: Asked,
) -> Answer {
    instances::one(&service, &named.asked(&asked)?).await?;
    Ok(Json(json!({ "extra_links": {}, "total_entries": 0 })))
}
