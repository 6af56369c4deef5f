//! The registry's SQL: each function is one question or one change, inside the caller's transaction.

use super::{
    model::{ModelVersion, NewVersion, Pairs, RegisteredModel, Stage},
    search::Query,
};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        search::{page::Ask, sql::Sql},
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

/// The stage of a version that was deleted; its row stays so that its number stays taken.
const DELETED: &str = "Deleted_Internal";

const VERSION_COLUMNS: &str = "m.name, v.version, v.stage, v.description, v.user_id, v.source, v.storage, \
     v.run_id, v.run_link, v.logged_model_id, v.created_ms, v.updated_ms, v.model_id";

/// A registered model's row id.
type Id = i64;

pub fn model_id(db: &Connection, name: &str) -> Result<Option<Id>> {
    let mut found = db.prepare_cached("SELECT id FROM registered_models WHERE name = ?1")?;
    Ok(found.query_row([name], |row| row.get(0)).optional()?)
}

pub fn model_create(db: &Connection, name: &str, description: &str, tags: &Pairs, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO registered_models (name, description, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?3)",
    )?
    .execute(params![name, description, now])?;
    let id = db.last_insert_rowid();
    for (key, value) in tags {
        model_tag_set(db, id, key, value)?;
    }
    Ok(())
}

pub fn model_get(db: &Connection, id: Id) -> Result<RegisteredModel> {
    let mut model = db
        .prepare_cached(
            "SELECT name, description, created_ms, updated_ms FROM registered_models WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(RegisteredModel {
                name: row.get(0)?,
                description: row.get(1)?,
                created_ms: row.get(2)?,
                updated_ms: row.get(3)?,
                tags: Vec::new(),
                aliases: Vec::new(),
                latest: Vec::new(),
            })
        })?;
    model.tags = model_tags(db, id)?;
    model.aliases = aliases(db, id)?;
    model.latest = versions_latest(db, id)?;
    Ok(model)
}

pub fn model_rename(db: &Connection, id: Id, name: &str, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE registered_models SET name = ?2, updated_ms = ?3 WHERE id = ?1")?
        .execute(params![id, name, now])?;
    db.prepare_cached("UPDATE model_versions SET updated_ms = ?2 WHERE model_id = ?1")?
        .execute(params![id, now])?;
    Ok(())
}

pub fn model_describe(db: &Connection, id: Id, description: &str, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE registered_models SET description = ?2, updated_ms = ?3 WHERE id = ?1")?
        .execute(params![id, description, now])?;
    Ok(())
}

pub fn model_touch(db: &Connection, id: Id, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE registered_models SET updated_ms = ?2 WHERE id = ?1")?
        .execute(params![id, now])?;
    Ok(())
}

