//! What of a query its asker may have at all: a part that asks for more is null, as in MLflow.

use super::{Outcome, answer::Rooms, schema::Read};
use crate::{
    kernel::error::Result,
    tracking::{check, search::reach::Reach, wire::Fields},
};
use serde_json::{Map, Value, json};

/// The input narrowed to what may be read; none when nothing of it may.
pub async fn narrowed(
    rooms: &Rooms,
    read: Read,
    input: &Map<String, Value>,
) -> Outcome<Option<Map<String, Value>>> {
    if rooms.experiments == Reach::All {
        return Ok(Some(input.clone()));
    }
    narrow(rooms, read, input).await.map_err(|error| error.message)
}

async fn narrow(rooms: &Rooms, read: Read, input: &Map<String, Value>) -> Result<Option<Map<String, Value>>> {
    let fields = Fields::from_map(input.clone());
    let seen = match read {
        Read::Versions => true,
        Read::Experiment => has(&rooms.experiments, fields.text_or_empty("experiment_id")?),
        Read::Run | Read::Artifacts => reads_run(rooms, fields.run_id()?).await?,
        Read::Histories => {
            for run in fields.texts("run_ids")? {
                if !reads_run(rooms, &run).await? {
                    return Ok(None);
                }
            }
            true
        }
        Read::Runs | Read::Datasets => {
            let mut kept = fields.texts("experiment_ids")?;
            kept.retain(|id| has(&rooms.experiments, id));
            let mut input = input.clone();
            input.retain(|name, _| name != "experimentIds");
            let some = !kept.is_empty();
            input.insert("experiment_ids".into(), json!(kept));
            return Ok(some.then_some(input));
        }
    };
    Ok(seen.then(|| input.clone()))
}

/// An id may be written in more than one way.
fn has(reach: &Reach, id: &str) -> bool {
    check::experiment_id(id).is_ok_and(|id| reach.has(&id.to_string()))
}

async fn reads_run(rooms: &Rooms, run: &str) -> Result<bool> {
    let info = rooms.tracker.run_info(run).await?;
    Ok(rooms.experiments.has(&info.experiment_id))
}
