//! Aliases: names that move from version to version, and who is told.

use super::{Service, known, known_version, newest};
use crate::{
    kernel::{
        error::{Error, Result},
        event::Event,
    },
    registry::{listener::News, model::ModelVersion, names, store, webhooks::tell},
    store::Connection,
};

impl Service {
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
            .look_up(move |db| {
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

    pub(super) fn alias_moved(&self, name: &str, alias: &str, version: Option<u32>) {
        let version = version.map(u64::from);
        self.tell(Event::AliasMoved { name: name.to_owned(), alias: alias.to_owned(), version });
    }
}
