//! Traces: made, read, found, tagged, linked, deleted.

use crate::{
    kernel::{
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service, check,
        model::{Experiment, Page, Stage},
        search::{
            self,
            page::{Ask, Asked},
        },
        service::prefix_of,
        store::{experiments, runs},
        traces::{
            keys,
            metrics::Question,
            model::{Pairs, Trace, TraceInfo, settle_metadata},
            npmi::Counts,
            store::{
                assessments,
                infos::{self as rows, Doomed, Query},
                numbers::{self, Point},
                spans,
            },
        },
    },
};
use std::time::Duration;

const LINKS_MAX: usize = 100;
const NAME_MAX: usize = 4096;
/// How long a reader waits, step by step, for spans that are announced and not here yet: clients send
/// spans and traces side by side.
const WAITS_MS: [u64; 5] = [50, 150, 300, 500, 1000];

/// The start of a trace, as the second version of the API has it.
pub struct Started {
    pub experiment_id: i64,
    pub at: i64,
    pub metadata: Pairs,
    pub tags: Pairs,
}

/// Its end.
pub struct Ended {
    pub at: i64,
    pub state: &'static str,
    pub metadata: Pairs,
    pub tags: Pairs,
}

/// Where the files beside a trace belong.
pub(super) fn artifact_location(experiment: &Experiment, trace_id: &str) -> String {
    format!("{}/traces/{trace_id}/artifacts", experiment.artifact_location.trim_end_matches('/'))
}

/// The experiment, if traces may be added to it.
fn open_experiment(db: &Connection, id: i64) -> Result<Experiment> {
    let experiment = experiments::experiment_get(db, id)?;
    if experiment.lifecycle_stage == Stage::Active.word() {
        return Ok(experiment);
    }
    Err(Error::invalid(format!(
        "The experiment {id} must be in the 'active' state. Current state is {}.",
        experiment.lifecycle_stage
    )))
}

impl Service {
    /// Takes in what a trace's maker says of it at its end; its spans may be here already.
    pub async fn trace_put(&self, info: TraceInfo) -> Result<TraceInfo> {
        self.db()
            .write(move |c| {
                let experiment = open_experiment(c, info.experiment_id)?;
                let tid = rows::trace_put(c, &info)?;
                for (key, value) in &info.tags {
                    rows::tag_set(c, tid, key, value)?;
                }
                rows::tag_set(c, tid, keys::ARTIFACT_LOCATION, &artifact_location(&experiment, &info.id))?;
                for (key, value) in &info.metadata {
                    rows::metadata_set(c, tid, key, value)?;
                }
                rows::metadata_set(c, tid, keys::FINALIZED, "true")?;
                for assessment in &info.assessments {
                    assessments::assessment_put(c, tid, assessment)?;
                }
                rows::trace_get(c, &info.id)
            })
            .await
    }

    pub async fn trace_start(&self, mut new: Started) -> Result<TraceInfo> {
        settle_metadata(&mut new.metadata);
        self.db()
            .write(move |c| {
                let experiment = open_experiment(c, new.experiment_id)?;
                let info = TraceInfo {
                    id: id::hex32(),
                    experiment_id: new.experiment_id,
                    started_at: new.at,
                    state: "IN_PROGRESS".into(),
                    ..TraceInfo::default()
                };
                let tid = rows::trace_put(c, &info)?;
                put_pairs(c, tid, &new.metadata, &new.tags)?;
                rows::tag_set(c, tid, keys::ARTIFACT_LOCATION, &artifact_location(&experiment, &info.id))?;
                rows::trace_get(c, &info.id)
            })
            .await
    }

