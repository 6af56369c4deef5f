//! The routes `/v2/models/{name}/explain` beside the Open Inference Protocol's, and what the room of KServe's first
//! protocol asks for `/v1/models/{name}:explain`.

use super::{
    answer,
    background::{self, Source},
    question,
    work::Job,
};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        Service,
        doors::oip::{self, Refusal},
        loading::load::Loaded,
        predict::{
            call::{Answered, Call},
            gate::before,
        },
        wire::{body::Body, json},
    },
};
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderValue, header};
use serde::Deserialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// No explanation works longer.
const LONGEST: Duration = Duration::from_secs(60);
/// Explanations that may wait for their turn.
const QUEUE: usize = 64;

/// Who explains. Clones share the turns.
#[derive(Clone)]
pub struct Explainer {
    serving: Service,
    /// One fewer than there are cores, where there are several: predictions keep one.
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

pub fn router(explainer: Explainer) -> Router {
    Router::new()
        .route("/v2/models/{name}/explain", post(explain))
        .route("/v2/models/{name}/versions/{version}/explain", post(explain))
        .with_state(explainer)
}

#[derive(Deserialize)]
struct Which {
    name: String,
    version: Option<String>,
}

async fn explain(
    State(explainer): State<Explainer>,
    Path(Which { name, version }): Path<Which>,
    call: Call,
    body: Body,
) -> Result<Response, Refusal> {
    let length = oip::json_length(&call.headers)?;
    let shown = name.clone();
    let work = move |loaded: &Loaded, stored, deadline| {
        let (body, mut request) = question::framed(&body.decoded()?, length, &answer::specs())?;
        let sent = std::mem::take(&mut request.inputs);
        let explanation = Job::read(loaded, body, sent, stored, deadline)?.run()?;
        let parameters = explanation.how.parameters();
        oip::write_with(&shown, loaded, &request, &explanation.tensors(), Some(parameters))
    };
    let answered = explainer.run(&name, call.of_version(version), work).await?;
    Ok((answered.headers(), answered.answer).into_response())
}

impl Explainer {
    pub fn new(serving: Service) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let turns = Arc::new(Semaphore::new(cores.saturating_sub(1).max(1)));
        Self { serving, turns, waiting: Arc::default() }
    }

    /// KServe's `:explain`.
    pub async fn kserve(&self, name: &str, call: Call, body: Body) -> Result<Response, Refusal> {
        let work = move |loaded: &Loaded, stored, deadline| {
            let body = json::parse(&body.decoded()?)?;
            Ok(Job::read(loaded, body, Vec::new(), stored, deadline)?.run()?.listed().to_string())
        };
        let answered = self.run(name, call, work).await?;
        let json = HeaderValue::from_static("application/json");
        Ok((answered.headers(), [(header::CONTENT_TYPE, json)], answered.answer).into_response())
    }

    /// Runs one explanation of the model that would answer this call, when its turn has come and a core is
    /// free for it.
    async fn run<T: Send + 'static>(
        &self,
        name: &str,
        call: Call,
        work: impl FnOnce(&Loaded, Result<Option<Source>>, Instant) -> Result<T> + Send + 'static,
    ) -> Result<Answered<T>> {
        let chosen = self.serving.endpoint(name)?.choose(&call)?;
        let stored = background::stored(&self.serving.sources().objects, &chosen.model).await;
        let ours = Instant::now() + LONGEST;
        let deadline = call.deadline.map_or(ours, |theirs| theirs.min(ours));
        let turn = before(Some(deadline), self.turn()).await??;
        let asked = Arc::clone(&chosen.model);
        let work = move || {
            let outcome = work(&asked, stored, deadline);
            drop(turn);
            outcome
        };
        let answer = self.serving.gate().run(Some(deadline), work).await?;
        Ok(Answered { answer, model: chosen.model, route: Arc::clone(&chosen.route.name) })
    }

    /// Waits for a turn, if not too many do.
    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let place = Place(Arc::clone(&self.waiting));
        if self.waiting.fetch_add(1, Relaxed) >= QUEUE {
            return Err(Error::too_many(
                "Too many explanations are waiting. Send this one again in a second.",
            ));
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal);
        drop(place);
        turn
    }
}

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
