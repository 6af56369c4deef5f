//! What of a thing is compared after it was copied, as one digest. What was added on this side since is no
//! difference: params, tags and metrics count as far as the source has them.

use crate::{
    registry::import::VersionRecord,
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::Pair,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

pub fn in_common(ours: &[Pair], theirs: &[Pair]) -> usize {
    let theirs: HashSet<_> = theirs.iter().map(|pair| (&pair.key, &pair.value)).collect();
    ours.iter().filter(|pair| theirs.contains(&(&pair.key, &pair.value))).count()
}

fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))
}

/// The pairs whose keys `wanted` has, in order: what was added on this side since is no difference.
fn pairs<'a>(pairs: &'a [Pair], wanted: &[Pair]) -> BTreeMap<&'a str, &'a str> {
    let wanted: HashSet<_> = wanted.iter().map(|pair| pair.key.as_str()).collect();
    let known = pairs.iter().filter(|pair| wanted.contains(pair.key.as_str()));
    known.map(|pair| (pair.key.as_str(), pair.value.as_str())).collect()
}

pub fn run_digest(record: &RunRecord, wanted: &RunRecord) -> String {
    let (run, info, data) = (&record.run, &record.run.info, &wanted.run.data);
    let mut datasets: Vec<_> = run
        .inputs
        .dataset_inputs
        .iter()
        .map(|input| {
            let set = &input.dataset;
            json!([
                set.name,
                set.digest,
                set.source_type,
                set.source,
                set.schema.as_deref().unwrap_or_default(),
                set.profile.as_deref().unwrap_or_default(),
                pairs(&input.tags, &input.tags)
            ])
            .to_string()
        })
        .collect();
    datasets.sort();
    let mut models: Vec<_> = run.inputs.model_inputs.iter().map(|model| model.model_id.as_str()).collect();
    models.sort_unstable();
    let mut out: Vec<_> =
        run.outputs.model_outputs.iter().map(|out| (out.step, out.model_id.as_str())).collect();
    out.sort_unstable();
    digest(&json!([
        info.run_id,
        info.experiment_id,
        info.run_name,
        info.user_id,
        info.status,
        info.start_time,
        info.end_time.unwrap_or_default(),
        info.lifecycle_stage,
        pairs(&run.data.params, &data.params),
        pairs(&run.data.tags, &data.tags),
        datasets,
        models,
        out
    ]))
}

/// Every point of the wanted metrics, by its bits.
pub fn series_digest(series: &[Series], wanted: &[Series]) -> String {
    let wanted: HashSet<_> = wanted.iter().map(|one| one.key.as_str()).collect();
    let mut by_key: BTreeMap<&str, Vec<(i64, i64, u64)>> = BTreeMap::new();
    for one in series.iter().filter(|one| wanted.contains(one.key.as_str())) {
        let points = by_key.entry(one.key.as_str()).or_default();
        points.extend(one.points.iter().map(|&(time, step, value)| (time, step, bits(value.0))));
    }
    by_key.values_mut().for_each(|points| points.sort_unstable());
    digest(&json!(by_key))
}

/// All NaN are one, and so are the two zeros: no database tells them apart.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

pub fn model_digest(record: &ModelRecord, wanted: &ModelRecord) -> String {
    let (info, data) = (&record.model.info, &record.model.data);
    let mut metrics: Vec<_> = data
        .metrics
        .iter()
        .map(|point| {
            let dataset =
                [&point.dataset_name, &point.dataset_digest].map(|text| text.as_deref().unwrap_or_default());
            let run = point.run_id.as_deref().unwrap_or_default();
            json!([point.key, point.timestamp, point.step, bits(point.value.0), run, dataset]).to_string()
        })
        .collect();
    metrics.sort();
    digest(&json!([
        info.model_id,
        info.name,
        info.status,
        info.model_type,
        info.source_run_id,
        info.creation_timestamp_ms,
        pairs(&info.tags, &wanted.model.info.tags),
        pairs(&data.params, &wanted.model.data.params),
        metrics
    ]))
}

