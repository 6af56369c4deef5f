//! The one way every prediction goes, whatever its protocol: a route is chosen, its limits and a core are
//! waited for, the model runs, the answer is counted, and what mirrors it or keeps it is told.

pub mod call;
pub mod gate;
pub mod gather;
mod stack;

use self::{
    call::{Answered, Call, Params, Question},
    gate::{Pass, too_late},
    gather::{Ask, Ran},
};
use super::{
    endpoint::Endpoint,
    engine::NamedTensor,
    loading::load::Loaded,
    log::Entry,
    rollout::{mirror::Mirrored, plan::Chosen},
    service::Service,
    stats::{InFlight, Run, VersionStats},
};
use crate::kernel::{
    clock::now_ms,
    error::{Error, Kind, Result},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// One request on its way to the model that was chosen for it.
struct Job {
    service: Service,
    endpoint: Arc<Endpoint>,
    chosen: Chosen,
    stats: Arc<VersionStats>,
    call: Call,
    /// Whether the caller still waits; who does not was told that it is late, and counted.
    waits: Arc<AtomicBool>,
    /// The bucket this request is kept in, if it is.
    bucket: Option<String>,
    pass: Pass,
    /// The model's only attention, where it can attend to one request at a time.
    _turn: Option<Pass>,
    _in_flight: InFlight,
}

/// The same with what only its protocol knows: how it is read and how its answer is written.
struct Asked<T, R, W> {
    job: Job,
    read: Option<R>,
    write: Option<W>,
    reply: Option<oneshot::Sender<Result<T>>>,
    run: Run,
    kept: Kept,
}

/// What the model was asked and what it said, where somebody else wants to know.
#[derive(Default)]
struct Kept {
    inputs: Option<Arc<Vec<NamedTensor>>>,
    params: Option<Params>,
    outputs: Option<Arc<Vec<NamedTensor>>>,
}

impl Service {
    /// Asks the model that the endpoint chooses for this call. `read` makes the model's question of the request,
    /// and answers also how the outputs are written; both run on a thread that may block.
    pub async fn predict<T, R, W>(&self, endpoint: &Arc<Endpoint>, call: Call, read: R) -> Result<Answered<T>>
    where
        T: Send + 'static,
        R: FnOnce(&Loaded) -> Result<(Question, W)> + Send + 'static,
        W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T> + Send + 'static,
    {
        let chosen = endpoint.choose(&call).inspect_err(|error| {
            endpoint.board.unserved();
            endpoint.board.failures.add(&call.request_id, "", None, error);
        })?;
        let call = match chosen.route.timeout {
            Some(wait) => call.within(wait),
            None => call,
        };
        let (model, route) = (Arc::clone(&chosen.model), Arc::clone(&chosen.route));
        let stats = endpoint.board.of(&model.name, &model.version);
        let (began, request_id) = (call.began, call.request_id.clone());
        let in_flight = stats.enter();
        let turns =
            async { Ok((route.gate.pass(call.deadline).await?, model.model.turn(call.deadline).await?)) };
        let waits = Arc::new(AtomicBool::new(true));
        let outcome = match turns.await {
            Ok((pass, turn)) => {
                let (service, endpoint) = (self.clone(), Arc::clone(endpoint));
                let (deadline, bucket) = (call.deadline, chosen.plan.log_bucket());
                let job = Job {
                    service,
                    endpoint,
                    chosen,
                    stats: Arc::clone(&stats),
                    call,
                    waits: Arc::clone(&waits),
                    bucket,
                    pass,
                    _turn: turn,
                    _in_flight: in_flight,
                };
                let (reply, answer) = oneshot::channel();
                let asked = Box::new(Asked::new(job, read, reply));
                self.gate().ask(&model, asked, deadline, answer).await
            }
            Err(error) => Err(error),
        };
        // The inner outcome is the model's, and counted where it ran; the outer is that it was not run.
        let answer = outcome.inspect_err(|error| {
            waits.store(false, Relaxed);
            stats.refused(began.elapsed());
            endpoint.board.failures.add(&request_id, &route.name, Some(&model.version), error);
        })??;
        Ok(Answered { answer, model, route: Arc::clone(&route.name) })
    }
}

impl<T, R, W> Asked<T, R, W>
where
    R: FnOnce(&Loaded) -> Result<(Question, W)>,
    W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T>,
{
    fn new(job: Job, read: R, reply: oneshot::Sender<Result<T>>) -> Self {
        let (run, kept) = (Run::default(), Kept::default());
        Self { job, read: Some(read), write: None, reply: Some(reply), run, kept }
    }

    fn try_read(&mut self) -> Result<Question> {
        if self.job.call.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(too_late());
        }
        let read = self.read.take().ok_or_else(|| Error::internal("a request is read twice"))?;
        let began = Instant::now();
        let (asked, write) = read(&self.job.chosen.model)?;
        self.run.input = began.elapsed();
        self.write = Some(write);
        self.kept.inputs = self.job.is_kept().then(|| Arc::new(asked.inputs.clone()));
        self.kept.params.clone_from(&asked.params);
        Ok(asked)
    }

    fn try_write(&mut self, outputs: Vec<NamedTensor>) -> Result<T> {
        let write = self.write.take().ok_or_else(|| Error::internal("an answer is written twice"))?;
        // Who was told that it is late may have put something else into the shared memory it had given.
        if !self.job.waits.load(Relaxed) {
            return Err(too_late());
        }
        let began = Instant::now();
        let answer = write(&self.job.chosen.model, &outputs)?;
        self.run.output = began.elapsed();
        self.kept.outputs = self.job.is_kept().then(|| Arc::new(outputs));
        Ok(answer)
    }

    /// Counts the request and tells its caller; once.
    fn end(&mut self, outcome: Result<T>) {
        let Some(reply) = self.reply.take() else { return };
        let total = self.job.call.began.elapsed();
        let outcome = if self.job.waits.load(Relaxed) { outcome } else { Err(too_late()) };
        self.job.count(&outcome, &self.run, total);
        self.job.tell(&outcome, std::mem::take(&mut self.kept), total);
        // Who has gone does not hear it.
        let _ = reply.send(outcome);
    }
}

