//! Shadows: models asked what another was asked, after its answer is on its way. Bounded in number and in bytes:
//! what does not fit is not mirrored, and counted. Nothing here can delay or change an answer.

use super::{
    compare,
    plan::{Plan, Route},
};
use crate::serving::{
    endpoint::Endpoint, engine::NamedTensor, loading::load::Loaded, predict::call::Params, service::Service,
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Requests that wait to be mirrored.
const QUEUE: usize = 256;
/// Bytes of their tensors.
const MOST_BYTES: usize = 64 << 20;

/// A request that was answered, and its answer.
pub struct Mirrored {
    pub endpoint: Arc<Endpoint>,
    pub plan: Arc<Plan>,
    pub route: Arc<Route>,
    pub model: Arc<Loaded>,
    pub inputs: Arc<Vec<NamedTensor>>,
    pub params: Option<Params>,
    pub outputs: Arc<Vec<NamedTensor>>,
}

pub struct Mirrors {
    queue: Sender<(Mirrored, Weight)>,
    waiting: Mutex<Option<Receiver<(Mirrored, Weight)>>>,
    bytes: Arc<AtomicUsize>,
}

/// Bytes that wait, given back when dropped.
struct Weight(Arc<AtomicUsize>, usize);

impl Drop for Weight {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

impl Mirrors {
    pub fn new() -> Self {
        let (queue, waiting) = channel(QUEUE);
        Self { queue, waiting: Mutex::new(Some(waiting)), bytes: Arc::default() }
    }

    /// Takes a request over, if there is room.
    pub fn offer(&self, job: Mirrored) {
        let size = bytes(&job.inputs) + bytes(&job.outputs);
        let weight = Weight(Arc::clone(&self.bytes), size);
        let fits = self.bytes.fetch_add(size, Relaxed) + size <= MOST_BYTES;
        let stats: Vec<_> = job
            .plan
            .mirrors(&job.route)
            .filter_map(|route| {
                let model = route.follower.current()?;
                Some(job.endpoint.board.of(&model.name, &model.version))
            })
            .collect();
        if !fits || self.queue.try_send((job, weight)).is_err() {
            stats.iter().for_each(|stats| stats.mirror_dropped());
        }
    }

    /// The queue, for the one task that works it off.
    fn take(&self) -> Option<Receiver<(Mirrored, Weight)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn bytes(tensors: &[NamedTensor]) -> usize {
    tensors.iter().map(|tensor| tensor.data.bytes()).sum()
}

impl Service {
    /// Works off what is to be mirrored, one request after the other, so that shadows take one core at most.
    pub(in crate::serving) async fn mirror(self) {
        let Some(mut queue) = self.mirrors().take() else { return };
        let stop = self.stopping();
        loop {
            let (job, _weight) = tokio::select! {
                () = stop.cancelled() => return,
                job = queue.recv() => match job { Some(job) => job, None => return },
            };
            let job = Arc::new(job);
            let routes: Vec<_> = job.plan.mirrors(&job.route).cloned().collect();
            for route in routes {
                let Some(model) = route.follower.current() else { continue };
                self.ask_unheard(&job, &route, model).await;
            }
        }
    }

    async fn ask_unheard(&self, job: &Arc<Mirrored>, route: &Route, model: Arc<Loaded>) {
        let stats = job.endpoint.board.of(&model.name, &model.version);
        // Compared is the one that is not the champion, whoever of the two was heard.
        let candidate = if route.name == job.plan.champion().name { &job.model } else { &model };
        let candidate = job.endpoint.board.of(&candidate.name, &candidate.version);
        let (asked, told) = (Arc::clone(&stats), Arc::clone(job));
        let work = move || {
            let began = Instant::now();
            let outputs = model.model.infer_with(told.inputs.as_ref().clone(), told.params.clone());
            asked.mirrored(began.elapsed(), outputs.is_ok());
            let (rows, agreed) = compare::rows(&told.outputs, &outputs?);
            candidate.compared(rows, agreed);
            Ok(())
        };
        if let Err(error) = self.work(work).await {
            if error.may_pass() {
                stats.mirror_dropped();
            }
            tracing::debug!(endpoint = job.endpoint.name, route = &*route.name, %error, "a shadow did not answer");
        }
    }
}
