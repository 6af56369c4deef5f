//! Removing for good what was deleted. For each thing its files go first and its rows last, so a
//! collection that is cut off anywhere is finished by the next one.

use super::{Service, artifacts};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    objects::ListQuery,
    tracking::store::gc::{self as rows, Deleted},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Things named one by one in a report; more are counted.
const NAMED: usize = 1000;

/// Which deleted things to collect. Without ids: all of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// Only what was deleted at least this long ago.
    pub older_than_ms: i64,
    pub run_ids: Vec<String>,
    pub experiment_ids: Vec<String>,
    pub logged_model_ids: Vec<String>,
    /// Counts, and changes nothing.
    pub dry_run: bool,
}

/// What went, or would go.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    pub dry_run: bool,
    pub experiments: u64,
    pub runs: u64,
    pub logged_models: u64,
    pub files: u64,
    pub bytes: u64,
    /// What stays, and what stays of what went, with the reason.
    pub notes: Vec<Note>,
    pub more_notes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Note {
    pub what: String,
    pub why: String,
}

/// Files that something outside the tracker needs: what a registered model version names.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// By key prefix in bucket `mlflow`.
    pub prefixes: BTreeMap<String, String>,
    /// By logged model.
    pub models: HashMap<String, String>,
}

impl Claims {
    /// Who needs a file of `folder`: what is at it, below it, or a whole of which it is a part.
    fn on(&self, folder: &str) -> Option<&str> {
        let within = format!("{folder}/");
        let below = self.prefixes.range(within.clone()..).next();
        let below = below.filter(|(prefix, _)| prefix.starts_with(&within)).map(|(_, by)| by);
        let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
        let above = ends.filter_map(|end| self.prefixes.get(&folder[..end])).next();
        above.or(below).map(String::as_str)
    }
}

impl Report {
    fn note(&mut self, what: String, why: String) {
        if self.notes.len() < NAMED {
            self.notes.push(Note { what, why });
        } else {
            self.more_notes += 1;
        }
    }
}

/// The deleted things of one collection.
struct Doomed {
    runs: Vec<Deleted>,
    models: Vec<Deleted>,
    experiments: Vec<Deleted>,
}

/// One collection under way.
struct Sweep<'a> {
    service: &'a Service,
    claims: &'a Claims,
    report: Report,
    /// Folders counted so far: a dry run still finds their files in the experiment's folder.
    folders: BTreeSet<String>,
    /// How many runs and models of an experiment went.
    gone: HashMap<i64, i64>,
}

impl Service {
    /// Collects what `wanted` names, except what `claims` still needs.
    pub async fn collect_deleted(&self, wanted: Wanted, claims: &Claims) -> Result<Report> {
        let report = Report { dry_run: wanted.dry_run, ..Report::default() };
        let doomed = self.doomed(wanted).await?;
        let mut sweep =
            Sweep { service: self, claims, report, folders: BTreeSet::new(), gone: HashMap::new() };
        for run in &doomed.runs {
            sweep.run(run).await?;
        }
        for model in &doomed.models {
            sweep.model(model).await?;
        }
        for experiment in &doomed.experiments {
            sweep.experiment(experiment).await?;
        }
        Ok(sweep.report)
    }

    async fn doomed(&self, wanted: Wanted) -> Result<Doomed> {
        let before = now_ms().saturating_sub(wanted.older_than_ms.max(0));
        let mut doomed = self
            .db()
            .read(move |c| {
                Ok(Doomed {
                    runs: rows::runs(c, before)?,
                    models: rows::logged_models(c, before)?,
                    experiments: rows::experiments(c, before)?,
                })
            })
            .await?;
        let Wanted { run_ids, experiment_ids, logged_model_ids, .. } = wanted;
        if run_ids.is_empty() && experiment_ids.is_empty() && logged_model_ids.is_empty() {
            return Ok(doomed);
        }
        named("run", &run_ids, &doomed.runs)?;
        named("experiment", &experiment_ids, &doomed.experiments)?;
        named("logged model", &logged_model_ids, &doomed.models)?;
        let (runs, models) = (set(&run_ids), set(&logged_model_ids));
        let experiments = set(&experiment_ids);
        let inside = |item: &Deleted| experiments.contains(item.experiment_id.to_string().as_str());
        doomed.runs.retain(|run| inside(run) || runs.contains(run.id.as_str()));
        doomed.models.retain(|model| inside(model) || models.contains(model.id.as_str()));
        doomed.experiments.retain(inside);
        Ok(doomed)
    }
}

