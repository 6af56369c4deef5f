//! The SQL of users, tokens and keys.

use super::model::{Issued, KeyInfo, Principal, Role, TokenInfo, UserInfo};
use crate::kernel::{clock::rfc3339, error::Result};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub fn user_put(db: &Connection, name: &str, hash: &str, role: Role, now: i64) -> Result<()> {
    db.execute(
        "INSERT INTO users (name, password_hash, role, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![name, hash, role.as_str(), now],
    )?;
    Ok(())
}

/// The user's role and password hash.
pub fn user_get(db: &Connection, name: &str) -> Result<Option<(Role, String)>> {
    let found = db
        .prepare_cached("SELECT role, password_hash FROM users WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(role, hash)| Ok((Role::parse(&role)?, hash))).transpose()
}

pub fn user_list(db: &Connection) -> Result<Vec<UserInfo>> {
    let mut query = db.prepare_cached(&format!("SELECT {USER_COLUMNS} FROM users ORDER BY name"))?;
    let rows = query.query_map([], info)?;
    rows.map(|row| row?.named()).collect()
}

pub fn user_info(db: &Connection, name: &str) -> Result<Option<UserInfo>> {
    let sql = format!("SELECT {USER_COLUMNS} FROM users WHERE name = ?1");
    let found = db.prepare_cached(&sql)?.query_row([name], info).optional()?;
    found.map(InfoRow::named).transpose()
}

const USER_COLUMNS: &str = "id, name, role, created_at, email, display_name";

/// A user whose role is still text.
struct InfoRow(UserInfo, String);

impl InfoRow {
    fn named(self) -> Result<UserInfo> {
        Ok(UserInfo { role: Role::parse(&self.1)?, ..self.0 })
    }
}

fn info(row: &Row<'_>) -> rusqlite::Result<InfoRow> {
    let user = UserInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        role: Role::Guest,
        created_at: rfc3339(row.get(3)?),
        email: row.get(4)?,
        display_name: row.get(5)?,
    };
    Ok(InfoRow(user, row.get(2)?))
}

/// The user with this e-mail address, which is in lower case.
pub fn user_by_email(db: &Connection, email: &str) -> Result<Option<Principal>> {
    let found = db
        .prepare_cached("SELECT name, role FROM users WHERE email = ?1")?
        .query_row([email], principal)
        .optional()?;
    found.map(|(user, role)| Ok(Principal { user, role: Role::parse(&role)? })).transpose()
}

/// Null takes the address away.
pub fn user_set_email(db: &Connection, name: &str, email: Option<&str>) -> Result<()> {
    db.execute("UPDATE users SET email = ?2 WHERE name = ?1", params![name, email])?;
    Ok(())
}

pub fn user_set_display_name(db: &Connection, name: &str, shown: Option<&str>) -> Result<()> {
    db.execute("UPDATE users SET display_name = ?2 WHERE name = ?1", params![name, shown])?;
    Ok(())
}

pub fn user_count(db: &Connection) -> Result<i64> {
    Ok(db.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?)
}

pub fn admin_count(db: &Connection) -> Result<i64> {
    Ok(db.query_row("SELECT count(*) FROM users WHERE role = 'admin'", [], |row| row.get(0))?)
}

pub fn user_set_password(db: &Connection, name: &str, hash: &str) -> Result<()> {
    db.execute("UPDATE users SET password_hash = ?2 WHERE name = ?1", [name, hash])?;
    Ok(())
}

pub fn user_set_role(db: &Connection, name: &str, role: Role) -> Result<()> {
    db.execute("UPDATE users SET role = ?2 WHERE name = ?1", [name, role.as_str()])?;
    Ok(())
}

pub fn user_delete(db: &Connection, name: &str) -> Result<usize> {
    Ok(db.execute("DELETE FROM users WHERE name = ?1", [name])?)
}

/// A token to be stored.
pub struct NewToken<'a> {
    pub id: &'a str,
    pub digest: &'a [u8],
    pub user: &'a str,
    pub kind: &'a str,
    pub label: &'a str,
    pub now: i64,
    pub expires_at: Option<i64>,
}

pub fn token_put(db: &Connection, token: &NewToken<'_>) -> Result<()> {
    // Expired rows go when a new one comes: the table stays as small as what is in use.
    db.execute("DELETE FROM tokens WHERE expires_at < ?1", [token.now])?;
    db.execute(
        "INSERT INTO tokens (id, digest, user, kind, label, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![token.id, token.digest, token.user, token.kind, token.label, token.now, token.expires_at],
    )?;
    Ok(())
}

/// Whose a token is, expired or not.
pub fn token_user(db: &Connection, digest: &[u8], kind: &str) -> Result<Option<Issued>> {
    let found = db
        .prepare_cached(
            "SELECT u.name, u.role, t.expires_at, t.label FROM tokens t JOIN users u ON u.name = t.user
             WHERE t.digest = ?1 AND t.kind = ?2",
        )?
        .query_row(params![digest, kind], |row| Ok((principal(row)?, row.get(2)?, row.get::<_, String>(3)?)))
        .optional()?;
    let issued = |((user, role), expires_at, label): ((String, String), _, String)| {
        Ok(Issued { who: Principal { user, role: Role::parse(&role)? }, label: label.into(), expires_at })
    };
    found.map(issued).transpose()
}

