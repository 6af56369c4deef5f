//! Taking in registered models of another registry, with the numbers and times of their versions kept:
//! `POST /api/crannog/v1/import/registry`, for administrators. One model with all its versions is one
//! transaction; sending it again changes nothing. An alias that was moved here since it was brought stays.

mod store;

use super::{Service, names, service::last_of_each};
use crate::{
    auth::Admin,
    kernel::{
        error::Result,
        event::Event,
        http::{Json, Problem},
    },
    tracking::model::Pair,
};
use axum::{Router, extract::State, routing::post};
use serde::{Deserialize, Serialize};

/// A registered model with its versions.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ModelRecord {
    pub name: String,
    pub description: String,
    pub creation_timestamp: i64,
    pub last_updated_timestamp: i64,
    pub tags: Vec<Pair>,
    pub aliases: Vec<Alias>,
    pub versions: Vec<VersionRecord>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Alias {
    pub alias: String,
    pub version: u32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct VersionRecord {
    pub version: u32,
    pub creation_timestamp: i64,
    pub last_updated_timestamp: i64,
    pub current_stage: String,
    pub description: String,
    pub user_id: String,
    pub source: String,
    /// Where the files are; empty: at `source`.
    pub storage: String,
    pub run_id: String,
    pub run_link: String,
    pub model_id: String,
    pub tags: Vec<Pair>,
}

pub fn router(service: Service) -> Router {
    Router::new().route("/api/crannog/v1/import/registry", post(load)).with_state(service)
}

#[derive(Serialize)]
struct Loaded {
    new_versions: u64,
}

async fn load(
    _: Admin,
    State(registry): State<Service>,
    Json(model): Json<ModelRecord>,
) -> Result<Json<Loaded>, Problem> {
    Ok(Json(Loaded { new_versions: registry.import(model).await? }))
}

impl Service {
    /// Takes in one model; answers how many of its versions were not here.
    pub async fn import(&self, mut model: ModelRecord) -> Result<u64> {
        names::check_model(&model.name)?;
        for alias in &model.aliases {
            names::check_alias(&alias.alias)?;
        }
        for version in &mut model.versions {
            if version.current_stage.is_empty() {
                version.current_stage = "None".into();
            }
            super::Stage::parse(&version.current_stage)?;
            let tags = version.tags.drain(..).map(|tag| (tag.key, tag.value)).collect();
            version.tags = last_of_each(tags).into_iter().map(Pair::from).collect();
        }
        let name = model.name.clone();
        let changed = self.db().write(move |c| store::model_put(c, &model)).await?;
        for version in &changed.versions {
            self.tell(Event::ModelVersionCreated { name: name.clone(), version: u64::from(*version) });
        }
        for (alias, version) in changed.aliases {
            let version = version.map(u64::from);
            self.tell(Event::AliasMoved { name: name.clone(), alias, version });
        }
        Ok(changed.versions.len() as u64)
    }
}
