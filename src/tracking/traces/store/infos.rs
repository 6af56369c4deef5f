//! Traces with their tags and metadata, what they are linked to, and the search over them.

use super::assessments;
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        search::{
            page::Ask,
            sql::{Bind, Sql},
        },
        store::{
            paged::{self, Search},
            rows,
        },
        traces::{
            keys,
            model::{Batch, Pairs, TraceInfo},
            search,
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "t.tid, t.id, t.experiment_id, t.started_at, t.duration, t.state, \
                       t.client_request_id, t.request_preview, t.response_preview";

fn info(row: &Row<'_>) -> rusqlite::Result<TraceInfo> {
    Ok(TraceInfo {
        tid: row.get(0)?,
        id: row.get(1)?,
        experiment_id: row.get(2)?,
        started_at: row.get(3)?,
        duration: row.get(4)?,
        state: row.get(5)?,
        client_request_id: row.get(6)?,
        request_preview: row.get(7)?,
        response_preview: row.get(8)?,
        ..TraceInfo::default()
    })
}

/// The row's number of a trace, if there is such a trace.
pub fn trace_tid(db: &Connection, id: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT tid FROM traces WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}

pub fn trace_find(db: &Connection, id: &str) -> Result<Option<TraceInfo>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM traces t WHERE t.id = ?1"))?;
    let Some(mut found) = statement.query_row([id], info).optional()? else { return Ok(None) };
    fill(db, &mut found)?;
    Ok(Some(found))
}

pub fn trace_get(db: &Connection, id: &str) -> Result<TraceInfo> {
    trace_find(db, id)?.ok_or_else(|| missing(id))
}

pub fn missing(id: &str) -> Error {
    Error::not_found(format!("Trace with ID '{id}' not found."))
}

fn fill(db: &Connection, info: &mut TraceInfo) -> Result<()> {
    info.tags = pairs(db, "SELECT key, value FROM trace_tags WHERE trace = ?1 ORDER BY key", info.tid)?;
    info.metadata =
        pairs(db, "SELECT key, value FROM trace_metadata WHERE trace = ?1 ORDER BY key", info.tid)?;
    info.assessments = assessments::of_trace(db, info.tid, &info.id)?;
    Ok(())
}

fn pairs(db: &Connection, sql: &str, tid: i64) -> Result<Pairs> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([tid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Adds a trace, or overwrites what is known of one with what its maker says. Answers its number.
pub fn trace_put(db: &Connection, info: &TraceInfo) -> Result<i64> {
    Ok(db
        .prepare_cached(
            "INSERT INTO traces (id, experiment_id, started_at, duration, state, client_request_id,
                                 request_preview, response_preview)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET
                 experiment_id = excluded.experiment_id, started_at = excluded.started_at,
                 duration = excluded.duration, state = excluded.state,
                 client_request_id = excluded.client_request_id,
                 request_preview = coalesce(excluded.request_preview, request_preview),
                 response_preview = coalesce(excluded.response_preview, response_preview)
             RETURNING tid",
        )?
        .query_row(
            params![
                info.id,
                info.experiment_id,
                info.started_at,
                info.duration,
                info.state,
                info.client_request_id,
                info.request_preview,
                info.response_preview
            ],
            |row| row.get(0),
        )?)
}

/// Marks a trace of the second version as ended.
pub fn trace_end(db: &Connection, tid: i64, ended_at: i64, state: &str) -> Result<()> {
    db.prepare_cached("UPDATE traces SET duration = ?2 - started_at, state = ?3 WHERE tid = ?1")?
        .execute(params![tid, ended_at, state])?;
    Ok(())
}

/// Takes into a trace what a batch of its spans shows. Times its maker has settled stay.
pub fn trace_widen(db: &Connection, tid: i64, batch: &Batch, settled: bool) -> Result<()> {
    if !settled {
        // What is on the right of an assignment is the row as it was before all of them.
        db.prepare_cached(
            "UPDATE traces SET started_at = min(started_at, ?2),
                 duration = CASE WHEN ?3 IS NULL THEN duration
                     ELSE max(coalesce(started_at + duration, ?3), ?3) - min(started_at, ?2) END
             WHERE tid = ?1",
        )?
        .execute(params![tid, batch.started_at, batch.ended_at])?;
    }
    db.prepare_cached(
        "UPDATE traces SET
             state = CASE WHEN state IN ('IN_PROGRESS', 'STATE_UNSPECIFIED') THEN coalesce(?2, state)
                     ELSE state END,
             request_preview = coalesce(request_preview, ?3),
             response_preview = coalesce(response_preview, ?4)
         WHERE tid = ?1",
    )?
    .execute(params![tid, batch.state, batch.request_preview, batch.response_preview])?;
    Ok(())
}

pub fn tag_set(db: &Connection, tid: i64, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO trace_tags (trace, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![tid, key, value])?;
    Ok(())
}

/// Whether there was such a tag.
pub fn tag_delete(db: &Connection, tid: i64, key: &str) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM trace_tags WHERE trace = ?1 AND key = ?2")?
        .execute(params![tid, key])?;
    Ok(gone > 0)
}

pub fn metadata_set(db: &Connection, tid: i64, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO trace_metadata (trace, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![tid, key, value])?;
    Ok(())
}

