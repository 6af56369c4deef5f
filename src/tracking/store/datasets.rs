//! What went into a run and what came out: datasets and models.

use super::pair;
use crate::{
    kernel::error::Result,
    tracking::{
        model::{Dataset, DatasetInput, DatasetSummary, ModelInput, ModelOutput, Pair},
        search::sql::{Bind, Sql},
    },
};
use rusqlite::{Connection, Row, params};

/// The most datasets one search answers.
const SUMMARIES: i64 = 1000;

/// Ties a dataset to a run. A dataset an experiment knows already, by name and digest, is not added
/// again, and an input the run has already keeps its tags.
pub fn dataset_log(db: &Connection, experiment_id: i64, rid: i64, input: &DatasetInput) -> Result<()> {
    let Dataset { name, digest, source_type, source, schema, profile } = &input.dataset;
    db.prepare_cached(
        "INSERT INTO datasets (experiment_id, name, digest, source_type, source, schema, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?
    .execute(params![experiment_id, name, digest, source_type, source, schema, profile])?;
    let dataset: i64 = db
        .prepare_cached("SELECT id FROM datasets WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3")?
        .query_row(params![experiment_id, name, digest], |row| row.get(0))?;
    let added = db
        .prepare_cached("INSERT INTO run_datasets (run, dataset) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute([rid, dataset])?;
    if added == 0 {
        return Ok(());
    }
    for Pair { key, value } in &input.tags {
        db.prepare_cached(
            "INSERT INTO run_dataset_tags (run, dataset, key, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![rid, dataset, key, value])?;
    }
    Ok(())
}

/// Which of the listed runs (their numbers, as JSON) have datasets: their places in the list.
pub fn runs_with_datasets(db: &Connection, rids: &str) -> Result<Vec<usize>> {
    places(
        db,
        "SELECT key FROM json_each(?1) WHERE EXISTS (SELECT 1 FROM run_datasets WHERE run = value)",
        rids,
    )
}

/// Which of the listed runs have models, in or out.
pub fn runs_with_models(db: &Connection, rids: &str) -> Result<Vec<usize>> {
    places(
        db,
        "SELECT key FROM json_each(?1) WHERE EXISTS (SELECT 1 FROM run_models WHERE run = value)",
        rids,
    )
}

fn places(db: &Connection, sql: &str, rids: &str) -> Result<Vec<usize>> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([rids], |row| Ok(row.get::<_, u32>(0)? as usize))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub fn run_inputs(db: &Connection, rid: i64) -> Result<Vec<DatasetInput>> {
    let mut statement = db.prepare_cached(
        "SELECT d.name, d.digest, d.source_type, d.source, d.schema, d.profile, d.id
         FROM run_datasets rd JOIN datasets d ON d.id = rd.dataset WHERE rd.run = ?1 ORDER BY d.id",
    )?;
    let dataset = |row: &Row<'_>| {
        let dataset = Dataset {
            name: row.get(0)?,
            digest: row.get(1)?,
            source_type: row.get(2)?,
            source: row.get(3)?,
            schema: row.get(4)?,
            profile: row.get(5)?,
        };
        Ok((row.get::<_, i64>(6)?, dataset))
    };
    let found: Vec<_> = statement.query_map([rid], dataset)?.collect::<rusqlite::Result<_>>()?;
    let mut tags =
        db.prepare_cached("SELECT key, value FROM run_dataset_tags WHERE run = ?1 AND dataset = ?2")?;
    let mut inputs = Vec::with_capacity(found.len());
    for (id, dataset) in found {
        let tags = tags.query_map([rid, id], pair)?.collect::<rusqlite::Result<_>>()?;
        inputs.push(DatasetInput { tags, dataset });
    }
    Ok(inputs)
}

/// The datasets that runs of these experiments used, each with the context it was used in.
pub fn dataset_summaries(db: &Connection, experiments: &[i64]) -> Result<Vec<DatasetSummary>> {
    let mut sql = Sql::default();
    sql.push(
        "SELECT DISTINCT d.experiment_id, d.name, d.digest, t.value FROM datasets d
         JOIN run_datasets rd ON rd.dataset = d.id
         LEFT JOIN run_dataset_tags t ON t.run = rd.run AND t.dataset = rd.dataset
              AND t.key = 'mlflow.data.context'
         WHERE d.experiment_id IN ",
    );
    sql.list(experiments.iter().copied().map(Bind::Int)).push(" LIMIT ").bind(Bind::Int(SUMMARIES));
    super::rows(db, &sql, |row| {
        Ok(DatasetSummary {
            experiment_id: row.get::<_, i64>(0)?.to_string(),
            name: row.get(1)?,
            digest: row.get(2)?,
            context: row.get(3)?,
        })
    })
}

/// Whether a model goes into a run or comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// Ties a model to a run; once is enough.
pub fn run_model_log(db: &Connection, rid: i64, way: Direction, model_id: &str, step: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO run_models (run, direction, model_id, step) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![rid, way.word(), model_id, step])?;
    Ok(())
}

pub fn run_model_inputs(db: &Connection, rid: i64) -> Result<Vec<ModelInput>> {
    let models = run_models(db, rid, Direction::In)?;
    Ok(models.into_iter().map(|(model_id, _)| ModelInput { model_id }).collect())
}

pub fn run_model_outputs(db: &Connection, rid: i64) -> Result<Vec<ModelOutput>> {
    let models = run_models(db, rid, Direction::Out)?;
    Ok(models.into_iter().map(|(model_id, step)| ModelOutput { model_id, step }).collect())
}

fn run_models(db: &Connection, rid: i64, way: Direction) -> Result<Vec<(String, i64)>> {
    let mut statement = db.prepare_cached(
        "SELECT model_id, step FROM run_models WHERE run = ?1 AND direction = ?2 ORDER BY id",
    )?;
    let found = statement.query_map(params![rid, way.word()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
