//! Versions: what becomes one, how they change, and how they are found.

use super::{MOST_VERSIONS, Service, known_version, last_of_each, no_version, page};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::Event,
    },
    registry::{
        listener::News,
        model::{ModelVersion, NewVersion, Stage},
        names::{self, ModelUri},
        search::{self, Query, Subject},
        source, store,
        webhooks::tell,
    },
    tracking::{
        model::Page,
        search::{
            page::{Ask, Asked},
            reach::Reach,
        },
    },
};

impl Service {
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
            .look_up(move |db| match store::model_id(db, &name)? {
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
}
