//! Endpoints with their models and tags.

use super::{
    Key,
    definitions::{self, definition},
    missing, name_is_free, narrow,
};
use crate::{
    kernel::error::Result,
    tracking::{
        gateway::model::{Endpoint, Link, Mapping, Tag},
        search::sql::Sql,
        store::rows,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "e.id, e.name, e.routing, e.fallback, e.experiment_id, e.usage_tracking, e.created_at, \
                       e.updated_at, e.created_by, e.updated_by";

fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        endpoint_id: row.get(0)?,
        name: row.get(1)?,
        model_mappings: Vec::new(),
        tags: Vec::new(),
        routing_strategy: row.get(2)?,
        fallback_config: row
            .get::<_, Option<String>>(3)?
            .map(|text| serde_json::from_str(&text).unwrap_or_default()),
        experiment_id: row.get::<_, Option<i64>>(4)?.map(|id| id.to_string()),
        usage_tracking: row.get(5)?,
        created_at: row.get(6)?,
        last_updated_at: row.get(7)?,
        created_by: row.get(8)?,
        last_updated_by: row.get(9)?,
    })
}

fn mapping(row: &Row<'_>) -> rusqlite::Result<Mapping> {
    Ok(Mapping {
        mapping_id: row.get(0)?,
        endpoint_id: row.get(1)?,
        model_definition_id: row.get(2)?,
        weight: row.get(3)?,
        linkage_type: row.get(4)?,
        fallback_order: row.get(5)?,
        created_at: row.get(6)?,
        created_by: row.get(7)?,
        model_definition: definition(row, 8)?,
    })
}

/// Writes an endpoint, new or changed, without its models and tags.
pub fn endpoint_put(db: &Connection, endpoint: &Endpoint, experiment: Option<i64>) -> Result<()> {
    name_is_free(db, "gateway_endpoints", "Endpoint", &endpoint.name, &endpoint.endpoint_id)?;
    let fallback =
        endpoint.fallback_config.as_ref().map(|fallback| serde_json::to_string(fallback).unwrap_or_default());
    db.prepare_cached(
        "INSERT INTO gateway_endpoints (id, name, routing, fallback, experiment_id, usage_tracking, created_at,
                                        updated_at, created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, routing = excluded.routing,
             fallback = excluded.fallback, experiment_id = excluded.experiment_id,
             usage_tracking = excluded.usage_tracking, updated_at = excluded.updated_at,
             updated_by = excluded.updated_by",
    )?
    .execute(params![
        endpoint.endpoint_id,
        endpoint.name,
        endpoint.routing_strategy,
        fallback,
        experiment,
        endpoint.usage_tracking,
        endpoint.created_at,
        endpoint.last_updated_at,
        endpoint.created_by,
        endpoint.last_updated_by,
    ])?;
    Ok(())
}

/// An endpoint with its models and tags, if it is there.
pub fn endpoint_find(db: &Connection, key: &Key) -> Result<Option<Endpoint>> {
    let (column, value) = key.column("id", "name");
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM gateway_endpoints e WHERE e.{column} = ?1"))?;
    statement.query_row([value], endpoint).optional()?.map(|found| filled(db, found)).transpose()
}

pub fn endpoint_get(db: &Connection, key: &Key) -> Result<Endpoint> {
    let (field, value) = key.column("endpoint_id", "name");
    endpoint_find(db, key)?.ok_or_else(|| missing("GatewayEndpoint", &[(field, value)]))
}

fn filled(db: &Connection, mut endpoint: Endpoint) -> Result<Endpoint> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT l.id, l.endpoint, l.model, l.weight, l.linkage, l.fallback_order, l.created_at, l.created_by, {}
         FROM gateway_endpoint_models l JOIN gateway_models m ON m.id = l.model
         LEFT JOIN gateway_secrets s ON s.id = m.secret WHERE l.endpoint = ?1 ORDER BY l.place",
        definitions::COLUMNS
    ))?;
    endpoint.model_mappings =
        statement.query_map([&endpoint.endpoint_id], mapping)?.collect::<rusqlite::Result<_>>()?;
    let mut statement =
        db.prepare_cached("SELECT key, value FROM gateway_endpoint_tags WHERE endpoint = ?1 ORDER BY key")?;
    let tag = |row: &Row<'_>| Ok(Tag { key: row.get(0)?, value: row.get(1)? });
    endpoint.tags = statement.query_map([&endpoint.endpoint_id], tag)?.collect::<rusqlite::Result<_>>()?;
    Ok(endpoint)
}

/// The endpoints, or those that have a model of a provider.
pub fn endpoint_list(db: &Connection, provider: Option<&str>) -> Result<Vec<Endpoint>> {
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {COLUMNS} FROM gateway_endpoints e WHERE TRUE"));
    if provider.is_some() {
        sql.push(
            " AND e.id IN (SELECT l.endpoint FROM gateway_endpoint_models l
                           JOIN gateway_models m ON m.id = l.model WHERE TRUE",
        );
        narrow(&mut sql, &[("m.provider", provider)]);
        sql.push(")");
    }
    sql.push(" ORDER BY e.created_at, e.id");
    rows(db, &sql, endpoint)?.into_iter().map(|found| filled(db, found)).collect()
}

pub fn endpoint_delete(db: &Connection, id: &str) -> Result<()> {
    if db.prepare_cached("DELETE FROM gateway_endpoints WHERE id = ?1")?.execute([id])? == 0 {
        return Err(missing("GatewayEndpoint", &[("endpoint_id", id)]));
    }
    Ok(())
}

/// Attaches a model; false if the endpoint has it already in that place.
pub fn link_create(
    db: &Connection,
    id: &str,
    endpoint: &str,
    link: &Link,
    user: Option<&str>,
    now: i64,
) -> Result<bool> {
    let added = db
        .prepare_cached(
            "INSERT INTO gateway_endpoint_models (id, endpoint, model, linkage, weight, fallback_order, created_at,
                                                  created_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (endpoint, model, linkage) DO NOTHING",
        )?
        .execute(params![
            id,
            endpoint,
            link.model_definition_id,
            link.linkage_type,
            link.weight,
            link.fallback_order,
            now,
            user,
        ])?;
    Ok(added > 0)
}

/// Detaches one place of a model; false if the endpoint does not have it.
pub fn link_delete(db: &Connection, endpoint: &str, model: &str) -> Result<bool> {
    let gone = db
        .prepare_cached(
            "DELETE FROM gateway_endpoint_models WHERE place =
                 (SELECT min(place) FROM gateway_endpoint_models WHERE endpoint = ?1 AND model = ?2)",
        )?
        .execute([endpoint, model])?;
    Ok(gone > 0)
}

pub fn links_clear(db: &Connection, endpoint: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM gateway_endpoint_models WHERE endpoint = ?1")?.execute([endpoint])?;
    Ok(())
}

pub fn endpoint_touch(db: &Connection, id: &str, user: Option<&str>, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE gateway_endpoints SET updated_at = ?2, updated_by = coalesce(?3, updated_by) WHERE id = ?1",
    )?
    .execute(params![id, now, user])?;
    Ok(())
}

pub fn endpoint_tag_set(db: &Connection, id: &str, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO gateway_endpoint_tags (endpoint, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute([id, key, value])?;
    Ok(())
}

pub fn endpoint_tag_delete(db: &Connection, id: &str, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM gateway_endpoint_tags WHERE endpoint = ?1 AND key = ?2")?
        .execute([id, key])?;
    Ok(())
}
