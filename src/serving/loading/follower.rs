//! What a route follows: an address, the model that answers for it now, those before it, and the swap between.

use super::{
    load::{self, Loaded},
    shelf::Shelf,
};
use crate::{
    kernel::error::{Error, Kind, Result},
    objects,
    registry::{self, Resolved},
    serving::{model::State, python},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Models kept beside the one that answers: going back to one is a swap, not a load.
const WARM: usize = 2;

/// Where models come from.
pub struct Sources {
    pub registry: registry::Service,
    pub objects: objects::Service,
    pub shelf: Shelf,
    pub python: python::Host,
}

pub struct Follower {
    slot: Mutex<Slot>,
}

struct Slot {
    uri: String,
    state: State,
    error: Option<String>,
    current: Option<Arc<Loaded>>,
    /// Newest first.
    warm: VecDeque<Arc<Loaded>>,
    /// What could not be loaded, so that it is not read again and again.
    refused: Option<(Resolved, load::Origin)>,
}

/// How a follower is, at one time.
pub struct Seen {
    pub uri: String,
    pub state: State,
    pub error: Option<String>,
    pub current: Option<Arc<Loaded>>,
    pub warm: Vec<Arc<Loaded>>,
}

impl Follower {
    pub fn new(uri: &str) -> Self {
        let slot = Slot {
            uri: uri.to_owned(),
            state: State::Loading,
            error: None,
            current: None,
            warm: VecDeque::new(),
            refused: None,
        };
        Self { slot: Mutex::new(slot) }
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
        let mut slot = self.slot();
        uri.clone_into(&mut slot.uri);
        // Said anew, so what was refused is tried anew: an environment may have what it lacked.
        slot.refused = None;
    }

    /// The model that answers now. Whoever holds it keeps it through a swap.
    pub fn current(&self) -> Option<Arc<Loaded>> {
        self.slot().current.clone()
    }

    pub fn is_ready(&self) -> bool {
        self.slot().current.is_some()
    }

    /// Why it has no model.
    pub fn excuse(&self) -> String {
        let slot = self.slot();
        match (slot.state, &slot.error) {
            (State::Loading, _) => "its model is still being loaded".to_owned(),
            (_, Some(error)) => error.clone(),
            (_, None) => "it has no model".to_owned(),
        }
    }

    /// Whether it answers, or has nothing to answer with.
    pub fn is_settled(&self) -> bool {
        let slot = self.slot();
        slot.current.is_some() || slot.state == State::NoModel
    }

    /// The model of one version: the one that answers, or one before it while it is warm.
    pub fn version(&self, version: &str) -> Option<Arc<Loaded>> {
        let slot = self.slot();
        slot.current.iter().chain(&slot.warm).find(|loaded| loaded.version == version).cloned()
    }

    pub fn seen(&self) -> Seen {
        let slot = self.slot();
        Seen {
            uri: slot.uri.clone(),
            state: slot.state,
            error: slot.error.clone(),
            current: slot.current.clone(),
            warm: slot.warm.iter().cloned().collect(),
        }
    }

    /// Looks up what the address means now and, if that is not what answers, makes it answer. One at a time.
    pub async fn refresh(&self, endpoint: &str, from: &Sources) {
        let uri = self.uri();
        if let Err(error) = self.try_refresh(endpoint, &uri, from).await {
            self.failed(endpoint, &uri, &error);
        }
    }

    async fn try_refresh(&self, endpoint: &str, uri: &str, from: &Sources) -> Result<()> {
        let at = match from.registry.resolve(uri).await {
            Ok(at) => at,
            Err(error) if error.kind == Kind::NotFound => {
                self.vacate(endpoint, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let found = load::find(&from.objects, &at).await?;
        if self.has(&at, &found.origin) {
            return Ok(());
        }
        if let Some(loaded) = from.shelf.find(&at, &found.origin) {
            self.swap(endpoint, loaded);
            return Ok(());
        }
        self.slot().state = State::Loading;
        let origin = found.origin.clone();
        match load::load(from, &at, found).await {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                from.shelf.put(&loaded);
                self.swap(endpoint, loaded);
            }
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
        let mut slot = self.slot();
        if slot.current.as_ref().is_some_and(|loaded| loaded.is(at, origin)) {
            slot.settle();
            return true;
        }
        if let Some(place) = slot.warm.iter().position(|loaded| loaded.is(at, origin)) {
            let back = slot.warm.remove(place);
            slot.replace(back);
            return true;
        }
        slot.refused.as_ref().is_some_and(|(was, bytes)| was == at && bytes == origin)
    }

    fn swap(&self, endpoint: &str, loaded: Arc<Loaded>) {
        tracing::info!(endpoint, model = loaded.name, version = loaded.version, "serving a model");
        self.slot().replace(Some(loaded));
    }

    fn vacate(&self, endpoint: &str, why: &Error) {
        let mut slot = self.slot();
        if slot.current.is_some() {
            tracing::warn!(endpoint, reason = %why, "an endpoint lost its model");
        }
        slot.retire();
        slot.state = State::NoModel;
        slot.error = Some(format!("{} points at no model: {}", slot.uri, why.message));
        slot.refused = None;
    }

    /// Lets go of all it has loaded; the next look loads again.
    pub fn unload(&self) {
        let mut slot = self.slot();
        slot.current = None;
        slot.warm.clear();
        slot.refused = None;
        slot.state = State::NoModel;
        slot.error = Some("it was unloaded, and answers again when it is loaded".to_owned());
    }

    fn failed(&self, endpoint: &str, uri: &str, error: &Error) {
        let mut slot = self.slot();
        if slot.uri != uri {
            return; // it follows another address by now, and is about to look there
        }
        if slot.error.as_deref() != Some(error.message.as_str()) {
            tracing::warn!(endpoint, ?error, "an endpoint could not load its model");
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

    fn retire(&mut self) {
        if let Some(before) = self.current.take() {
            self.warm.push_front(before);
            self.warm.truncate(WARM);
        }
    }

    fn replace(&mut self, loaded: Option<Arc<Loaded>>) {
        self.retire();
        self.current = loaded;
        self.settle();
    }
}
