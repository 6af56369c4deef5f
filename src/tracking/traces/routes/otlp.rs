//! OpenTelemetry's door, `POST /v1/traces`: spans in protobuf or JSON, answered as MLflow's server
//! answers them.

use crate::{
    auth::Editor,
    kernel::error::Result,
    tracking::{
        Service, check,
        search::reach::Reach,
        traces::{
            ingest::batches,
            model::Batch,
            otlp::{self, Refused},
        },
        wire::MlflowError,
    },
};
use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

const EXPERIMENT: &str = "x-mlflow-experiment-id";
const RUN: &str = "x-mlflow-run-id";
const PROTOBUF: &str = "application/x-protobuf";

pub async fn export(
    State(tracker): State<Service>,
    _: Editor,
    reach: Reach,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(experiment) = text(&headers, EXPERIMENT) else {
        return detail(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!([{ "type": "missing", "loc": ["header", EXPERIMENT], "msg": "Field required", "input": null }]),
        );
    };
    let batches = match read(&headers, &body) {
        Ok(batches) => batches,
        Err((status, words)) => return detail(status, words.into()),
    };
    if let Err(error) = store(&tracker, reach, experiment, text(&headers, RUN), batches).await {
        return MlflowError(error).into_response();
    }
    // An answer without fields is protobuf's empty message.
    ([(header::CONTENT_TYPE, PROTOBUF)], Bytes::new()).into_response()
}

/// A status with its words.
type Refusal = (StatusCode, String);

fn read(headers: &HeaderMap, body: &[u8]) -> std::result::Result<Vec<Batch>, Refusal> {
    let refused = |Refused(words)| (StatusCode::BAD_REQUEST, words);
    let given = text(headers, header::CONTENT_TYPE.as_str());
    let media_type = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
    if !matches!(media_type, PROTOBUF | "application/json") {
        return Err(refused(otlp::wrong_type(given.unwrap_or("None"))));
    }
    let request = match text(headers, header::CONTENT_ENCODING.as_str()).filter(|name| !name.is_empty()) {
        None => otlp::read(media_type, body),
        Some(encoding) => otlp::inflate(body, &encoding.to_ascii_lowercase())
            .and_then(|inflated| otlp::read(media_type, &inflated)),
    };
    batches(&request.map_err(refused)?).map_err(|_| {
        (StatusCode::UNPROCESSABLE_ENTITY, "Cannot convert OpenTelemetry span to MLflow span".to_owned())
    })
}

async fn store(
    tracker: &Service,
    reach: Reach,
    experiment: &str,
    run: Option<&str>,
    batches: Vec<Batch>,
) -> Result<()> {
    if batches.is_empty() {
        return Ok(());
    }
    let rooted = batches.iter().filter(|batch| batch.has_root());
    let finished: Vec<_> = rooted.map(|batch| batch.trace_id.clone()).collect();
    tracker.spans_put(reach, check::experiment_id(experiment)?, batches).await?;
    if let Some(run) = run.filter(|run| !run.is_empty()) {
        for some in finished.chunks(100) {
            // The spans are stored; a run that is not there must not make their sender send them again.
            if let Err(error) = tracker.traces_link_run(some.to_vec(), run).await {
                tracing::warn!(%error, run, "traces could not be linked to the run they name");
            }
        }
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A refusal in the shape of the framework MLflow's server is made with.
fn detail(status: StatusCode, detail: Value) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}
