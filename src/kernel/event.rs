//! Typed events: how a lower floor tells a higher one what happened, without importing it.
//! Delivery is in-process and best-effort: a listener that lags is told so and must re-read state.

use tokio::sync::broadcast;

/// Something that happened and was committed.
#[derive(Clone, Debug)]
pub enum Event {
    RunFinished {
        run_id: String,
        status: String,
    },
    ModelVersionCreated {
        name: String,
        version: u64,
    },
    AliasMoved {
        name: String,
        alias: String,
        version: Option<u64>,
    },
    RegisteredModelDeleted {
        name: String,
    },
    /// `version` is absent where the bucket keeps none.
    ObjectCreated {
        bucket: String,
        key: String,
        version: Option<String>,
        size: u64,
        etag: String,
    },
    /// `version` is the one that went, or that of the delete marker which hides the object now.
    ObjectRemoved {
        bucket: String,
        key: String,
        version: Option<String>,
    },
    /// `state` is `started`, `promoted` or `rolled_back`.
    CanaryChanged {
        endpoint: String,
        version: String,
        state: &'static str,
    },
    PipelineRunChanged {
        pipeline: String,
        run_id: String,
    },
}

/// The in-process event bus. Cloning it is cheap; every clone is the same bus.
#[derive(Clone)]
pub struct Bus(broadcast::Sender<Event>);

impl Bus {
    pub fn new() -> Self {
        Self(broadcast::channel(1024).0)
    }

    /// Tells every listener; nobody listening is fine.
    pub fn publish(&self, event: Event) {
        let _ = self.0.send(event);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}
