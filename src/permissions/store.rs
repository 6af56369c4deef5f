//! The SQL of grants, and of the roles that carry them.

use super::model::{Grant, Kind, Permission};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

/// Under this kind, and for all resources, a user's own default is kept.
const DEFAULT: &str = "default";

/// A role, with what it grants.
#[derive(Clone, Debug)]
pub struct RoleRow {
    pub id: i64,
    pub workspace: String,
    pub name: String,
    pub description: Option<String>,
    pub grants: Vec<RoleGrant>,
}

/// One grant of a role.
#[derive(Clone, Debug)]
pub struct RoleGrant {
    pub id: i64,
    pub role: i64,
    pub grant: Grant,
}

/// That a user has a role.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub id: i64,
    pub role: i64,
    pub user: i64,
}

/// Kind, resource and permission as they are stored.
type GrantText = (String, String, String);

fn grant_text(row: &Row<'_>, first: usize) -> rusqlite::Result<GrantText> {
    Ok((row.get(first)?, row.get(first + 1)?, row.get(first + 2)?))
}

fn grant((kind, resource, permission): GrantText) -> Result<Grant> {
    Ok(Grant { kind: Kind::parse(&kind)?, resource, permission: Permission::parse(&permission)? })
}

fn grants(db: &Connection, sql: &str, by: impl Params) -> Result<Vec<Grant>> {
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(by, |row| grant_text(row, 0))?;
    rows.map(|row| grant(row?)).collect()
}

/// What was granted to the user directly.
pub fn grants_of(db: &Connection, user: &str) -> Result<Vec<Grant>> {
    let sql = "SELECT kind, resource, permission FROM user_grants
               WHERE user = ?1 AND kind <> ?2 ORDER BY kind, resource";
    grants(db, sql, [user, DEFAULT])
}

/// What the user has by roles.
pub fn grants_by_roles(db: &Connection, user: &str) -> Result<Vec<Grant>> {
    let sql = "SELECT g.kind, g.resource, g.permission FROM role_grants g
               JOIN role_members m ON m.role_id = g.role_id WHERE m.user = ?1";
    grants(db, sql, [user])
}

pub fn default_get(db: &Connection, user: &str) -> Result<Option<Permission>> {
    let sql = "SELECT permission FROM user_grants WHERE user = ?1 AND kind = ?2";
    let found: Option<String> =
        db.prepare_cached(sql)?.query_row([user, DEFAULT], |row| row.get(0)).optional()?;
    found.map(|text| Permission::parse(&text)).transpose()
}

pub fn default_set(db: &Connection, user: &str, permission: Option<Permission>) -> Result<()> {
    match permission {
        Some(permission) => put(db, user, DEFAULT, super::model::ALL, permission),
        None => {
            db.execute("DELETE FROM user_grants WHERE user = ?1 AND kind = ?2", [user, DEFAULT])?;
            Ok(())
        }
    }
}

fn put(db: &Connection, user: &str, kind: &str, resource: &str, permission: Permission) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO user_grants (user, kind, resource, permission) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET permission = excluded.permission",
    )?
    .execute([user, kind, resource, permission.name()])?;
    Ok(())
}

pub fn grant_set(db: &Connection, user: &str, grant: &Grant) -> Result<()> {
    put(db, user, grant.kind.name(), &grant.resource, grant.permission)
}

pub fn grant_get(db: &Connection, user: &str, kind: Kind, resource: &str) -> Result<Option<Permission>> {
    let sql = "SELECT permission FROM user_grants WHERE user = ?1 AND kind = ?2 AND resource = ?3";
    let found: Option<String> =
        db.prepare_cached(sql)?.query_row([user, kind.name(), resource], |row| row.get(0)).optional()?;
    found.map(|text| Permission::parse(&text)).transpose()
}

/// Whether there was such a grant.
pub fn grant_delete(db: &Connection, user: &str, kind: Kind, resource: &str) -> Result<bool> {
    let sql = "DELETE FROM user_grants WHERE user = ?1 AND kind = ?2 AND resource = ?3";
    Ok(db.execute(sql, [user, kind.name(), resource])? > 0)
}

pub fn role_create(db: &Connection, workspace: &str, name: &str, description: Option<&str>) -> Result<i64> {
    let sql = "INSERT INTO grant_roles (workspace, name, description) VALUES (?1, ?2, ?3)";
    db.execute(sql, params![workspace, name, description])?;
    Ok(db.last_insert_rowid())
}

pub fn role_named(db: &Connection, workspace: &str, name: &str) -> Result<Option<i64>> {
    let sql = "SELECT id FROM grant_roles WHERE workspace = ?1 AND name = ?2";
    Ok(db.prepare_cached(sql)?.query_row([workspace, name], |row| row.get(0)).optional()?)
}

