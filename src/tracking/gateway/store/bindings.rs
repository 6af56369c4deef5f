//! What is bound to an endpoint.

use super::{missing, narrow};
use crate::{
    kernel::error::Result,
    tracking::{gateway::model::Binding, search::sql::Sql, store::rows},
};
use rusqlite::{Connection, Row, params};

fn binding(row: &Row<'_>) -> rusqlite::Result<Binding> {
    Ok(Binding {
        endpoint_id: row.get(0)?,
        resource_type: row.get(1)?,
        resource_id: row.get(2)?,
        display_name: row.get(3)?,
        created_at: row.get(4)?,
        last_updated_at: row.get(5)?,
        created_by: row.get(6)?,
        last_updated_by: row.get(7)?,
    })
}

/// Adds a binding; false if it is there already.
pub fn binding_create(db: &Connection, new: &Binding) -> Result<bool> {
    let added = db
        .prepare_cached(
            "INSERT INTO gateway_bindings (endpoint, resource_type, resource_id, display_name, created_at, updated_at,
                                           created_by, updated_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.endpoint_id,
            new.resource_type,
            new.resource_id,
            new.display_name,
            new.created_at,
            new.last_updated_at,
            new.created_by,
            new.last_updated_by,
        ])?;
    Ok(added > 0)
}

pub fn binding_list(
    db: &Connection,
    endpoint: Option<&str>,
    kind: Option<&str>,
    resource: Option<&str>,
) -> Result<Vec<Binding>> {
    let mut sql = Sql::default();
    sql.push(
        "SELECT endpoint, resource_type, resource_id, display_name, created_at, updated_at, created_by, updated_by
         FROM gateway_bindings WHERE TRUE",
    );
    narrow(&mut sql, &[("endpoint", endpoint), ("resource_type", kind), ("resource_id", resource)]);
    sql.push(" ORDER BY created_at, endpoint, resource_id");
    rows(db, &sql, binding)
}

pub fn binding_delete(db: &Connection, endpoint: &str, kind: &str, resource: &str) -> Result<()> {
    let gone = db
        .prepare_cached(
            "DELETE FROM gateway_bindings WHERE endpoint = ?1 AND resource_type = ?2 AND resource_id = ?3",
        )?
        .execute([endpoint, kind, resource])?;
    if gone == 0 {
        let by = [("endpoint_id", endpoint), ("resource_type", kind), ("resource_id", resource)];
        return Err(missing("GatewayEndpointBinding", &by));
    }
    Ok(())
}

/// Forgets whatever a resource is bound to.
pub fn bindings_clear(db: &Connection, kind: &str, resource: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM gateway_bindings WHERE resource_type = ?1 AND resource_id = ?2")?
        .execute([kind, resource])?;
    Ok(())
}
