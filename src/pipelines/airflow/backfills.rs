//! Backfills: runs for a span of the past, tried out, started, paused, stopped.

use super::{
    Answer, Door,
    asked::{Asked, Body, instant, unfit},
    dags,
    fault::Fault,
    runs::params,
    search::{Page, no_order},
    shapes::time,
};
use crate::{
    auth::{Editor, Viewer},
    kernel::clock::{now_ms, rfc3339},
    pipelines::{
        model::Reprocess,
        service::Service,
        store::{BackfillPlan, BackfillRow},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<Door> {
    let mut routes = Router::new()
        .route("/backfills", get(list).post(create))
        .route("/backfills/dry_run", post(try_out))
        .route("/backfills/{id}", get(show));
    // The specification says PUT; airflowctl sends POST.
    routes = routes.route("/backfills/{id}/pause", post(pause).put(pause));
    routes = routes.route("/backfills/{id}/unpause", post(unpause).put(unpause));
    routes.route("/backfills/{id}/cancel", post(cancel).put(cancel))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    dag_id: String,
    from_date: String,
    to_date: String,
    #[serde(default)]
    run_backwards: bool,
    dag_run_conf: Option<Map<String, Value>>,
    reprocess_behavior: Option<Reprocess>,
    max_active_runs: Option<u32>,
    run_on_latest_version: Option<bool>,
}

impl PostBody {
    fn plan(self) -> Result<BackfillPlan, Fault> {
        let date = |field: &str, text: &str| {
            let message = "Input should be a valid datetime";
            let wrong = || Fault::unfit(&["body", field], "datetime_parsing", message, &text.into());
            instant(text).ok_or_else(wrong)
        };
        let span = (date("from_date", &self.from_date)?, date("to_date", &self.to_date)?);
        let unfit = |message: &str| Err(Fault::unfit(&["body"], "value_error", message, &Value::Null));
        if span.0 > span.1 {
            return unfit("Value error, from_date must not be after to_date");
        }
        if span.0 >= now_ms() {
            return unfit("Value error, Backfill cannot be executed for future dates.");
        }
        if self.max_active_runs == Some(0) {
            let message = "Input should be greater than 0";
            return Err(Fault::unfit(&["body", "max_active_runs"], "greater_than", message, &0.into()));
        }
        Ok(BackfillPlan {
            pipeline: self.dag_id,
            span,
            params: params(self.dag_run_conf.unwrap_or_default())?,
            reprocess: self.reprocess_behavior.unwrap_or(Reprocess::None),
            backwards: self.run_backwards,
            max_active_runs: self.max_active_runs.unwrap_or(10),
            latest: self.run_on_latest_version.unwrap_or(true),
        })
    }
}

fn shape(one: &BackfillRow) -> Value {
    let plan = &one.plan;
    json!({
        "id": one.id,
        "dag_id": plan.pipeline,
        "dag_display_name": plan.pipeline,
        "from_date": rfc3339(plan.span.0),
        "to_date": rfc3339(plan.span.1),
        "dag_run_conf": plan.params,
        "is_paused": one.paused,
        "reprocess_behavior": plan.reprocess.as_str(),
        "max_active_runs": plan.max_active_runs,
        "created_at": rfc3339(one.created_at),
        "completed_at": time(one.completed_at),
        "updated_at": rfc3339(one.updated_at),
    })
}

async fn list(_: Viewer, State(service): State<Service>, asked: Asked) -> Answer {
    let dag = asked.one("dag_id").ok_or_else(|| unfit("dag_id", "missing", "Field required", ""))?;
    let mut found = service.backfills(dag).await?;
    match asked.one("order_by").unwrap_or("id") {
        "id" => {}
        "-id" => found.reverse(),
        other => return Err(no_order(other)),
    }
    let total = found.len();
    let page = Page::of(&asked)?.cut(found);
    Ok(Json(json!({ "backfills": page.iter().map(shape).collect::<Vec<_>>(), "total_entries": total })))
}

async fn show(_: Viewer, State(service): State<Service>, Path(id): Path<i64>) -> Answer {
    Ok(Json(shape(&service.backfill_find(id).await?)))
}

async fn create(_: Editor, State(service): State<Service>, Body(body): Body<PostBody>) -> Answer {
    dags::one(&service, &body.dag_id).await?;
    Ok(Json(shape(&service.backfill_start(body.plan()?).await?)))
}

async fn try_out(_: Editor, State(service): State<Service>, Body(body): Body<PostBody>) -> Answer {
    dags::one(&service, &body.dag_id).await?;
    let times = service.backfill_look(body.plan()?).await?;
    let one =
        |at: &i64| json!({ "logical_date": rfc3339(*at), "partition_key": null, "partition_date": null });
    let shown: Vec<Value> = times.iter().map(one).collect();
    Ok(Json(json!({ "total_entries": shown.len(), "backfills": shown })))
}

async fn pause(_: Editor, State(service): State<Service>, Path(id): Path<i64>) -> Answer {
    Ok(Json(shape(&service.backfill_pause(id, true).await?)))
}

async fn unpause(_: Editor, State(service): State<Service>, Path(id): Path<i64>) -> Answer {
    Ok(Json(shape(&service.backfill_pause(id, false).await?)))
}

async fn cancel(_: Editor, State(service): State<Service>, Path(id): Path<i64>) -> Answer {
    Ok(Json(shape(&service.backfill_cancel(id).await?)))
}
