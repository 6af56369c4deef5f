//! The copying: experiment by experiment, run by run, then the registry. Each thing is read back from
//! where it was written, and its digest compared with that of what was read.

use super::{
    digest::{in_common, model_digest, run_digest, series_digest, version_digest},
    report::Report,
    sink::Sink,
    source::{File, Kind, Owner, Source, md5},
};
use crate::{
    cli::{Failure, failure::Code},
    registry::import::{Alias, ModelRecord as Registered, VersionRecord},
    tracking::{
        import::{ModelRecord, Series},
        model::{Experiment, Pair},
    },
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::IsTerminal,
};

pub struct Wanted<'a> {
    /// By name; none is all.
    pub experiments: &'a [String],
    pub checksums: bool,
}

struct Copy<'a> {
    from: &'a Source,
    to: &'a Sink,
    /// Reads what was written.
    back: &'a Source,
    checksums: bool,
    report: Report,
    /// Where the files of runs and models went: addresses of the source and of this side.
    moved: HashMap<String, String>,
    /// The experiments of this side that were written.
    placed: HashSet<String>,
}

pub async fn all(from: &Source, to: &Sink, back: &Source, wanted: &Wanted<'_>) -> Result<Report, Failure> {
    let (checksums, moved, placed) = (wanted.checksums, HashMap::new(), HashSet::new());
    let mut copy = Copy { from, to, back, checksums, report: Report::default(), moved, placed };
    let mut experiments = from.experiments().await?;
    for name in wanted.experiments {
        if !experiments.iter().any(|experiment| experiment.name == *name) {
            return Err(Failure::new(Code::NotFound, format!("the source has no experiment {name:?}")));
        }
    }
    experiments.retain(|one| wanted.experiments.is_empty() || wanted.experiments.contains(&one.name));
    to.check(&experiments)?;
    // One that was renamed gives its old name free before another takes it.
    let here: HashSet<_> = back.experiments().await?.into_iter().map(|one| one.name).collect();
    experiments.sort_by_key(|one| here.contains(&one.name));
    let count = experiments.len();
    for (at, experiment) in experiments.iter_mut().enumerate() {
        to.database().inspect(|target| target.fit_experiment(experiment));
        copy.experiment(experiment, &format!("experiment {} of {count}, {}", at + 1, experiment.name))
            .await?;
    }
    if wanted.experiments.is_empty() {
        copy.registry().await?;
        copy.experiments_only_here().await?;
    }
    let ids: Vec<_> = experiments.iter().map(|one| one.experiment_id.as_str()).collect();
    copy.report.left_out = from.left_out(&ids).await;
    to.finish(&mut copy.report)?;
    Ok(copy.report)
}

/// Tells how far the work is: on a terminal in one line that changes, else in a line now and then.
pub fn progress(line: &str, last: bool) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}{}", if last { "\n" } else { "" });
    } else if last {
        eprintln!("{line}");
    }
}