pub fn version_digest(version: &VersionRecord, wanted: &VersionRecord) -> String {
    let stage = if version.current_stage.is_empty() { "None" } else { &version.current_stage };
    digest(&json!([
        version.version,
        stage,
        version.description,
        version.source,
        version.run_id,
        version.run_link,
        version.creation_timestamp,
        pairs(&version.tags, &wanted.tags)
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::model::{Dataset, DatasetInput, Double, Metric, ModelOutput};

    fn pair(key: &str, value: &str) -> Pair {
        Pair { key: key.into(), value: value.into() }
    }

    fn run() -> RunRecord {
        let mut record = RunRecord::default();
        let run = &mut record.run;
        (run.info.run_id, run.info.status) = ("r".into(), "FINISHED".into());
        run.data.params = vec![pair("depth", "6"), pair("rate", "0.1")];
        run.data.tags = vec![pair("team", "ops")];
        for name in ["train", "test"] {
            let dataset = Dataset { name: name.into(), digest: "d".into(), ..Dataset::default() };
            run.inputs
                .dataset_inputs
                .push(DatasetInput { tags: vec![pair("a", "1"), pair("b", "2")], dataset });
        }
        run.outputs.model_outputs =
            [3, 1].map(|step| ModelOutput { model_id: format!("m-{step}"), step }).into();
        record
    }

    /// Whether a changed run still counts as the one it was.
    fn alike(change: impl FnOnce(&mut RunRecord)) -> bool {
        let (wanted, mut found) = (run(), run());
        change(&mut found);
        run_digest(&wanted, &wanted) == run_digest(&found, &wanted)
    }

    #[test]
    fn the_order_of_what_has_none_is_no_difference() {
        assert!(alike(|record| record.run.data.params.reverse()));
        assert!(alike(|record| record.run.inputs.dataset_inputs.reverse()));
        assert!(alike(|record| record.run.inputs.dataset_inputs[0].tags.reverse()));
        assert!(alike(|record| record.run.outputs.model_outputs.reverse()));
    }

    #[test]
    fn what_was_added_here_is_no_difference() {
        assert!(alike(|record| record.run.data.params.push(pair("new", "1"))));
        assert!(alike(|record| record.run.data.tags.push(pair("new", "1"))));
    }

    #[test]
    fn whatever_changed_of_a_run_is_a_difference() {
        assert!(!alike(|record| record.run.data.params[1].value = "0.2".into()));
        assert!(!alike(|record| drop(record.run.data.params.pop())));
        assert!(!alike(|record| record.run.data.tags[0].value = "dev".into()));
        assert!(!alike(|record| record.run.info.end_time = Some(1)));
        assert!(!alike(|record| record.run.info.status = "FAILED".into()));
        assert!(!alike(|record| record.run.info.lifecycle_stage = "deleted".into()));
        assert!(!alike(|record| record.run.inputs.dataset_inputs[0].dataset.digest = "e".into()));
        assert!(!alike(|record| drop(record.run.inputs.dataset_inputs[0].tags.pop())));
        assert!(!alike(|record| record.run.outputs.model_outputs[0].step = 4));
    }

    fn series(key: &str, points: &[(i64, i64, f64)]) -> Series {
        let points = points.iter().map(|&(time, step, value)| (time, step, Double(value))).collect();
        Series { run_id: "r".into(), key: key.into(), points }
    }

    #[test]
    fn each_point_of_a_history_counts_and_their_order_does_not() {
        let wanted = [series("auc", &[(1, 0, 0.5), (2, 1, f64::NAN), (3, 2, 0.0)])];
        let same = |found: &[Series]| series_digest(&wanted, &wanted) == series_digest(found, &wanted);
        assert!(same(&[series("auc", &[(3, 2, -0.0), (2, 1, -f64::NAN), (1, 0, 0.5)])]));
        assert!(same(&[wanted[0].clone(), series("added here", &[(1, 0, 0.5)])]));
        assert!(!same(&[]));
        assert!(!same(&[series("auc", &[(1, 0, 0.5), (2, 1, f64::NAN)])]));
        assert!(!same(&[series("auc", &[(1, 0, 0.5), (2, 1, f64::NAN), (3, 2, 1e-300)])]));
        assert!(!same(&[series("auc", &[(1, 0, 0.5), (2, 1, f64::NAN), (3, 3, 0.0)])]));
    }

    #[test]
    fn a_logged_model_is_its_metrics_too_in_any_order() {
        let point = |key: &str, value| Metric { key: key.into(), value: Double(value), ..Metric::default() };
        let mut wanted = ModelRecord::default();
        wanted.model.data.metrics = vec![point("auc", 0.5), point("loss", f64::NAN)];
        let mut found = wanted.clone();
        found.model.data.metrics.reverse();
        // A database says of a point without a run that its run has no name.
        found.model.data.metrics[0].run_id = Some(String::new());
        assert_eq!(model_digest(&wanted, &wanted), model_digest(&found, &wanted));
        found.model.data.metrics[0].value = Double(0.0);
        assert_ne!(model_digest(&wanted, &wanted), model_digest(&found, &wanted));
    }

    #[test]
    fn a_version_is_where_its_files_are_and_the_stage_it_is_in() {
        let wanted = VersionRecord { version: 1, source: "runs:/r/m".into(), ..VersionRecord::default() };
        let same = |found: &VersionRecord| version_digest(&wanted, &wanted) == version_digest(found, &wanted);
        assert!(same(&VersionRecord { current_stage: "None".into(), ..wanted.clone() }));
        assert!(same(&VersionRecord { tags: vec![pair("added", "here")], ..wanted.clone() }));
        assert!(!same(&VersionRecord { current_stage: "Staging".into(), ..wanted.clone() }));
        assert!(!same(&VersionRecord { source: "runs:/r/other".into(), ..wanted.clone() }));
    }
}
