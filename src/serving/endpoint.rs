//! One endpoint at run time: the model that answers, what should answer, and the swap between.

use super::{
    call::Call,
    load::{self, Loaded},
    model::{EndpointInfo, State, Tensor},
    stats::Stats,
};
use crate::{
    kernel::{
        clock::rfc3339,
        error::{Error, Kind, Result},
    },
    objects,
    registry::{self, Resolved},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

pub struct Endpoint {
    pub name: String,
    slot: Mutex<Slot>,
    pub stats: Stats,
    /// Rung when the address may mean something else than before.
    pub bell: Notify,
}

struct Slot {
    uri: String,
    state: State,
    error: Option<String>,
    current: Option<Arc<Loaded>>,
    /// Kept warm: going back to it is a swap, not a load.
    previous: Option<Arc<Loaded>>,
    /// What could not be loaded, so that it is not read again and again.
    refused: Option<(Resolved, load::Origin)>,
}

impl Endpoint {
    pub fn new(name: &str, uri: &str) -> Self {
        let slot = Slot {
            uri: uri.to_owned(),
            state: State::Loading,
            error: None,
            current: None,
            previous: None,
            refused: None,
        };
        Self { name: name.to_owned(), slot: Mutex::new(slot), stats: Stats::default(), bell: Notify::new() }
    }

    /// Held for moments only, never across an await.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn uri(&self) -> String {
        self.slot().uri.clone()
    }

    /// Follows another address from now on; what is loaded answers until that is.
    pub fn point_to(&self, uri: &str) {
        uri.clone_into(&mut self.slot().uri);
        self.bell.notify_one();
    }

    /// The model that answers now. Whoever holds it keeps it through a swap.
    pub fn current(&self) -> Result<Arc<Loaded>> {
        let slot = self.slot();
        if let Some(loaded) = &slot.current {
            return Ok(Arc::clone(loaded));
        }
        let why = match (slot.state, &slot.error) {
            (State::Loading, _) => "its model is still being loaded".to_owned(),
            (_, Some(error)) => error.clone(),
            (_, None) => "it has no model".to_owned(),
        };
        Err(Error::busy(format!("Endpoint {} cannot answer: {why}", self.name)))
    }

    /// Whether it answers, or has nothing to answer with.
    pub fn is_settled(&self) -> bool {
        let slot = self.slot();
        slot.current.is_some() || slot.state == State::NoModel
    }

    /// The model of one version: the one that answers, or the one before it while it is warm.
    pub fn version(&self, version: &str) -> Result<Arc<Loaded>> {
        let current = self.current()?;
        if current.version == version {
            return Ok(current);
        }
        let previous = self.slot().previous.clone();
        previous.filter(|loaded| loaded.version == version).ok_or_else(|| {
            Error::not_found(format!(
                "Endpoint {} does not serve version {version}; it serves version {}.",
                self.name, current.version
            ))
        })
    }

    /// The model for this call, and the name of the route it took.
    pub fn choose(&self, call: &Call) -> Result<(Arc<str>, Arc<Loaded>)> {
        let model = match &call.version {
            Some(version) => self.version(version)?,
            None => self.current()?,
        };
        Ok((Arc::from("champion"), model))
    }

    pub fn info(&self) -> EndpointInfo {
        let slot = self.slot();
        let current = slot.current.as_deref();
        let specs = |specs: &[super::engine::TensorSpec]| specs.iter().map(Tensor::from).collect();
        EndpointInfo {
            name: self.name.clone(),
            model: slot.uri.clone(),
            state: slot.state,
            model_name: current.map(|loaded| loaded.name.clone()),
            version: current.map(|loaded| loaded.version.clone()),
            error: slot.error.clone(),
            loaded_at: current.map(|loaded| rfc3339(loaded.loaded_ms)),
            requests: self.stats.requests(),
            errors: self.stats.errors(),
            latency_ms: self.stats.latency(),
            inputs: current.map(|loaded| specs(loaded.model.inputs())).unwrap_or_default(),
            outputs: current.map(|loaded| specs(loaded.model.outputs())).unwrap_or_default(),
            url_path: format!("/endpoints/{}/invocations", self.name),
            signature: current.and_then(|loaded| loaded.signature.as_ref()).map(|found| found.json.clone()),
            input_example: current.and_then(|loaded| loaded.example.clone()),
        }
    }

    /// Looks up what the address means now and, if that is not what answers, makes it answer. Only
    /// the endpoint's follower calls this, so there is one at a time.
    pub async fn refresh(&self, registry: &registry::Service, objects: &objects::Service) {
        let uri = self.uri();
        if let Err(error) = self.try_refresh(&uri, registry, objects).await {
            self.failed(&uri, &error);
        }
    }

    async fn try_refresh(
        &self,
        uri: &str,
        registry: &registry::Service,
        objects: &objects::Service,
    ) -> Result<()> {
        let at = match registry.resolve(uri).await {
            Ok(at) => at,
            Err(error) if error.kind == Kind::NotFound => {
                self.vacate(&error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let found = load::find(objects, &at).await?;
        if self.has(&at, &found.origin) {
            return Ok(());
        }
        self.slot().state = State::Loading;
        let origin = found.origin.clone();
        match load::load(objects, &at, found).await {
            Ok(loaded) => self.swap(Arc::new(loaded)),
            Err(error) => {
                // Bytes that are no model will not become one; any other failure may pass.
                self.slot().refused = (error.kind == Kind::Invalid).then_some((at, origin));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether `origin` answers already, or is warm and does from now on, or was refused before.
    fn has(&self, at: &Resolved, origin: &load::Origin) -> bool {
        let is_it = |loaded: &Arc<Loaded>| {
            loaded.origin == *origin && loaded.name == at.name && loaded.version == at.version
        };
        let mut slot = self.slot();
        if slot.current.as_ref().is_some_and(is_it) {
            slot.settle();
            return true;
        }
        if slot.previous.as_ref().is_some_and(is_it) {
            let slot = &mut *slot;
            std::mem::swap(&mut slot.current, &mut slot.previous);
            slot.settle();
            return true;
        }
        slot.refused.as_ref().is_some_and(|(was, bytes)| was == at && bytes == origin)
    }

    fn swap(&self, loaded: Arc<Loaded>) {
        tracing::info!(
            endpoint = self.name,
            model = loaded.name,
            version = loaded.version,
            "serving a model"
        );
        let mut slot = self.slot();
        slot.previous = slot.current.replace(loaded);
        slot.settle();
    }

    fn vacate(&self, why: &Error) {
        let mut slot = self.slot();
        if slot.current.is_some() {
            tracing::warn!(endpoint = self.name, reason = %why, "an endpoint lost its model");
        }
        slot.previous = slot.current.take().or(slot.previous.take());
        slot.state = State::NoModel;
        slot.error = Some(format!("{} points at no model: {}", slot.uri, why.message));
        slot.refused = None;
    }

    fn failed(&self, uri: &str, error: &Error) {
        let mut slot = self.slot();
        if slot.uri != uri {
            return; // it follows another address by now, and is about to look there
        }
        if slot.error.as_deref() != Some(error.message.as_str()) {
            tracing::warn!(endpoint = self.name, ?error, "an endpoint could not load its model");
        }
        slot.state = State::Failed;
        slot.error = Some(error.message.clone());
    }
}

impl Slot {
    fn settle(&mut self) {
        self.state = State::Ready;
        self.error = None;
        self.refused = None;
    }
}
