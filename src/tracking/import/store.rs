//! The rows of what is taken in. A thing known here by its id (an experiment: by its runs, else by its
//! name) is brought in line with the record, so that a second import changes nothing and a later one catches up.

use super::{ExperimentRecord, ModelRecord, Place, RunRecord};
use crate::{
    kernel::{clock::now_ms, error::Result},
    tracking::{
        check,
        model::{Experiment, MODEL_STATUSES, Pair, Stage},
        store::{
            datasets::{self, Direction},
            experiments, models, runs,
        },
    },
};
use rusqlite::{Connection, OptionalExtension, params};

/// An experiment that was taken in before is joined, under the name the source has for it now if that is
/// free; else one of that name; else it is made, under its own number if that is free.
pub fn experiment_put(db: &Connection, record: &ExperimentRecord) -> Result<Place> {
    let ExperimentRecord { experiment: record, known_by_runs } = record;
    let named = experiments::experiment_by_name(db, &record.name)?;
    let known = match experiment_of_runs(db, known_by_runs)? {
        Some(known) => Some(known),
        None => experiment_as_made(db, record)?,
    };
    // Who names no experiment logs into 0: its name is this server's own.
    if let Some(id) = known.filter(|id| *id != 0 && named.is_none()) {
        experiments::experiment_rename(db, id, &record.name, record.last_update_time)?;
    }
    let named = named.map(|named| check::experiment_id(&named.experiment_id)).transpose()?;
    let found = known.or(named);
    let new = found.is_none();
    let id = match found {
        Some(id) => id,
        None => experiment_insert(db, record)?,
    };
    record.tags.iter().try_for_each(|tag| experiments::experiment_set_tag(db, id, tag))?;
    Ok(Place { id: id.to_string(), artifact_uri: format!("mlflow-artifacts:/{id}"), new })
}

