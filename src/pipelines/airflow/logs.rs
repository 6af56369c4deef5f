//! Logs of tries: pages of JSON with a token for what follows, or the whole text as it stands.

use super::{
    Answer, Door,
    asked::Asked,
    fault::Fault,
    instances::{Named, one},
};
use crate::{
    auth::Viewer,
    pipelines::{
        routes::logs::{Cut, Piece, read},
        service::{LogPlace, Service},
    },
};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

/// Bytes of log that one answer holds, whatever is asked for; the token leads on.
const FULL_MAX: u64 = 16 << 20;

pub(super) fn routes() -> Router<Door> {
    const TASK: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}";
    Router::new()
        .route(&format!("{TASK}/logs/{{number}}"), get(log))
        .route(&format!("{TASK}/externalLogUrl/{{number}}"), get(external))
}

/// The run and task of a log, and the number of the try.
type Try = Path<(String, String, String, u32)>;

async fn log(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, number)): Try,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Fault> {
    let named = Named::new(dag, run, task, None).asked(&asked)?;
    let (of, found) = one(&service, &named).await?;
    let reader = Reader { service, run: of.run.id, task: found.id, number };
    reader.place().await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accept.split([',', ';']).next().unwrap_or_default().trim();
    match first {
        "text/plain" => Ok(reader.whole("text/plain; charset=utf-8", |text| text.to_owned())),
        "application/x-ndjson" => Ok(reader.whole("application/x-ndjson", |text| {
            text.lines().map(|line| format!("{}\n", message(line))).collect()
        })),
        _ => Ok(reader.page(&asked).await?.into_response()),
    }
}

fn message(line: &str) -> Value {
    json!({ "event": line })
}

struct Reader {
    service: Service,
    run: String,
    task: String,
    number: u32,
}

impl Reader {
    async fn place(&self) -> Result<LogPlace, Fault> {
        Ok(self.service.log(&self.run, &self.task, Some(self.number)).await?)
    }

    /// Whole lines from an offset on, so that no line is cut by the end of a page.
    async fn piece(&self, offset: u64) -> Result<Piece, Fault> {
        let piece = read(self.place().await?, offset, Cut::Lines).await?;
        Ok(piece)
    }

    async fn page(&self, asked: &Asked) -> Answer {
        let mut offset = asked.one("token").map_or(Ok(0), |token| self.offset_of(token))?;
        let full = asked.flag("full_content")?.unwrap_or(false);
        let end = offset + FULL_MAX;
        let mut lines = Vec::new();
        loop {
            let piece = self.piece(offset).await?;
            lines.extend(piece.text.lines().map(message));
            let moved = piece.next_offset > offset;
            offset = piece.next_offset;
            if piece.done || !moved || !full || offset >= end {
                let token = (!piece.done).then(|| format!("{}.{offset}", self.number));
                return Ok(Json(json!({ "content": lines, "continuation_token": token })));
            }
        }
    }

    /// A token says which try it goes on with, and where.
    fn offset_of(&self, token: &str) -> Result<u64, Fault> {
        let number = token.split_once('.').filter(|(number, _)| *number == self.number.to_string());
        let offset = number.and_then(|(_, offset)| offset.parse::<u64>().ok()).filter(|at| *at < 1 << 53);
        offset.ok_or_else(|| {
            Fault::new(StatusCode::BAD_REQUEST, "Invalid Token. It is not one that this log gave out.")
        })
    }

    /// Everything there is by now, in as many pieces as it takes.
    fn whole(self, kind: &'static str, shape: fn(&str) -> String) -> Response {
        let pieces = stream::unfold(Some((self, 0)), move |state| async move {
            let (reader, offset) = state?;
            let piece = match reader.piece(offset).await {
                Ok(piece) => piece,
                // The answer has begun: an error now can only cut it off.
                Err(_) => return Some((Err(std::io::Error::other("the log cannot be read")), None)),
            };
            if piece.next_offset == offset {
                return None;
            }
            let text = Bytes::from(shape(&piece.text));
            let next = (!piece.done).then_some((reader, piece.next_offset));
            Some((Ok(text), next))
        });
        ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
    }
}

/// Logs are kept here alone.
async fn external(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, _)): Try,
    asked: Asked,
) -> Result<Response, Fault> {
    one(&service, &Named::new(dag, run, task, None).asked(&asked)?).await?;
    Err(Fault::new(StatusCode::BAD_REQUEST, "Task log handler does not support external logs."))
}
