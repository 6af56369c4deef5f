//! The registry's rules: what may be called what, what follows from what, and who is told.
//! Every event is published after its change is durable.

use super::{
    listener::{Ear, Listener, News},
    model::{ModelVersion, NewVersion, Pairs, RegisteredModel, Resolved, Stage},
    names::{self, ModelUri, Pick},
    search::{self, Query, Subject},
    source::{self, Tracker},
    store,
    webhooks::tell,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
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
        self.0.db.read(move |db| store::model_get(db, known(db, &name)?)).await
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

    // ---- aliases

    pub async fn alias_set(&self, name: &str, alias: &str, version: u32) -> Result<()> {
        names::check_alias(alias)?;
        names::check_alias_is_free(alias)?;
        let (named, to, ear) = (name.to_owned(), alias.to_owned(), self.ear());
        let listening = ear.clone();
        self.change(name, move |db, id| {
            known_version(db, id, version)?;
            store::alias_set(db, id, &to, version)?;
            tell::alias(db, id, &named, &to, Some(version))?;
            listening.hear(db, &News::AliasMoved { model: named, alias: to, version })
        })
        .await?;
        ear.committed();
        self.alias_moved(name, alias, Some(version));
        Ok(())
    }

    pub async fn alias_delete(&self, name: &str, alias: &str) -> Result<()> {
        names::check_alias(alias)?;
        let (named, gone) = (name.to_owned(), alias.to_owned());
        let delete = move |db: &Connection, id| {
            let was_there = store::alias_delete(db, id, &gone)?;
            tell::alias(db, id, &named, &gone, None)?;
            Ok(was_there)
        };
        if self.change(name, delete).await? {
            self.alias_moved(name, alias, None);
        }
        Ok(())
    }

    pub async fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        names::check_model(name)?;
        names::check_alias(alias)?;
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.0
            .db
            .read(move |db| {
                let id = known(db, &name)?;
                if alias.eq_ignore_ascii_case("latest") {
                    return newest(db, id, &name, None);
                }
                let version = store::alias_get(db, id, &alias)?
                    // MLflow answers 400 here, not 404, and its client expects that.
                    .ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))?;
                known_version(db, id, version)
            })
            .await
    }

    fn alias_moved(&self, name: &str, alias: &str, version: Option<u32>) {
        let version = version.map(u64::from);
        self.tell(Event::AliasMoved { name: name.to_owned(), alias: alias.to_owned(), version });
    }

    // ---- versions

    /// Creates the next version. A `models:/` source is followed now, to where the files are.
    pub async fn version_create(&self, name: &str, mut new: NewVersion) -> Result<ModelVersion> {
        names::check_model(name)?;
        for (key, value) in &new.tags {
            names::check_tag(key, value)?;
        }
        source::check_pattern(self.0.sources.as_ref(), &new.source)?;
        let prompt =
            new.tags.iter().any(|(key, value)| key == search::PROMPT && value.eq_ignore_ascii_case("true"));
        if prompt {
            new.storage.clone_from(&new.source);
        } else {
            self.place(&mut new).await?;
        }
        new.tags = last_of_each(new.tags);
        let logged = new.logged_model_id.clone();
        let (named, ear) = (name.to_owned(), self.ear());
        let listening = ear.clone();
        let version = self
            .change(name, move |db, id| {
                let number = store::version_create(db, id, &new, now_ms())?;
                tell::version_created(db, &named, number, &new)?;
                if !prompt {
                    let (source, run_id) = (new.source, new.run_id);
                    let news = News::VersionCreated { model: named, version: number, source, run_id };
                    listening.hear(db, &news)?;
                }
                known_version(db, id, number)
            })
            .await?;
        ear.committed();
        // The version is there: a note that cannot be made on the logged model does not undo it.
        if let Some(logged) = logged
            && let Err(error) = self.tracker().registered(&logged, name, version.version).await
        {
            tracing::warn!(model = logged, ?error, "a logged model could not be told of its new version");
        }
        self.tell(Event::ModelVersionCreated { name: name.to_owned(), version: version.version.into() });
        Ok(version)
    }

    /// Checks the source and finds where its files are.
    async fn place(&self, new: &mut NewVersion) -> Result<()> {
        if new.source.starts_with("models:")
            && let Ok(ModelUri::Registered { name, pick }) = ModelUri::parse(&new.source)
        {
            let found = self.version_picked(&name, pick).await?;
            new.source = format!("models:/{name}/{}", found.version);
            new.storage = found.storage;
            if new.run_id.is_empty() {
                new.run_id = found.run_id;
            }
            new.logged_model_id = new.logged_model_id.take().or(found.logged_model_id);
            return Ok(());
        }
        let tracker = self.tracker();
        let model_id = new.logged_model_id.clone().unwrap_or_default();
        source::check(tracker, &new.source, &new.run_id, &model_id).await?;
        new.storage.clone_from(&new.source);
        if model_id.is_empty() {
            return Ok(());
        }
        let logged = tracker.logged_model(&model_id).await?;
        if new.run_id.is_empty() {
            new.run_id = logged.run_id;
        }
        if new.source.starts_with("models:") {
            new.storage = logged.artifact_uri;
        }
        Ok(())
    }

    pub async fn version_get(&self, name: &str, version: u32) -> Result<ModelVersion> {
        names::check_model(name)?;
        let name = name.to_owned();
        self.0
            .db
            .read(move |db| match store::model_id(db, &name)? {
                Some(id) => known_version(db, id, version),
                None => Err(no_version(&name, version)),
            })
            .await
    }

    pub async fn version_describe(
        &self,
        name: &str,
        version: u32,
        text: Option<&str>,
    ) -> Result<ModelVersion> {
        let text = text.map(ToOwned::to_owned);
        self.change_version(name, version, move |db, id| {
            store::version_describe(db, id, version, text.as_deref(), now_ms())?;
            known_version(db, id, version)
        })
        .await
    }

    pub async fn version_transition(
        &self,
        name: &str,
        version: u32,
        stage: &str,
        archive: bool,
    ) -> Result<ModelVersion> {
        let stage = Stage::parse(stage)?;
        if archive && !stage.is_active() {
            return Err(Error::invalid(format!(
                "Model version transition cannot archive existing model versions because '{}' is not an Active \
                 stage. Valid stages are ['Staging', 'Production']",
                stage.name()
            )));
        }
        let moved = self
            .change_version(name, version, move |db, id| {
                let now = now_ms();
                if archive {
                    store::versions_archive(db, id, version, stage, now)?;
                }
                store::version_stage(db, id, version, stage, now)?;
                store::model_touch(db, id, now)?;
                known_version(db, id, version)
            })
            .await?;
        // An address may follow a stage as it follows an alias.
        self.alias_moved(name, stage.name(), Some(version));
        Ok(moved)
    }

    pub async fn version_delete(&self, name: &str, version: u32) -> Result<()> {
        let dropped = self
            .change_version(name, version, move |db, id| store::version_delete(db, id, version, now_ms()))
            .await?;
        for alias in dropped {
            self.alias_moved(name, &alias, None);
        }
        Ok(())
    }

    pub async fn versions_search(
        &self,
        reach: &Reach,
        filter: &str,
        order_by: &[String],
        max_results: i64,
        token: &str,
    ) -> Result<Page<ModelVersion>> {
        let asked = Asked::of("model versions").by("Filter string", &filter).by("Order by", &order_by);
        let ask = Ask::new(asked, page(max_results, MOST_VERSIONS)?, token)?;
        let query = Query::parse(Subject::Versions, filter, order_by)?.narrowed(reach);
        self.0.db.read(move |db| store::versions_search(db, query, &ask)).await
    }

    pub async fn version_tag_set(&self, name: &str, version: u32, key: &str, value: &str) -> Result<()> {
        names::check_tag(key, value)?;
        let (named, key, value) = (name.to_owned(), key.to_owned(), value.to_owned());
        self.change_version(name, version, move |db, id| {
            store::version_tag_set(db, id, version, &key, &value)?;
            tell::version_tag(db, id, (&named, version), &key, Some(&value))
        })
        .await
    }

    pub async fn version_tag_delete(&self, name: &str, version: u32, key: &str) -> Result<()> {
        names::check_tag_key(key)?;
        let (named, key) = (name.to_owned(), key.to_owned());
        self.change_version(name, version, move |db, id| {
            store::version_tag_delete(db, id, version, &key)?;
            tell::version_tag(db, id, (&named, version), &key, None)
        })
        .await
    }

    // ---- addresses

    /// Follows a `models:/` address to the files it means right now.
    pub async fn resolve(&self, uri: &str) -> Result<Resolved> {
        let (name, version, storage) = match ModelUri::parse(uri)? {
            ModelUri::Logged(id) => {
                let logged = self.tracker().logged_model(&id).await?;
                (id.clone(), id, logged.artifact_uri)
            }
            ModelUri::Registered { name, pick } => {
                let alias = matches!(pick, Pick::Alias(_));
                let found = self.version_picked(&name, pick).await.map_err(|error| {
                    // MLflow calls an unknown alias invalid; to whoever follows it, it is not there.
                    if alias && error.kind == Kind::Invalid { Error::not_found(error.message) } else { error }
                })?;
                (found.name, found.version.to_string(), found.storage)
            }
        };
        let (bucket, source_prefix) = source::locate(self.tracker(), &storage).await?;
        Ok(Resolved { name, version, bucket, source_prefix })
    }

    /// The key, in the tracker's bucket, of one file of a version.
    pub async fn version_file(&self, version: &ModelVersion, path: &str) -> Result<String> {
        match source::locate(self.tracker(), &version.storage).await? {
            (bucket, prefix) if bucket == source::BUCKET => Ok(format!("{prefix}/{path}")),
            // Other buckets have policies of their own, which a version must not lead around.
            (bucket, _) => Err(Error::invalid(format!(
                "The files of this version are in bucket {bucket}: read them at the S3 door."
            ))),
        }
    }

    async fn version_picked(&self, name: &str, pick: Pick) -> Result<ModelVersion> {
        match pick {
            Pick::Version(version) => self.version_get(name, version).await,
            Pick::Alias(alias) => self.version_by_alias(name, &alias).await,
            Pick::Latest => self.newest_version(name, None).await,
            Pick::Stage(stage) => self.newest_version(name, Some(Stage::parse(&stage)?)).await,
        }
    }

    async fn newest_version(&self, name: &str, stage: Option<Stage>) -> Result<ModelVersion> {
        let name = name.to_owned();
        self.0.db.read(move |db| newest(db, known(db, &name)?, &name, stage)).await
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

fn no_version(name: &str, version: u32) -> Error {
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
