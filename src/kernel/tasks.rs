//! Named background tasks: nothing is spawned without a name, each is told to stop through one
//! token, and shutdown names whoever is late.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The set of this process's background tasks.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Tasks {
    /// Runs `future` until it ends. It should watch `stopping()` and end soon after it fires.
    pub fn spawn(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) {
        let (name, running) = (name.to_owned(), Arc::clone(&self.running));
        *lock(&running).entry(name.clone()).or_default() += 1;
        self.tracker.spawn(async move {
            let outcome = tokio::spawn(future).await;
            if let Err(error) = outcome {
                tracing::error!(task = name, %error, "a background task ended by a panic");
            }
            let mut running = lock(&running);
            match running.get_mut(&name) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    running.remove(&name);
                }
            }
        });
    }

    /// Fires once, when the server begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Names of the tasks running now, with how many of each.
    pub fn running(&self) -> BTreeMap<String, usize> {
        lock(&self.running).clone()
    }

    /// Tells all to stop and waits for them; returns the names of those still running at the deadline.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<String> {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => Vec::new(),
            Err(_) => self.running().into_keys().collect(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
