//! What an operator says of an endpoint: which models answer, who gets which, and within what limits.

use crate::{
    kernel::error::{Error, Result},
    serving::model::check_uri,
};
use serde::{Deserialize, Serialize};

/// Routes of one endpoint; each keeps a model in memory, and one or two before it.
const MOST_ROUTES: usize = 16;
const MOST_WEIGHT: u32 = 1_000_000;
const MOST_WEBHOOKS: usize = 16;
/// The route that a definition with nothing but a model has.
pub const CHAMPION: &str = "champion";
/// The route that a canary adds.
pub const CANARY: &str = "canary";
pub const LOG_BUCKET: &str = "prediction-log";

/// An endpoint as it is defined. The first route is the champion: shadows are compared with it, and it answers
/// when no other can.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Short for a champion and nothing beside it.
    #[serde(default, skip_serializing)]
    pub model: Option<String>,
    #[serde(default)]
    pub routes: Vec<RouteSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSpec>,
    /// Webhooks, by their names, that hear of its canaries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    pub name: String,
    pub model: String,
    /// Its share of the requests that no header sends elsewhere, against the weights of the others.
    #[serde(default)]
    pub weight: u32,
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Match>,
    /// Asked what others are asked, compared with them, never heard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Instead of the endpoint's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// Requests whose header has this value take the route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    pub header: String,
    pub value: String,
}

/// What tells that two requests belong together, and so get the same route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sticky {
    Header {
        name: String,
    },
    Cookie {
        name: String,
    },
    /// Who is signed in.
    User,
}

/// For each route by itself: one that is slow must not take the places of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests that run at once; the cores of the machine bound it anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Requests that may wait; past it they are turned away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// A request that waited longer is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Predictions are kept in a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSpec {
    /// The share of requests that is kept, up to 1.
    #[serde(default = "all")]
    pub sample: f64,
    #[serde(default = "log_bucket")]
    pub bucket: String,
}

fn all() -> f64 {
    1.0
}

fn log_bucket() -> String {
    LOG_BUCKET.to_owned()
}

impl Definition {
    pub fn of_model(uri: &str) -> Self {
        let champion = RouteSpec::new(CHAMPION, uri, 100);
        Self { routes: vec![champion], ..Self::default() }
    }

    /// The definition in its one form, or what is wrong with it.
    pub fn checked(mut self) -> Result<Self> {
        match self.model.take() {
            Some(model) if self.routes.is_empty() => self.routes = Self::of_model(&model).routes,
            Some(model) if self.routes[0].model != model => {
                return Err(Error::invalid(
                    "Give the endpoint either a model or routes: with both, the model must be the first route's.",
                ));
            }
            _ => {}
        }
        if self.routes.is_empty() {
            return Err(Error::invalid("An endpoint needs a model, or routes."));
        }
        self.check_routes()?;
        self.check_rest()?;
        Ok(self)
    }

    fn check_routes(&self) -> Result<()> {
        if self.routes.len() > MOST_ROUTES {
            return Err(Error::invalid(format!("An endpoint has {MOST_ROUTES} routes at most.")));
        }
        for (index, route) in self.routes.iter().enumerate() {
            route.check()?;
            if self.routes[..index].iter().any(|other| other.name == route.name) {
                return Err(Error::invalid(format!("Two routes are called {:?}.", route.name)));
            }
        }
        if self.champion().shadow {
            return Err(Error::invalid(
                "The first route is the champion, which shadows are compared with: it cannot be a shadow.",
            ));
        }
        if self.routes.iter().all(|route| route.weight == 0) {
            return Err(Error::invalid("One route at least needs a weight, or nothing would be answered."));
        }
        Ok(())
    }

    fn check_rest(&self) -> Result<()> {
        self.limits.check()?;
        if self.notify.len() > MOST_WEBHOOKS {
            return Err(Error::invalid(format!("An endpoint tells {MOST_WEBHOOKS} webhooks at most.")));
        }
        match &self.sticky {
            Some(Sticky::Header { name }) => check_header(name)?,
            Some(Sticky::Cookie { name }) if name.is_empty() || name.contains(['=', ';', ' ', ',']) => {
                return Err(Error::invalid(format!("{name:?} is no cookie's name.")));
            }
            _ => {}
        }
        match &self.log {
            Some(log) if !(log.sample > 0.0 && log.sample <= 1.0) => Err(Error::invalid(format!(
                "A log's `sample` is a share above 0 and up to 1, not {}. Leave `log` out to keep nothing.",
                log.sample
            ))),
            Some(log) if log.bucket.is_empty() => Err(Error::invalid("A log needs a bucket.")),
            _ => Ok(()),
        }
    }