impl<T, R, W> Ask for Asked<T, R, W>
where
    T: Send,
    R: FnOnce(&Loaded) -> Result<(Question, W)> + Send,
    W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T> + Send,
{
    fn is_small(&self) -> bool {
        self.job.call.is_small
    }

    fn read(&mut self) -> Option<Question> {
        self.job.pass.begin();
        self.run.queue = self.job.call.began.elapsed();
        match self.try_read() {
            Ok(asked) => {
                let first = asked.inputs.first();
                self.run.rows = first.and_then(|input| input.shape.first().copied()).unwrap_or(1);
                Some(asked)
            }
            Err(error) => {
                self.end(Err(error));
                None
            }
        }
    }

    fn answer(mut self: Box<Self>, outputs: Result<Vec<NamedTensor>>, ran: Ran) {
        (self.run.infer, self.run.batch) = (ran.infer, ran.rows);
        let outcome = outputs.and_then(|outputs| self.try_write(outputs));
        self.end(outcome);
    }
}

impl Job {
    /// Whether somebody else wants to know what was asked and answered.
    fn is_kept(&self) -> bool {
        self.is_mirrored() || self.bucket.is_some()
    }

    fn is_mirrored(&self) -> bool {
        self.chosen.plan.mirrors(&self.chosen.route).next().is_some()
    }

    fn count<T>(&self, outcome: &Result<T>, run: &Run, total: Duration) {
        let Err(error) = outcome else { return self.stats.answered(run, total) };
        if !self.waits.load(Relaxed) {
            return;
        }
        match error.kind {
            Kind::Late => self.stats.refused(total),
            _ => self.stats.failed(total),
        }
        let (route, version) = (&self.chosen.route.name, &self.chosen.model.version);
        self.endpoint.board.failures.add(&self.call.request_id, route, Some(version), error);
    }

    /// Tells the log and the shadows what was asked and answered.
    fn tell<T>(&mut self, outcome: &Result<T>, kept: Kept, total: Duration) {
        if let Some(bucket) = self.bucket.take() {
            let status = outcome.as_ref().err().map_or(200, |error| error.kind.status().as_u16());
            self.service.log().offer(Entry {
                bucket,
                at_ms: now_ms(),
                request_id: std::mem::take(&mut self.call.request_id),
                endpoint: self.endpoint.name.clone(),
                route: Arc::clone(&self.chosen.route.name),
                model: self.chosen.model.name.clone(),
                version: self.chosen.model.version.clone(),
                status,
                latency_ms: total.as_secs_f64() * 1000.0,
                inputs: kept.inputs.clone(),
                outputs: kept.outputs.clone(),
            });
        }
        let Kept { inputs: Some(inputs), outputs: Some(outputs), params } = kept else { return };
        if outcome.is_ok() && self.is_mirrored() {
            let Chosen { plan, route, model } = &self.chosen;
            self.service.mirrors().offer(Mirrored {
                endpoint: Arc::clone(&self.endpoint),
                plan: Arc::clone(plan),
                route: Arc::clone(route),
                model: Arc::clone(model),
                inputs,
                params,
                outputs,
            });
        }
    }
}
