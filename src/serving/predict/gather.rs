//! Requests to one model that wait for a core: who gets one takes along those that came meanwhile, and their rows
//! go through the model in one run, where each row is answered by itself. Nobody waits for others to come: a
//! request that finds a core free has it at once.

use super::{
    call::Question,
    stack::{join, split},
};
use crate::{
    kernel::error::Result,
    serving::{engine::NamedTensor, loading::load::Loaded},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Requests that share a run.
const MOST_TOGETHER: usize = 32;
/// Work shorter than this is done where the request was read: to rouse another thread for it would cost more.
const BRIEF: Duration = Duration::from_micros(200);

/// A request that waits to be run.
pub trait Ask: Send {
    /// Whether it is so small that the model's usual time tells how long it will take.
    fn is_small(&self) -> bool;
    /// Makes the model's question of it. None where it is answered already: it is wrong, or its time is over.
    fn read(&mut self) -> Option<Question>;
    fn answer(self: Box<Self>, outputs: Result<Vec<NamedTensor>>, ran: Ran);
}

/// The run a request was part of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    pub infer: Duration,
    /// The rows of the run; told to the first of those who shared it, so that it is counted once.
    pub rows: Option<usize>,
}

/// Those who wait for one model, and how long it takes for one request.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    /// Nanoseconds from reading a small request to its answer; 0 before the first.
    pace: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    asks: VecDeque<(u64, Box<dyn Ask>)>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(self: &Arc<Self>, ask: Box<dyn Ask>) -> Ticket {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.asks.push_back((number, ask));
        Ticket { queue: Arc::clone(self), number }
    }

    /// Those who are next: one, or where runs are shared its part of those who wait, a core's worth. The number is
    /// a power of two, so that a model sees few sizes and can be ready for each.
    pub fn take(&self, is_shared: bool, cores: usize) -> Vec<Box<dyn Ask>> {
        let mut waiting = self.waiting();
        let part = waiting.asks.len().div_ceil(cores.max(1)).clamp(1, MOST_TOGETHER);
        let count = if is_shared { 1 << part.ilog2() } else { 1 };
        let count = count.min(waiting.asks.len());
        waiting.asks.drain(..count).map(|(_, ask)| ask).collect()
    }

    /// Whether these are done so soon that no thread need be roused for them.
    pub fn is_brief(&self, asks: &[Box<dyn Ask>]) -> bool {
        let pace = self.pace.load(Relaxed);
        let all = Duration::from_nanos(pace.saturating_mul(asks.len() as u64));
        pace > 0 && all < BRIEF && asks.iter().all(|ask| ask.is_small())
    }

    fn note(&self, taken: Duration, requests: usize) {
        let now = u64::try_from(taken.as_nanos() / requests.max(1) as u128).unwrap_or(u64::MAX).max(1);
        // A race between two threads loses one of many measurements.
        let before = self.pace.load(Relaxed);
        self.pace.store(if before == 0 { now } else { before - before / 8 + now / 8 }, Relaxed);
    }
}

/// A place in a model's queue, left when dropped.
pub struct Ticket {
    queue: Arc<Queue>,
    number: u64,
}

impl Ticket {
    /// Whether it was still waiting, and now waits no longer.
    pub fn leave(&self) -> bool {
        let mut waiting = self.queue.waiting();
        let place = waiting.asks.iter().position(|(number, _)| *number == self.number);
        // Dropped after the lock: it tells others that it is gone.
        let ask = place.and_then(|place| waiting.asks.remove(place));
        drop(waiting);
        ask.is_some()
    }

    pub fn is_waiting(&self) -> bool {
        self.queue.waiting().asks.iter().any(|(number, _)| *number == self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Answers requests with one run, or one by one where they do not go together.
pub fn run(model: &Loaded, asks: Vec<Box<dyn Ask>>) {
    let (began, requests) = (Instant::now(), asks.len());
    let are_small = asks.iter().all(|ask| ask.is_small());
    let mut read: Vec<_> = asks.into_iter().filter_map(|mut ask| Some((ask.read()?, ask))).collect();
    if read.len() > 1 && together(model, &mut read) {
        read.clear();
    }
    for (Question { inputs, params }, ask) in read {
        let rows = rows(&inputs);
        let began = Instant::now();
        let outputs = model.model.infer_with(inputs, params);
        ask.answer(outputs, Ran { infer: began.elapsed(), rows: Some(rows) });
    }
    if are_small {
        model.queue.note(began.elapsed(), requests);
    }
}

/// One run for all. Where it fails each is run alone, to be told of its own mistakes and not of others'.
fn together(model: &Loaded, read: &mut Vec<(Question, Box<dyn Ask>)>) -> bool {
    let counts: Vec<usize> = read.iter().map(|(asked, _)| rows(&asked.inputs)).collect();
    let Some(joined) = join(read.iter().map(|(asked, _)| asked.inputs.as_slice())) else { return false };
    let began = Instant::now();
    let Ok(outputs) = model.model.infer(joined) else { return false };
    let infer = began.elapsed();
    let Some(parts) = split(outputs, &counts) else { return false };
    let mut rows = Some(counts.iter().sum());
    for ((_, ask), outputs) in read.drain(..).zip(parts) {
        ask.answer(Ok(outputs), Ran { infer, rows: rows.take() });
    }
    true
}

fn rows(inputs: &[NamedTensor]) -> usize {
    inputs.first().and_then(|input| input.shape.first().copied()).unwrap_or(1)
}
