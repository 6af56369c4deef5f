//! A page of runs as the JSON it is answered with, written while the database gives its rows: a page of a
//! thousand runs has twenty thousand values, and to keep each of them first costs more than to find them.

use super::{datasets, runs};
use crate::{
    kernel::error::{Error, Result},
    tracking::model::{Double, RunInfo},
};
use rusqlite::{
    CachedStatement, Connection, Row, Rows, fallible_streaming_iterator::FallibleStreamingIterator,
};
use serde::Serialize;
use std::collections::HashMap;

/// What is expected of a run's text, so that the page's seldom has to move.
const USUAL: usize = 2048;

/// The list of these runs, as a search answers it.
pub fn runs_json(db: &Connection, infos: &[RunInfo]) -> Result<String> {
    let rids = runs::rid_list(infos);
    let (mut params, mut tags) = (pairs_of(db, "params")?, pairs_of(db, "tags")?);
    let (mut params, mut tags) = (Lines::of(params.query([&rids])?)?, Lines::of(tags.query([&rids])?)?);
    let mut metrics = db.prepare_cached(
        "SELECT m.run, m.key, m.value, m.nan, m.timestamp, m.step FROM json_each(?1) j
         CROSS JOIN metrics_latest m ON m.run = j.value",
    )?;
    let (mut metrics, mut names) = (Lines::of(metrics.query([&rids])?)?, Names::of(db)?);
    let links = datasets::links(db, &rids)?;
    let none = datasets::Links::default();
    let mut out = Vec::with_capacity(infos.len() * USUAL);
    out.push(b'[');
    for (index, info) in infos.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"info\":" } else { b"{\"info\":" });
        json(&mut out, info)?;
        out.extend_from_slice(b",\"data\":{\"metrics\":");
        names.write(&mut out, info.rid, &mut metrics)?;
        out.extend_from_slice(b",\"params\":");
        write_pairs(&mut out, info.rid, &mut params)?;
        out.extend_from_slice(b",\"tags\":");
        write_pairs(&mut out, info.rid, &mut tags)?;
        out.extend_from_slice(b"},\"inputs\":");
        let (inputs, outputs) = links.get(&index).unwrap_or(&none);
        json(&mut out, inputs)?;
        out.extend_from_slice(b",\"outputs\":");
        json(&mut out, outputs)?;
        out.push(b'}');
    }
    out.push(b']');
    String::from_utf8(out).map_err(Error::internal)
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(out, value).map_err(Error::internal)
}

/// A table's primary key has them in the order of their names.
fn pairs_of<'db>(db: &'db Connection, table: &str) -> Result<CachedStatement<'db>> {
    Ok(db.prepare_cached(&format!(
        "SELECT p.run, p.key, p.value FROM json_each(?1) j CROSS JOIN {table} p ON p.run = j.value"
    ))?)
}

/// Rows of several runs, one run behind the other, their runs' numbers first.
struct Lines<'s>(Rows<'s>);

impl<'s> Lines<'s> {
    fn of(mut rows: Rows<'s>) -> Result<Self> {
        rows.advance()?;
        Ok(Self(rows))
    }

    /// Shows the rows of one run, which comes next if it has any.
    fn each(&mut self, rid: i64, mut see: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        while let Some(row) = self.0.get() {
            if row.get::<_, i64>(0)? != rid {
                break;
            }
            see(row)?;
            self.0.advance()?;
        }
        Ok(())
    }
}

fn write_pairs(out: &mut Vec<u8>, rid: i64, pairs: &mut Lines<'_>) -> Result<()> {
    out.push(b'[');
    let mut first = true;
    pairs.each(rid, |row| {
        out.extend_from_slice(if first { b"{\"key\":" } else { b",{\"key\":" });
        first = false;
        json(out, &text(row, 1)?)?;
        out.extend_from_slice(b",\"value\":");
        json(out, &text(row, 2)?)?;
        out.push(b'}');
        Ok(())
    })?;
    out.push(b']');
    Ok(())
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(Error::internal)
}

/// The names of metrics, each looked up once for a page, and the points of the run at hand.
struct Names<'db> {
    name: CachedStatement<'db>,
    known: HashMap<i64, usize>,
    /// As they are, and as JSON has them.
    names: Vec<(String, Vec<u8>)>,
    /// The place of the name, value, timestamp, step.
    points: Vec<(usize, Double, i64, i64)>,
}

impl<'db> Names<'db> {
    fn of(db: &'db Connection) -> Result<Self> {
        let name = db.prepare_cached("SELECT key FROM metric_keys WHERE id = ?1")?;
        Ok(Self { name, known: HashMap::new(), names: Vec::new(), points: Vec::new() })
    }

