//! The rows of a model that is taken in.

use super::{Alias, ModelRecord, VersionRecord};
use crate::{
    kernel::error::{Error, Result},
    registry::store,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// What an import changed: versions that were not here, and where aliases point now that did not before.
#[derive(Default)]
pub struct Changed {
    pub versions: Vec<u32>,
    pub aliases: Vec<(String, Option<u32>)>,
}

/// Brings a model and its versions in line with the record.
pub fn model_put(db: &Connection, model: &ModelRecord) -> Result<Changed> {
    db.prepare_cached(
        "INSERT INTO registered_models (name, description, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO NOTHING",
    )?
    .execute(params![
        model.name,
        model.description,
        model.creation_timestamp,
        model.last_updated_timestamp
    ])?;
    let id = store::model_id(db, &model.name)?.ok_or_else(|| Error::internal("a model just made is gone"))?;
    for tag in &model.tags {
        store::model_tag_set(db, id, &tag.key, &tag.value)?;
    }
    let mut changed = Changed::default();
    for version in &model.versions {
        if version_put(db, id, &model.name, version)? {
            changed.versions.push(version.version);
        }
    }
    changed.aliases = aliases_follow(db, id, &model.aliases)?;
    db.prepare_cached("UPDATE registered_models SET description = ?2, updated_ms = ?3 WHERE id = ?1")?
        .execute(params![id, model.description, model.last_updated_timestamp])?;
    Ok(changed)
}

/// Points aliases where the source has them. One that an import brought and that was moved here since
/// stays; one that the source no longer has goes, unless it was moved here.
fn aliases_follow(db: &Connection, id: i64, wanted: &[Alias]) -> Result<Vec<(String, Option<u32>)>> {
    let mut brought = aliases_brought(db, id)?;
    let mut moved = Vec::new();
    for Alias { alias, version } in wanted {
        let (here, before) = (store::alias_get(db, id, alias)?, brought.remove(alias));
        if here.is_some() && here != Some(*version) && before.is_some() && here != before {
            continue;
        }
        if here != Some(*version) {
            store::alias_set(db, id, alias, *version)?;
            moved.push((alias.clone(), Some(*version)));
        }
        db.prepare_cached(
            "INSERT INTO imported_aliases (model_id, alias, version) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET version = excluded.version",
        )?
        .execute(params![id, alias, version])?;
    }
    for (alias, before) in brought {
        if store::alias_get(db, id, &alias)? == Some(before) {
            store::alias_delete(db, id, &alias)?;
            moved.push((alias.clone(), None));
        }
        db.prepare_cached("DELETE FROM imported_aliases WHERE model_id = ?1 AND alias = ?2")?
            .execute(params![id, alias])?;
    }
    Ok(moved)
}

fn aliases_brought(db: &Connection, id: i64) -> Result<BTreeMap<String, u32>> {
    let mut find = db.prepare_cached("SELECT alias, version FROM imported_aliases WHERE model_id = ?1")?;
    let found = find.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Whether the version was not here. One that is here and was made at another time is another version.
fn version_put(db: &Connection, id: i64, name: &str, new: &VersionRecord) -> Result<bool> {
    let known: Option<i64> = db
        .prepare_cached("SELECT created_ms FROM model_versions WHERE model_id = ?1 AND version = ?2")?
        .query_row(params![id, new.version], |row| row.get(0))
        .optional()?;
    if known.is_some_and(|created| created != new.creation_timestamp) {
        return Err(Error::conflict(format!(
            "Version {} of registered model {name} is here already and is another one: rename the model on either \
             side, then import again.",
            new.version
        )));
    }
    let storage = if new.storage.is_empty() { &new.source } else { &new.storage };
    let logged = (!new.model_id.is_empty()).then_some(&new.model_id);
    let user = (!new.user_id.is_empty()).then_some(&new.user_id);
    db.prepare_cached(
        "INSERT INTO model_versions (model_id, version, stage, description, user_id, source, storage, run_id,
                                     run_link, logged_model_id, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (model_id, version) DO UPDATE SET stage = excluded.stage,
             description = excluded.description, user_id = excluded.user_id, source = excluded.source,
             storage = excluded.storage, run_id = excluded.run_id, run_link = excluded.run_link,
             logged_model_id = excluded.logged_model_id, updated_ms = excluded.updated_ms",
    )?
    .execute(params![
        id,
        new.version,
        new.current_stage,
        new.description,
        user,
        new.source,
        storage,
        new.run_id,
        new.run_link,
        logged,
        new.creation_timestamp,
        new.last_updated_timestamp
    ])?;
    for tag in &new.tags {
        store::version_tag_set(db, id, new.version, &tag.key, &tag.value)?;
    }
    Ok(known.is_none())
}
