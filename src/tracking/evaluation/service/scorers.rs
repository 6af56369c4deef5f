//! Scorers: registered in versions, listed, deleted, and told which traces to look at.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service, check,
        evaluation::{
            model::{Sampling, ScorerVersion, as_text},
            scorer,
            store::scorers as store,
        },
        gateway::{
            Binding, SCORER,
            store::{Key, bindings, endpoints},
        },
        search::filter,
        service::{active_experiment, experiment_ids},
    },
};

impl Service {
    /// Adds a version of a scorer, the first one with the scorer itself.
    pub async fn scorer_register(
        &self,
        experiment: &str,
        name: &str,
        serialized: &str,
    ) -> Result<ScorerVersion> {
        scorer::name_is_sound(name)?;
        let experiment = check::experiment_id(experiment)?;
        let (name, serialized) = (name.to_owned(), serialized.to_owned());
        self.db()
            .write(move |c| {
                active_experiment(c, experiment)?;
                let (serialized, endpoint) = stored(c, serialized)?;
                let id = match store::scorer_id(c, experiment, &name)? {
                    Some(id) => id,
                    None => {
                        let id = uuid::Uuid::new_v4().to_string();
                        store::scorer_create(c, &id, experiment, &name)?;
                        id
                    }
                };
                store::scorer_version_add(c, &id, &serialized, now_ms())?;
                if let Some(endpoint) = endpoint {
                    bind(c, &id, &name, endpoint)?;
                }
                let added = store::scorer_version(c, &id, None)?;
                shown(c, added.ok_or_else(|| missing(experiment, &name, None))?)
            })
            .await
    }

    /// The latest version of each scorer: of one active experiment, of several, or of all.
    pub async fn scorer_list(
        &self,
        experiment: Option<&str>,
        several: Option<&[String]>,
    ) -> Result<Vec<ScorerVersion>> {
        let one = experiment.map(check::experiment_id).transpose()?;
        let several = several.map(experiment_ids).transpose()?;
        self.db()
            .read(move |c| match one {
                Some(id) => {
                    active_experiment(c, id)?;
                    all_shown(c, store::scorer_list(c, Some(&[id]))?)
                }
                None => all_shown(c, store::scorer_list(c, several.as_deref())?),
            })
            .await
    }

    pub async fn scorer_versions(&self, experiment: &str, name: &str) -> Result<Vec<ScorerVersion>> {
        let (experiment, name) = (check::experiment_id(experiment)?, name.to_owned());
        self.db()
            .read(move |c| {
                let found = store::scorer_versions(c, &scorer_id(c, experiment, &name)?)?;
                if found.is_empty() { Err(missing(experiment, &name, None)) } else { all_shown(c, found) }
            })
            .await
    }

    pub async fn scorer_get(
        &self,
        experiment: &str,
        name: &str,
        version: Option<i64>,
    ) -> Result<ScorerVersion> {
        let (experiment, name) = (check::experiment_id(experiment)?, name.to_owned());
        self.db()
            .read(move |c| {
                let id = scorer_id(c, experiment, &name)?;
                let found = store::scorer_version(c, &id, version)?;
                shown(c, found.ok_or_else(|| missing(experiment, &name, version))?)
            })
            .await
    }

    /// Deletes one version, or the scorer with all of them.
    pub async fn scorer_delete(&self, experiment: &str, name: &str, version: Option<i64>) -> Result<()> {
        let (experiment, name) = (check::experiment_id(experiment)?, name.to_owned());
        self.db()
            .write(move |c| {
                let id = scorer_id(c, experiment, &name)?;
                match version {
                    None => {
                        bindings::bindings_clear(c, SCORER, &id)?;
                        store::scorer_delete(c, &id)
                    }
                    Some(number) if store::scorer_version_delete(c, &id, number)? => Ok(()),
                    Some(_) => Err(missing(experiment, &name, version)),
                }
            })
            .await
    }

