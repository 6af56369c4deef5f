//! Callbacks: written down in the transaction that ends a run, or finds it late, and delivered until
//! they are taken or a day old, also by the next server. Signed as the Standard Webhooks specification has it.

use super::{
    definition::{Definition, callback::Moment},
    hidden,
    model::{Run, RunState, TaskInstance},
};
use crate::{
    auth,
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        hook::{self, Sender},
        id,
    },
    store::{
        Connection, Db,
        outbox::{self, Carrier, Notice, Outcome, To},
    },
};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The word for callbacks in the outbox.
pub const KIND: &str = "callback";
/// Tasks that went wrong, named in what is sent.
const MOST_TASKS: usize = 20;

/// A callback as it waits: sent again, it is the same, by its id too.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    id: String,
    url: String,
    secret: Option<String>,
    body: String,
}

/// Writes down who is to be told of the end of a run.
pub fn over(db: &Connection, run: &Run, tasks: &[TaskInstance], state: RunState, now: i64) -> Result<()> {
    match Moment::of(state) {
        Some(moment) => write(db, run, moment, &body(run, tasks, moment, state, now), now),
        None => Ok(()),
    }
}

/// Writes down who is to be told that a run is late.
pub fn late(db: &Connection, run: &Run, tasks: &[TaskInstance], now: i64) -> Result<()> {
    write(db, run, Moment::Deadline, &body(run, tasks, Moment::Deadline, run.state, now), now)
}

fn write(db: &Connection, run: &Run, moment: Moment, body: &Value, now: i64) -> Result<()> {
    // Most definitions name none, and are not read for it.
    if !run.definition.contains("callbacks") {
        return Ok(());
    }
    let Ok(definition) = Definition::parse(&run.definition) else { return Ok(()) };
    for (place, callback) in definition.callbacks.into_iter().enumerate() {
        if callback.on.contains(&moment) {
            let (id, body) = (format!("callback_{}", id::ordered()), body.to_string());
            let letter = Letter { id, url: callback.url, secret: callback.secret, body };
            let letter = serde_json::to_string(&letter).map_err(Error::internal)?;
            // Each address is a destination of its own, so that none waits for another.
            outbox::put(db, KIND, &format!("{} {place}", run.pipeline), &letter, now)?;
        }
    }
    Ok(())
}

fn body(run: &Run, tasks: &[TaskInstance], moment: Moment, state: RunState, now: i64) -> Value {
    let told = |task: &&TaskInstance| match moment {
        Moment::Deadline => !task.state.is_over(),
        _ => task.state.is_bad(),
    };
    let task =
        |task: &TaskInstance| json!({ "id": task.id, "state": task.state.as_str(), "reason": task.reason });
    json!({
        "event": moment.as_str(),
        "pipeline": run.pipeline,
        "run_id": run.id,
        "state": state.as_str(),
        "logical_date": rfc3339(run.logical_at),
        "created_at": rfc3339(run.created_at),
        "started_at": run.started_at.map(rfc3339),
        "deadline": run.deadline_at.map(rfc3339),
        "time": rfc3339(now),
        "params": run.params,
        "tasks": tasks.iter().filter(told).take(MOST_TASKS).map(task).collect::<Vec<_>>(),
    })
}

/// Brings callbacks to their addresses.
pub struct Callbacks {
    pub db: Db,
    pub auth: auth::Service,
    pub sender: Sender,
}

#[async_trait::async_trait]
impl Carrier for Callbacks {
    async fn carry(&self, _: &To, notice: &Notice) -> Outcome {
        match self.send(notice).await {
            Ok(answer) if answer.status.is_success() => Outcome::Taken,
            Ok(answer) => {
                let why = format!("The callback's address answered {}.", answer.status);
                match is_passing(answer.status) {
                    true => Outcome::Again { why, after: answer.wait },
                    false => Outcome::Never { why },
                }
            }
            Err(error) => Outcome::Again { why: error.message, after: None },
        }
    }
}

impl Callbacks {
    async fn send(&self, notice: &Notice) -> Result<hook::Answer> {
        let Letter { id, url, secret, body } = serde_json::from_str(&notice.body).map_err(Error::internal)?;
        let mut headers = HeaderMap::new();
        let at_s = now_ms().div_euclid(1000);
        if let Some(name) = secret {
            let found = hidden::open(&self.db, &self.auth, [name.as_str()].into_iter()).await?;
            let key = found.get(&name).map(String::as_bytes).unwrap_or_default();
            let signature = hook::signature(key, &id, at_s, &body);
            let signature = signature.ok_or_else(|| Error::internal("signing failed"))?;
            headers.insert("webhook-signature", HeaderValue::try_from(signature).map_err(Error::internal)?);
        }
        headers.insert("webhook-id", HeaderValue::try_from(id).map_err(Error::internal)?);
        headers.insert("webhook-timestamp", HeaderValue::from(at_s));
        self.sender.post(&url, headers, body).await
    }
}

/// A receiver that is busy or broken is asked again; one that understood and refused is not.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}
