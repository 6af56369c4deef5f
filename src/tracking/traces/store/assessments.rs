//! Assessments of traces.

use crate::{
    kernel::error::{Error, Result},
    tracking::traces::model::{ASSESSMENT_KINDS, Assessment},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

const COLUMNS: &str = "a.id, a.name, a.kind, a.value, a.error, a.created_at, a.updated_at, a.source_type, \
                       a.source_id, a.span_id, a.rationale, a.overrides, a.valid, a.metadata";

fn assessment(row: &Row<'_>, trace_id: &str) -> rusqlite::Result<Assessment> {
    let kind: String = row.get(2)?;
    let json = |index: usize| -> rusqlite::Result<Option<Value>> {
        let text: Option<String> = row.get(index)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    };
    Ok(Assessment {
        id: row.get(0)?,
        trace_id: trace_id.to_owned(),
        name: row.get(1)?,
        kind: ASSESSMENT_KINDS.into_iter().find(|known| *known == kind).unwrap_or(ASSESSMENT_KINDS[0]),
        value: json(3)?.unwrap_or(Value::Null),
        error: json(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        source_type: row.get(7)?,
        source_id: row.get(8)?,
        span_id: row.get(9)?,
        rationale: row.get(10)?,
        overrides: row.get(11)?,
        valid: row.get(12)?,
        metadata: json(13)?,
    })
}

pub fn of_trace(db: &Connection, tid: i64, trace_id: &str) -> Result<Vec<Assessment>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM assessments a WHERE a.trace = ?1 ORDER BY a.created_at, a.id"
    ))?;
    let found = statement.query_map([tid], |row| assessment(row, trace_id))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub fn assessment_find(db: &Connection, tid: i64, trace_id: &str, id: &str) -> Result<Option<Assessment>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM assessments a WHERE a.trace = ?1 AND a.id = ?2"))?;
    Ok(statement.query_row(params![tid, id], |row| assessment(row, trace_id)).optional()?)
}

/// Adds an assessment, or replaces the one of the same id on the same trace.
pub fn assessment_put(db: &Connection, tid: i64, new: &Assessment) -> Result<()> {
    let (number, numeric) = new.number();
    let written = db
        .prepare_cached(
            "INSERT INTO assessments (id, trace, name, kind, value, error, created_at, updated_at,
                 source_type, source_id, span_id, rationale, overrides, valid, metadata, number, numeric)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT (id) DO UPDATE SET
                 name = excluded.name, kind = excluded.kind, value = excluded.value,
                 error = excluded.error, updated_at = excluded.updated_at,
                 source_type = excluded.source_type, source_id = excluded.source_id,
                 span_id = excluded.span_id, rationale = excluded.rationale,
                 overrides = excluded.overrides, valid = excluded.valid, metadata = excluded.metadata,
                 number = excluded.number, numeric = excluded.numeric
             WHERE trace = excluded.trace",
        )?
        .execute(params![
            new.id,
            tid,
            new.name,
            new.kind,
            text(&new.value),
            new.error.as_ref().map(text),
            new.created_at,
            new.updated_at,
            new.source_type,
            new.source_id,
            new.span_id,
            new.rationale,
            new.overrides,
            new.valid,
            new.metadata.as_ref().map(text),
            number,
            numeric
        ])?;
    if written == 0 {
        return Err(Error::exists(format!("Assessment with ID '{}' belongs to another trace.", new.id)));
    }
    Ok(())
}

fn text(value: &Value) -> String {
    crate::tracking::traces::json::dumps(value)
}

/// Whether there is such an assessment to mark.
pub fn assessment_set_valid(db: &Connection, tid: i64, id: &str, valid: bool) -> Result<bool> {
    let changed = db
        .prepare_cached("UPDATE assessments SET valid = ?3 WHERE trace = ?1 AND id = ?2")?
        .execute(params![tid, id, valid])?;
    Ok(changed > 0)
}

pub fn assessment_delete(db: &Connection, tid: i64, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM assessments WHERE trace = ?1 AND id = ?2")?.execute(params![tid, id])?;
    Ok(())
}