fn experiment_of_runs(db: &Connection, ids: &[String]) -> Result<Option<i64>> {
    let mut find = db.prepare_cached("SELECT experiment_id FROM runs WHERE id = ?1")?;
    for id in ids {
        let found = find.query_row([id], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// An experiment without runs is known by its number together with the moment it was made.
fn experiment_as_made(db: &Connection, record: &Experiment) -> Result<Option<i64>> {
    let Ok(id) = record.experiment_id.parse::<i64>() else { return Ok(None) };
    let mut find = db.prepare_cached("SELECT id FROM experiments WHERE id = ?1 AND created_at = ?2")?;
    Ok(find.query_row([id, record.creation_time], |row| row.get(0)).optional()?)
}

fn experiment_insert(db: &Connection, record: &Experiment) -> Result<i64> {
    /// Above this the numbers of later experiments could run out, or JavaScript round them.
    const MOST: i64 = 1 << 53;
    let wanted = record.experiment_id.parse::<i64>().ok().filter(|id| (1..MOST).contains(id));
    let mut taken = db.prepare_cached("SELECT 1 FROM experiments WHERE id = ?1")?;
    let free = match wanted {
        Some(id) if !taken.exists([id])? => Some(id),
        _ => None,
    };
    db.prepare_cached(
        "INSERT INTO experiments (id, name, artifact_location, stage, created_at, updated_at)
         VALUES (?1, ?2, '', ?3, ?4, ?5)",
    )?
    .execute(params![
        free,
        record.name,
        record.lifecycle_stage,
        record.creation_time,
        // Of a deleted one it is the time of its deletion, which an old source does not know.
        if record.last_update_time > 0 { record.last_update_time } else { now_ms() }
    ])?;
    let id = db.last_insert_rowid();
    db.prepare_cached("UPDATE experiments SET artifact_location = ?2 WHERE id = ?1")?
        .execute(params![id, format!("mlflow-artifacts:/{id}")])?;
    Ok(id)
}

pub fn run_put(db: &Connection, record: &RunRecord) -> Result<Place> {
    let (run, info) = (&record.run, &record.run.info);
    let experiment = check::experiment_id(&info.experiment_id)?;
    experiments::experiment_get(db, experiment)?;
    let new = runs::run_rid(db, &info.run_id)?.is_none();
    let uri = match record.files_stay {
        true => info.artifact_uri.clone(),
        false => format!("mlflow-artifacts:/{experiment}/{}/artifacts", info.run_id),
    };
    let deleted_at = match info.lifecycle_stage == Stage::Deleted.word() {
        true => Some(deletion_time(db, record)?),
        false => None,
    };
    db.prepare_cached(
        "INSERT INTO runs (id, experiment_id, name, user_id, status, stage, started_at, ended_at, deleted_at,
                           artifact_uri)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, user_id = excluded.user_id,
             status = excluded.status, stage = excluded.stage, started_at = excluded.started_at,
             ended_at = excluded.ended_at, deleted_at = excluded.deleted_at",
    )?
    .execute(params![
        info.run_id,
        experiment,
        info.run_name,
        info.user_id,
        info.status,
        info.lifecycle_stage,
        info.start_time,
        info.end_time,
        deleted_at,
        uri
    ])?;
    let known = runs::run_info(db, &info.run_id)?;
    run_fill(db, &known.experiment_id, known.rid, record)?;
    run.outputs.model_outputs.iter().try_for_each(|out| {
        datasets::run_model_log(db, known.rid, Direction::Out, &out.model_id, out.step)
    })?;
    Ok(Place { id: known.run_id, artifact_uri: known.artifact_uri, new })
}

/// When a run was deleted. Where the source does not tell, the import that first saw it deleted counts:
/// any earlier time would let the collector take at once what its owner may still want back.
fn deletion_time(db: &Connection, record: &RunRecord) -> Result<i64> {
    if let Some(told) = record.deleted_time {
        return Ok(told);
    }
    let info = &record.run.info;
    let mut known = db.prepare_cached("SELECT deleted_at FROM runs WHERE id = ?1 AND deleted_at > ?2")?;
    // Nobody deletes a run in the millisecond of its end: such a time was guessed from the end.
    let ended = info.end_time.unwrap_or(info.start_time);
    let known: Option<i64> =
        known.query_row(params![info.run_id, ended], |row| row.get(0)).optional()?.flatten();
    Ok(known.unwrap_or_else(now_ms))
}

fn run_fill(db: &Connection, experiment: &str, rid: i64, record: &RunRecord) -> Result<()> {
    let run = &record.run;
    for Pair { key, value } in &run.data.params {
        db.prepare_cached(
            "INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![rid, key, value])?;
    }
    run.data.tags.iter().try_for_each(|tag| runs::tag_set(db, rid, tag))?;
    let experiment = check::experiment_id(experiment)?;
    run.inputs
        .dataset_inputs
        .iter()
        .try_for_each(|input| datasets::dataset_log(db, experiment, rid, input))?;
    run.inputs
        .model_inputs
        .iter()
        .try_for_each(|model| datasets::run_model_log(db, rid, Direction::In, &model.model_id, 0))
}

pub fn model_put(db: &Connection, record: &ModelRecord) -> Result<Place> {
    let (info, data) = (&record.model.info, &record.model.data);
    let experiment = check::experiment_id(&info.experiment_id)?;
    experiments::experiment_get(db, experiment)?;
    let mut known = db.prepare_cached("SELECT artifact_uri FROM logged_models WHERE id = ?1")?;
    let known: Option<String> = known.query_row([&info.model_id], |row| row.get(0)).optional()?;
    let own = match record.files_stay {
        true => info.artifact_uri.clone(),
        false => format!("mlflow-artifacts:/{experiment}/models/{}/artifacts", info.model_id),
    };
    let (new, uri) = (known.is_none(), known.unwrap_or(own));
    let status =
        MODEL_STATUSES.iter().find(|(word, _)| *word == info.status).map_or(0, |(_, number)| *number);
    let stage = if record.deleted { Stage::Deleted } else { Stage::Active };
    db.prepare_cached(
        "INSERT INTO logged_models (id, experiment_id, name, artifact_uri, status, status_message, model_type,
                                    source_run_id, stage, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status,
             status_message = excluded.status_message, model_type = excluded.model_type,
             source_run_id = excluded.source_run_id, stage = excluded.stage,
             created_at = excluded.created_at, updated_at = excluded.updated_at",
    )?
    .execute(params![
        info.model_id,
        experiment,
        info.name,
        uri,
        models::stored_status(status),
        info.status_message,
        info.model_type,
        info.source_run_id,
        stage.word(),
        info.creation_timestamp_ms,
        info.last_updated_timestamp_ms
    ])?;
    let id = &info.model_id;
    data.params.iter().try_for_each(|param| models::model_param_set(db, id, param))?;
    info.tags.iter().try_for_each(|tag| models::model_tag_set(db, id, tag))?;
    for metric in &data.metrics {
        let run = metric.run_id.as_deref().unwrap_or_default();
        models::model_metric_log(db, id, run, metric)?;
        // A point that is here already learns of its dataset.
        db.prepare_cached(
            "UPDATE logged_model_metrics SET dataset_name = ?6, dataset_digest = ?7
             WHERE model_id = ?1 AND key = ?2 AND timestamp = ?3 AND step = ?4 AND run_id = ?5",
        )?
        .execute(params![
            id,
            metric.key,
            metric.timestamp,
            metric.step,
            run,
            metric.dataset_name,
            metric.dataset_digest
        ])?;
    }
    Ok(Place { id: id.clone(), artifact_uri: uri, new })
}
