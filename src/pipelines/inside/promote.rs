//! `promote`: an alias moves to the candidate where a condition over metrics holds; either way it is said why.

use super::{Done, Inside};
use crate::{
    kernel::error::{Error, Kind, Result},
    pipelines::{condition::Condition, definition::kinds::models::Promote},
    registry::ModelVersion,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A version's tag that names the run in which it was last evaluated.
pub(super) const EVALUATED: &str = "crannog.evaluation";

/// A version with what was measured of it.
struct Measured {
    version: u32,
    metrics: BTreeMap<String, f64>,
}

impl Inside<'_> {
    pub(super) async fn promote(&self, promote: &Promote) -> Result<Done> {
        let registry = &self.executor.rooms()?.registry;
        let (model, alias) = (self.render(&promote.model)?, self.render(&promote.alias)?);
        let candidate = self.render(&promote.candidate)?;
        let candidate = match candidate.parse::<u32>() {
            Ok(version) => registry.version_get(&model, version).await?,
            Err(_) => registry.version_by_alias(&model, &candidate).await?,
        };
        let champion = match registry.version_by_alias(&model, &alias).await {
            Ok(found) => Some(found),
            // The registry calls an alias that nobody set invalid, as MLflow does.
            Err(error) if matches!(error.kind, Kind::Invalid | Kind::NotFound) => None,
            Err(error) => return Err(error),
        };
        let holder = champion.as_ref().map(|champion| champion.version);
        if holder == Some(candidate.version) {
            let why = format!("version {} of {model} is {alias} already", candidate.version);
            return Ok(Ok(self.told(false, &candidate, holder, why)));
        }
        let candidate_is = self.measured(&candidate).await?;
        let champion_is = match &champion {
            Some(champion) => Some(self.measured(champion).await?),
            None => None,
        };
        let condition = Condition::parse(&promote.when).map_err(Error::invalid)?;
        let first =
            champion_is.is_none() && condition.names().iter().any(|name| name.starts_with("champion."));
        if first {
            let why = format!("nothing is {alias} of {model} yet, so there is nothing to beat");
            registry.alias_set(&model, &alias, candidate.version).await?;
            return Ok(Ok(self.told(true, &candidate, None, why)));
        }
        let look_up = |name: &str| self.metric(name, &candidate_is, champion_is.as_ref());
        if let Some(missing) = condition.names().into_iter().find(|name| look_up(name).is_none()) {
            return Ok(Err(format!(
                "there is no {missing}: version {} of {model} has {}",
                candidate.version,
                known(&candidate_is)
            )));
        }
        let holds = condition.holds(&look_up);
        let with: Vec<String> = condition
            .names()
            .into_iter()
            .filter_map(|name| Some(format!("{name} = {}", look_up(name)?)))
            .collect();
        let holds_text = if holds { "holds" } else { "does not hold" };
        let why = format!("{} {holds_text}, with {}", promote.when, with.join(", "));
        if holds {
            registry.alias_set(&model, &alias, candidate.version).await?;
        }
        Ok(Ok(self.told(holds, &candidate, holder, why)))
    }

    fn told(&self, promoted: bool, candidate: &ModelVersion, before: Option<u32>, why: String) -> Value {
        let version = candidate.version;
        match (promoted, before) {
            (true, Some(before)) => {
                self.log(&format!("promoted version {version} in place of {before}: {why}"))
            }
            (true, None) => self.log(&format!("promoted version {version}: {why}")),
            (false, _) => self.log(&format!("did not promote version {version}: {why}")),
        }
        json!({ "promoted": promoted, "version": version, "previous": before, "why": why })
    }

    /// Metrics of the run that trained it, with those of its last evaluation over them.
    async fn measured(&self, version: &ModelVersion) -> Result<Measured> {
        let tracking = &self.executor.rooms()?.tracking;
        let evaluated = version.tags.iter().find(|(key, _)| key == EVALUATED).map(|(_, run)| run.as_str());
        let mut metrics = BTreeMap::new();
        for run in
            [Some(version.run_id.as_str()), evaluated].into_iter().flatten().filter(|run| !run.is_empty())
        {
            match tracking.run_get(run).await {
                Ok(found) => {
                    let of_run = found.data.metrics.into_iter().map(|metric| (metric.key, metric.value.0));
                    metrics.extend(of_run);
                }
                // It was deleted since; the other may be there.
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Measured { version: version.version, metrics })
    }

    fn metric(&self, name: &str, candidate: &Measured, champion: Option<&Measured>) -> Option<Value> {
        if name.starts_with("outputs.") || name.starts_with("params.") {
            return self.values.get(name);
        }
        let found = match name.split_once('.') {
            Some(("champion", metric)) => champion?.metrics.get(metric),
            Some(("candidate", metric)) => candidate.metrics.get(metric),
            _ => candidate.metrics.get(name),
        };
        found.map(|value| json!(value))
    }
}

fn known(measured: &Measured) -> String {
    let names: Vec<&str> = measured.metrics.keys().map(String::as_str).collect();
    match names.is_empty() {
        true => format!("no metrics (version {}); a task `evaluate` before it makes some", measured.version),
        false => names.join(", "),
    }
}
