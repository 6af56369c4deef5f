//! The history of metrics. What a call logs is one row, packed, at the end of its run's batches: a hundred
//! metrics touch one page of the database, not a hundred. Once a run has many batches they are folded
//! into blocks, each a piece of one metric's history, and that is how a history is read: some blocks,
//! then the few batches that are not folded yet. A point logged twice is in there twice, and read once.

use super::packed::{self, Reader, Writer};
use crate::{kernel::error::Result, tracking::model::Point};
use rusqlite::{Connection, OptionalExtension, params};
use std::{cmp::Ordering, collections::BTreeMap, ops::RangeInclusive};

/// Batches of a run that wait to be folded, at most.
const BATCHES: i64 = 64;
/// Points of a block at most: with them it takes about one page.
const BLOCK: usize = 256;
/// The batches of a run are neighbours: a batch's id is its run's number, then its own place.
const PLACES: i64 = 1 << 24;

fn batches_of(rid: i64) -> RangeInclusive<i64> {
    rid * PLACES..=rid * PLACES + (PLACES - 1)
}

/// Adds what one call logged.
pub fn append(db: &Connection, rid: i64, batch: &Writer) -> Result<()> {
    let ids = batches_of(rid);
    let last: Option<i64> = db
        .prepare_cached("SELECT id FROM metric_batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([ids.start(), ids.end()], |row| row.get(0))
        .optional()?;
    let id = last.map_or(*ids.start(), |last| last + 1);
    db.prepare_cached("INSERT INTO metric_batches (id, points) VALUES (?1, ?2)")?
        .execute(params![id, batch.bytes()])?;
    if id - ids.start() + 1 >= BATCHES { fold(db, rid) } else { Ok(()) }
}

/// Moves what waits into the blocks of its metrics.
fn fold(db: &Connection, rid: i64) -> Result<()> {
    let mut waiting: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    each_waiting(db, rid, |key, point| waiting.entry(key).or_default().push(point))?;
    for (key, points) in waiting {
        extend(db, rid, key, points)?;
    }
    let ids = batches_of(rid);
    db.prepare_cached("DELETE FROM metric_batches WHERE id BETWEEN ?1 AND ?2")?
        .execute([ids.start(), ids.end()])?;
    Ok(())
}

/// Fills the last block of a metric, and makes more.
fn extend(db: &Connection, rid: i64, key: i64, mut new: Vec<Point>) -> Result<()> {
    let last: Option<(i64, Vec<u8>)> = db
        .prepare_cached(
            "SELECT place, points FROM metric_blocks WHERE run = ?1 AND key = ?2 ORDER BY place DESC LIMIT 1",
        )?
        .query_row([rid, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut points = Vec::new();
    let mut place = last.as_ref().map_or(0, |(place, _)| *place);
    if let Some((_, block)) = &last {
        unpack(block, &mut points)?;
        let full = points.len() >= BLOCK;
        let ahead = if full { points.last() } else { points.first().filter(|_| place > 0) };
        if ahead.is_some_and(|ahead| new.iter().any(|point| packed::order(point, ahead) == Ordering::Less)) {
            db.prepare_cached(
                "INSERT INTO metric_tangles (run, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute([rid, key])?;
        }
        if full {
            points.clear();
            place += 1;
        }
    }
    points.append(&mut new);
    packed::settle(&mut points);
    let mut put = db.prepare_cached(
        "INSERT INTO metric_blocks (run, key, place, points) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET points = excluded.points",
    )?;
    for (chunk, place) in points.chunks(BLOCK).zip(place..) {
        let mut block = Writer::default();
        chunk.iter().for_each(|point| block.push(point));
        put.execute(params![rid, key, place, block.bytes()])?;
    }
    Ok(())
}

fn unpack(block: &[u8], points: &mut Vec<Point>) -> Result<()> {
    let mut reader = Reader::new(block);
    while let Some(point) = reader.next()? {
        points.push(point);
    }
    Ok(())
}

/// Every point of a run that is not in a block yet, in the order they came.
fn each_waiting(db: &Connection, rid: i64, mut see: impl FnMut(i64, Point)) -> Result<()> {
    let ids = batches_of(rid);
    let mut statement =
        db.prepare_cached("SELECT points FROM metric_batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = statement.query([ids.start(), ids.end()])?;
    while let Some(row) = rows.next()? {
        let mut reader = Reader::new(row.get_ref(0)?.as_blob().unwrap_or_default());
        while let Some((key, point)) = reader.keyed()? {
            see(key, point);
        }
    }
    Ok(())
}

/// All points of one metric by time, step and value.
pub fn read(db: &Connection, rid: i64, key: i64) -> Result<Vec<Point>> {
    let mut points = of_rows(db, rid, key)?;
    let mut statement =
        db.prepare_cached("SELECT points FROM metric_blocks WHERE run = ?1 AND key = ?2 ORDER BY place")?;
    let mut rows = statement.query([rid, key])?;
    while let Some(row) = rows.next()? {
        unpack(row.get_ref(0)?.as_blob().unwrap_or_default(), &mut points)?;
    }
    each_waiting(db, rid, |found, point| {
        if found == key {
            points.push(point);
        }
    })?;
    packed::settle(&mut points);
    Ok(points)
}

/// The first points of one metric behind `place`: `count` of them, or as many as there are.
pub fn behind(
    db: &Connection,
    rid: i64,
    key: i64,
    place: Option<&Point>,
    count: usize,
) -> Result<Vec<Point>> {
    let is_behind =
        |point: &Point| place.is_none_or(|place| packed::order(point, place) == Ordering::Greater);
    let mut points = if count < usize::MAX && is_straight(db, rid, key)? {
        let first = place.map_or(Ok(0), |place| block_of(db, rid, key, place))?;
        let mut points = blocks_from(db, rid, key, first, count, is_behind)?;
        // What waits may belong anywhere.
        each_waiting(db, rid, |found, point| {
            if found == key && is_behind(&point) {
                points.push(point);
            }
        })?;
        packed::settle(&mut points);
        points
    } else {
        let mut points = read(db, rid, key)?;
        let ahead = points.partition_point(|point| !is_behind(point));
        points.drain(..ahead);
        points
    };
    points.truncate(count);
    Ok(points)
}

/// Points of the blocks from `first` on, until there are `count` or no more.
fn blocks_from(
    db: &Connection,
    rid: i64,
    key: i64,
    first: i64,
    count: usize,
    wanted: impl Fn(&Point) -> bool,
) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut statement = db.prepare_cached(
        "SELECT points FROM metric_blocks WHERE run = ?1 AND key = ?2 AND place >= ?3 ORDER BY place",
    )?;
    let mut rows = statement.query([rid, key, first])?;
    while points.len() < count
        && let Some(row) = rows.next()?
    {
        let from = points.len();
        unpack(row.get_ref(0)?.as_blob().unwrap_or_default(), &mut points)?;
        let ahead = points[from..].partition_point(|point| !wanted(point));
        points.drain(from..from + ahead);
    }
    Ok(points)
}

/// Whether the blocks of a metric hold its points in order, one behind the other.
fn is_straight(db: &Connection, rid: i64, key: i64) -> Result<bool> {
    let mut tangled = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM metric_tangles WHERE run = ?1 AND key = ?2)
             OR EXISTS (SELECT 1 FROM metrics WHERE run = ?1 AND key = ?2)",
    )?;
    Ok(!tangled.query_row([rid, key], |row| row.get::<_, bool>(0))?)
}

/// The block in which a place lies, found by halves.
fn block_of(db: &Connection, rid: i64, key: i64, place: &Point) -> Result<i64> {
    let mut block =
        db.prepare_cached("SELECT points FROM metric_blocks WHERE run = ?1 AND key = ?2 AND place = ?3")?;
    let mut high: i64 = db
        .prepare_cached("SELECT coalesce(max(place), 0) FROM metric_blocks WHERE run = ?1 AND key = ?2")?
        .query_row([rid, key], |row| row.get(0))?;
    let mut low = 0;
    while low < high {
        let middle = (low + high + 1) / 2;
        let mut rows = block.query([rid, key, middle])?;
        let first = match rows.next()? {
            Some(row) => Reader::new(row.get_ref(0)?.as_blob().unwrap_or_default()).next()?,
            None => None,
        };
        if first.is_some_and(|first| packed::order(&first, place) != Ordering::Greater) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// The points that builds before the blocks wrote, a row each.
fn of_rows(db: &Connection, rid: i64, key: i64) -> Result<Vec<Point>> {
    let mut statement = db.prepare_cached(
        "SELECT timestamp, step, value, nan FROM metrics WHERE run = ?1 AND key = ?2
         ORDER BY timestamp, step, value",
    )?;
    let found = statement.query_map([rid, key], |row| {
        let value = if row.get(3)? { f64::NAN } else { row.get(2)? };
        Ok(Point { timestamp: row.get(0)?, step: row.get(1)?, value })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Forgets the blocks and batches of a run.
pub fn remove(db: &Connection, rid: i64) -> Result<()> {
    let ids = batches_of(rid);
    db.prepare_cached("DELETE FROM metric_batches WHERE id BETWEEN ?1 AND ?2")?
        .execute([ids.start(), ids.end()])?;
    db.prepare_cached("DELETE FROM metric_blocks WHERE run = ?1")?.execute([rid])?;
    db.prepare_cached("DELETE FROM metric_tangles WHERE run = ?1")?.execute([rid])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0002_tracking.sql")).unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0012_metric_blocks.sql")).unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0016_metric_tangles.sql")).unwrap();
        db
    }

    fn log(db: &Connection, rid: i64, points: &[(i64, Point)]) {
        let mut batch = Writer::default();
        points.iter().for_each(|(key, point)| batch.keyed(*key, point));
        append(db, rid, &batch).unwrap();
    }

    fn at(step: i64) -> Point {
        Point { timestamp: 1000 + step, step, value: step as f64 / 3.0 }
    }

    fn count(db: &Connection, table: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn batches_fold_into_blocks_and_read_as_one_history() {
        let db = database();
        for step in 0..3 * BATCHES + 5 {
            for rid in [7, 8] {
                log(&db, rid, &[(1, at(step)), (2, at(-step)), (1, at(step))]);
            }
        }
        assert_eq!(count(&db, "metric_batches"), 2 * 5);
        let rising: Vec<_> = (0..3 * BATCHES + 5).map(at).collect();
        let falling: Vec<_> = rising.iter().rev().map(|point| at(-point.step)).collect();
        for rid in [7, 8] {
            assert_eq!(read(&db, rid, 1).unwrap(), rising);
            assert_eq!(read(&db, rid, 2).unwrap(), falling);
            assert!(read(&db, rid, 3).unwrap().is_empty());
        }
        remove(&db, 7).unwrap();
        assert!(read(&db, 7, 1).unwrap().is_empty());
        assert_eq!(read(&db, 8, 1).unwrap(), rising);
    }

    #[test]
    fn what_is_logged_again_long_after_is_read_once() {
        let db = database();
        let old: Vec<_> = (0..2 * BLOCK as i64).map(|step| (1, at(step))).collect();
        log(&db, 1, &old);
        for step in 0..2 * BATCHES {
            log(&db, 1, &[(1, at(step)), (1, at(10_000 + step))]);
        }
        let expected = (0..2 * BLOCK as i64).chain(10_000..10_000 + 2 * BATCHES).map(at);
        assert_eq!(read(&db, 1, 1).unwrap(), expected.collect::<Vec<_>>());
    }

    /// The whole history, read in pages.
    fn in_pages(db: &Connection, rid: i64, key: i64, size: usize) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        loop {
            let page = behind(db, rid, key, points.last().copied().as_ref(), size).unwrap();
            let done = page.len() < size;
            points.extend(page);
            if done {
                return points;
            }
        }
    }

    #[test]
    fn pages_make_the_whole_in_whatever_order_points_came() {
        let db = database();
        for step in 0..700 {
            let retried = at(step / 2);
            let points =
                [(1, at(step)), (2, at(-step)), (3, at(step * 37 % 1009)), (4, at(step)), (4, retried)];
            log(&db, 1, &points);
        }
        assert_eq!(count(&db, "metric_tangles"), 3);
        assert!(is_straight(&db, 1, 1).unwrap());
        for key in 1..=4 {
            let whole = read(&db, 1, key).unwrap();
            for size in [1, 2, 255, 256, 257, 5000] {
                assert_eq!(in_pages(&db, 1, key, size), whole, "metric {key} in pages of {size}");
            }
        }
    }

    #[test]
    fn a_page_reads_its_own_blocks_only() {
        let db = database();
        for step in 0..20 * BLOCK as i64 {
            log(&db, 1, &[(1, at(step))]);
        }
        // Blocks that are no points any more: whoever reads them fails.
        db.execute("UPDATE metric_blocks SET points = x'ff' WHERE place IN (0, 1, 2, 13, 19)", []).unwrap();
        let place = at(11 * BLOCK as i64);
        let page = behind(&db, 1, 1, Some(&place), 300).unwrap();
        assert_eq!(page.iter().map(|point| point.step).collect::<Vec<_>>(), (2817..3117).collect::<Vec<_>>());
    }

    #[test]
    fn points_of_older_builds_are_part_of_the_history() {
        let db = database();
        db.execute("INSERT INTO metrics VALUES (1, 1, 1001, 1, 0, 1), (1, 1, 1002, 2, 0.5, 0)", []).unwrap();
        log(&db, 1, &[(1, at(0)), (1, Point { value: 0.5, ..at(2) })]);
        let found = read(&db, 1, 1).unwrap();
        assert_eq!(found.iter().map(|point| point.step).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(found[1].value.is_nan());
    }
}
