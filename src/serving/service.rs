//! The endpoints that run, and what they share. The door for the protocols and for other rooms.

use super::{
    endpoint::Endpoint,
    inspected::Inspected,
    loading::{follow, follower::Sources, shelf::Shelf},
    log::PredictionLog,
    memory::Regions,
    model::EndpointInfo,
    predict::gate::Gate,
    python,
    rollout::{
        canary::{self, Canary, Windows},
        definition::Definition,
        mirror::Mirrors,
    },
    store,
};
use crate::{
    kernel::{
        error::{Error, Result},
        event::Bus,
        hook::Sender,
        tasks::Tasks,
    },
    objects, registry,
    store::Db,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The serving plane. Clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    sources: Sources,
    bus: Bus,
    /// Given at start; there is nothing to follow before.
    tasks: OnceLock<Tasks>,
    endpoints: RwLock<BTreeMap<String, Running>>,
    gate: Gate,
    mirrors: Mirrors,
    log: PredictionLog,
    windows: Windows,
    tell: canary::Tell,
    inspected: Inspected,
    regions: Regions,
}

struct Running {
    endpoint: Arc<Endpoint>,
    gone: CancellationToken,
}

impl Service {
    pub fn new(
        db: Db,
        registry: registry::Service,
        objects: objects::Service,
        bus: Bus,
        python: python::Host,
        regions: Regions,
    ) -> Self {
        let inner = Inner {
            db,
            sources: Sources { registry, objects, shelf: Shelf::default(), python },
            bus,
            tasks: OnceLock::new(),
            endpoints: RwLock::default(),
            gate: Gate::new(),
            mirrors: Mirrors::new(),
            log: PredictionLog::new(),
            windows: Windows::default(),
            tell: canary::Tell::default(),
            inspected: Inspected::default(),
            regions,
        };
        Self(Arc::new(inner))
    }

    /// Takes up the endpoints that are defined, and begins to load their models.
    pub fn start(&self, tasks: &Tasks, log_interval: Duration, sender: Sender) {
        if self.0.tasks.set(tasks.clone()).is_ok() {
            if let Err(error) = self.0.sources.python.sweep() {
                tracing::warn!(?error, "files of models that ran in Python could not be removed");
            }
            // Heard from before the definitions are read, so that no change falls between.
            let events = self.0.bus.subscribe();
            tasks.spawn("endpoints", follow::registry(self.clone(), events));
            tasks.spawn("shadows", self.clone().mirror());
            tasks.spawn("canaries", self.clone().watch_canaries());
            self.0.tell.start(self.0.db.clone(), self.0.sources.objects.clone(), sender, tasks);
            tasks.spawn("prediction log", self.clone().write_log(log_interval));
        }
    }

    /// Reads the definitions and runs a follower for each.
    pub(super) async fn take_up(&self) -> Result<()> {
        for defined in self.0.db.read(store::endpoints).await? {
            let definition = read_definition(&defined)?;
            let name = defined.name.clone();
            let canary = self.0.db.read(move |db| canary::latest(db, &name)).await?;
            self.run(&defined.name, definition, canary, defined.unloaded);
        }
        Ok(())
    }

    /// Lets an endpoint answer by a definition; a new one gets its follower, the canary it had, and stays
    /// unloaded if it was.
    pub(super) fn run(
        &self,
        name: &str,
        definition: Definition,
        canary: Option<Canary>,
        unloaded: bool,
    ) -> Arc<Endpoint> {
        let mut endpoints = self.write();
        if let Some(running) = endpoints.get(name) {
            running.endpoint.unpark();
            running.endpoint.replan(definition, running.endpoint.plan().canary.clone());
            return Arc::clone(&running.endpoint);
        }
        let endpoint = Arc::new(Endpoint::new(name, definition, canary, unloaded));
        let gone = CancellationToken::new();
        let running = Running { endpoint: Arc::clone(&endpoint), gone: gone.clone() };
        endpoints.insert(name.to_owned(), running);
        if let Some(tasks) = self.0.tasks.get() {
            tasks.spawn("endpoint", follow::endpoint(self.clone(), Arc::clone(&endpoint), gone));
        }
        endpoint
    }

