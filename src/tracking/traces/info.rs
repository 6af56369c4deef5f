//! What is said of a trace as a whole, on the wire: in the form of MLflow's third version, and in the
//! one of its second, which old clients still speak.

use super::{
    assessment::{self, required, string_map},
    keys,
    model::{Pairs, STATES, Trace, TraceInfo, settle_metadata},
    span, time,
};
use crate::{
    kernel::error::Result,
    tracking::{check, wire::Fields},
};
use serde_json::{Map, Value, json};

/// The lengths at which the answer cuts keys and values.
const METADATA_MAX: usize = 250;
const TAG_MAX: usize = 4096;

/// The trace a client has finished.
pub fn read(fields: &Fields) -> Result<TraceInfo> {
    let trace = required(fields, "trace")?;
    let info = required(&trace, "trace_info")?;
    let location = required(&info, "trace_location")?;
    let experiment = required(&location, "mlflow_experiment")?;
    let id = info.required("trace_id")?.to_owned();
    let given = |name| -> Result<Option<String>> { Ok(info.text(name)?.map(str::to_owned)) };
    let mut metadata = string_map(&info, "trace_metadata")?;
    if let Some((_, session)) = metadata.iter().find(|(key, _)| key == keys::SESSION) {
        check::length("Session ID", METADATA_MAX, session)?;
    }
    settle_metadata(&mut metadata);
    let tags = string_map(&info, "tags")?;
    if let Some((_, name)) = tags.iter().find(|(key, _)| key == keys::NAME) {
        check::length("Trace name", TAG_MAX, name)?;
    }
    let assessments = info.items("assessments")?;
    Ok(TraceInfo {
        tid: 0,
        experiment_id: check::experiment_id(experiment.required("experiment_id")?)?,
        started_at: time::timestamp_in(&info, "request_time")?.unwrap_or(0),
        duration: time::duration_in(&info, "execution_duration")?,
        state: state_word(info.choice("state", STATES)?).to_owned(),
        client_request_id: given("client_request_id")?,
        request_preview: given("request_preview")?,
        response_preview: given("response_preview")?,
        metadata,
        tags,
        assessments: assessments.iter().map(|one| assessment::read(one, &id)).collect::<Result<_>>()?,
        id,
    })
}

pub fn state_word(number: Option<i64>) -> &'static str {
    STATES.iter().find(|(_, known)| Some(*known) == number).map_or(STATES[0].0, |(word, _)| *word)
}

impl TraceInfo {
    pub fn to_wire(&self) -> Value {
        let mut wire = json!({
            "trace_id": self.id,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": { "experiment_id": self.experiment_id.to_string() },
            },
            "request_time": time::timestamp(self.started_at),
            "state": self.state,
            "trace_metadata": map(&self.metadata, METADATA_MAX, METADATA_MAX),
            "tags": map(&self.tags, METADATA_MAX, TAG_MAX),
        });
        let texts = [
            ("client_request_id", &self.client_request_id),
            ("request_preview", &self.request_preview),
            ("response_preview", &self.response_preview),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                wire[name] = text.as_str().into();
            }
        }
        if let Some(duration) = self.duration {
            wire["execution_duration"] = time::duration(duration).into();
        }
        if !self.assessments.is_empty() {
            wire["assessments"] = self.assessments.iter().map(super::model::Assessment::to_wire).collect();
        }
        wire
    }

    /// The second version's form.
    pub fn to_wire_v2(&self) -> Value {
        let status = if self.state == STATES[0].0 { "TRACE_STATUS_UNSPECIFIED" } else { &self.state };
        json!({
            "request_id": self.id,
            "experiment_id": self.experiment_id.to_string(),
            "timestamp_ms": self.started_at,
            "execution_time_ms": self.duration.unwrap_or(0),
            "status": status,
            "request_metadata": list(&self.metadata, METADATA_MAX, METADATA_MAX),
            "tags": list(&self.tags, METADATA_MAX, TAG_MAX),
        })
    }
}

impl Trace {
    pub fn to_wire(&self) -> Value {
        let spans: Vec<_> = self.spans.iter().map(|content| span::to_wire(content)).collect();
        json!({ "trace_info": self.info.to_wire(), "spans": spans })
    }

    /// The file MLflow calls `traces.json`.
    pub fn to_file(&self) -> String {
        format!("{{\"spans\":[{}]}}", self.spans.join(","))
    }
}

fn cut(limit: usize, text: &str) -> String {
    let mut text = text.to_owned();
    check::cut(limit, &mut text);
    text
}

fn map(pairs: &Pairs, key_max: usize, value_max: usize) -> Value {
    let pairs = pairs.iter().map(|(key, value)| (cut(key_max, key), cut(value_max, value).into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn list(pairs: &Pairs, key_max: usize, value_max: usize) -> Value {
    let pair =
        |(key, value): &(String, String)| json!({ "key": cut(key_max, key), "value": cut(value_max, value) });
    pairs.iter().map(pair).collect()
}
