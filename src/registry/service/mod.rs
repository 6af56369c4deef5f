//! The registry's rules: what may be called what, what follows from what, and who is told.
//! Every event is published after its change is durable.

mod addresses;
mod aliases;
mod versions;

use super::{
    listener::{Ear, Listener},
    model::{ModelVersion, Pairs, RegisteredModel, Stage},
    names,
    search::{Query, Subject},
    source::Tracker,
    store,
    webhooks::tell,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::{Bus, Event},
    },
    store::{Connection, Db, outbox::Bell},
    tracking::{
        model::Page,
        search::{
            page::{Ask, Asked},
            reach::Reach,
        },
    },
};
use regex::Regex;
use std::sync::{Arc, OnceLock};

const MOST_MODELS: i64 = 1000;
const MOST_VERSIONS: i64 = 200_000;

/// The registry. Clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    tracker: Box<dyn Tracker>,
    bus: Bus,
    bell: Arc<Bell>,
    listener: OnceLock<Arc<dyn Listener>>,
    /// What the operator wants the source of a version to match.
    sources: Option<Regex>,
}

impl Service {
    pub fn new(db: Db, tracker: impl Tracker + 'static, bus: Bus, sources: Option<Regex>) -> Self {
        Self(Arc::new(Inner {
            db,
            tracker: Box::new(tracker),
            bus,
            bell: Arc::default(),
            listener: OnceLock::new(),
            sources,
        }))
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(super) fn tracker(&self) -> &dyn Tracker {
        &*self.0.tracker
    }

    pub(super) fn tell(&self, event: Event) {
        self.0.bus.publish(event);
    }

    /// Rings when a change may have left something to be told to a webhook.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.0.bell)
    }

    /// Tells a higher floor of changes, from within their transactions; once, before any is made.
    pub fn set_listener(&self, listener: Arc<dyn Listener>) {
        let _ = self.0.listener.set(listener);
    }

    fn ear(&self) -> Ear {
        Ear { listener: self.0.listener.get().cloned(), cause: crate::auth::cause() }
    }

    // ---- registered models

    pub async fn model_create(&self, name: &str, description: &str, tags: Pairs) -> Result<RegisteredModel> {
        names::check_model(name)?;
        for (key, value) in &tags {
            names::check_tag(key, value)?;
        }
        let (name, description) = (name.to_owned(), description.to_owned());
        let tags = last_of_each(tags);
        let model = self
            .0
            .db
            .write(move |db| {
                if store::model_id(db, &name)?.is_some() {
                    return Err(Error::exists(format!("Registered Model (name={name}) already exists.")));
                }
                store::model_create(db, &name, &description, &tags, now_ms())?;
                tell::model_created(db, &name, &description, &tags)?;
                store::model_get(db, known(db, &name)?)
            })
            .await?;
        self.0.bell.ring();
        Ok(model)
    }

    pub async fn model_get(&self, name: &str) -> Result<RegisteredModel> {
        names::check_model(name)?;
        let name = name.to_owned();
        self.0.db.look_up(move |db| store::model_get(db, known(db, &name)?)).await
    }

    pub async fn model_describe(&self, name: &str, description: &str) -> Result<RegisteredModel> {
        let description = description.to_owned();
        self.change(name, move |db, id| {
            store::model_describe(db, id, &description, now_ms())?;
            store::model_get(db, id)
        })
        .await
    }

    pub async fn model_rename(&self, name: &str, new_name: &str) -> Result<RegisteredModel> {
        if new_name.trim().is_empty() {
            return Err(Error::invalid("Missing value for required parameter 'new_name'."));
        }
        names::check_model(new_name)?;
        let to = new_name.to_owned();
        let model = self
            .change(name, move |db, id| {
                if store::model_id(db, &to)?.is_some_and(|other| other != id) {
                    return Err(Error::exists(format!("Registered Model (name={to}) already exists.")));
                }
                store::model_rename(db, id, &to, now_ms())?;
                store::model_get(db, id)
            })
            .await?;
        if name != model.name {
            self.tell(Event::RegisteredModelDeleted { name: name.to_owned() });
            for (alias, version) in &model.aliases {
                self.alias_moved(&model.name, alias, Some(*version));
            }
        }
        Ok(model)
    }

    pub async fn model_delete(&self, name: &str) -> Result<()> {
        self.change(name, store::model_delete).await?;
        self.tell(Event::RegisteredModelDeleted { name: name.to_owned() });
        Ok(())
    }