    /// The place of a name.
    fn place(&mut self, key: i64) -> Result<usize> {
        if let Some(place) = self.known.get(&key) {
            return Ok(*place);
        }
        let name: String = self.name.query_row([key], |row| row.get(0))?;
        let mut text = Vec::new();
        json(&mut text, &name)?;
        self.names.push((name, text));
        self.known.insert(key, self.names.len() - 1);
        Ok(self.names.len() - 1)
    }

    /// The latest points of a run, in the order of their names.
    fn write(&mut self, out: &mut Vec<u8>, rid: i64, metrics: &mut Lines<'_>) -> Result<()> {
        self.points.clear();
        metrics.each(rid, |row| {
            let place = self.place(row.get(1)?)?;
            let value = if row.get(3)? { f64::NAN } else { row.get(2)? };
            self.points.push((place, Double(value), row.get(4)?, row.get(5)?));
            Ok(())
        })?;
        let Self { points, names, .. } = self;
        points.sort_unstable_by(|a, b| names[a.0].0.cmp(&names[b.0].0));
        out.push(b'[');
        for (index, (place, value, timestamp, step)) in points.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b",{\"key\":" } else { b"{\"key\":" });
            out.extend_from_slice(&names[*place].1);
            out.extend_from_slice(b",\"value\":");
            json(out, value)?;
            out.extend_from_slice(b",\"timestamp\":");
            json(out, timestamp)?;
            out.extend_from_slice(b",\"step\":");
            json(out, step)?;
            out.push(b'}');
        }
        out.push(b']');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::{
        model::{Dataset, DatasetInput, Pair, Point},
        store::{datasets::Direction, metrics},
    };

    fn add(db: &Connection, name: &str, metrics: &[(&str, f64)], pairs: &[(&str, &str)]) -> RunInfo {
        let run = runs::NewRun {
            id: format!("{name:0>32}"),
            experiment_id: 0,
            name: format!("\"{name}\" \u{1}é"),
            user_id: String::new(),
            started_at: 5,
            artifact_uri: "mlflow-artifacts:/0".into(),
        };
        let pair = |(key, value): &(&str, &str)| Pair { key: (*key).into(), value: (*value).into() };
        let info = runs::run_create(db, run, pairs.iter().map(pair).collect()).unwrap().info;
        pairs.iter().try_for_each(|one| runs::param_create(db, info.rid, &pair(one))).unwrap();
        for (key, value) in metrics {
            let number = metrics::key_id_or_new(db, key).unwrap();
            let point = Point { timestamp: -7, step: i64::MAX, value: *value };
            metrics::points_log(db, info.rid, &[(number, point)]).unwrap();
        }
        info
    }

    #[test]
    fn the_page_has_each_run_as_it_is_read_alone() {
        let db = Connection::open_in_memory().unwrap();
        for sql in [
            include_str!("../../../migrations/control/0002_tracking.sql"),
            include_str!("../../../migrations/control/0012_metric_blocks.sql"),
            include_str!("../../../migrations/control/0016_metric_tangles.sql"),
        ] {
            db.execute_batch(sql).unwrap();
        }
        let odd = [("z", f64::NAN), ("a/b", -0.0), ("\"q\"", f64::INFINITY), ("ü", 1e300), ("b", 3.0)];
        let mut infos = vec![
            add(&db, "1", &odd, &[("k\\", "line\nbreak"), ("", "\u{7f}€")]),
            add(&db, "2", &[], &[]),
            add(&db, "3", &[("b", 0.1 + 0.2), ("a/b", f64::NEG_INFINITY)], &[("k\\", "")]),
            add(&db, "4", &[], &[("only", "pairs")]),
        ];
        let input = DatasetInput {
            tags: vec![Pair { key: "mlflow.data.context".into(), value: "training".into() }],
            dataset: Dataset { name: "d".into(), digest: "x".into(), ..Dataset::default() },
        };
        datasets::dataset_log(&db, 0, infos[2].rid, &input).unwrap();
        datasets::run_model_log(&db, infos[3].rid, Direction::Out, "m-1", 9).unwrap();
        // In an order that is not that of their numbers.
        infos.swap(0, 2);
        let alone: Vec<_> = infos.iter().map(|info| runs::run_get(&db, &info.run_id).unwrap()).collect();
        assert_eq!(alone[0].inputs.dataset_inputs[0].tags, input.tags);
        assert_eq!(alone[3].outputs.model_outputs[0].step, 9);
        assert_eq!(runs_json(&db, &infos).unwrap(), serde_json::to_string(&alone).unwrap());
        assert_eq!(runs_json(&db, &[]).unwrap(), "[]");
    }
}
