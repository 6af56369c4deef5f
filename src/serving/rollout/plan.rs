//! A definition made ready to answer: its routes with their models and limits. Never changes: a new definition
//! makes a new plan, and a request keeps the plan it began with.

use super::{
    choice::{self, Candidate},
    definition::{CANARY, Definition, Limits, RouteSpec, Sticky},
};
use crate::{
    kernel::{
        error::{Error, Result},
        id,
    },
    serving::{
        loading::{follower::Follower, load::Loaded},
        predict::{call::Call, gate::RouteGate},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

pub struct Plan {
    pub definition: Definition,
    /// As defined, the champion first; a canary's last.
    pub routes: Vec<Arc<Route>>,
    pub canary: Option<Trial>,
}

/// A canary's part of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Which canary: the next one is tried by other callers.
    pub id: String,
    pub model: String,
    /// Its share of what the weights decide.
    pub percent: f64,
    /// Whether each of the two is asked what the other was asked, to compare them.
    pub compared: bool,
}

pub struct Route {
    pub name: Arc<str>,
    pub weight: f64,
    pub shadow: bool,
    pub follower: Arc<Follower>,
    pub gate: Arc<RouteGate>,
    pub timeout: Option<Duration>,
    pub spec: RouteSpec,
    hash: u64,
    matches: Option<(HeaderName, HeaderValue)>,
}

/// What answers a call.
pub struct Chosen {
    pub plan: Arc<Plan>,
    pub route: Arc<Route>,
    pub model: Arc<Loaded>,
}

impl Plan {
    /// Routes of the plan before keep what they have loaded.
    pub fn new(definition: Definition, canary: Option<Trial>, before: Option<&Self>) -> Self {
        let limits = definition.limits;
        let total: u32 = definition.routes.iter().map(|route| route.weight).sum();
        let left = 1.0 - canary.as_ref().map_or(0.0, |trial| trial.percent / 100.0);
        let mut routes: Vec<_> = definition
            .routes
            .iter()
            .map(|spec| {
                let share = f64::from(spec.weight) / f64::from(total.max(1)) * left;
                Arc::new(Route::new(spec, share, spec.name.as_bytes(), limits, before))
            })
            .collect();
        if let Some(trial) = &canary {
            let spec = RouteSpec::new(CANARY, &trial.model, 0);
            let key = format!("{CANARY} {}", trial.id);
            routes.push(Arc::new(Route::new(&spec, 1.0 - left, key.as_bytes(), limits, before)));
        }
        Self { definition, routes, canary }
    }

    pub fn champion(&self) -> &Arc<Route> {
        &self.routes[0]
    }

    pub fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| &*route.name == name)
    }

    /// The route for a call: by its header, else among those that can answer by what makes it sticky, else by
    /// chance. Weights that no model stands behind are for the others to take.
    pub fn choose(&self, call: &Call) -> &Arc<Route> {
        if let [only] = &self.routes[..] {
            return only;
        }
        if let Some(sent) = self.routes.iter().find(|route| route.is_asked_for(&call.headers)) {
            return sent;
        }
        let open: Vec<&Arc<Route>> = self.routes.iter().filter(|route| route.is_open()).collect();
        if let [only] = open[..] {
            return only;
        }
        let candidates: Vec<_> =
            open.iter().map(|route| Candidate { hash: route.hash, weight: route.weight }).collect();
        let chosen = match self.key(call) {
            Some(key) => choice::by_key(key, &candidates),
            None => choice::by_chance(choice::unit(draw()), &candidates),
        };
        chosen.map_or_else(|| self.champion(), |index| open[index])
    }

    /// The routes that are asked, unheard, what `route` was asked.
    pub fn mirrors<'a>(&'a self, route: &'a Route) -> impl Iterator<Item = &'a Arc<Route>> {
        let compared = self.canary.as_ref().is_some_and(|trial| trial.compared);
        let champion = &self.champion().name;
        let (by_champion, by_canary) = (*champion == route.name, &*route.name == CANARY);
        self.routes.iter().filter(move |other| {
            let is_canary = &*other.name == CANARY;
            (by_champion && (other.shadow || (compared && is_canary)))
                || (by_canary && compared && other.name == *champion)
        })
    }

    /// Where this request is kept, if it is one of those that are.
    pub fn log_bucket(&self) -> Option<String> {
        let log = self.definition.log.as_ref()?;
        (log.sample >= 1.0 || choice::unit(draw()) < log.sample).then(|| log.bucket.clone())
    }

    fn key(&self, call: &Call) -> Option<u64> {
        let text = match self.definition.sticky.as_ref()? {
            Sticky::Header { name } => call.headers.get(name)?.as_bytes(),
            Sticky::Cookie { name } => cookie(&call.headers, name)?.as_bytes(),
            Sticky::User => call.user.as_bytes(),
        };
        Some(choice::hash(text))
    }
}

