//! Scorers, their versions and their sampling of new traces.

use crate::{
    kernel::error::Result,
    tracking::{
        evaluation::model::{Sampling, ScorerVersion},
        search::sql::{Bind, Sql},
        store::rows,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "s.experiment_id, s.name, v.version, v.serialized, v.created_at, s.id";

fn version(row: &Row<'_>) -> rusqlite::Result<ScorerVersion> {
    Ok(ScorerVersion {
        experiment_id: row.get(0)?,
        scorer_name: row.get(1)?,
        scorer_version: row.get(2)?,
        serialized_scorer: row.get(3)?,
        creation_time: row.get(4)?,
        scorer_id: row.get(5)?,
    })
}

/// The id of a scorer, if there is such a one.
pub fn scorer_id(db: &Connection, experiment: i64, name: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT id FROM scorers WHERE experiment_id = ?1 AND name = ?2")?;
    Ok(statement.query_row(params![experiment, name], |row| row.get(0)).optional()?)
}

pub fn scorer_create(db: &Connection, id: &str, experiment: i64, name: &str) -> Result<()> {
    db.prepare_cached("INSERT INTO scorers (id, experiment_id, name) VALUES (?1, ?2, ?3)")?
        .execute(params![id, experiment, name])?;
    Ok(())
}

/// Adds a version with the number after the highest there is.
pub fn scorer_version_add(db: &Connection, scorer: &str, serialized: &str, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO scorer_versions (scorer, version, serialized, created_at)
         SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3 FROM scorer_versions WHERE scorer = ?1",
    )?
    .execute(params![scorer, serialized, now])?;
    Ok(())
}

/// The versions of a scorer, the oldest first.
pub fn scorer_versions(db: &Connection, scorer: &str) -> Result<Vec<ScorerVersion>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM scorers s JOIN scorer_versions v ON v.scorer = s.id
         WHERE s.id = ?1 ORDER BY v.version"
    ))?;
    Ok(statement.query_map([scorer], version)?.collect::<rusqlite::Result<_>>()?)
}

/// One version of a scorer; the latest when none is named.
pub fn scorer_version(db: &Connection, scorer: &str, number: Option<i64>) -> Result<Option<ScorerVersion>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM scorers s JOIN scorer_versions v ON v.scorer = s.id
         WHERE s.id = ?1 AND (?2 IS NULL OR v.version = ?2) ORDER BY v.version DESC LIMIT 1"
    ))?;
    Ok(statement.query_row(params![scorer, number], version).optional()?)
}

/// The latest version of each scorer of active experiments; of these only, if any are named.
pub fn scorer_list(db: &Connection, experiments: Option<&[i64]>) -> Result<Vec<ScorerVersion>> {
    let mut sql = Sql::default();
    sql.push(&format!(
        "SELECT {COLUMNS} FROM scorers s JOIN experiments e ON e.id = s.experiment_id
         JOIN scorer_versions v ON v.scorer = s.id
          AND v.version = (SELECT max(version) FROM scorer_versions WHERE scorer = s.id)
         WHERE e.stage = 'active'"
    ));
    if let Some(ids) = experiments {
        sql.push(" AND s.experiment_id IN ").list(ids.iter().copied().map(Bind::Int));
    }
    sql.push(" ORDER BY s.experiment_id, s.name");
    rows(db, &sql, version)
}

/// Whether there was such a version.
pub fn scorer_version_delete(db: &Connection, scorer: &str, number: i64) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM scorer_versions WHERE scorer = ?1 AND version = ?2")?
        .execute(params![scorer, number])?;
    Ok(gone > 0)
}

/// Removes a scorer with its versions and its sampling.
pub fn scorer_delete(db: &Connection, scorer: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM scorers WHERE id = ?1")?.execute([scorer])?;
    Ok(())
}

pub fn sampling_set(db: &Connection, sampling: &Sampling) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO scorer_sampling (scorer, id, rate, filter) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET id = excluded.id, rate = excluded.rate, filter = excluded.filter",
    )?
    .execute(params![
        sampling.scorer_id,
        sampling.online_scoring_config_id,
        sampling.sample_rate,
        sampling.filter_string
    ])?;
    Ok(())
}

pub fn scorer_experiments(db: &Connection, scorers: &[String]) -> Result<Vec<i64>> {
    let mut sql = Sql::default();
    sql.push("SELECT DISTINCT experiment_id FROM scorers WHERE id IN ");
    sql.list(scorers.iter().cloned().map(Bind::Text));
    rows(db, &sql, |row| row.get(0))
}

/// The sampling of those scorers that have one.
pub fn sampling_list(db: &Connection, scorers: &[String]) -> Result<Vec<Sampling>> {
    let mut sql = Sql::default();
    sql.push(
        "SELECT c.id, c.scorer, c.rate, s.experiment_id, c.filter FROM scorer_sampling c
         JOIN scorers s ON s.id = c.scorer WHERE c.scorer IN ",
    );
    sql.list(scorers.iter().cloned().map(Bind::Text)).push(" ORDER BY s.experiment_id, s.name");
    rows(db, &sql, |row| {
        Ok(Sampling {
            online_scoring_config_id: row.get(0)?,
            scorer_id: row.get(1)?,
            sample_rate: row.get(2)?,
            experiment_id: row.get::<_, i64>(3)?.to_string(),
            filter_string: row.get(4)?,
        })
    })
}
