//! How much inference runs at once, and how much may wait for it: on the whole machine, and by route.

use super::gather::{self, Ask};
use crate::{
    kernel::error::{Error, Result},
    serving::{loading::load::Loaded, rollout::definition::Limits},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot::Receiver};

/// Requests that may wait for a core; past this a caller is told to come again.
const QUEUE: usize = 512;
/// What callers who are turned away are told to wait, at least and at most.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[derive(Clone)]
pub struct Gate {
    cores: Arc<Semaphore>,
    queue: Arc<Queue>,
}

impl Gate {
    pub fn new() -> Self {
        Self { cores: Arc::new(Semaphore::new(cores())), queue: Arc::new(Queue::new(cores())) }
    }

    /// Runs `work` on a thread that may block, when a core is free for it; not at all past the deadline.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(&self.queue, QUEUE)?;
        let turn = Arc::clone(&self.cores).acquire_owned();
        let core = before(deadline, turn).await?.map_err(Error::internal)?;
        drop(place);
        let queue = Arc::clone(&self.queue);
        // The core is held by the work, not by the caller: one who hangs up frees no core early.
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let outcome = work();
            queue.took(began.elapsed());
            drop(core);
            outcome
        })
        .await
        .map_err(Error::internal)?
    }
}

impl Gate {
    /// Answers `ask`, which is in the model's queue from now on: when a core is free for it, or for one before it
    /// that takes it along; not at all past the deadline.
    pub async fn ask<T>(
        &self,
        model: &Arc<Loaded>,
        ask: Box<dyn Ask>,
        deadline: Option<Instant>,
        mut answer: Receiver<T>,
    ) -> Result<T> {
        let _place = Place::take(&self.queue, QUEUE)?;
        let ticket = model.queue.push(ask);
        while ticket.is_waiting() {
            let core = tokio::select! {
                biased;
                told = &mut answer => return told.map_err(Error::internal),
                core = before(deadline, Arc::clone(&self.cores).acquire_owned()) => core,
            };
            match core {
                Ok(core) => self.serve(model, core.map_err(Error::internal)?),
                Err(late) if ticket.leave() => return Err(late),
                Err(_) => break,
            }
        }
        // One that is being run when its time is over runs on, unheard.
        before(deadline, answer).await?.map_err(Error::internal)
    }

    /// Lets those who are next in a model's queue have a core.
    fn serve(&self, model: &Arc<Loaded>, core: OwnedSemaphorePermit) {
        let asks = model.queue.take(model.model.shares_runs(), self.queue.width);
        if asks.is_empty() {
            return;
        }
        let is_brief = model.model.is_here() && model.queue.is_brief(&asks);
        let (model, queue, requests) = (Arc::clone(model), Arc::clone(&self.queue), asks.len());
        // The core is held by the work, not by the caller: one who hangs up frees no core early.
        let work = move || {
            let began = Instant::now();
            gather::run(&model, asks);
            queue.took(began.elapsed() / u32::try_from(requests).unwrap_or(1).max(1));
            drop(core);
        };
        if is_brief {
            // Whose answer is lost by this hears of it: the way to tell it is gone.
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("an inference request brought its thread down");
            }
        } else {
            tokio::task::spawn_blocking(work);
        }
    }
}

/// The limits of one route, and who waits there.
pub struct RouteGate {
    pub limits: Limits,
    room: Option<Arc<Semaphore>>,
    queue: Arc<Queue>,
}

impl RouteGate {
    pub fn new(limits: Limits) -> Self {
        let room = limits.concurrency.map(|most| Arc::new(Semaphore::new(most as usize)));
        let width = limits.concurrency.map_or_else(cores, |most| most as usize);
        Self { limits, room, queue: Arc::new(Queue::new(width)) }
    }

    /// Waits until the route has room for one more. Whoever holds the pass has it.
    pub async fn pass(&self, deadline: Option<Instant>) -> Result<Pass> {
        let most = self.limits.queue.map_or(QUEUE, |most| most as usize);
        let Some(room) = &self.room else {
            // Nothing bounds how many run at once, so these wait for a core, and hold their place until then.
            let place = Place::take(&self.queue, most.max(1))?;
            return Ok(Pass {
                queue: Arc::clone(&self.queue),
                began: None,
                place: Some(place),
                _permit: None,
            });
        };
        let admitted = |permit| Pass {
            queue: Arc::clone(&self.queue),
            began: Some(Instant::now()),
            place: None,
            _permit: Some(permit),
        };
        if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
            return Ok(admitted(permit));
        }
        let place = Place::take(&self.queue, most)?;
        let turn = Arc::clone(room).acquire_owned();
        let permit = before(deadline, turn).await?.map_err(Error::internal)?;
        drop(place);
        Ok(admitted(permit))
    }

    pub fn waiting(&self) -> usize {
        self.queue.waiting.load(Relaxed)
    }
}

