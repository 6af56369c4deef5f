//! Metrics: the history, and the latest point of each in a row of its own.

use super::{history, packed::Writer};
use crate::{
    kernel::error::Result,
    tracking::{
        model::{Double, Metric, Page, Point},
        search::{
            page::{self, Ask},
            sql::Bind,
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Names of metrics whose numbers are remembered, at most.
const REMEMBERED: usize = 1 << 16;

/// The numbers of metrics' names, as far as they are committed: they never change, so that what was
/// learnt once holds. Clones share it.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<HashMap<String, i64>>>);

/// Numbers found or made in a transaction that is not committed yet.
pub type NewKeys = Vec<(String, i64)>;

impl Keys {
    /// Remembers what a committed transaction found.
    pub fn learn(&self, found: NewKeys) {
        if found.is_empty() {
            return;
        }
        let mut known = self.lock();
        if known.len() + found.len() > REMEMBERED {
            known.clear();
        }
        known.extend(found);
    }

    fn numbers(&self, metrics: &[Metric]) -> Vec<Option<i64>> {
        let known = self.lock();
        metrics.iter().map(|metric| known.get(&metric.key).copied()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a value is stored beside its key: NaN as 0 with a mark.
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

pub fn key_id_or_new(db: &Connection, key: &str) -> Result<i64> {
    if let Some(id) = key_id(db, key)? {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO metric_keys (key) VALUES (?1)")?.execute([key])?;
    Ok(db.last_insert_rowid())
}

/// Adds the points of one call; answers the numbers of the names that were not known. The same point
/// again changes nothing that is read.
pub fn metrics_log(db: &Connection, rid: i64, keys: &Keys, metrics: &[Metric]) -> Result<NewKeys> {
    let mut new = NewKeys::new();
    let mut points = Vec::with_capacity(metrics.len());
    for (metric, number) in metrics.iter().zip(keys.numbers(metrics)) {
        let number = match number {
            Some(number) => number,
            None => {
                let number = key_id_or_new(db, &metric.key)?;
                new.push((metric.key.clone(), number));
                number
            }
        };
        points.push((number, metric.point()));
    }
    points_log(db, rid, &points)?;
    Ok(new)
}

/// Adds points, each with the number of its metric's name.
pub fn points_log(db: &Connection, rid: i64, points: &[(i64, Point)]) -> Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    let (mut batch, mut latest) = (Writer::default(), BTreeMap::new());
    for (key, point) in points {
        batch.keyed(*key, point);
        let newest = latest.entry(*key).or_insert(*point);
        if place(point) > place(newest) {
            *newest = *point;
        }
    }
    history::append(db, rid, &batch)?;
    latest_put(db, rid, &latest)
}

/// What makes one point later than another.
fn place(point: &Point) -> (i64, i64, f64) {
    (point.step, point.timestamp, stored(point.value).0)
}

fn latest_put(db: &Connection, rid: i64, latest: &BTreeMap<i64, Point>) -> Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO metrics_latest (run, key, timestamp, step, value, nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET timestamp = excluded.timestamp, step = excluded.step,
                                   value = excluded.value, nan = excluded.nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    )?;
    for (key, point) in latest {
        let (value, nan) = stored(point.value);
        put.execute(params![rid, key, point.timestamp, point.step, value, nan])?;
    }
    Ok(())
}

/// The latest point of each metric of a run, in the order of their names.
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
            ..Metric::default()
        })
    };
    Ok(statement.query_map([rid], metric)?.collect::<rusqlite::Result<_>>()?)
}

/// The first points of one metric by time, step and value.
pub fn history(db: &Connection, rid: i64, key: &str, limit: usize) -> Result<Vec<Point>> {
    let Some(key) = key_id(db, key)? else { return Ok(Vec::new()) };
    history::behind(db, rid, key, None, limit)
}

/// A page of the points of one metric by time, step and value.
pub fn history_page(db: &Connection, rid: i64, key: &str, ask: &Ask) -> Result<Page<Point>> {
    let place = match ask.after(3)? {
        None => None,
        Some(&[Bind::Int(timestamp), Bind::Int(step), Bind::Real(value)]) => {
            Some(Point { timestamp, step, value })
        }
        Some(_) => return Err(page::misfit()),
    };
    let Some(key) = key_id(db, key)? else { return Ok(Page { items: Vec::new(), next: None }) };
    let found = history::behind(db, rid, key, place.as_ref(), ask.limit.saturating_add(1))?;
    Ok(ask.page(found, |last| vec![Bind::Int(last.timestamp), Bind::Int(last.step), Bind::Real(last.value)]))
}

/// Points of one metric whose step lies in a range, by step, time and value.
pub fn history_by_step(db: &Connection, rid: i64, key: &str, first: i64, last: i64) -> Result<Vec<Point>> {
    let Some(key) = key_id(db, key)? else { return Ok(Vec::new()) };
    let mut points = history::read(db, rid, key)?;
    points.retain(|point| (first..=last).contains(&point.step));
    // Steps nearly always rise with time, and a stable sort of what is sorted costs one pass.
    points.sort_by_key(|point| point.step);
    Ok(points)
}
