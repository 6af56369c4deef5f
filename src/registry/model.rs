//! What the registry keeps, as the rest of the house sees it.

use crate::kernel::error::{Error, Result};

pub type Pairs = Vec<(String, String)>;

/// A name under which versions of a model are kept.
#[derive(Clone, Debug)]
pub struct RegisteredModel {
    pub name: String,
    pub description: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
    pub aliases: Vec<(String, u32)>,
    /// The newest version in each stage.
    pub latest: Vec<ModelVersion>,
}

/// One version of a registered model. It never changes its files, only its description, tags and stage.
#[derive(Clone, Debug)]
pub struct ModelVersion {
    pub name: String,
    pub version: u32,
    pub stage: Stage,
    pub description: Option<String>,
    pub user_id: Option<String>,
    /// As the caller gave it.
    pub source: String,
    /// Where the files are: `source`, once a `models:/` address is followed.
    pub storage: String,
    pub run_id: String,
    pub run_link: String,
    pub logged_model_id: Option<String>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: Pairs,
    pub aliases: Vec<String>,
}

/// What a caller says of a version it creates.
#[derive(Clone, Debug, Default)]
pub struct NewVersion {
    pub source: String,
    pub storage: String,
    pub run_id: String,
    pub run_link: String,
    pub description: String,
    pub logged_model_id: Option<String>,
    pub user_id: Option<String>,
    pub tags: Pairs,
}

/// MLflow's older way to mark a version; aliases replace it, clients still speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    None,
    Staging,
    Production,
    Archived,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads a stage in any case.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid Model Version stage: {text}. Value must be one of None, Staging, Production, Archived."
            ))
        })
    }

    /// Whether moving a version here may archive those already here.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
}

/// Where the files of a model are, for whoever wants to load them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The registered model's name; a logged model's id when no registered model is named.
    pub name: String,
    /// The version's number, or the logged model's id.
    pub version: String,
    pub bucket: String,
    /// Key prefix in `bucket`, without a slash at its end.
    pub source_prefix: String,
}