impl Copy<'_> {
    async fn experiment(&mut self, experiment: &Experiment, line: &str) -> Result<(), Failure> {
        let runs = self.from.run_ids(&experiment.experiment_id).await?;
        let place = self.to.experiment(experiment, &runs).await?;
        self.placed.insert(place.id.clone());
        let back = self.back.experiments().await?;
        self.experiment_compare(experiment, back.iter().find(|other| other.experiment_id == place.id));
        let mut models = self.from.logged_models(&experiment.experiment_id).await?;
        self.to.database().inspect(|target| target.fit_models(&mut models));
        for model in &models {
            self.logged_model(model, &place.id).await?;
        }
        let back = self.back.logged_models(&place.id).await?;
        let mut kept: HashMap<_, _> =
            back.into_iter().map(|model| (model.model.info.model_id.clone(), model)).collect();
        for model in &models {
            self.model_compare(model, kept.remove(&model.model.info.model_id).as_ref());
        }
        for id in kept.into_keys() {
            self.report.only_here("logged models", || id);
        }
        for (at, id) in runs.iter().enumerate() {
            progress(&format!("{line}: run {} of {}", at + 1, runs.len()), false);
            self.run(id, &place.id).await?;
        }
        progress(&format!("{line}: {} runs, {} logged models", runs.len(), models.len()), true);
        let known: HashSet<_> = runs.iter().collect();
        for id in self.back.run_ids(&place.id).await? {
            if !known.contains(&id) {
                self.report.only_here("runs", || id);
            }
        }
        Ok(())
    }

    fn experiment_compare(&mut self, wanted: &Experiment, found: Option<&Experiment>) {
        let same = found.is_some_and(|found| {
            found.name == wanted.name
                && found.lifecycle_stage == wanted.lifecycle_stage
                && in_common(&wanted.tags, &found.tags) == wanted.tags.len()
        });
        let name = &wanted.name;
        self.alike("experiments", same, || match found {
            Some(found) if found.name != *name => format!(
                "experiment {name} is called {} here: give it that name, or free the name if another experiment \
                 of this server has it, then import again",
                found.name
            ),
            Some(found) if found.lifecycle_stage != wanted.lifecycle_stage => {
                format!("experiment {name} is {} in the source, {} here", wanted.lifecycle_stage, found.lifecycle_stage)
            }
            _ => format!("experiment {name}"),
        });
        if let Some(found) = found {
            self.pairs_only_here("tags", &found.tags, &wanted.tags, &format!("experiment {name}"));
        }
    }

    async fn experiments_only_here(&mut self) -> Result<(), Failure> {
        for other in self.back.experiments().await? {
            if !self.placed.contains(&other.experiment_id) {
                self.report.only_here("experiments", || other.name);
            }
        }
        Ok(())
    }

    fn pairs_only_here(&mut self, what: &'static str, here: &[Pair], source: &[Pair], owner: &str) {
        let known: HashSet<_> = source.iter().map(|pair| pair.key.as_str()).collect();
        for pair in here.iter().filter(|pair| !known.contains(pair.key.as_str())) {
            self.report.only_here(what, || format!("{} of {owner}", pair.key));
        }
    }

    async fn run(&mut self, id: &str, experiment: &str) -> Result<(), Failure> {
        let (mut record, mut histories) = self.from.run(id).await?;
        self.to.database().inspect(|target| target.fit_run(&mut record, &mut histories));
        let from =
            Owner { kind: Kind::Run, id: id.to_owned(), artifact_uri: record.run.info.artifact_uri.clone() };
        record.run.info.experiment_id = experiment.to_owned();
        let place = self.to.run(&record, &histories).await?;
        let stay = record.files_stay;
        self.files(from, place.artifact_uri, stay).await?;
        let (back, found) = self.back.run(id).await?;
        let data = &record.run.data;
        let same = run_digest(&record, &record) == run_digest(&back, &record)
            && series_digest(&histories, &histories) == series_digest(&found, &histories);
        let points = |series: &[Series]| series.iter().map(|one| one.points.len()).sum::<usize>();
        let common: Vec<_> =
            found.iter().filter(|one| histories.iter().any(|other| other.key == one.key)).cloned().collect();
        self.report.count("metric points", points(&histories), points(&common));
        for one in found.iter().filter(|one| histories.iter().all(|other| other.key != one.key)) {
            self.report.only_here("metrics", || format!("{} of run {id}", one.key));
        }
        let owner = format!("run {id}");
        self.pairs_only_here("params", &back.run.data.params, &data.params, &owner);
        self.pairs_only_here("tags", &back.run.data.tags, &data.tags, &owner);
        self.report.count("params", data.params.len(), in_common(&data.params, &back.run.data.params));
        self.report.count("tags", data.tags.len(), in_common(&data.tags, &back.run.data.tags));
        let there = &back.run.info.experiment_id;
        self.alike("runs", same, || match there == experiment {
            true => format!("run {id}"),
            false => format!("run {id} is in experiment {there} here, not in {experiment}"),
        });
        Ok(())
    }

    async fn logged_model(&mut self, record: &ModelRecord, experiment: &str) -> Result<(), Failure> {
        let mut record = record.clone();
        let info = &mut record.model.info;
        let from =
            Owner { kind: Kind::Model, id: info.model_id.clone(), artifact_uri: info.artifact_uri.clone() };
        info.experiment_id = experiment.to_owned();
        let stay = record.files_stay;
        let place = self.to.logged_model(&record).await?;
        self.files(from, place.artifact_uri, stay).await
    }

    /// A deleted model answers no question over REST: that it was taken is all there is to know.
    fn model_compare(&mut self, record: &ModelRecord, back: Option<&ModelRecord>) {
        let same = match back {
            Some(back) => model_digest(record, record) == model_digest(back, record),
            None => record.deleted,
        };
        self.alike("logged models", same, || format!("logged model {}", record.model.info.model_id));
    }

    /// Files that cannot be read are a difference, and no reason to leave the other runs behind.
    async fn files(&mut self, from: Owner, uri: String, stay: bool) -> Result<(), Failure> {
        let id = from.id.clone();
        let Err(failure) = self.files_copy(from, uri, stay).await else { return Ok(()) };
        let passing = match failure.code {
            Code::Failed | Code::NotFound => true,
            // A server that cuts the connection over one damaged file still answers the next question.
            Code::Unreachable => self.from.experiments().await.is_ok(),
            _ => false,
        };
        if !passing {
            return Err(failure);
        }
        self.report.differs(format!("the files of {id}: {}", failure.message));
        Ok(())
    }

    /// Copies what is missing of an owner's files, then compares the lists.
    async fn files_copy(&mut self, from: Owner, uri: String, stay: bool) -> Result<(), Failure> {
        self.moved.insert(from.artifact_uri.clone(), uri.clone());
        if stay {
            let Owner { id, artifact_uri, .. } = from;
            self.report.note(format!(
                "the files of {id} stay at {artifact_uri}: only that store's clients reach them"
            ));
            return Ok(());
        }
        let to = Owner { artifact_uri: uri, ..from.clone() };
        let files = self.from.files(&from).await?;
        let mut present = self.to.present(&to).await?;
        let mut wrong = HashSet::new();
        for file in &files {
            if self.is_there(&from, &to, file, present.get(&file.path)).await? {
                continue;
            }
            let body = self.from.read(&from, &file.path).await?;
            let (read, stored) = self.to.put(&to, &file.path, body).await?;
            self.report.hashed += 1;
            self.report.copied_bytes += file.size;
            if read != stored {
                wrong.insert(&file.path);
            }
        }
        if !files.is_empty() {
            present = self.to.present(&to).await?;
        }
        for file in &files {
            let size = present.get(&file.path).map(|(size, _)| *size);
            let same = size == Some(file.size) && !wrong.contains(&file.path);
            self.alike("files", same, || format!("file {} of {}", file.path, from.id));
        }
        Ok(())
    }

    async fn is_there(
        &mut self,
        from: &Owner,
        to: &Owner,
        file: &File,
        present: Option<&(u64, String)>,
    ) -> Result<bool, Failure> {
        let Some((size, _)) = present.filter(|(size, _)| *size == file.size) else { return Ok(false) };
        if !self.checksums || *size == 0 {
            return Ok(true);
        }
        let (theirs, ours) = (self.from.read(from, &file.path).await?, self.back.read(to, &file.path).await?);
        self.report.hashed += 1;
        Ok(md5(theirs).await? == md5(ours).await?)
    }

    async fn registry(&mut self) -> Result<(), Failure> {
        let mut models = self.from.registered().await?;
        for version in models.iter_mut().flat_map(|model| &mut model.versions) {
            self.follow(version);
        }
        self.to.database().inspect(|target| target.fit_registered(&mut models));
        self.to.registered(&models).await?;
        let back = self.back.registered().await?;
        for other in back.iter().filter(|other| models.iter().all(|model| model.name != other.name)) {
            self.report.only_here("registered models", || other.name.clone());
        }
        for model in &models {
            let found = back.iter().find(|other| other.name == model.name);
            let aliases = |model: &Registered| -> BTreeMap<String, u32> {
                model.aliases.iter().map(|alias| (alias.alias.clone(), alias.version)).collect()
            };
            let same = found.is_some_and(|found| {
                let there = aliases(found);
                found.description == model.description
                    && aliases(model).iter().all(|(alias, version)| there.get(alias) == Some(version))
                    && in_common(&model.tags, &found.tags) == model.tags.len()
            });
            let moved = found.and_then(|found| {
                let (there, mut ours) = (aliases(model), aliases(found));
                let moved = |(alias, version): (&String, &u32)| {
                    let here = ours.remove(alias).filter(|here| here != version)?;
                    Some(format!(
                        ", whose alias {alias} is at version {here} here and at {version} in the source"
                    ))
                };
                there.iter().find_map(moved)
            });
            let moved = moved.unwrap_or_default();
            self.alike("registered models", same, || format!("registered model {}{moved}", model.name));
            if let Some(found) = found {
                self.registered_only_here(model, found);
            }
            for version in &model.versions {
                let found =
                    found.and_then(|model| model.versions.iter().find(|one| one.version == version.version));
                let same = found
                    .is_some_and(|found| version_digest(found, version) == version_digest(version, version));
                self.alike("model versions", same, || {
                    format!("version {} of {}", version.version, model.name)
                });
            }
        }
        progress(&format!("registry: {} models", models.len()), true);
        Ok(())
    }

    fn registered_only_here(&mut self, model: &Registered, found: &Registered) {
        let name = &model.name;
        let unknown = |alias: &&Alias| model.aliases.iter().all(|other| other.alias != alias.alias);
        for alias in found.aliases.iter().filter(unknown) {
            self.report.only_here("aliases", || format!("{name}@{}", alias.alias));
        }
        self.pairs_only_here("tags", &found.tags, &model.tags, &format!("registered model {name}"));
        for version in &found.versions {
            match model.versions.iter().find(|other| other.version == version.version) {
                Some(other) => {
                    let owner = format!("version {} of {name}", version.version);
                    self.pairs_only_here("tags", &version.tags, &other.tags, &owner);
                }
                None => self.report.only_here("model versions", || format!("{name}/{}", version.version)),
            }
        }
    }

    /// Points a version at where its files are now.
    fn follow(&mut self, version: &mut VersionRecord) {
        for uri in [&mut version.source, &mut version.storage] {
            let root = uri.match_indices('/').map(|(end, _)| end).chain([uri.len()]).rev();
            let found = root.filter_map(|end| Some((end, self.moved.get(&uri[..end])?))).next();
            if let Some((end, to)) = found {
                *uri = format!("{to}{}", &uri[end..]);
            }
        }
    }

    fn alike(&mut self, what: &'static str, same: bool, name: impl FnOnce() -> String) {
        self.report.count(what, 1, usize::from(same));
        if !same {
            self.report.differs(name());
        }
    }
}
