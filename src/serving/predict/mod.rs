//! The one way every prediction goes, whatever its protocol: a route is chosen, its limits and a core are
//! waited for, the model runs, the answer is counted, and what mirrors it or keeps it is told.

pub mod call;
pub mod gate;

use self::{
    call::{Answered, Call},
    gate::{Pass, too_late},
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
    sync::Arc,
    time::{Duration, Instant},
};

/// One request on its way to the model that was chosen for it.
struct Job {
    service: Service,
    endpoint: Arc<Endpoint>,
    chosen: Chosen,
    stats: Arc<VersionStats>,
    call: Call,
    /// The bucket this request is kept in, if it is.
    bucket: Option<String>,
    pass: Pass,
    /// The model's only attention, where it can attend to one request at a time.
    _turn: Option<Pass>,
    _in_flight: InFlight,
}

/// What the model was asked and what it said, where somebody else wants to know.
#[derive(Default)]
struct Kept {
    inputs: Option<Arc<Vec<NamedTensor>>>,
    outputs: Option<Arc<Vec<NamedTensor>>>,
}

impl Service {
    /// Asks the model that the endpoint chooses for this call. `read` makes the model's inputs of the request,
    /// and answers also how the outputs are written; both run on a thread that may block.
    pub async fn predict<T, R, W>(&self, endpoint: &Arc<Endpoint>, call: Call, read: R) -> Result<Answered<T>>
    where
        T: Send + 'static,
        R: FnOnce(&Loaded) -> Result<(Vec<NamedTensor>, W)> + Send + 'static,
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
                    bucket,
                    pass,
                    _turn: turn,
                    _in_flight: in_flight,
                };
                self.gate().run(deadline, move || Ok(job.run(read))).await
            }
            Err(error) => Err(error),
        };
        // The inner outcome is the model's, and counted where it ran; the outer is that it was not run.
        let answer = outcome.inspect_err(|error| {
            stats.refused(began.elapsed());
            endpoint.board.failures.add(&request_id, &route.name, Some(&model.version), error);
        })??;
        Ok(Answered { answer, model, route: Arc::clone(&route.name) })
    }
}

impl Job {
    fn run<T, R, W>(mut self, read: R) -> Result<T>
    where
        R: FnOnce(&Loaded) -> Result<(Vec<NamedTensor>, W)>,
        W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T>,
    {
        self.pass.begin();
        let mut run = Run { queue: self.call.began.elapsed(), ..Run::default() };
        let mut kept = Kept::default();
        let outcome = if self.call.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Err(too_late())
        } else {
            self.ask(read, &mut run, &mut kept)
        };
        let total = self.call.began.elapsed();
        self.count(&outcome, &run, total);
        self.tell(&outcome, kept, total);
        outcome
    }

    fn ask<T, R, W>(&self, read: R, run: &mut Run, kept: &mut Kept) -> Result<T>
    where
        R: FnOnce(&Loaded) -> Result<(Vec<NamedTensor>, W)>,
        W: FnOnce(&Loaded, &[NamedTensor]) -> Result<T>,
    {
        let model = &self.chosen.model;
        let began = Instant::now();
        let (inputs, write) = read(model)?;
        run.input = began.elapsed();
        run.rows = inputs.first().and_then(|input| input.shape.first().copied()).unwrap_or(1);
        let is_wanted = self.is_mirrored() || self.bucket.is_some();
        kept.inputs = is_wanted.then(|| Arc::new(inputs.clone()));
        let began = Instant::now();
        let outputs = model.model.infer(inputs)?;
        run.infer = began.elapsed();
        let began = Instant::now();
        let answer = write(model, &outputs)?;
        run.output = began.elapsed();
        kept.outputs = is_wanted.then(|| Arc::new(outputs));
        Ok(answer)
    }

    fn is_mirrored(&self) -> bool {
        self.chosen.plan.mirrors(&self.chosen.route).next().is_some()
    }

    fn count<T>(&self, outcome: &Result<T>, run: &Run, total: Duration) {
        let Err(error) = outcome else { return self.stats.answered(run, total) };
        self.fail(error, total);
    }

    fn fail(&self, error: &Error, total: Duration) {
        match error.kind {
            Kind::Late => self.stats.refused(total),
            _ => self.stats.failed(total),
        }
        let (route, version) = (&self.chosen.route.name, &self.chosen.model.version);
        self.endpoint.board.failures.add(&self.call.request_id, route, Some(version), error);
    }

    /// Tells the log and the shadows what was asked and answered.
    fn tell<T>(mut self, outcome: &Result<T>, kept: Kept, total: Duration) {
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
        let Kept { inputs: Some(inputs), outputs: Some(outputs) } = kept else { return };
        if outcome.is_ok() && self.is_mirrored() {
            let Chosen { plan, route, model } = self.chosen;
            self.service.mirrors().offer(Mirrored {
                endpoint: self.endpoint,
                plan,
                route,
                model,
                inputs,
                outputs,
            });
        }
    }
}
