//! Endpoints: made, changed, deleted and asked. The door for the protocols and for other rooms.

use super::{
    endpoint::Endpoint,
    follow,
    gate::Gate,
    model::{self, EndpointInfo},
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::Bus,
        tasks::Tasks,
    },
    objects, registry,
    store::Db,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};
use tokio_util::sync::CancellationToken;

/// Endpoints at once; each holds up to two models in memory.
const MOST_ENDPOINTS: usize = 1000;

/// The serving plane. Clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    registry: registry::Service,
    objects: objects::Service,
    bus: Bus,
    /// Given at start; there is nothing to follow before.
    tasks: OnceLock<Tasks>,
    endpoints: RwLock<BTreeMap<String, Running>>,
    gate: Gate,
}

struct Running {
    endpoint: Arc<Endpoint>,
    gone: CancellationToken,
}

impl Service {
    pub fn new(db: Db, registry: registry::Service, objects: objects::Service, bus: Bus) -> Self {
        let inner = Inner {
            db,
            registry,
            objects,
            bus,
            tasks: OnceLock::new(),
            endpoints: RwLock::default(),
            gate: Gate::new(),
        };
        Self(Arc::new(inner))
    }

    /// Takes up the endpoints that are defined, and begins to load their models.
    pub fn start(&self, tasks: &Tasks) {
        if self.0.tasks.set(tasks.clone()).is_ok() {
            // Heard from before the definitions are read, so that no change falls between.
            let events = self.0.bus.subscribe();
            tasks.spawn("endpoints", follow::registry(self.clone(), events));
        }
    }

    /// Reads the definitions and runs a follower for each.
    pub(super) async fn take_up(&self) -> Result<()> {
        for (name, uri) in self.0.db.read(store::endpoints).await? {
            self.run(&name, &uri);
        }
        Ok(())
    }

    /// Points an endpoint at an address; a new one gets its follower.
    fn run(&self, name: &str, uri: &str) -> Arc<Endpoint> {
        let mut endpoints = self.write();
        if let Some(running) = endpoints.get(name) {
            running.endpoint.point_to(uri);
            return Arc::clone(&running.endpoint);
        }
        let endpoint = Arc::new(Endpoint::new(name, uri));
        let gone = CancellationToken::new();
        let running = Running { endpoint: Arc::clone(&endpoint), gone: gone.clone() };
        endpoints.insert(name.to_owned(), running);
        if let Some(tasks) = self.0.tasks.get() {
            tasks.spawn("endpoint", follow::endpoint(self.clone(), Arc::clone(&endpoint), gone));
        }
        endpoint
    }

    pub(super) fn registry(&self) -> &registry::Service {
        &self.0.registry
    }

    pub(super) fn objects(&self) -> &objects::Service {
        &self.0.objects
    }

    pub(super) fn stopping(&self) -> CancellationToken {
        self.0.tasks.get().map(Tasks::stopping).unwrap_or_default()
    }

    pub(super) async fn refresh(&self, endpoint: &Endpoint) {
        endpoint.refresh(&self.0.registry, &self.0.objects).await;
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

    /// Makes an endpoint, or points one at another address. The model is loaded in the background.
    pub async fn put(&self, name: &str, uri: &str) -> Result<EndpointInfo> {
        model::check_name(name)?;
        model::check_uri(uri)?;
        if self.endpoint(name).is_err() && self.read().len() >= MOST_ENDPOINTS {
            return Err(Error::conflict(format!(
                "There are {MOST_ENDPOINTS} endpoints already, which is the most."
            )));
        }
        let (row_name, row_uri) = (name.to_owned(), uri.to_owned());
        self.0.db.write(move |db| store::endpoint_put(db, &row_name, &row_uri, now_ms())).await?;
        Ok(self.run(name, uri).info())
    }

    pub async fn delete(&self, name: &str) -> Result<()> {
        let row_name = name.to_owned();
        if !self.0.db.write(move |db| store::endpoint_delete(db, &row_name)).await? {
            return Err(self
                .endpoint(name)
                .err()
                .unwrap_or_else(|| Error::not_found("It is deleted already.")));
        }
        if let Some(running) = self.write().remove(name) {
            running.gone.cancel();
        }
        Ok(())
    }

    /// Runs one request's work on a free core: reading it, the model, writing the answer. A large body
    /// takes long to read, and would hold up everything else on the threads that wait for the network.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.gate.run(work).await
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Running>> {
        self.0.endpoints.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Running>> {
        self.0.endpoints.write().unwrap_or_else(PoisonError::into_inner)
    }
}
