//! Endpoints changed by their operators: made, defined anew, split between models, rolled back, deleted.

use super::definition::{Definition, RouteSpec};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
    },
    registry::{ModelUri, Pick},
    serving::{
        endpoint::Endpoint,
        model::{self, EndpointInfo},
        service::Service,
        store::{self, Defined, Happened},
    },
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Endpoints at once; each holds a few models in memory.
const MOST_ENDPOINTS: usize = 1000;

impl Service {
    /// Makes an endpoint of one model, or points one at another address. It is loaded in the background.
    pub async fn put(&self, name: &str, uri: &str) -> Result<EndpointInfo> {
        self.define(name, Definition::of_model(uri), None).await
    }

    /// Makes an endpoint, or gives one another definition, which holds from the next request on.
    pub async fn define(
        &self,
        name: &str,
        definition: Definition,
        who: Option<&str>,
    ) -> Result<EndpointInfo> {
        model::check_name(name)?;
        let definition = definition.checked()?;
        let known = self.endpoint(name).ok();
        if known.is_none() && self.endpoints().len() >= MOST_ENDPOINTS {
            return Err(Error::conflict(format!(
                "There are {MOST_ENDPOINTS} endpoints already, which is the most."
            )));
        }
        let _changing = match &known {
            Some(endpoint) => Some(endpoint.changing.lock().await),
            None => None,
        };
        check_routes(known.as_deref(), &definition)?;
        self.check_webhooks(known.as_deref(), &definition).await?;
        self.redefine(name, known.as_deref(), definition, who).await
    }

    /// Whether the webhooks that a definition names anew are registered.
    async fn check_webhooks(&self, known: Option<&Endpoint>, definition: &Definition) -> Result<()> {
        let before = known.map(|endpoint| endpoint.definition().notify).unwrap_or_default();
        for name in definition.notify.iter().filter(|name| !before.contains(name)) {
            let found = self.sources().objects.webhook_get(name).await.map(drop);
            found.map_err(|error| match error.kind {
                Kind::NotFound => Error::invalid(format!(
                    "There is no webhook {name:?}: an administrator makes one with `crannog webhook`."
                )),
                _ => error,
            })?;
        }
        Ok(())
    }

    /// Changes parts of a definition: `null` takes one away, and `model` is the champion's.
    pub async fn amend(
        &self,
        name: &str,
        changes: Map<String, Value>,
        who: Option<&str>,
    ) -> Result<EndpointInfo> {
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        let mut whole = serde_json::to_value(endpoint.definition()).map_err(Error::internal)?;
        for (key, value) in changes {
            match (key.as_str(), value) {
                ("model", value) => whole["routes"][0]["model"] = value,
                (key, Value::Null) => {
                    whole.as_object_mut().map(|whole| whole.remove(key));
                }
                (key, value) => whole[key] = value,
            }
        }
        let definition: Definition = serde_json::from_value(whole)
            .map_err(|error| Error::invalid(format!("This is not a definition of an endpoint: {error}.")))?;
        let definition = definition.checked()?;
        check_routes(Some(&endpoint), &definition)?;
        self.check_webhooks(Some(&endpoint), &definition).await?;
        self.redefine(name, Some(&endpoint), definition, who).await
    }

    /// Gives routes other weights. Those not named keep theirs.
    pub async fn split(
        &self,
        name: &str,
        weights: &BTreeMap<String, u32>,
        who: Option<&str>,
    ) -> Result<EndpointInfo> {
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        endpoint.check_no_canary()?;
        let mut definition = endpoint.definition();
        for (route, weight) in weights {
            definition.route_mut(route)?.weight = *weight;
        }
        self.redefine(name, Some(&endpoint), definition.checked()?, who).await
    }

    /// Who calls this holds the endpoint's `changing`.
    pub(in crate::serving) async fn redefine(
        &self,
        name: &str,
        known: Option<&Endpoint>,
        definition: Definition,
        who: Option<&str>,
    ) -> Result<EndpointInfo> {
        if let Some(endpoint) = known.filter(|endpoint| endpoint.definition() == definition) {
            self.load(endpoint).await?;
            return self.get(name);
        }
        let defined = Defined {
            name: name.to_owned(),
            model: definition.champion().model.clone(),
            definition: Some(serde_json::to_string(&definition).map_err(Error::internal)?),
            unloaded: false,
        };
        let note = Happened {
            note: Some(in_words(&definition)),
            user: who.map(str::to_owned),
            ..Happened::now("defined")
        };
        let write = move |db: &crate::store::Connection| {
            store::endpoint_put(db, &defined, now_ms())?;
            store::history_add(db, &defined.name, &note)
        };
        self.db().write(write).await?;
        Ok(self.run(name, definition, None, false).info())
    }

    pub async fn delete(&self, name: &str) -> Result<()> {
        let row_name = name.to_owned();
        if !self.db().write(move |db| store::endpoint_delete(db, &row_name)).await? {
            return Err(self
                .endpoint(name)
                .err()
                .unwrap_or_else(|| Error::not_found("It is deleted already.")));
        }
        self.end(name);
        Ok(())
    }