    pub async fn models_search(
        &self,
        reach: &Reach,
        filter: &str,
        order_by: &[String],
        max_results: i64,
        token: &str,
    ) -> Result<Page<RegisteredModel>> {
        let asked = Asked::of("registered models").by("Filter string", &filter).by("Order by", &order_by);
        let ask = Ask::new(asked, page(max_results, MOST_MODELS)?, token)?;
        let query = Query::parse(Subject::Models, filter, order_by)?.narrowed(reach);
        self.0.db.read(move |db| store::models_search(db, query, &ask)).await
    }

    pub async fn model_tag_set(&self, name: &str, key: &str, value: &str) -> Result<()> {
        names::check_tag(key, value)?;
        let (named, key, value) = (name.to_owned(), key.to_owned(), value.to_owned());
        self.change(name, move |db, id| {
            store::model_tag_set(db, id, &key, &value)?;
            tell::model_tag(db, id, &named, &key, Some(&value))
        })
        .await
    }

    pub async fn model_tag_delete(&self, name: &str, key: &str) -> Result<()> {
        names::check_tag_key(key)?;
        let (named, key) = (name.to_owned(), key.to_owned());
        self.change(name, move |db, id| {
            store::model_tag_delete(db, id, &key)?;
            tell::model_tag(db, id, &named, &key, None)
        })
        .await
    }

    /// The newest version in each of `stages`; in every stage if none is named.
    pub async fn latest_versions(&self, name: &str, stages: &[String]) -> Result<Vec<ModelVersion>> {
        let stages: Vec<_> = stages.iter().map(|stage| Stage::parse(stage)).collect::<Result<_>>()?;
        let mut latest = self.model_get(name).await?.latest;
        latest.retain(|version| stages.is_empty() || stages.contains(&version.stage));
        Ok(latest)
    }

    // ---- shared by the changes above

    /// Runs a change of an existing model.
    async fn change<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        names::check_model(name)?;
        let name = name.to_owned();
        let done = self.0.db.write(move |db| work(db, known(db, &name)?)).await?;
        self.0.bell.ring();
        Ok(done)
    }

    /// Runs a change of an existing version.
    async fn change_version<T: Send + 'static>(
        &self,
        name: &str,
        version: u32,
        work: impl FnOnce(&Connection, i64) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        names::check_model(name)?;
        let name = name.to_owned();
        let done = self
            .0
            .db
            .write(move |db| {
                let id = store::model_id(db, &name)?.ok_or_else(|| no_version(&name, version))?;
                known_version(db, id, version)?;
                work(db, id)
            })
            .await?;
        self.0.bell.ring();
        Ok(done)
    }
}

fn known(db: &Connection, name: &str) -> Result<i64> {
    store::model_id(db, name)?
        .ok_or_else(|| Error::not_found(format!("Registered Model with name={name} not found")))
}

fn known_version(db: &Connection, id: i64, version: u32) -> Result<ModelVersion> {
    match store::version_get(db, id, version)? {
        Some(found) => Ok(found),
        None => Err(no_version(&store::model_get(db, id)?.name, version)),
    }
}

pub(super) fn no_version(name: &str, version: impl std::fmt::Display) -> Error {
    Error::not_found(format!("Model Version (name={name}, version={version}) not found"))
}

fn newest(db: &Connection, id: i64, name: &str, stage: Option<Stage>) -> Result<ModelVersion> {
    let latest = store::versions_latest(db, id)?.into_iter();
    let wanted = latest.filter(|version| stage.is_none_or(|stage| version.stage == stage));
    wanted.max_by_key(|version| version.version).ok_or_else(|| {
        let stage = stage.map(|stage| format!(" and stage '{}'", stage.name())).unwrap_or_default();
        Error::not_found(format!("No versions of model with name '{name}'{stage} found"))
    })
}

/// A key given twice means its last value, as it does in MLflow.
pub(super) fn last_of_each(tags: Pairs) -> Pairs {
    let mut out: Pairs = Vec::with_capacity(tags.len());
    for (key, value) in tags {
        match out.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => out.push((key, value)),
        }
    }
    out
}

fn page(max_results: i64, most: i64) -> Result<usize> {
    if max_results < 1 {
        return Err(Error::invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {max_results}"
        )));
    }
    if max_results > most {
        return Err(Error::invalid(format!(
            "Invalid value for request parameter max_results. It must be at most {most}, but got value {max_results}"
        )));
    }
    Ok(usize::try_from(max_results).unwrap_or(1))
}
