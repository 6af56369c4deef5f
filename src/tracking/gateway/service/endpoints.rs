//! Endpoints: made of models, changed, tagged.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service, check,
        gateway::{
            model::{Endpoint, EndpointChange, Fallback, Link, Mapping},
            store::{Key, definitions, endpoints as store, missing},
        },
        model::Pair,
        store::experiments,
    },
};

impl Service {
    pub async fn gateway_endpoint_create(&self, name: String, new: EndpointChange) -> Result<Endpoint> {
        name_is_sound(&name)?;
        if new.links.is_empty() {
            return Err(Error::invalid("Endpoint must have at least one model configuration"));
        }
        let now = now_ms();
        let endpoint = Endpoint {
            endpoint_id: format!("e-{}", id::hex32()),
            name,
            model_mappings: Vec::new(),
            tags: Vec::new(),
            routing_strategy: None,
            fallback_config: None,
            experiment_id: None,
            usage_tracking: new.usage_tracking.unwrap_or(true),
            created_at: now,
            last_updated_at: now,
            created_by: new.user.clone(),
            last_updated_by: None,
        };
        self.db().write(move |c| put(c, endpoint, new)).await
    }

    pub async fn gateway_endpoint_update(&self, id: &str, change: EndpointChange) -> Result<Endpoint> {
        change.name.as_deref().map(name_is_sound).transpose()?;
        let key = Key::Id(id.to_owned());
        self.db()
            .write(move |c| {
                let mut endpoint = store::endpoint_get(c, &key)?;
                endpoint.usage_tracking = change.usage_tracking.unwrap_or(endpoint.usage_tracking);
                endpoint.last_updated_at = now_ms();
                put(c, endpoint, change)
            })
            .await
    }

    pub async fn gateway_endpoint_get(&self, key: Key) -> Result<Endpoint> {
        self.db().read(move |c| store::endpoint_get(c, &key)).await
    }

    pub async fn gateway_endpoint_list(&self, provider: Option<String>) -> Result<Vec<Endpoint>> {
        self.db().read(move |c| store::endpoint_list(c, provider.as_deref())).await
    }

    pub async fn gateway_endpoint_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| store::endpoint_delete(c, &id)).await
    }

    pub async fn gateway_endpoint_attach(
        &self,
        id: &str,
        link: Link,
        user: Option<String>,
    ) -> Result<Mapping> {
        let (id, mapping) = (id.to_owned(), format!("m-{}", id::hex32()));
        self.db()
            .write(move |c| {
                let (key, now) = (Key::Id(id.clone()), now_ms());
                store::endpoint_get(c, &key)?;
                definitions::definition_get(c, &Key::Id(link.model_definition_id.clone()))?;
                if !store::link_create(c, &mapping, &id, &link, user.as_deref(), now)? {
                    return Err(attached(&link.model_definition_id, &id));
                }
                store::endpoint_touch(c, &id, user.as_deref(), now)?;
                let found = store::endpoint_get(c, &key)?.model_mappings;
                found
                    .into_iter()
                    .find(|found| found.mapping_id == mapping)
                    .ok_or_else(|| missing("GatewayEndpointModelMapping", &[("mapping_id", &mapping)]))
            })
            .await
    }

    pub async fn gateway_endpoint_detach(&self, id: &str, model: &str) -> Result<()> {
        let (id, model) = (id.to_owned(), model.to_owned());
        self.db()
            .write(move |c| {
                store::endpoint_get(c, &Key::Id(id.clone()))?;
                if store::link_delete(c, &id, &model)? {
                    return Ok(());
                }
                Err(Error::not_found(format!(
                    "Model definition '{model}' is not attached to endpoint '{id}'"
                )))
            })
            .await
    }

    pub async fn gateway_endpoint_tag_set(&self, id: &str, key: &str, value: &str) -> Result<()> {
        check::length("key", check::KEY_MAX, key)?;
        check::length("value", check::TAG_VALUE_MAX, value)?;
        let (id, key, value) = (id.to_owned(), key.to_owned(), value.to_owned());
        self.db()
            .write(move |c| {
                store::endpoint_get(c, &Key::Id(id.clone()))?;
                store::endpoint_tag_set(c, &id, &key, &value)
            })
            .await
    }

    pub async fn gateway_endpoint_tag_delete(&self, id: &str, key: &str) -> Result<()> {
        let (id, key) = (id.to_owned(), key.to_owned());
        self.db()
            .write(move |c| {
                store::endpoint_get(c, &Key::Id(id.clone()))?;
                store::endpoint_tag_delete(c, &id, &key)
            })
            .await
    }
}