impl Sweep<'_> {
    async fn run(&mut self, run: &Deleted) -> Result<()> {
        if !self.files(run, &format!("run {}", run.id), None).await? {
            return Ok(());
        }
        let mut more = !self.report.dry_run;
        while more {
            let id = run.id.clone();
            more = self.service.db().write(move |c| rows::run_remove(c, &id)).await?;
        }
        self.report.runs += 1;
        *self.gone.entry(run.experiment_id).or_default() += 1;
        Ok(())
    }

    async fn model(&mut self, model: &Deleted) -> Result<()> {
        let by = self.claims.models.get(&model.id).map(String::as_str);
        if !self.files(model, &format!("logged model {}", model.id), by).await? {
            return Ok(());
        }
        if !self.report.dry_run {
            let id = model.id.clone();
            self.service.db().write(move |c| rows::logged_model_remove(c, &id)).await?;
        }
        self.report.logged_models += 1;
        *self.gone.entry(model.experiment_id).or_default() += 1;
        Ok(())
    }

    /// An experiment goes when nothing is left in it; its own folder goes with it.
    async fn experiment(&mut self, experiment: &Deleted) -> Result<()> {
        let (id, what) = (experiment.experiment_id, format!("experiment {}", experiment.id));
        if id == 0 {
            let why = "kept: clients that name no experiment log into it";
            self.report.note(what, why.into());
            return Ok(());
        }
        let left = self.service.db().read(move |c| rows::experiment_population(c, id)).await?;
        let going = if self.report.dry_run { self.gone.get(&id).copied().unwrap_or_default() } else { 0 };
        if left > going {
            self.report.note(what, format!("kept: {} runs or models in it stay", left - going));
            return Ok(());
        }
        let folder = artifacts::prefix_of(&experiment.artifact_uri).unwrap_or_default();
        // A folder of another name may hold more than this experiment's files.
        if folder == experiment.id && self.claims.on(&folder).is_none() {
            self.folder(&folder).await?;
        }
        if !self.report.dry_run {
            self.service.db().write(move |c| rows::experiment_remove(c, id)).await?;
        }
        self.report.experiments += 1;
        Ok(())
    }

    /// Removes the files of something deleted. False when they have to stay.
    async fn files(&mut self, item: &Deleted, what: &str, claimed: Option<&str>) -> Result<bool> {
        let folder = artifacts::prefix_of(&item.artifact_uri).unwrap_or_default();
        if folder.is_empty() {
            let uri = &item.artifact_uri;
            let why = format!("its files at {uri} are not in this server's store and stay there");
            self.report.note(what.to_owned(), why);
            return Ok(true);
        }
        if let Some(by) = claimed.or_else(|| self.claims.on(&folder)) {
            self.report.note(what.to_owned(), format!("kept: {by} needs its files"));
            return Ok(false);
        }
        self.folder(&folder).await?;
        Ok(true)
    }

    /// Counts what a folder holds and, unless this is a dry run, removes it.
    async fn folder(&mut self, folder: &str) -> Result<()> {
        let (prefix, objects) = (format!("{folder}/"), &self.service.0.objects);
        let mut after = None;
        loop {
            let query = ListQuery { prefix: prefix.clone(), after, limit: 1000, ..ListQuery::default() };
            let page = objects.list(artifacts::BUCKET, query).await?;
            for object in &page.objects {
                if !self.counted(&object.key) {
                    self.report.files += 1;
                    self.report.bytes += object.size;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if !self.report.dry_run {
            objects.delete_prefix(artifacts::BUCKET, &prefix).await?;
        }
        self.folders.insert(folder.to_owned());
        Ok(())
    }

    fn counted(&self, key: &str) -> bool {
        key.match_indices('/').any(|(end, _)| self.folders.contains(&key[..end]))
    }
}

fn set(ids: &[String]) -> HashSet<&str> {
    ids.iter().map(String::as_str).collect()
}

/// Refuses ids that are not among what may go.
fn named(what: &str, ids: &[String], found: &[Deleted]) -> Result<()> {
    let found: HashSet<_> = found.iter().map(|item| item.id.as_str()).collect();
    match ids.iter().find(|id| !found.contains(id.as_str())) {
        None => Ok(()),
        Some(id) => Err(Error::invalid(format!(
            "No {what} {id} can be removed: it does not exist, is not deleted, or was deleted too short a while ago."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_at_a_folder_below_it_and_around_it() {
        let prefixes = ["1/a/artifacts/model", "1/ab", "2/c"].map(|key| (key.to_owned(), key.to_owned()));
        let claims = Claims { prefixes: prefixes.into(), ..Claims::default() };
        for (folder, by) in [
            ("1/a/artifacts", Some("1/a/artifacts/model")),
            ("1/ab", Some("1/ab")),
            ("1", Some("1/a/artifacts/model")),
            ("1/a/artifacts/model/data", Some("1/a/artifacts/model")),
            ("2/c/d", Some("2/c")),
            ("1/a/artifacts/other", None),
            ("1/abc", None),
            ("3", None),
        ] {
            assert_eq!(claims.on(folder), by, "{folder}");
        }
    }
}