    /// Ends an endpoint; requests it has taken are answered.
    pub(super) fn end(&self, name: &str) {
        if let Some(running) = self.write().remove(name) {
            running.gone.cancel();
        }
    }

    /// Lets go of an endpoint's models, until it is loaded or defined again.
    pub(super) async fn unload(&self, endpoint: &Endpoint) -> Result<()> {
        self.note_unloaded(endpoint, true).await?;
        endpoint.park().await;
        tracing::info!(endpoint = endpoint.name, "an endpoint was unloaded");
        Ok(())
    }

    /// Lets an endpoint follow its addresses again, if it had been unloaded.
    pub(super) async fn load(&self, endpoint: &Endpoint) -> Result<()> {
        if endpoint.is_parked() {
            self.note_unloaded(endpoint, false).await?;
            endpoint.unpark();
        }
        Ok(())
    }

    async fn note_unloaded(&self, endpoint: &Endpoint, unloaded: bool) -> Result<()> {
        let name = endpoint.name.clone();
        self.0.db.write(move |db| store::endpoint_unloaded(db, &name, unloaded)).await
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    /// Tells a higher floor of canaries, from within their transactions; once, before any is begun.
    pub fn set_listener(&self, listener: Arc<dyn canary::Listener>) {
        let _ = self.0.tell.listener.set(listener);
    }

    pub(super) fn canary_tell(&self) -> &canary::Tell {
        &self.0.tell
    }

    pub(super) fn inspected(&self) -> &Inspected {
        &self.0.inspected
    }

    pub(super) fn regions(&self) -> &Regions {
        &self.0.regions
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    pub(super) fn registry(&self) -> &registry::Service {
        &self.0.sources.registry
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.0.sources
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(super) fn log(&self) -> &PredictionLog {
        &self.0.log
    }

    pub(super) fn windows(&self) -> &Windows {
        &self.0.windows
    }

    pub(super) fn mirrors(&self) -> &Mirrors {
        &self.0.mirrors
    }

    pub(super) fn stopping(&self) -> CancellationToken {
        self.0.tasks.get().map(Tasks::stopping).unwrap_or_default()
    }

    /// Makes an endpoint serve what its addresses mean now.
    pub(super) async fn refresh(&self, endpoint: &Endpoint) {
        endpoint.refresh(&self.0.sources).await;
        if let Err(error) = self.note_served(endpoint).await {
            tracing::warn!(endpoint = endpoint.name, ?error, "what an endpoint serves could not be noted");
        }
    }

    pub(super) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.read().values().map(|running| Arc::clone(&running.endpoint)).collect()
    }

    pub(super) fn endpoint(&self, name: &str) -> Result<Arc<Endpoint>> {
        self.read().get(name).map(|running| Arc::clone(&running.endpoint)).ok_or_else(|| {
            Error::not_found(format!(
                "There is no endpoint {name:?}. GET /api/crannog/v1/endpoints lists them."
            ))
        })
    }

    /// The endpoint, when there is exactly one and so no need to name it.
    pub(super) fn only(&self) -> Result<Arc<Endpoint>> {
        let endpoints = self.read();
        let mut all = endpoints.values();
        match (all.next(), all.next()) {
            (Some(running), None) => Ok(Arc::clone(&running.endpoint)),
            (None, _) => Err(Error::not_found("There is no endpoint yet.")),
            _ => Err(Error::invalid(
                "There are several endpoints: name one, as in /endpoints/NAME/invocations.",
            )),
        }
    }

    pub fn list(&self) -> Vec<EndpointInfo> {
        self.endpoints().iter().map(|endpoint| endpoint.info()).collect()
    }

    pub fn get(&self, name: &str) -> Result<EndpointInfo> {
        Ok(self.endpoint(name)?.info())
    }

    /// Runs one request's work on a free core: reading it, the model, writing the answer. A large body
    /// takes long to read, and would hold up everything else on the threads that wait for the network.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.gate.run(None, work).await
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Running>> {
        self.0.endpoints.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Running>> {
        self.0.endpoints.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_definition(defined: &store::Defined) -> Result<Definition> {
    match &defined.definition {
        None => Ok(Definition::of_model(&defined.model)),
        Some(text) => serde_json::from_str(text).map_err(Error::internal),
    }
}
