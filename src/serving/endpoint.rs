//! One endpoint at run time: the plan by which it answers, and what it counted.

use super::{
    engine::TensorSpec,
    loading::{
        follower::{Seen, Sources},
        load::Loaded,
    },
    model::{EndpointInfo, RouteInfo, State, Tensor},
    predict::call::Call,
    rollout::{
        canary::Canary,
        definition::Definition,
        plan::{Chosen, Plan, Route, Trial},
    },
    stats::{Board, Which},
};
use crate::kernel::{
    clock::rfc3339,
    error::{Error, Result},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::{Mutex, Notify};

pub struct Endpoint {
    pub name: String,
    plan: RwLock<Arc<Plan>>,
    pub board: Board,
    /// Rung when an address may mean something else than before.
    pub bell: Notify,
    /// One look at the addresses at a time.
    turn: Mutex<()>,
    /// Whether somebody unloaded it.
    parked: AtomicBool,
    /// One change of the definition at a time.
    pub changing: Mutex<()>,
    /// Which model and version each route served when it was last noted.
    pub noted: Mutex<BTreeMap<String, Which>>,
    /// The newest, running or over.
    canary: RwLock<Option<Canary>>,
}

impl Endpoint {
    pub fn new(name: &str, definition: Definition, canary: Option<Canary>, parked: bool) -> Self {
        let trial = canary.as_ref().and_then(Canary::trial);
        let made = Self {
            name: name.to_owned(),
            plan: RwLock::new(Arc::new(Plan::new(definition, trial, None))),
            board: Board::default(),
            bell: Notify::new(),
            turn: Mutex::new(()),
            parked: AtomicBool::new(parked),
            changing: Mutex::new(()),
            noted: Mutex::default(),
            canary: RwLock::new(canary),
        };
        if parked {
            made.unload();
        }
        made
    }

    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers by another plan from the next request on. What is loaded stays until what follows it is.
    pub fn replan(&self, definition: Definition, canary: Option<Trial>) {
        let mut plan = self.plan.write().unwrap_or_else(PoisonError::into_inner);
        *plan = Arc::new(Plan::new(definition, canary, Some(&plan)));
        drop(plan);
        self.bell.notify_one();
    }

    pub fn canary(&self) -> Option<Canary> {
        self.canary.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn canary_running(&self) -> Option<Canary> {
        self.canary().filter(Canary::is_running)
    }

    pub fn set_canary(&self, canary: Canary) {
        *self.canary.write().unwrap_or_else(PoisonError::into_inner) = Some(canary);
    }

    pub fn check_no_canary(&self) -> Result<()> {
        match self.canary_running() {
            None => Ok(()),
            Some(canary) => Err(Error::conflict(format!(
                "A canary of version {} is running at endpoint {}: wait for its end, or roll it back first.",
                canary.version, self.name
            ))),
        }
    }

    pub fn definition(&self) -> Definition {
        self.plan().definition.clone()
    }

    /// The addresses it follows.
    pub fn addresses(&self) -> Vec<String> {
        self.plan().routes.iter().map(|route| route.follower.uri()).collect()
    }

    /// What answers a call: the version it names, or what the plan chooses.
    pub fn choose(&self, call: &Call) -> Result<Chosen> {
        let plan = self.plan();
        let (route, model) = match &call.version {
            Some(version) => self.route_of(&plan, version)?,
            None => {
                let route = Arc::clone(plan.choose(call));
                let model = route.model(&self.name)?;
                (route, model)
            }
        };
        Ok(Chosen { plan, route, model })
    }

    /// The champion's model.
    pub fn current(&self) -> Result<Arc<Loaded>> {
        self.plan().champion().model(&self.name)
    }

    /// The model of one version: of any route, or one that is still warm.
    pub fn version(&self, version: &str) -> Result<Arc<Loaded>> {
        self.route_of(&self.plan(), version).map(|(_, model)| model)
    }

    fn route_of(&self, plan: &Plan, version: &str) -> Result<(Arc<Route>, Arc<Loaded>)> {
        let current = self.current()?;
        let answering =
            |route: &&Arc<Route>| route.follower.current().is_some_and(|loaded| loaded.version == version);
        let mut by_answering = plan.routes.iter().filter(answering).chain(&plan.routes);
        let found = by_answering.find_map(|route| Some((route, route.follower.version(version)?)));
        found.map(|(route, model)| (Arc::clone(route), model)).ok_or_else(|| {
            Error::not_found(format!(
                "Endpoint {} does not serve version {version}; it serves version {}.",
                self.name, current.version
            ))
        })
    }

    /// Whether it answers, or has nothing to answer with.
    pub fn is_settled(&self) -> bool {
        self.plan().champion().follower.is_settled()
    }

    /// Looks up what the addresses mean now and, where that is not what answers, makes it answer.
    pub async fn refresh(&self, from: &Sources) {
        let _turn = self.turn.lock().await;
        if self.parked.load(Relaxed) {
            return;
        }
        let plan = self.plan();
        let all = plan.routes.iter().map(|route| route.follower.refresh(&self.name, from));
        futures::future::join_all(all).await;
    }

    /// Lets go of its models, and follows no address until it is unparked or defined anew.
    pub async fn park(&self) {
        let _turn = self.turn.lock().await;
        self.parked.store(true, Relaxed);
        self.unload();
    }

    fn unload(&self) {
        self.plan().routes.iter().for_each(|route| route.follower.unload());
    }

    /// Follows its addresses again, if it had been parked.
    pub fn unpark(&self) {
        if self.parked.swap(false, Relaxed) {
            self.bell.notify_one();
        }
    }

    pub fn is_parked(&self) -> bool {
        self.parked.load(Relaxed)
    }

    /// The versions that its routes answer with, the champion's first.
    pub fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for loaded in self.plan().routes.iter().filter_map(|route| route.follower.current()) {
            if !versions.contains(&loaded.version) {
                versions.push(loaded.version.clone());
            }
        }
        versions
    }

    pub fn info(&self) -> EndpointInfo {
        let plan = self.plan();
        let routes: Vec<_> = plan.routes.iter().map(|route| (route, route.follower.seen())).collect();
        let champion = plan.champion().follower.seen();
        let current = champion.current.as_deref();
        let specs = |specs: &[TensorSpec]| specs.iter().map(Tensor::from).collect();
        let summary = self.board.summary();
        EndpointInfo {
            name: self.name.clone(),
            model: champion.uri.clone(),
            state: champion.state,
            health: health(champion.state, routes.iter().map(|(_, seen)| seen.state)),
            model_name: current.map(|loaded| loaded.name.clone()),
            version: current.map(|loaded| loaded.version.clone()),
            error: champion.error.clone(),
            loaded_at: current.map(|loaded| rfc3339(loaded.loaded_ms)),
            requests: summary.requests,
            errors: summary.errors,
            requests_per_s: (summary.rate * 100.0).round() / 100.0,
            latency_ms: summary.latency,
            minute_latency_ms: summary.minute,
            model_bytes: bytes(&routes),
            inputs: current.map(|loaded| specs(loaded.model.inputs())).unwrap_or_default(),
            outputs: current.map(|loaded| specs(loaded.model.outputs())).unwrap_or_default(),
            url_path: format!("/endpoints/{}/invocations", self.name),
            signature: current.and_then(|loaded| loaded.signature.as_ref()).map(|found| found.json.clone()),
            input_example: current.and_then(|loaded| loaded.example.clone()),
            routes: routes.iter().map(|(route, seen)| info(route, seen)).collect(),
            sticky: plan.definition.sticky.clone(),
            limits: plan.definition.limits,
            log: plan.definition.log.clone(),
            notify: plan.definition.notify.clone(),
            canary: self.canary(),
        }
    }

    pub fn health(&self) -> State {
        let plan = self.plan();
        let states: Vec<_> = plan.routes.iter().map(|route| route.follower.seen().state).collect();
        health(states[0], states.into_iter())
    }
}

/// The champion's state, unless it is well and another route is not.
fn health(champion: State, mut all: impl Iterator<Item = State>) -> State {
    if champion != State::Ready {
        return champion;
    }
    let ill = all.any(|state| matches!(state, State::Failed | State::NoModel));
    if ill { State::Degraded } else { champion }
}

/// The files of all models held, each counted once.
fn bytes(routes: &[(&Arc<Route>, Seen)]) -> u64 {
    let mut all: Vec<_> = routes.iter().flat_map(|(_, seen)| seen.current.iter().chain(&seen.warm)).collect();
    all.sort_unstable_by_key(|loaded| Arc::as_ptr(loaded));
    all.dedup_by_key(|loaded| Arc::as_ptr(loaded));
    all.iter().map(|loaded| loaded.bytes as u64).sum()
}

fn info(route: &Route, seen: &Seen) -> RouteInfo {
    RouteInfo {
        name: route.name.to_string(),
        model: seen.uri.clone(),
        weight: route.spec.weight,
        share: route.share(),
        matches: route.spec.matches.clone(),
        shadow: route.shadow,
        limits: route.spec.limits,
        state: seen.state,
        model_name: seen.current.as_ref().map(|loaded| loaded.name.clone()),
        version: seen.current.as_ref().map(|loaded| loaded.version.clone()),
        error: seen.error.clone(),
        warm: seen.warm.iter().map(|loaded| loaded.version.clone()).collect(),
        waiting: route.gate.waiting(),
    }
}
