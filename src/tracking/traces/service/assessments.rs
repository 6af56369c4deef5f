//! Assessments: made, changed, overridden, taken back.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    store::Connection,
    tracking::{
        Service,
        traces::{
            model::Assessment,
            store::{assessments as rows, infos},
        },
    },
};
use serde_json::Value;

/// What changes about an assessment; what is `None` stays.
#[derive(Debug, Default)]
pub struct AssessmentChange {
    pub name: Option<String>,
    /// The kind that is meant, the value, and what went wrong in finding it.
    pub value: Option<(&'static str, Value, Option<Value>)>,
    pub rationale: Option<String>,
    /// Merged into what there is.
    pub metadata: Option<Value>,
}

impl Service {
    /// Adds an assessment; one that overrides another makes that one invalid.
    pub async fn assessment_create(&self, new: Assessment) -> Result<Assessment> {
        self.db()
            .write(move |c| {
                let tid = infos::trace_tid(c, &new.trace_id)?.ok_or_else(|| infos::missing(&new.trace_id))?;
                if rows::assessment_find(c, tid, &new.trace_id, &new.id)?.is_some() {
                    return Err(Error::exists(format!("Assessment with ID '{}' already exists.", new.id)));
                }
                if let Some(overridden) = &new.overrides
                    && !rows::assessment_set_valid(c, tid, overridden, false)?
                {
                    return Err(missing(overridden, &new.trace_id));
                }
                rows::assessment_put(c, tid, &new)?;
                Ok(new)
            })
            .await
    }

    pub async fn assessment_get(&self, trace_id: &str, id: &str) -> Result<Assessment> {
        let (trace_id, id) = (trace_id.to_owned(), id.to_owned());
        self.db().read(move |c| Ok(find(c, &trace_id, &id)?.1)).await
    }

    pub async fn assessment_update(
        &self,
        trace_id: &str,
        id: &str,
        change: AssessmentChange,
    ) -> Result<Assessment> {
        let (trace_id, id) = (trace_id.to_owned(), id.to_owned());
        self.db()
            .write(move |c| {
                let (tid, mut found) = find(c, &trace_id, &id)?;
                apply(&mut found, change)?;
                found.updated_at = now_ms();
                rows::assessment_put(c, tid, &found)?;
                Ok(found)
            })
            .await
    }

    /// Takes an assessment back; the one it overrode holds again. There is no harm in taking back one
    /// that is gone.
    pub async fn assessment_delete(&self, trace_id: &str, id: &str) -> Result<()> {
        let (trace_id, id) = (trace_id.to_owned(), id.to_owned());
        self.db()
            .write(move |c| {
                let tid = infos::trace_tid(c, &trace_id)?.ok_or_else(|| infos::missing(&trace_id))?;
                let Some(found) = rows::assessment_find(c, tid, &trace_id, &id)? else { return Ok(()) };
                if let Some(overridden) = &found.overrides {
                    rows::assessment_set_valid(c, tid, overridden, true)?;
                }
                rows::assessment_delete(c, tid, &id)
            })
            .await
    }
}

fn find(db: &Connection, trace_id: &str, id: &str) -> Result<(i64, Assessment)> {
    let tid = infos::trace_tid(db, trace_id)?
        .ok_or_else(|| Error::not_found(format!("Trace with request_id '{trace_id}' not found")))?;
    let found = rows::assessment_find(db, tid, trace_id, id)?;
    Ok((tid, found.ok_or_else(|| missing(id, trace_id))?))
}

fn missing(id: &str, trace_id: &str) -> Error {
    Error::not_found(format!("Assessment with ID '{id}' not found for trace '{trace_id}'"))
}

fn apply(found: &mut Assessment, change: AssessmentChange) -> Result<()> {
    if let Some((kind, value, error)) = change.value {
        if kind != found.kind {
            return Err(Error::invalid(match kind {
                "expectation" => "Cannot update expectation value on a Feedback assessment.",
                "feedback" => "Cannot update feedback value on an Expectation assessment.",
                _ => "Cannot update the issue an assessment refers to.",
            }));
        }
        (found.value, found.error) = (value, error);
    }
    if let Some(name) = change.name {
        found.name = name;
    }
    // What is expected needs no reason.
    if found.kind == "feedback" && change.rationale.is_some() {
        found.rationale = change.rationale;
    }
    if let Some(Value::Object(new)) = change.metadata {
        match &mut found.metadata {
            Some(Value::Object(merged)) => merged.extend(new),
            other => *other = Some(Value::Object(new)),
        }
    }
    Ok(())
}