pub fn role_update(db: &Connection, id: i64, name: &str, description: Option<&str>) -> Result<()> {
    let sql = "UPDATE grant_roles SET name = ?2, description = ?3 WHERE id = ?1";
    db.execute(sql, params![id, name, description])?;
    Ok(())
}

/// Whether there was such a role.
pub fn role_delete(db: &Connection, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM grant_roles WHERE id = ?1", [id])? > 0)
}

const ROLES: &str = "SELECT r.id, r.workspace, r.name, r.description FROM grant_roles r";

fn roles(db: &Connection, sql: &str, by: impl Params) -> Result<Vec<RoleRow>> {
    let mut query = db.prepare_cached(sql)?;
    let row = |row: &Row<'_>| {
        let (id, workspace, name, description) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(RoleRow { id, workspace, name, description, grants: Vec::new() })
    };
    let mut found: Vec<_> = query.query_map(by, row)?.collect::<rusqlite::Result<_>>()?;
    for role in &mut found {
        role.grants = role_grants(db, role.id)?;
    }
    Ok(found)
}

pub fn role_get(db: &Connection, id: i64) -> Result<Option<RoleRow>> {
    Ok(roles(db, &format!("{ROLES} WHERE r.id = ?1"), [id])?.pop())
}

pub fn role_list(db: &Connection) -> Result<Vec<RoleRow>> {
    roles(db, &format!("{ROLES} ORDER BY r.id"), [])
}

pub fn roles_of(db: &Connection, user: &str) -> Result<Vec<RoleRow>> {
    let sql = format!("{ROLES} JOIN role_members m ON m.role_id = r.id WHERE m.user = ?1 ORDER BY r.id");
    roles(db, &sql, [user])
}

const ROLE_GRANTS: &str = "SELECT id, role_id, kind, resource, permission FROM role_grants";

fn role_grants_where(db: &Connection, condition: &str, id: i64) -> Result<Vec<RoleGrant>> {
    let mut query = db.prepare_cached(&format!("{ROLE_GRANTS} WHERE {condition} ORDER BY id"))?;
    let rows = query.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, grant_text(row, 2)?)))?;
    rows.map(|row| {
        let (id, role, text) = row?;
        Ok(RoleGrant { id, role, grant: grant(text)? })
    })
    .collect()
}

pub fn role_grants(db: &Connection, role: i64) -> Result<Vec<RoleGrant>> {
    role_grants_where(db, "role_id = ?1", role)
}

pub fn role_grant_get(db: &Connection, id: i64) -> Result<Option<RoleGrant>> {
    Ok(role_grants_where(db, "id = ?1", id)?.pop())
}

/// The new grant's id, unless the role has one for this resource.
pub fn role_grant_add(db: &Connection, role: i64, grant: &Grant) -> Result<Option<i64>> {
    let sql = "INSERT INTO role_grants (role_id, kind, resource, permission) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO NOTHING";
    let made = db.execute(sql, params![role, grant.kind.name(), grant.resource, grant.permission.name()])?;
    Ok((made > 0).then(|| db.last_insert_rowid()))
}

pub fn role_grant_set(db: &Connection, id: i64, permission: Permission) -> Result<()> {
    db.execute("UPDATE role_grants SET permission = ?2 WHERE id = ?1", params![id, permission.name()])?;
    Ok(())
}

/// Whether there was such a grant.
pub fn role_grant_delete(db: &Connection, id: i64) -> Result<bool> {
    Ok(db.execute("DELETE FROM role_grants WHERE id = ?1", [id])? > 0)
}

/// The assignment's id, unless the user has the role already.
pub fn member_add(db: &Connection, role: i64, user: &str) -> Result<Option<i64>> {
    let sql = "INSERT INTO role_members (role_id, user) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let made = db.execute(sql, params![role, user])?;
    Ok((made > 0).then(|| db.last_insert_rowid()))
}

/// Whether the user had the role.
pub fn member_delete(db: &Connection, role: i64, user: &str) -> Result<bool> {
    Ok(db.execute("DELETE FROM role_members WHERE role_id = ?1 AND user = ?2", params![role, user])? > 0)
}

pub fn member_list(db: &Connection, role: i64) -> Result<Vec<Assignment>> {
    let sql = "SELECT m.id, u.id FROM role_members m JOIN users u ON u.name = m.user
               WHERE m.role_id = ?1 ORDER BY m.id";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([role], |row| Ok(Assignment { id: row.get(0)?, role, user: row.get(1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