fn name_is_sound(name: &str) -> Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.is_empty() && name.bytes().all(known) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid endpoint name '{name}'. Name can only contain letters, numbers, underscores, hyphens, and dots."
    )))
}

fn attached(model: &str, endpoint: &str) -> Error {
    Error::exists(format!("Model definition '{model}' is already attached to endpoint '{endpoint}'"))
}

/// Writes an endpoint with what is new about it; models that are named replace those it has.
fn put(db: &Connection, mut endpoint: Endpoint, change: EndpointChange) -> Result<Endpoint> {
    let id = endpoint.endpoint_id.clone();
    endpoint.name = change.name.unwrap_or(endpoint.name);
    endpoint.routing_strategy = change.routing.map(str::to_owned).or(endpoint.routing_strategy);
    endpoint.last_updated_by = change.user.clone().or(endpoint.last_updated_by);
    if !change.links.is_empty() {
        check_models(db, &change.links)?;
        let falls_back = change.links.iter().any(|link| link.linkage_type == "FALLBACK");
        endpoint.fallback_config = change.fallback.or_else(|| falls_back.then(Fallback::default));
    } else if change.fallback.is_some() {
        endpoint.fallback_config = change.fallback;
    }
    let experiment = experiment(db, &endpoint, change.experiment_id.as_deref(), change.usage_tracking)?;
    store::endpoint_put(db, &endpoint, experiment)?;
    if !change.links.is_empty() {
        store::links_clear(db, &id)?;
        for link in &change.links {
            let mapping = format!("m-{}", id::hex32());
            let user = change.user.as_deref();
            if !store::link_create(db, &mapping, &id, link, user, endpoint.last_updated_at)? {
                return Err(attached(&link.model_definition_id, &id));
            }
        }
    }
    store::endpoint_get(db, &Key::Id(id))
}

fn check_models(db: &Connection, links: &[Link]) -> Result<()> {
    let mut absent = Vec::new();
    for link in links {
        if !definitions::definition_exists(db, &link.model_definition_id)? {
            absent.push(link.model_definition_id.as_str());
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    Err(Error::not_found(format!("Model definitions not found: {}", absent.join(", "))))
}

/// The experiment of an endpoint: the one that is named, the one it has, or, when its use is to be
/// tracked, one of its own.
fn experiment(
    db: &Connection,
    endpoint: &Endpoint,
    named: Option<&str>,
    tracking: Option<bool>,
) -> Result<Option<i64>> {
    if let Some(named) = named {
        let id = check::experiment_id(named)?;
        return experiments::experiment_get(db, id).map(|_| Some(id));
    }
    if let Some(own) = &endpoint.experiment_id {
        return check::experiment_id(own).map(Some);
    }
    let is_new = endpoint.created_at == endpoint.last_updated_at;
    if !endpoint.usage_tracking || !(is_new || tracking.is_some()) {
        return Ok(None);
    }
    let name = format!("gateway/{}", endpoint.name);
    if let Some(there) = experiments::experiment_by_name(db, &name)? {
        return check::experiment_id(&there.experiment_id).map(Some);
    }
    let id = experiments::experiment_create(db, &name, None, now_ms())?;
    for (key, value) in [
        ("mlflow.experiment.sourceType", "GATEWAY"),
        ("mlflow.experiment.sourceId", endpoint.endpoint_id.as_str()),
        ("mlflow.experiment.isGateway", "true"),
    ] {
        experiments::experiment_set_tag(db, id, &Pair { key: key.into(), value: value.into() })?;
    }
    Ok(Some(id))
}