    /// # Panics
    /// Never on a checked definition, which has a route.
    pub fn champion(&self) -> &RouteSpec {
        &self.routes[0]
    }

    pub fn route_mut(&mut self, name: &str) -> Result<&mut RouteSpec> {
        let known: Vec<_> = self.routes.iter().map(|route| route.name.clone()).collect();
        self.routes.iter_mut().find(|route| route.name == name).ok_or_else(|| {
            Error::not_found(format!("There is no route {name:?}. There is {}.", known.join(", ")))
        })
    }
}

impl RouteSpec {
    pub fn new(name: &str, model: &str, weight: u32) -> Self {
        let (name, model) = (name.to_owned(), model.to_owned());
        Self { name, model, weight, matches: None, shadow: false, limits: None }
    }

    fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(plain) {
            return Err(Error::invalid(format!(
                "{:?} cannot name a route: use 1 to 63 letters, digits, '-', '_' and '.'.",
                self.name
            )));
        }
        if self.name == CANARY {
            return Err(Error::invalid(
                "The route \"canary\" is made by a canary: POST .../canary begins one.",
            ));
        }
        check_uri(&self.model)?;
        if self.weight > MOST_WEIGHT {
            return Err(Error::invalid(format!("A weight is {MOST_WEIGHT} at most.")));
        }
        if self.shadow && (self.weight > 0 || self.matches.is_some()) {
            return Err(Error::invalid(format!(
                "Route {:?} is a shadow, which answers nobody: leave its weight and `match` out.",
                self.name
            )));
        }
        if let Some(matches) = &self.matches {
            check_header(&matches.header)?;
        }
        self.limits.map_or(Ok(()), |limits| limits.check())
    }
}

impl Limits {
    fn check(self) -> Result<()> {
        if self.concurrency == Some(0) || self.timeout_ms == Some(0) {
            return Err(Error::invalid("A limit of 0 would let nothing through: leave it out, or say 1."));
        }
        Ok(())
    }
}

fn check_header(name: &str) -> Result<()> {
    match http::HeaderName::try_from(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid(format!("{name:?} is no header's name."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(definition: Value) -> Result<Definition> {
        serde_json::from_value::<Definition>(definition)
            .map_err(|error| Error::invalid(error.to_string()))?
            .checked()
    }

    #[test]
    fn a_model_alone_is_a_champion() {
        let short = read(json!({ "model": "models:/m@production" })).expect("is valid");
        assert_eq!(short, Definition::of_model("models:/m@production"));
        let again = read(serde_json::to_value(&short).expect("is JSON")).expect("reads what it wrote");
        assert_eq!(again, short);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let route = |name: &str| json!({ "name": name, "model": "models:/m/1", "weight": 1 });
        let shadow = json!({ "name": "s", "model": "models:/m/1", "shadow": true });
        for (definition, word) in [
            (json!({}), "needs a model"),
            (json!({ "routes": [route("a"), route("a")] }), "Two routes"),
            (json!({ "routes": [route("canary")] }), "made by a canary"),
            (json!({ "routes": [route("a b")] }), "cannot name a route"),
            (json!({ "routes": [shadow, route("a")] }), "cannot be a shadow"),
            (json!({ "routes": [{ "name": "a", "model": "models:/m/1" }] }), "needs a weight"),
            (
                json!({ "routes": [route("a"), { "name": "s", "model": "models:/m/1", "shadow": true, "weight": 1 }] }),
                "answers nobody",
            ),
            (json!({ "routes": [{ "name": "a", "model": "m", "weight": 1 }] }), "not a model's address"),
            (json!({ "model": "models:/m/2", "routes": [route("a")] }), "either a model or routes"),
            (json!({ "model": "models:/m/2", "limits": { "concurrency": 0 } }), "limit of 0"),
            (
                json!({ "model": "models:/m/2", "sticky": { "by": "header", "name": "a b" } }),
                "no header's name",
            ),
            (
                json!({ "model": "models:/m/2", "sticky": { "by": "cookie", "name": "a=b" } }),
                "no cookie's name",
            ),
            (json!({ "model": "models:/m/2", "log": { "sample": 0 } }), "share above 0"),
            (json!({ "model": "models:/m/2", "log": { "sample": 1.5 } }), "share above 0"),
            (json!({ "model": "models:/m/2", "wieght": 1 }), "unknown field"),
        ] {
            let error = read(definition.clone()).expect_err("is refused");
            assert!(error.message.contains(word), "{definition}: {}", error.message);
        }
    }
}