pub fn token_list(db: &Connection, user: Option<&str>) -> Result<Vec<TokenInfo>> {
    let mut query = db.prepare_cached(
        "SELECT id, user, label, created_at, expires_at FROM tokens
         WHERE kind = 'token' AND (?1 IS NULL OR user = ?1) ORDER BY created_at DESC",
    )?;
    let rows = query.query_map([user], |row| {
        Ok(TokenInfo {
            id: row.get(0)?,
            user: row.get(1)?,
            label: row.get(2)?,
            created_at: rfc3339(row.get(3)?),
            expires_at: row.get::<_, Option<i64>>(4)?.map(rfc3339),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn token_delete(db: &Connection, id: &str, user: Option<&str>) -> Result<usize> {
    Ok(db.execute("DELETE FROM tokens WHERE id = ?1 AND (?2 IS NULL OR user = ?2)", params![id, user])?)
}

pub fn token_delete_digest(db: &Connection, digest: &[u8]) -> Result<()> {
    db.execute("DELETE FROM tokens WHERE digest = ?1", [digest])?;
    Ok(())
}

/// Removes all tokens and S3 keys under one label, such as a pipeline run's.
pub fn label_delete(db: &Connection, label: &str) -> Result<()> {
    db.execute("DELETE FROM tokens WHERE label = ?1", [label])?;
    db.execute("DELETE FROM s3_keys WHERE label = ?1", [label])?;
    Ok(())
}

/// Removes all sessions and tokens of a user, as when the password changes.
pub fn user_sign_out(db: &Connection, user: &str) -> Result<()> {
    db.execute("DELETE FROM tokens WHERE user = ?1 AND kind = 'session'", [user])?;
    Ok(())
}

/// An S3 key to be stored.
#[derive(Default)]
pub struct NewKey<'a> {
    pub access: &'a str,
    pub sealed: &'a [u8],
    pub user: &'a str,
    pub label: &'a str,
    pub now: i64,
    pub expires_at: Option<i64>,
    pub session: Option<&'a str>,
    /// The id of the IAM user it is of.
    pub iam_user: Option<&'a str>,
}

pub fn key_put(db: &Connection, key: &NewKey<'_>) -> Result<()> {
    // A client whose temporary key ended lately is told so; a day later it is a key nobody knows.
    db.execute("DELETE FROM s3_keys WHERE expires_at < ?1 - 86400000", [key.now])?;
    db.execute(
        "INSERT INTO s3_keys (access_key, sealed, user, label, created_at, expires_at, session, iam_user)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            key.access,
            key.sealed,
            key.user,
            key.label,
            key.now,
            key.expires_at,
            key.session,
            key.iam_user
        ],
    )?;
    Ok(())
}

/// How many temporary keys of a user have not ended yet.
pub fn session_count(db: &Connection, user: &str, now: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM s3_keys WHERE user = ?1 AND expires_at > ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![user, now], |row| row.get(0))?)
}

/// A key as it is stored.
pub struct KeyRow {
    pub sealed: Vec<u8>,
    pub label: String,
    pub principal: Principal,
    pub expires_at: Option<i64>,
    pub session: Option<String>,
    /// The id of the IAM user it is of.
    pub iam_user: Option<String>,
}

pub fn key_get(db: &Connection, access: &str) -> Result<Option<KeyRow>> {
    let found = db
        .prepare_cached(
            "SELECT u.name, u.role, k.sealed, k.expires_at, k.session, k.label, k.iam_user
             FROM s3_keys k JOIN users u ON u.name = k.user WHERE k.access_key = ?1",
        )?
        .query_row([access], |row| {
            let (user, role) = principal(row)?;
            let key = KeyRow {
                principal: Principal { user, role: Role::Guest },
                sealed: row.get(2)?,
                expires_at: row.get(3)?,
                session: row.get(4)?,
                label: row.get(5)?,
                iam_user: row.get(6)?,
            };
            Ok((key, role))
        })
        .optional()?;
    let named = |(mut key, role): (KeyRow, String)| {
        key.principal.role = Role::parse(&role)?;
        Ok(key)
    };
    found.map(named).transpose()
}

pub fn key_list(db: &Connection, user: Option<&str>, now: i64) -> Result<Vec<KeyInfo>> {
    let mut query = db.prepare_cached(
        "SELECT access_key, user, label, created_at, expires_at FROM s3_keys
         WHERE (?1 IS NULL OR user = ?1) AND (expires_at IS NULL OR expires_at > ?2)
         ORDER BY created_at DESC",
    )?;
    let rows = query.query_map(params![user, now], |row| {
        Ok(KeyInfo {
            access_key_id: row.get(0)?,
            user: row.get(1)?,
            label: row.get(2)?,
            created_at: rfc3339(row.get(3)?),
            expires_at: row.get::<_, Option<i64>>(4)?.map(rfc3339),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub fn key_delete(db: &Connection, access: &str, user: Option<&str>) -> Result<usize> {
    Ok(db.execute(
        "DELETE FROM s3_keys WHERE access_key = ?1 AND (?2 IS NULL OR user = ?2)",
        params![access, user],
    )?)
}

fn principal(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}
