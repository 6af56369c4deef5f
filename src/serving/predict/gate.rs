//! How much inference runs at once, and how much may wait for it: on the whole machine, and by route.

use crate::{
    kernel::error::{Error, Result},
    serving::rollout::definition::Limits,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests that may wait for a core; past this a caller is told to come again.
const QUEUE: usize = 512;

#[derive(Clone)]
pub struct Gate {
    cores: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { cores: Arc::new(Semaphore::new(cores)), waiting: Arc::default() }
    }

    /// Runs `work` on a thread that may block, when a core is free for it; not at all past the deadline.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(&self.waiting, QUEUE)?;
        let turn = Arc::clone(&self.cores).acquire_owned();
        let core = before(deadline, turn).await?.map_err(Error::internal)?;
        drop(place);
        // The core is held by the work, not by the caller: one who hangs up frees no core early.
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(core);
            outcome
        })
        .await
        .map_err(Error::internal)?
    }
}

/// The limits of one route, and who waits there.
pub struct RouteGate {
    pub limits: Limits,
    room: Option<Arc<Semaphore>>,
    waiting: Arc<AtomicUsize>,
}

impl RouteGate {
    pub fn new(limits: Limits) -> Self {
        let room = limits.concurrency.map(|most| Arc::new(Semaphore::new(most as usize)));
        Self { limits, room, waiting: Arc::default() }
    }

    /// Waits until the route has room for one more. Whoever holds the pass has it.
    pub async fn pass(&self, deadline: Option<Instant>) -> Result<Pass> {
        let most = self.limits.queue.map_or(QUEUE, |most| most as usize);
        let Some(room) = &self.room else {
            // Nothing bounds how many run at once, so these wait for a core, and hold their place until then.
            return Ok(Pass { place: Some(Place::take(&self.waiting, most.max(1))?), _permit: None });
        };
        if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
            return Ok(Pass { place: None, _permit: Some(permit) });
        }
        let place = Place::take(&self.waiting, most)?;
        let turn = Arc::clone(room).acquire_owned();
        let permit = before(deadline, turn).await?.map_err(Error::internal)?;
        drop(place);
        Ok(Pass { place: None, _permit: Some(permit) })
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

/// Room in a route's limits, given back when dropped.
pub struct Pass {
    place: Option<Place>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pass {
    /// It waits no longer: its place is for the next.
    pub fn begin(&mut self) {
        self.place = None;
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

/// A place in a queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Result<Self> {
        let place = Self(Arc::clone(waiting));
        if waiting.fetch_add(1, Relaxed) >= most {
            return Err(Error::too_many(
                "Too many inference requests are waiting. Send this one again in a second.",
            ));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::error::Kind;
    use std::time::Duration;

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
    async fn who_waits_past_its_deadline_is_told_and_leaves_the_queue() {
        let gate = RouteGate::new(Limits { concurrency: Some(1), ..Limits::default() });
        let _running = gate.pass(None).await.expect("there is room");
        let deadline = Instant::now() + Duration::from_millis(1);
        assert_eq!(gate.pass(Some(deadline)).await.err().map(|error| error.kind), Some(Kind::Late));
        assert_eq!(gate.waiting(), 0);
    }
}
