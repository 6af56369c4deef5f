//! The SQL of IAM users.

use super::super::model::{IamKey, IamUser};
use crate::{
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
    },
    store::Connection,
};
use rusqlite::{OptionalExtension, Row, params};
use std::collections::BTreeMap;

pub fn insert(db: &Connection, account: &str, user: &IamUser) -> Result<()> {
    db.execute(
        "INSERT INTO iam_users (account, name, id, path, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![account, user.name, user.id, user.path, user.created_ms],
    )?;
    Ok(())
}

pub fn count(db: &Connection, account: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM iam_users WHERE account = ?1";
    Ok(db.query_row(sql, [account], |row| row.get(0))?)
}

pub fn list(db: &Connection, account: &str) -> Result<Vec<IamUser>> {
    let sql = format!("SELECT {COLUMNS} FROM iam_users WHERE account = ?1 ORDER BY name");
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map([account], row)?;
    rows.map(|found| user(found?)).collect()
}

pub fn delete(db: &Connection, id: &str) -> Result<()> {
    db.execute("DELETE FROM iam_users WHERE id = ?1", [id])?;
    Ok(())
}

pub fn set_policies(db: &Connection, user: &IamUser) -> Result<()> {
    let text = serde_json::to_string(&user.policies).map_err(Error::internal)?;
    db.execute("UPDATE iam_users SET policies = ?2 WHERE id = ?1", [&user.id, &text])?;
    Ok(())
}

pub fn key_delete(db: &Connection, access: &str, id: &str) -> Result<usize> {
    Ok(db.execute("DELETE FROM s3_keys WHERE access_key = ?1 AND iam_user = ?2", [access, id])?)
}

/// Removes what a user has had to do with IAM users, when they go or change their account: those of their own
/// account, and the keys they have made for others.
pub fn clear(db: &Connection, user: &str) -> Result<()> {
    let theirs = "(SELECT id FROM iam_users WHERE account = ?1)";
    let made = "user = ?1 AND iam_user IS NOT NULL";
    db.execute(&format!("DELETE FROM s3_keys WHERE iam_user IN {theirs} OR ({made})"), [user])?;
    db.execute("DELETE FROM iam_users WHERE account = ?1", [user])?;
    Ok(())
}

/// Whether a user and an IAM user of this name would be one in the words of a policy. For an account that is no
/// guest's, which is the house's, all the users count.
pub fn is_taken(db: &Connection, name: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM iam_users WHERE name = ?1
               AND account NOT IN (SELECT name FROM users WHERE role IN ('guest', 'member'))";
    Ok(db.prepare_cached(sql)?.exists([name])?)
}

/// The name of an IAM user and their policies, for the lookup of a key.
pub fn of_key(db: &Connection, id: &str) -> Result<Option<IamUser>> {
    let sql = format!("SELECT {COLUMNS} FROM iam_users WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], row).optional()?;
    found.map(user).transpose()
}

const COLUMNS: &str = "name, id, path, created_at, policies";

/// A user whose policies are still text.
fn row(row: &Row<'_>) -> rusqlite::Result<(IamUser, String)> {
    let (name, id, path, created_ms) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((IamUser { name, id, path, created_ms, policies: BTreeMap::new() }, row.get(4)?))
}

fn user((user, policies): (IamUser, String)) -> Result<IamUser> {
    Ok(IamUser { policies: serde_json::from_str(&policies).map_err(Error::internal)?, ..user })
}

pub fn get(db: &Connection, account: &str, name: &str) -> Result<Option<IamUser>> {
    let sql = format!("SELECT {COLUMNS} FROM iam_users WHERE account = ?1 AND name = ?2");
    let found = db.prepare_cached(&sql)?.query_row([account, name], row).optional()?;
    found.map(user).transpose()
}

pub fn find(db: &Connection, account: &str, name: &str) -> Result<IamUser> {
    let missing = || Error::not_found(format!("The user with name {name} cannot be found."));
    get(db, account, name)?.ok_or_else(missing)
}

pub fn keys(db: &Connection, id: &str) -> Result<Vec<IamKey>> {
    let mut query = db.prepare_cached(
        "SELECT access_key, created_at FROM s3_keys WHERE iam_user = ?1 ORDER BY created_at, access_key",
    )?;
    let rows = query
        .query_map([id], |row| Ok(IamKey { access_key_id: row.get(0)?, created_at: rfc3339(row.get(1)?) }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