/// Versions, tags and aliases go with it, by their foreign keys.
pub fn model_delete(db: &Connection, id: Id) -> Result<()> {
    db.prepare_cached("DELETE FROM registered_models WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub fn model_tag_set(db: &Connection, id: Id, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO registered_model_tags (model_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, key, value])?;
    Ok(())
}

pub fn model_tag_delete(db: &Connection, id: Id, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM registered_model_tags WHERE model_id = ?1 AND key = ?2")?
        .execute(params![id, key])?;
    Ok(())
}

pub fn model_tags(db: &Connection, id: Id) -> Result<Pairs> {
    rows(db, "SELECT key, value FROM registered_model_tags WHERE model_id = ?1 ORDER BY key", [id], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

pub fn models_search(db: &Connection, query: Query, ask: &Ask) -> Result<Page<RegisteredModel>> {
    let mut from = Sql::from(" FROM registered_models m WHERE ");
    from.append(query.condition);
    let search = Search { columns: "m.id", from: vec![from], order: query.order };
    let found = paged::page(db, search, ask, |row| row.get(0))?;
    let items = found.items.into_iter().map(|id| model_get(db, id)).collect::<Result<_>>()?;
    Ok(Page { items, next: found.next })
}

pub fn version_create(db: &Connection, id: Id, new: &NewVersion, now: i64) -> Result<u32> {
    let version: u32 = db
        .prepare_cached("SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model_id = ?1")?
        .query_row([id], |row| row.get(0))?;
    db.prepare_cached(
        "INSERT INTO model_versions (model_id, version, description, user_id, source, storage, run_id, run_link,
                                     logged_model_id, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
    )?
    .execute(params![
        id,
        version,
        new.description,
        new.user_id,
        new.source,
        new.storage,
        new.run_id,
        new.run_link,
        new.logged_model_id,
        now
    ])?;
    for (key, value) in &new.tags {
        version_tag_set(db, id, version, key, value)?;
    }
    model_touch(db, id, now)?;
    Ok(version)
}

pub fn version_get(db: &Connection, id: Id, version: u32) -> Result<Option<ModelVersion>> {
    let sql = format!(
        "SELECT {VERSION_COLUMNS} FROM model_versions v JOIN registered_models m ON m.id = v.model_id
         WHERE v.model_id = ?1 AND v.version = ?2 AND v.stage <> '{DELETED}'"
    );
    Ok(versions(db, &sql, params![id, version])?.pop())
}

/// The newest version in each stage, oldest first.
pub fn versions_latest(db: &Connection, id: Id) -> Result<Vec<ModelVersion>> {
    let sql = format!(
        "SELECT {VERSION_COLUMNS} FROM model_versions v JOIN registered_models m ON m.id = v.model_id
         WHERE v.model_id = ?1 AND v.stage <> '{DELETED}' AND v.version =
               (SELECT max(w.version) FROM model_versions w WHERE w.model_id = v.model_id AND w.stage = v.stage)
         ORDER BY v.version"
    );
    versions(db, &sql, [id])
}

pub fn versions_search(db: &Connection, query: Query, ask: &Ask) -> Result<Page<ModelVersion>> {
    let mut from = Sql::from(" FROM model_versions v JOIN registered_models m ON m.id = v.model_id");
    from.push(&format!(" WHERE v.stage <> '{DELETED}' AND ")).append(query.condition);
    let search = Search { columns: VERSION_COLUMNS, from: vec![from], order: query.order };
    let found = paged::page(db, search, ask, numbered)?;
    Ok(Page { items: versions_filled(db, found.items)?, next: found.next })
}

/// What a version needs to stay loadable.
pub struct Needed {
    pub name: String,
    pub version: u32,
    pub storage: String,
    pub logged_model_id: Option<String>,
}

/// What all versions that are not deleted need.
pub fn versions_needed(db: &Connection) -> Result<Vec<Needed>> {
    let sql = format!(
        "SELECT m.name, v.version, v.storage, v.logged_model_id FROM model_versions v
         JOIN registered_models m ON m.id = v.model_id WHERE v.stage <> '{DELETED}'"
    );
    rows(db, &sql, [], |row| {
        let (name, version) = (row.get(0)?, row.get(1)?);
        Ok(Needed { name, version, storage: row.get(2)?, logged_model_id: row.get(3)? })
    })
}

pub fn version_describe(db: &Connection, id: Id, version: u32, text: Option<&str>, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE model_versions SET description = ?3, updated_ms = ?4 WHERE model_id = ?1 AND version = ?2",
    )?
    .execute(params![id, version, text, now])?;
    Ok(())
}

pub fn version_stage(db: &Connection, id: Id, version: u32, stage: Stage, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE model_versions SET stage = ?3, updated_ms = ?4 WHERE model_id = ?1 AND version = ?2",
    )?
    .execute(params![id, version, stage.name(), now])?;
    Ok(())
}

/// Archives every version in `stage` but `version`.
pub fn versions_archive(db: &Connection, id: Id, version: u32, stage: Stage, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE model_versions SET stage = 'Archived', updated_ms = ?4
         WHERE model_id = ?1 AND version <> ?2 AND stage = ?3",
    )?
    .execute(params![id, version, stage.name(), now])?;
    Ok(())
}