    pub async fn trace_end(&self, id: &str, mut end: Ended) -> Result<TraceInfo> {
        settle_metadata(&mut end.metadata);
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let tid = rows::trace_tid(c, &id)?.ok_or_else(|| rows::missing(&id))?;
                rows::trace_end(c, tid, end.at, end.state)?;
                put_pairs(c, tid, &end.metadata, &end.tags)?;
                rows::trace_get(c, &id)
            })
            .await
    }

    pub async fn trace_info(&self, id: &str) -> Result<TraceInfo> {
        let id = id.to_owned();
        self.db().read(move |c| rows::trace_get(c, &id)).await
    }

    /// A trace with its spans. Unless a part of it will do, one that is not here in full is waited
    /// for, and then refused.
    pub async fn trace_get(&self, id: &str, partial: bool) -> Result<Trace> {
        for wait in WAITS_MS {
            let found = self.trace_read(id).await?;
            if partial || is_whole(&found) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        match self.trace_read(id).await? {
            found if is_whole(&found) => Ok(found),
            _ => Err(Error::not_found(format!(
                "Trace with ID {id} is not fully exported yet, please try again later."
            ))),
        }
    }

    async fn trace_read(&self, id: &str) -> Result<Trace> {
        let id = id.to_owned();
        let missing = Error::not_found(format!("Trace with ID {id} is not found."));
        let found =
            self.db().read(move |c| rows::trace_find(c, &id)?.map(|info| with_spans(c, info)).transpose());
        let found = found.await?.ok_or(missing)?;
        if !found.info.spans_are_here() {
            return Err(Error::invalid("Trace data not stored in tracking store"));
        }
        Ok(found)
    }

    /// The traces of these ids that are here in full, in the order asked for.
    pub async fn trace_batch(&self, ids: Vec<String>, experiments: Option<Vec<i64>>) -> Result<Vec<Trace>> {
        self.db()
            .read(move |c| {
                let found = infos_of(c, &ids, experiments.as_deref())?;
                if found.iter().any(|info| !info.spans_are_here()) {
                    return Err(Error::invalid("Trace data not stored in tracking store"));
                }
                let traces = found.into_iter().map(|info| with_spans(c, info)).collect::<Result<Vec<_>>>()?;
                Ok(traces.into_iter().filter(is_whole).collect())
            })
            .await
    }

    pub async fn trace_infos(
        &self,
        ids: Vec<String>,
        experiments: Option<Vec<i64>>,
    ) -> Result<Vec<TraceInfo>> {
        self.db().read(move |c| infos_of(c, &ids, experiments.as_deref())).await
    }

    pub async fn trace_search(
        &self,
        experiments: Vec<i64>,
        filter: &str,
        order_by: Vec<String>,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<TraceInfo>> {
        const PAGE: i64 = 100;
        let limit = search::page_size(limit, PAGE, search::PAGE_MAX)?;
        let asked = Asked::of("traces")
            .by("Experiment IDs", &experiments)
            .by("Filter string", &filter)
            .by("Order by", &order_by);
        let ask = Ask::new(asked, limit, token)?;
        let query = Query { experiments, filter: filter.to_owned(), order_by };
        self.db().read(move |c| rows::trace_search(c, &query, &ask)).await
    }

    pub async fn trace_tag_set(&self, id: &str, key: &str, value: &str) -> Result<()> {
        if keys::FIXED_TAGS.contains(&key) {
            return Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be set on a trace.")));
        }
        check::name("key", key)?;
        check::length("key", check::KEY_MAX, key)?;
        if key == keys::NAME {
            check::length("Trace name", NAME_MAX, value)?;
        }
        let (id, key, mut value) = (id.to_owned(), key.to_owned(), value.to_owned());
        check::cut(check::TAG_VALUE_MAX, &mut value);
        self.db()
            .write(move |c| {
                let tid = rows::trace_tid(c, &id)?.ok_or_else(|| rows::missing(&id))?;
                rows::tag_set(c, tid, &key, &value)
            })
            .await
    }

    pub async fn trace_tag_delete(&self, id: &str, key: &str) -> Result<()> {
        if keys::FIXED_TAGS.contains(&key) && key != keys::ARCHIVAL_FAILURE {
            return Err(Error::invalid(format!(
                "Tag '{key}' is immutable and cannot be deleted on a trace."
            )));
        }
        let (id, key) = (id.to_owned(), key.to_owned());
        self.db()
            .write(move |c| {
                let tid = rows::trace_tid(c, &id)?.ok_or_else(|| rows::missing(&id))?;
                if rows::tag_delete(c, tid, &key)? {
                    return Ok(());
                }
                Err(Error::not_found(format!("No trace tag with key '{key}' for trace with ID '{id}'")))
            })
            .await
    }

    /// Deletes the traces named, or those up to a moment, the oldest first.
    pub async fn traces_delete(
        &self,
        experiment: i64,
        ids: Vec<String>,
        until: Option<i64>,
        most: Option<i64>,
    ) -> Result<usize> {
        let doomed = match (until, ids.is_empty()) {
            (None, true) => {
                return Err(Error::invalid(
                    "Either `max_timestamp_millis` or `trace_ids` must be specified.",
                ));
            }
            (Some(_), false) => {
                return Err(Error::invalid(
                    "Only one of `max_timestamp_millis` and `trace_ids` can be specified.",
                ));
            }
            (None, false) if most.is_some() => {
                return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified."));
            }
            (None, false) => Doomed::Named(ids),
            (Some(moment), true) => Doomed::Until { moment, most },
        };
        if let Some(most) = most.filter(|most| *most <= 0) {
            return Err(Error::invalid(format!("`max_traces` must be a positive integer, received {most}.")));
        }
        let gone = self.db().write(move |c| rows::traces_delete(c, experiment, &doomed)).await?;
        self.trace_files_delete(experiment, &gone).await?;
        Ok(gone.len())
    }

    /// Deletes the files beside traces that are gone. Where they are is worked out anew: the tag that
    /// says so is anyone's to change.
    async fn trace_files_delete(&self, experiment: i64, ids: &[String]) -> Result<()> {
        let found = self.db().read(move |c| experiments::experiment_get(c, experiment)).await;
        let Ok(experiment) = found else { return Ok(()) };
        for id in ids {
            // Files kept elsewhere are not this server's to delete.
            if let Ok(folder) = prefix_of(&artifact_location(&experiment, id)) {
                self.artifact_delete(&folder).await?;
            }
        }
        Ok(())
    }

    /// Links traces to a run. Ids of no trace are passed over, as MLflow passes them over.
    pub async fn traces_link_run(&self, ids: Vec<String>, run_id: &str) -> Result<()> {
        if ids.len() > LINKS_MAX {
            return Err(Error::invalid(format!(
                "Cannot link more than {LINKS_MAX} traces to a run in a single request. \
                 Provided {} traces.",
                ids.len()
            )));
        }
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                runs::run_info(c, &run_id)?;
                for id in &ids {
                    if let Some(tid) = rows::trace_tid(c, id)? {
                        rows::link(c, tid, "run", &run_id)?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Links a trace to versions of prompts, each as `name/version`.
    pub async fn trace_link_prompts(&self, id: &str, prompts: Vec<String>) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let tid = rows::trace_tid(c, &id)?.ok_or_else(|| rows::missing(&id))?;
                prompts.iter().try_for_each(|prompt| rows::link(c, tid, "prompt", prompt))
            })
            .await
    }

    pub async fn trace_metrics(&self, question: Question) -> Result<Vec<Point>> {
        self.db().read(move |c| numbers::metrics(c, &question)).await
    }

    pub async fn trace_correlation(
        &self,
        experiments: Vec<i64>,
        first: &str,
        second: &str,
        base: &str,
    ) -> Result<Counts> {
        let (first, second, base) = (first.to_owned(), second.to_owned(), base.to_owned());
        self.db().read(move |c| numbers::correlation(c, &experiments, &first, &second, &base)).await
    }
}

fn put_pairs(db: &Connection, tid: i64, metadata: &Pairs, tags: &Pairs) -> Result<()> {
    metadata.iter().try_for_each(|(key, value)| rows::metadata_set(db, tid, key, value))?;
    tags.iter().try_for_each(|(key, value)| rows::tag_set(db, tid, key, value))
}

fn infos_of(db: &Connection, ids: &[String], experiments: Option<&[i64]>) -> Result<Vec<TraceInfo>> {
    let mut found: Vec<TraceInfo> = Vec::new();
    for id in ids {
        if found.iter().any(|info| info.id == *id) {
            continue;
        }
        let info = rows::trace_find(db, id)?;
        found.extend(info.filter(|info| experiments.is_none_or(|known| known.contains(&info.experiment_id))));
    }
    Ok(found)
}

fn with_spans(db: &Connection, info: TraceInfo) -> Result<Trace> {
    Ok(Trace { spans: spans::contents(db, info.tid)?, info })
}

/// Whether all the spans its maker announced are here, and any at all.
fn is_whole(trace: &Trace) -> bool {
    !trace.spans.is_empty() && trace.spans.len() >= trace.info.spans_announced()
}
