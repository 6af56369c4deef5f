//! Spans: written whole, read by trace.

use crate::{
    kernel::error::Result,
    tracking::traces::{json::dumps, model::Span, usage::Node},
};
use rusqlite::{Connection, params};

/// Adds a span, or replaces the one of that id: clients send a span again that was not finished.
pub fn span_put(db: &Connection, tid: i64, span: &Span) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO spans (trace, id, parent, name, type, status, started_ns, ended_ns, content, usage,
                            cost, model, provider)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (trace, id) DO UPDATE SET
             parent = excluded.parent, name = excluded.name, type = excluded.type,
             status = excluded.status, started_ns = excluded.started_ns, ended_ns = excluded.ended_ns,
             content = excluded.content, usage = excluded.usage, cost = excluded.cost,
             model = excluded.model, provider = excluded.provider",
    )?
    .execute(params![
        tid,
        span.id,
        span.parent,
        span.name,
        span.kind,
        span.status,
        span.started_ns,
        span.ended_ns,
        span.content,
        span.usage.as_ref().map(dumps),
        span.cost.as_ref().map(dumps),
        span.model,
        span.provider
    ])?;
    Ok(())
}

/// The contents of a trace's spans, the root first, then by time.
pub fn contents(db: &Connection, tid: i64) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached(
        "SELECT content FROM spans WHERE trace = ?1 ORDER BY parent IS NOT NULL, started_ns, rowid",
    )?;
    Ok(statement.query_map([tid], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// The tree of a trace's spans, with the numbers of one column on it: `usage` or `cost`.
pub fn tree(db: &Connection, tid: i64, costs: bool) -> Result<Vec<Node>> {
    let mut statement = db.prepare_cached(if costs {
        "SELECT id, parent, cost FROM spans WHERE trace = ?1"
    } else {
        "SELECT id, parent, usage FROM spans WHERE trace = ?1"
    })?;
    let nodes = statement
        .query_map([tid], |row| Ok(Node { id: row.get(0)?, parent: row.get(1)?, data: row.get(2)? }))?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}
