//! How much inference runs at once, and how much may wait for it.

use crate::kernel::error::{Error, Result};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::sync::Semaphore;

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

    /// Runs `work` on a thread that may block, when a core is free for it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Place::take(&self.waiting)?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(Error::internal)?;
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

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Result<Self> {
        let place = Self(Arc::clone(waiting));
        if waiting.fetch_add(1, Relaxed) >= QUEUE {
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

    #[tokio::test]
    async fn a_full_queue_turns_callers_away_and_empties_again() {
        let gate = Gate::new();
        let cores = gate.cores.available_permits();
        let all = Arc::clone(&gate.cores).acquire_many_owned(cores as u32).await.expect("is open");
        let waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(gate.run(|| Ok(1)))).collect();
        let mut waiting = futures::future::join_all(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let refused = gate.run(|| Ok(1)).await.expect_err("the queue is full");
        assert_eq!(refused.kind, Kind::TooMany);
        drop(all);
        assert!(waiting.await.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(gate.run(|| Ok(2)).await.expect("there is room again"), 2);
    }
}