    /// Says which share of new traces a scorer is meant to look at. Only one that asks a model through
    /// the gateway can be.
    pub async fn scorer_sample(
        &self,
        experiment: &str,
        name: &str,
        rate: f64,
        filter: Option<String>,
    ) -> Result<Sampling> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::invalid(format!("sample_rate must be between 0.0 and 1.0, got {rate}")));
        }
        filter::parse(filter.as_deref().unwrap_or_default())?;
        let (experiment, name) = (check::experiment_id(experiment)?, name.to_owned());
        self.db()
            .write(move |c| {
                let id = scorer_id(c, experiment, &name)?;
                if rate > 0.0 {
                    check_model(c, &id, &name)?;
                }
                let sampling = Sampling {
                    online_scoring_config_id: id::hex32(),
                    scorer_id: id,
                    sample_rate: rate,
                    experiment_id: experiment.to_string(),
                    filter_string: filter,
                };
                store::sampling_set(c, &sampling)?;
                Ok(sampling)
            })
            .await
    }

    /// The experiments of these scorers; an id of none is passed over.
    pub async fn scorer_experiments(&self, scorers: Vec<String>) -> Result<Vec<i64>> {
        self.db().read(move |c| store::scorer_experiments(c, &scorers)).await
    }

    pub async fn scorer_samplings(&self, scorers: Vec<String>) -> Result<Vec<Sampling>> {
        self.db().read(move |c| store::sampling_list(c, &scorers)).await
    }
}

/// The id of a scorer of an active experiment.
fn scorer_id(db: &Connection, experiment: i64, name: &str) -> Result<String> {
    active_experiment(db, experiment)?;
    store::scorer_id(db, experiment, name)?.ok_or_else(|| missing(experiment, name, None))
}

fn missing(experiment: i64, name: &str, version: Option<i64>) -> Error {
    let version = version.map(|number| format!(" and version {number}")).unwrap_or_default();
    Error::not_found(format!("Scorer with name '{name}'{version} not found for experiment {experiment}."))
}

/// A scorer as it is stored, and the endpoint it asks, if any: in it stands the endpoint's id, which
/// stays when the endpoint is renamed.
fn stored(db: &Connection, serialized: String) -> Result<(String, Option<String>)> {
    let mut scorer = scorer::read(&serialized)?;
    let Some(name) = scorer::endpoint(&mut scorer).map(str::to_owned) else { return Ok((serialized, None)) };
    let id = endpoints::endpoint_get(db, &Key::Name(name))?.endpoint_id;
    scorer::set_endpoint(&mut scorer, Some(&id));
    Ok((as_text(&scorer), Some(id)))
}

/// A scorer as it is shown: with the name its endpoint has now, or with no model once that is gone.
fn shown(db: &Connection, mut version: ScorerVersion) -> Result<ScorerVersion> {
    let mut scorer = scorer::read(&version.serialized_scorer)?;
    if let Some(id) = scorer::endpoint(&mut scorer).map(str::to_owned) {
        let endpoint = endpoints::endpoint_find(db, &Key::Id(id))?;
        scorer::set_endpoint(&mut scorer, endpoint.as_ref().map(|endpoint| endpoint.name.as_str()));
        version.serialized_scorer = as_text(&scorer);
    }
    Ok(version)
}

fn all_shown(db: &Connection, versions: Vec<ScorerVersion>) -> Result<Vec<ScorerVersion>> {
    versions.into_iter().map(|version| shown(db, version)).collect()
}

/// Notes that a scorer asks this endpoint, and no other.
fn bind(db: &Connection, scorer: &str, name: &str, endpoint: String) -> Result<()> {
    let now = now_ms();
    bindings::bindings_clear(db, SCORER, scorer)?;
    let binding = Binding {
        endpoint_id: endpoint,
        resource_type: SCORER.to_owned(),
        resource_id: scorer.to_owned(),
        display_name: Some(name.to_owned()),
        created_at: now,
        last_updated_at: now,
        created_by: None,
        last_updated_by: None,
    };
    bindings::binding_create(db, &binding).map(drop)
}

fn check_model(db: &Connection, id: &str, name: &str) -> Result<()> {
    let Some(latest) = store::scorer_version(db, id, None)? else { return Ok(()) };
    let mut scorer = scorer::read(&latest.serialized_scorer)?;
    if scorer::endpoint(&mut scorer).is_some() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Scorer '{name}' does not use a gateway model. Automatic evaluation is only supported for scorers \
         that use gateway models."
    )))
}