/// Sets it only where nothing is set.
pub fn metadata_fill(db: &Connection, tid: i64, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO trace_metadata (trace, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?
    .execute(params![tid, key, value])?;
    Ok(())
}

pub fn metadata_has(db: &Connection, tid: i64, key: &str) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM trace_metadata WHERE trace = ?1 AND key = ?2")?;
    Ok(statement.exists(params![tid, key])?)
}

pub fn is_settled(db: &Connection, tid: i64) -> Result<bool> {
    metadata_has(db, tid, keys::FINALIZED)
}

/// Links a trace to a run (`run`) or to a version of a prompt (`prompt`).
pub fn link(db: &Connection, tid: i64, kind: &str, target: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO trace_links (trace, kind, target) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?
    .execute(params![tid, kind, target])?;
    Ok(())
}

/// Which traces of an experiment go: those named, or the oldest up to a moment.
pub enum Doomed {
    Named(Vec<String>),
    Until { moment: i64, most: Option<i64> },
}

/// Deletes traces with all that hangs on them, and answers their ids.
pub fn traces_delete(db: &Connection, experiment: i64, doomed: &Doomed) -> Result<Vec<String>> {
    let mut sql = Sql::default();
    sql.push("DELETE FROM traces WHERE tid IN (SELECT tid FROM traces WHERE experiment_id = ");
    sql.bind(Bind::Int(experiment));
    match doomed {
        Doomed::Named(ids) => {
            sql.push(" AND id IN ").list(ids.iter().cloned().map(Bind::Text));
        }
        Doomed::Until { moment, most } => {
            sql.push(" AND started_at <= ").bind(Bind::Int(*moment)).push(" ORDER BY started_at, id");
            if let Some(most) = most {
                sql.push(" LIMIT ").bind(Bind::Int(*most));
            }
        }
    }
    sql.push(") RETURNING id");
    rows(db, &sql, |row| row.get(0))
}

/// What a search over traces asks for.
#[derive(Clone, Debug)]
pub struct Query {
    pub experiments: Vec<i64>,
    pub filter: String,
    pub order_by: Vec<String>,
}

pub fn trace_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<TraceInfo>> {
    let (joins, order) = search::compile_order(&query.order_by)?;
    let mut from = Sql::default();
    from.push(" FROM traces t").append(joins).push(" WHERE ");
    from.append(search::scope("t", &query.experiments));
    search::compile_filter(&query.filter, &query.experiments, &mut from)?;
    let mut found = paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, info)?;
    found.items.iter_mut().try_for_each(|trace| fill(db, trace))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::Stores,
        tracking::traces::{
            model::{Assessment, Span},
            store::spans,
        },
    };

    fn span() -> Span {
        Span {
            id: "01".into(),
            parent: None,
            name: "s".into(),
            kind: None,
            status: "OK",
            started_ns: 1,
            ended_ns: None,
            content: "{}".into(),
            usage: None,
            cost: None,
            model: None,
            provider: None,
        }
    }

    fn assessment() -> Assessment {
        Assessment {
            id: "a-1".into(),
            trace_id: "t".into(),
            name: "n".into(),
            kind: "feedback",
            value: true.into(),
            error: None,
            created_at: 1,
            updated_at: 1,
            source_type: "HUMAN".into(),
            source_id: "x".into(),
            span_id: None,
            rationale: None,
            overrides: None,
            valid: true,
            metadata: None,
        }
    }

    #[tokio::test]
    async fn an_experiment_that_is_gone_takes_its_traces_along() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::open(folder.path()).unwrap();
        let left: Vec<i64> = stores
            .control
            .write(|c| {
                c.execute(
                    "INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
                     VALUES (7, 'e', 'x', 0, 0)",
                    [],
                )?;
                let info = TraceInfo {
                    id: "t".into(),
                    experiment_id: 7,
                    state: "OK".into(),
                    ..TraceInfo::default()
                };
                let tid = trace_put(c, &info)?;
                tag_set(c, tid, "k", "v")?;
                metadata_set(c, tid, "k", "v")?;
                link(c, tid, "run", "r")?;
                spans::span_put(c, tid, &span())?;
                assessments::assessment_put(c, tid, &assessment())?;
                c.execute("DELETE FROM experiments WHERE id = 7", [])?;
                let tables =
                    ["traces", "trace_tags", "trace_metadata", "trace_links", "spans", "assessments"];
                let count = |table: &&str| {
                    Ok(c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
                };
                tables.iter().map(count).collect()
            })
            .await
            .unwrap();
        assert_eq!(left, [0; 6]);
    }

    #[tokio::test]
    async fn spans_widen_a_trace_until_its_maker_has_spoken() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::open(folder.path()).unwrap();
        let times: Vec<(i64, Option<i64>)> = stores
            .control
            .write(|c| {
                let info = TraceInfo {
                    id: "t".into(),
                    started_at: 100,
                    state: "IN_PROGRESS".into(),
                    ..TraceInfo::default()
                };
                let tid = trace_put(c, &info)?;
                let batch = |started_at, ended_at| Batch { started_at, ended_at, ..Batch::default() };
                let steps = [
                    (batch(150, Some(200)), false),
                    (batch(50, Some(90)), false),
                    (batch(1, Some(999)), true),
                ];
                let mut times = Vec::new();
                for (batch, settled) in steps {
                    trace_widen(c, tid, &batch, settled)?;
                    let info = trace_get(c, "t")?;
                    times.push((info.started_at, info.duration));
                }
                Ok(times)
            })
            .await
            .unwrap();
        assert_eq!(times, [(100, Some(100)), (50, Some(150)), (50, Some(150))]);
    }
}