    /// Goes back to a version, or to the one that was served before the one that is meant now. A canary that
    /// runs is what is gone back from first.
    pub async fn roll_back(&self, name: &str, version: Option<&str>, who: &str) -> Result<EndpointInfo> {
        let endpoint = self.endpoint(name)?;
        let _changing = endpoint.changing.lock().await;
        if let Some(canary) = endpoint.canary_running() {
            self.canary_back(&endpoint, canary, format!("rolled back by {who}"), Some(who)).await?;
            if version.is_none() {
                return Ok(endpoint.info());
            }
        }
        let mut definition = endpoint.definition();
        let uri = ModelUri::parse(&definition.champion().model)?;
        let to = match version {
            Some(version) => version.to_owned(),
            None => self.served_before(&endpoint).await?,
        };
        let note = Happened {
            route: Some(definition.champion().name.clone()),
            version: Some(to.clone()),
            user: Some(who.to_owned()),
            ..Happened::now("rolled_back")
        };
        match uri {
            ModelUri::Registered { name: model, pick: Pick::Alias(alias) } => {
                self.registry().alias_set(&model, &alias, number(&to)?).await?;
            }
            ModelUri::Registered { name: model, .. } => {
                self.registry().version_get(&model, number(&to)?).await?;
                definition.routes[0].model = format!("models:/{model}/{to}");
                self.redefine(name, Some(&endpoint), definition, Some(who)).await?;
            }
            ModelUri::Logged(_) => {
                definition.routes[0].model = format!("models:/{to}");
                self.redefine(name, Some(&endpoint), definition.checked()?, Some(who)).await?;
            }
        }
        self.note(name, note).await?;
        // Not left to the follower: who hears that it is done may ask at once.
        self.refresh(&endpoint).await;
        tracing::info!(endpoint = name, version = to, who, "rolled an endpoint back");
        Ok(endpoint.info())
    }

    /// The version that was served last before what the champion's address means now: another one, if that
    /// serves; the one that still answers, if it cannot be loaded.
    async fn served_before(&self, endpoint: &Endpoint) -> Result<String> {
        let definition = endpoint.definition();
        let champion = definition.champion();
        let meant = self.registry().resolve(&champion.model).await.map(|at| at.version).unwrap_or_default();
        let (name, route) = (endpoint.name.clone(), champion.name.clone());
        let before = self.db().read(move |db| store::served(db, &name, Some(&route), Some(&meant))).await?;
        before.and_then(|before| before.version).ok_or_else(|| {
            Error::conflict(format!(
                "Endpoint {} has served nothing else before: there is nothing to go back to.",
                endpoint.name
            ))
        })
    }

    /// Newest first.
    pub async fn history(&self, name: &str) -> Result<Vec<Happened>> {
        let name = self.endpoint(name)?.name.clone();
        self.db().read(move |db| store::history(db, &name)).await
    }

    pub(in crate::serving) async fn note(&self, endpoint: &str, what: Happened) -> Result<()> {
        let endpoint = endpoint.to_owned();
        self.db().write(move |db| store::history_add(db, &endpoint, &what)).await
    }

    /// Writes down which version each route serves, where that has changed.
    pub(in crate::serving) async fn note_served(&self, endpoint: &Endpoint) -> Result<()> {
        let mut noted = endpoint.noted.lock().await;
        for route in &endpoint.plan().routes {
            let Some(loaded) = route.follower.current() else { continue };
            let which = (loaded.name.clone(), loaded.version.clone());
            if noted.get(&*route.name) == Some(&which) {
                continue;
            }
            let what = Happened {
                route: Some(route.name.to_string()),
                model: Some(which.0.clone()),
                version: Some(which.1.clone()),
                ..Happened::now("serves")
            };
            let name = endpoint.name.clone();
            self.db().write(move |db| store::served_add(db, &name, &what)).await?;
            noted.insert(route.name.to_string(), which);
        }
        Ok(())
    }
}

pub(super) fn number(version: &str) -> Result<u32> {
    version.parse().map_err(|_| Error::invalid(format!("{version:?} is no version of a registered model.")))
}

/// While a canary runs, what it is measured against must stay.
fn check_routes(known: Option<&Endpoint>, definition: &Definition) -> Result<()> {
    match known {
        Some(endpoint) if endpoint.definition().routes != definition.routes => endpoint.check_no_canary(),
        _ => Ok(()),
    }
}

/// `champion models:/m@production 90, next models:/m/3 shadow`.
fn in_words(definition: &Definition) -> String {
    let one = |route: &RouteSpec| {
        let how = match (&route.matches, route.shadow) {
            (_, true) => "shadow".to_owned(),
            (Some(matches), _) => format!("{} where {} is {}", route.weight, matches.header, matches.value),
            _ => route.weight.to_string(),
        };
        format!("{} {} {how}", route.name, route.model)
    };
    definition.routes.iter().map(one).collect::<Vec<_>>().join(", ")
}