/// Drops the version's aliases and what it said; answers the aliases that pointed at it.
pub fn version_delete(db: &Connection, id: Id, version: u32, now: i64) -> Result<Vec<String>> {
    let dropped = rows(
        db,
        "DELETE FROM registered_model_aliases WHERE model_id = ?1 AND version = ?2 RETURNING alias",
        params![id, version],
        |row| row.get(0),
    )?;
    db.prepare_cached("DELETE FROM model_version_tags WHERE model_id = ?1 AND version = ?2")?
        .execute(params![id, version])?;
    db.prepare_cached(
        "UPDATE model_versions SET stage = ?3, description = NULL, user_id = NULL, source = '', storage = '',
                run_id = '', run_link = '', logged_model_id = NULL, updated_ms = ?4
         WHERE model_id = ?1 AND version = ?2",
    )?
    .execute(params![id, version, DELETED, now])?;
    model_touch(db, id, now)?;
    Ok(dropped)
}

pub fn version_tag_set(db: &Connection, id: Id, version: u32, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO model_version_tags (model_id, version, key, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, version, key, value])?;
    Ok(())
}

pub fn version_tag_delete(db: &Connection, id: Id, version: u32, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM model_version_tags WHERE model_id = ?1 AND version = ?2 AND key = ?3")?
        .execute(params![id, version, key])?;
    Ok(())
}

pub fn alias_set(db: &Connection, id: Id, alias: &str, version: u32) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO registered_model_aliases (model_id, alias, version) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET version = excluded.version",
    )?
    .execute(params![id, alias, version])?;
    Ok(())
}

/// Whether the alias was there.
pub fn alias_delete(db: &Connection, id: Id, alias: &str) -> Result<bool> {
    let mut delete =
        db.prepare_cached("DELETE FROM registered_model_aliases WHERE model_id = ?1 AND alias = ?2")?;
    Ok(delete.execute(params![id, alias])? > 0)
}

pub fn alias_get(db: &Connection, id: Id, alias: &str) -> Result<Option<u32>> {
    let mut found =
        db.prepare_cached("SELECT version FROM registered_model_aliases WHERE model_id = ?1 AND alias = ?2")?;
    Ok(found.query_row(params![id, alias], |row| row.get(0)).optional()?)
}

pub fn aliases(db: &Connection, id: Id) -> Result<Vec<(String, u32)>> {
    rows(
        db,
        "SELECT alias, version FROM registered_model_aliases WHERE model_id = ?1 ORDER BY alias",
        [id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Versions with their tags and aliases.
fn versions(db: &Connection, sql: &str, params: impl Params) -> Result<Vec<ModelVersion>> {
    versions_filled(db, rows(db, sql, params, numbered)?)
}

/// A version with its model's number.
fn numbered(row: &Row) -> rusqlite::Result<(Id, ModelVersion)> {
    Ok((row.get(12)?, version_row(row)?))
}

fn versions_filled(db: &Connection, mut found: Vec<(Id, ModelVersion)>) -> Result<Vec<ModelVersion>> {
    for (id, version) in &mut found {
        version.tags = rows(
            db,
            "SELECT key, value FROM model_version_tags WHERE model_id = ?1 AND version = ?2 ORDER BY key",
            params![*id, version.version],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        version.aliases = rows(
            db,
            "SELECT alias FROM registered_model_aliases WHERE model_id = ?1 AND version = ?2 ORDER BY alias",
            params![*id, version.version],
            |row| row.get(0),
        )?;
    }
    Ok(found.into_iter().map(|(_, version)| version).collect())
}

fn version_row(row: &Row) -> rusqlite::Result<ModelVersion> {
    let stage: String = row.get(2)?;
    Ok(ModelVersion {
        name: row.get(0)?,
        version: row.get(1)?,
        stage: Stage::parse(&stage).unwrap_or(Stage::None),
        description: row.get(3)?,
        user_id: row.get(4)?,
        source: row.get(5)?,
        storage: row.get(6)?,
        run_id: row.get(7)?,
        run_link: row.get(8)?,
        logged_model_id: row.get(9)?,
        created_ms: row.get(10)?,
        updated_ms: row.get(11)?,
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}

fn rows<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(params, read)?;
    found.collect::<rusqlite::Result<_>>().map_err(Error::from)
}
