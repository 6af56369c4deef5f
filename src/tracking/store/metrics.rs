//! Metrics: the history, and the latest point of each in a row of its own.

use crate::{
    kernel::error::Result,
    tracking::model::{Double, Metric, Point},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// How a value is stored: NaN as 0 with a mark.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (value, false) }
}

fn loaded(row: &Row<'_>, value: usize, nan: usize) -> rusqlite::Result<f64> {
    Ok(if row.get(nan)? { f64::NAN } else { row.get(value)? })
}

fn key_id(db: &Connection, key: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT id FROM metric_keys WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn key_id_or_new(db: &Connection, key: &str) -> Result<i64> {
    if let Some(id) = key_id(db, key)? {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO metric_keys (key) VALUES (?1)")?.execute([key])?;
    Ok(db.last_insert_rowid())
}

/// Adds one point. The same point again changes nothing.
pub fn metric_log(db: &Connection, rid: i64, metric: &Metric) -> Result<()> {
    let key = key_id_or_new(db, &metric.key)?;
    let (value, nan) = stored(metric.value.0);
    let added = db
        .prepare_cached(
            "INSERT INTO metrics (run, key, timestamp, step, value, nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![rid, key, metric.timestamp, metric.step, value, nan])?;
    if added == 0 {
        return Ok(());
    }
    db.prepare_cached(
        "INSERT INTO metrics_latest (run, key, timestamp, step, value, nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET timestamp = excluded.timestamp, step = excluded.step,
                                   value = excluded.value, nan = excluded.nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    )?
    .execute(params![rid, key, metric.timestamp, metric.step, value, nan])?;
    Ok(())
}

/// The latest point of each metric of a run.
pub fn latest(db: &Connection, rid: i64) -> Result<Vec<Metric>> {
    let mut statement = db.prepare_cached(
        "SELECT k.key, m.value, m.nan, m.timestamp, m.step FROM metrics_latest m
         JOIN metric_keys k ON k.id = m.key WHERE m.run = ?1 ORDER BY k.key",
    )?;
    let metric = |row: &Row<'_>| {
        Ok(Metric {
            key: row.get(0)?,
            value: Double(loaded(row, 1, 2)?),
            timestamp: row.get(3)?,
            step: row.get(4)?,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
            run_id: None,
        })
    };
    Ok(statement.query_map([rid], metric)?.collect::<rusqlite::Result<_>>()?)
}

/// Points of one metric by time, step and value.
pub fn history(db: &Connection, rid: i64, key: &str, limit: usize, offset: usize) -> Result<Vec<Point>> {
    let Some(key) = key_id(db, key)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT timestamp, step, value, nan FROM metrics WHERE run = ?1 AND key = ?2
         ORDER BY timestamp, step, value LIMIT ?3 OFFSET ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![rid, key, limit, offset as i64], point)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn point(row: &Row<'_>) -> rusqlite::Result<Point> {
    Ok(Point { timestamp: row.get(0)?, step: row.get(1)?, value: loaded(row, 2, 3)? })
}

/// Points of one metric whose step lies in a range, by step, time and value.
pub fn history_by_step(db: &Connection, rid: i64, key: &str, first: i64, last: i64) -> Result<Vec<Point>> {
    let Some(key) = key_id(db, key)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT timestamp, step, value, nan FROM metrics
         WHERE run = ?1 AND key = ?2 AND step BETWEEN ?3 AND ?4 ORDER BY timestamp, step, value",
    )?;
    let found = statement.query_map(params![rid, key, first, last], point)?;
    let mut points: Vec<Point> = found.collect::<rusqlite::Result<_>>()?;
    // Steps nearly always rise with time, and a stable sort of what is sorted costs one pass.
    points.sort_by_key(|point| point.step);
    Ok(points)
}