/// Room in a route's limits, given back when dropped.
pub struct Pass {
    queue: Arc<Queue>,
    /// Since when it has the room.
    began: Option<Instant>,
    place: Option<Place>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pass {
    /// It waits no longer: its place is for the next.
    pub fn begin(&mut self) {
        self.place = None;
        self.began.get_or_insert_with(Instant::now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(began) = self.began {
            self.queue.took(began.elapsed());
        }
    }
}

/// What `wait` brings, unless the deadline comes first.
pub async fn before<T>(deadline: Option<Instant>, wait: impl Future<Output = T>) -> Result<T> {
    match deadline {
        None => Ok(wait.await),
        Some(deadline) => tokio::time::timeout_at(deadline.into(), wait).await.map_err(|_| too_late()),
    }
}

pub fn too_late() -> Error {
    Error::late("The request's time was over before it could be run.")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Who waits, and how fast those before them are done.
struct Queue {
    waiting: AtomicUsize,
    /// How many are served at once.
    width: usize,
    /// How long one takes, in nanoseconds: a mean in which the last eight weigh most. 0 before the first.
    pace: AtomicU64,
}

impl Queue {
    fn new(width: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), width: width.max(1), pace: AtomicU64::new(0) }
    }

    fn took(&self, time: Duration) {
        let new = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let old = self.pace.load(Relaxed);
        // Two that end at once may forget one of them, which a mean can bear.
        self.pace.store(if old == 0 { new } else { old - old / 8 + new / 8 }, Relaxed);
    }

    /// Until a queue of `waiting` is worked off.
    fn wait(&self, waiting: usize) -> Duration {
        let pace = Duration::from_nanos(self.pace.load(Relaxed));
        let turns = u32::try_from(waiting.div_ceil(self.width)).unwrap_or(u32::MAX);
        pace.saturating_mul(turns).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

/// A place in a queue, given back when dropped.
struct Place(Arc<Queue>);

impl Place {
    fn take(queue: &Arc<Queue>, most: usize) -> Result<Self> {
        let place = Self(Arc::clone(queue));
        let before = queue.waiting.fetch_add(1, Relaxed);
        if before < most {
            return Ok(place);
        }
        let mut error = Error::too_many("");
        error.after = Some(queue.wait(before));
        let seconds = error.wait_s().unwrap_or(1);
        error.message = format!(
            "Too many inference requests are waiting ({before}). Send this one again in {seconds} s."
        );
        Err(error)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::error::Kind;

    #[tokio::test]
    async fn a_full_queue_turns_callers_away_and_empties_again() {
        let gate = Gate::new();
        let cores = gate.cores.available_permits();
        let all = Arc::clone(&gate.cores).acquire_many_owned(cores as u32).await.expect("is open");
        let waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(gate.run(None, || Ok(1)))).collect();
        let mut waiting = futures::future::join_all(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = gate.run(None, || Ok(1)).await.expect_err("the queue is full");
        assert_eq!(refused.kind, Kind::TooMany);
        drop(all);
        assert!(waiting.await.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(gate.run(None, || Ok(2)).await.expect("there is room again"), 2);
    }

    #[tokio::test]
    async fn a_route_has_its_own_room_and_its_own_queue() {
        let limits = Limits { concurrency: Some(1), queue: Some(1), timeout_ms: None };
        let gate = RouteGate::new(limits);
        let running = gate.pass(None).await.expect("there is room");
        let mut waiting = Box::pin(gate.pass(None));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(gate.waiting(), 1);
        assert_eq!(gate.pass(None).await.err().map(|error| error.kind), Some(Kind::TooMany));
        drop(running);
        waiting.await.expect("its turn has come");
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn who_is_turned_away_hears_how_long_the_queue_needs() {
        let gate = RouteGate::new(Limits { concurrency: Some(2), queue: Some(5), timeout_ms: None });
        let told = |gate: &RouteGate| Place::take(&gate.queue, 5).err().and_then(|error| error.wait_s());
        let waiting: Vec<_> = (0..5).map(|_| Place::take(&gate.queue, 5)).collect();
        assert_eq!(told(&gate), Some(1), "nothing was done yet");
        (0..50).for_each(|_| gate.queue.took(Duration::from_secs(4)));
        assert_eq!(told(&gate), Some(12), "five before, two at once, four seconds each");
        (0..50).for_each(|_| gate.queue.took(Duration::from_millis(2)));
        assert_eq!(told(&gate), Some(1));
        (0..50).for_each(|_| gate.queue.took(Duration::from_hours(1)));
        assert_eq!(told(&gate), Some(300));
        drop(waiting);
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test]
    async fn what_holds_a_place_says_how_long_it_took() {
        let gate = RouteGate::new(Limits { concurrency: Some(1), ..Limits::default() });
        assert_eq!(gate.queue.pace.load(Relaxed), 0);
        drop(gate.pass(None).await.expect("there is room"));
        assert!(gate.queue.pace.load(Relaxed) > 0);
        let open = RouteGate::new(Limits::default());
        let mut pass = open.pass(None).await.expect("there is room");
        drop(open.pass(None).await.expect("turned back before it began"));
        assert_eq!(open.queue.pace.load(Relaxed), 0);
        pass.begin();
        drop(pass);
        assert!(open.queue.pace.load(Relaxed) > 0);
    }

    #[tokio::test]
    async fn who_waits_past_its_deadline_is_told_and_leaves_the_queue() {
        let gate = RouteGate::new(Limits { concurrency: Some(1), ..Limits::default() });
        let _running = gate.pass(None).await.expect("there is room");
        let deadline = Instant::now() + Duration::from_millis(1);
        assert_eq!(gate.pass(Some(deadline)).await.err().map(|error| error.kind), Some(Kind::Late));
        assert_eq!(gate.waiting(), 0);
    }
}
