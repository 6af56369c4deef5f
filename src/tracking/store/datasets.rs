//! What went into a run and what came out: datasets and models.

use super::pair;
use crate::{
    kernel::error::Result,
    tracking::{
        model::{
            Dataset, DatasetInput, DatasetSummary, ModelInput, ModelOutput, Pair, RunInputs, RunOutputs,
        },
        search::sql::{Bind, Sql},
    },
};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap};

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

/// What goes into a run and what comes out of it.
pub type Links = (RunInputs, RunOutputs);

/// The datasets and models of listed runs (their numbers, as JSON) by their runs' places in the list;
/// runs without any are left out.
pub fn links(db: &Connection, rids: &str) -> Result<BTreeMap<usize, Links>> {
    let mut found = BTreeMap::<usize, Links>::new();
    each_input(db, rids, |place, input| found.entry(place).or_default().0.dataset_inputs.push(input))?;
    let mut models = db.prepare_cached(
        "SELECT j.key, m.direction, m.model_id, m.step FROM json_each(?1) j
         CROSS JOIN run_models m ON m.run = j.value ORDER BY j.key, m.id",
    )?;
    let mut rows = models.query([rids])?;
    while let Some(row) = rows.next()? {
        let (inputs, outputs) = found.entry(row.get::<_, u32>(0)? as usize).or_default();
        let model_id = row.get(2)?;
        if row.get::<_, String>(1)? == Direction::In.word() {
            inputs.model_inputs.push(ModelInput { model_id });
        } else {
            outputs.model_outputs.push(ModelOutput { model_id, step: row.get(3)? });
        }
    }
    Ok(found)
}

/// The datasets that went into listed runs, each with its run's place in the list.
fn each_input(db: &Connection, rids: &str, mut see: impl FnMut(usize, DatasetInput)) -> Result<()> {
    let mut tags = tags_of_inputs(db, rids)?;
    let mut statement = db.prepare_cached(
        "SELECT j.key, d.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile
         FROM json_each(?1) j CROSS JOIN run_datasets rd ON rd.run = j.value
         CROSS JOIN datasets d ON d.id = rd.dataset",
    )?;
    let mut rows = statement.query([rids])?;
    while let Some(row) = rows.next()? {
        let (place, id) = (row.get::<_, u32>(0)? as usize, row.get(1)?);
        let dataset = Dataset {
            name: row.get(2)?,
            digest: row.get(3)?,
            source_type: row.get(4)?,
            source: row.get(5)?,
            schema: row.get(6)?,
            profile: row.get(7)?,
        };
        see(place, DatasetInput { tags: tags.remove(&(place, id)).unwrap_or_default(), dataset });
    }
    Ok(())
}

/// The tags of datasets as inputs, by their runs' places in the list and their datasets' numbers.
fn tags_of_inputs(db: &Connection, rids: &str) -> Result<HashMap<(usize, i64), Vec<Pair>>> {
    let mut found = HashMap::<_, Vec<_>>::new();
    let mut statement = db.prepare_cached(
        "SELECT t.key, t.value, j.key, t.dataset FROM json_each(?1) j
         CROSS JOIN run_dataset_tags t ON t.run = j.value",
    )?;
    let mut rows = statement.query([rids])?;
    while let Some(row) = rows.next()? {
        found.entry((row.get::<_, u32>(2)? as usize, row.get(3)?)).or_default().push(pair(row)?);
    }
    Ok(found)
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