impl Route {
    fn new(spec: &RouteSpec, weight: f64, key: &[u8], limits: Limits, before: Option<&Plan>) -> Self {
        let limits = spec.limits.unwrap_or(limits);
        let before = before.and_then(|plan| plan.route(&spec.name));
        let follower = match before {
            Some(route) => {
                route.follower.point_to(&spec.model);
                Arc::clone(&route.follower)
            }
            None => Arc::new(Follower::new(&spec.model)),
        };
        let gate = before.map(|route| Arc::clone(&route.gate)).filter(|gate| gate.limits == limits);
        let matches = spec.matches.as_ref().and_then(|matches| {
            let value = HeaderValue::from_str(&matches.value).ok()?;
            Some((HeaderName::try_from(&matches.header).ok()?, value))
        });
        Self {
            name: Arc::from(spec.name.as_str()),
            weight,
            shadow: spec.shadow,
            follower,
            gate: gate.unwrap_or_else(|| Arc::new(RouteGate::new(limits))),
            timeout: limits.timeout_ms.map(Duration::from_millis),
            spec: spec.clone(),
            hash: choice::hash(key),
            matches,
        }
    }

    fn is_asked_for(&self, headers: &HeaderMap) -> bool {
        self.matches.as_ref().is_some_and(|(name, value)| headers.get(name) == Some(value))
    }

    /// Of a hundred requests that no header sends elsewhere.
    pub fn share(&self) -> f64 {
        (self.weight * 10_000.0).round() / 100.0
    }

    fn is_open(&self) -> bool {
        self.weight > 0.0 && self.follower.is_ready()
    }

    pub fn model(&self, endpoint: &str) -> Result<Arc<Loaded>> {
        self.follower.current().ok_or_else(|| {
            Error::busy(format!("Endpoint {endpoint} cannot answer: {}", self.follower.excuse()))
        })
    }
}

/// A number that nobody can foretell, without asking the system for each.
fn draw() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let seed =
        *SEED.get_or_init(|| id::random_bytes(8).iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte)));
    choice::mix(choice::mix(DRAWN.fetch_add(1, Relaxed)) ^ seed)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(headers: &[(&'static str, &str)]) -> Call {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("is a header"))
        });
        Call::new("ada".into(), pairs.collect())
    }

    fn plan(sticky: serde_json::Value) -> Plan {
        let definition: Definition = serde_json::from_value(json!({ "sticky": sticky, "routes": [
            { "name": "champion", "model": "models:/m/1", "weight": 1 },
            { "name": "beta", "model": "models:/m/2", "match": { "header": "x-tier", "value": "beta" } },
            { "name": "next", "model": "models:/m/3", "shadow": true },
        ]}))
        .expect("reads");
        Plan::new(definition.checked().expect("is valid"), None, None)
    }

    #[test]
    fn a_header_sends_to_its_route_and_nothing_else_does() {
        let plan = plan(json!(null));
        assert_eq!(&*plan.choose(&call(&[("x-tier", "beta")])).name, "beta");
        for headers in [&[][..], &[("x-tier", "Beta")], &[("x-other", "beta")]] {
            assert_eq!(&*plan.choose(&call(headers)).name, "champion");
        }
    }

    #[test]
    fn callers_are_told_apart_by_header_cookie_or_name() {
        let header = plan(json!({ "by": "header", "name": "X-Customer" }));
        assert_eq!(header.key(&call(&[])), None);
        assert_eq!(header.key(&call(&[("x-customer", "7")])), Some(choice::hash(b"7")));
        let cookie = plan(json!({ "by": "cookie", "name": "session" }));
        assert_eq!(cookie.key(&call(&[("cookie", "a=b; session=7")])), Some(choice::hash(b"7")));
        assert_eq!(cookie.key(&call(&[("cookie", "mysession=7")])), None);
        assert_eq!(plan(json!({ "by": "user" })).key(&call(&[])), Some(choice::hash(b"ada")));
    }

    #[test]
    fn a_canary_takes_its_share_and_is_compared_both_ways() {
        let before = plan(json!(null));
        let trial = Trial { id: "1".into(), model: "models:/m/4".into(), percent: 20.0, compared: true };
        let plan = Plan::new(before.definition.clone(), Some(trial), Some(&before));
        let weights: Vec<_> = plan.routes.iter().map(|route| (&*route.name, route.weight)).collect();
        assert_eq!(weights[0], ("champion", 0.8));
        assert_eq!(weights[3].0, "canary");
        assert!((weights[3].1 - 0.2).abs() < 1e-12);
        let names =
            |route: usize| plan.mirrors(&plan.routes[route]).map(|route| &*route.name).collect::<Vec<_>>();
        assert_eq!((names(0), names(1), names(3)), (vec!["next", "canary"], vec![], vec!["champion"]));
        assert!(Arc::ptr_eq(&plan.champion().follower, &before.champion().follower));
        assert!(Arc::ptr_eq(&plan.champion().gate, &before.champion().gate));
    }
}
