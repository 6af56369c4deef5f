//! Which entities a search may find at all, for a caller who may not see every one. The layer that
//! knows the caller puts it into the request; a search takes it out and adds it to its condition.

use super::sql::Sql;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

/// By what the entities are known: ids of experiments, names of models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    All,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

impl Reach {
    pub fn all_but(hidden: Vec<String>) -> Self {
        if hidden.is_empty() { Self::All } else { Self::AllBut(hidden) }
    }

    pub fn has(&self, entity: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(seen) => seen.iter().any(|it| it == entity),
            Self::AllBut(hidden) => hidden.iter().all(|it| it != entity),
        }
    }

    /// Appends ` AND column IN (..)` to a condition over a column of text.
    pub fn narrow(&self, column: &str, sql: &mut Sql) {
        if let Some((test, list)) = self.test() {
            sql.push(&format!(" AND {column} {test} (SELECT value FROM json_each(")).text(list).push("))");
        }
    }

    /// `IN` or `NOT IN`, and the list as JSON: one bound value, however long it is.
    pub fn test(&self) -> Option<(&'static str, String)> {
        match self {
            Self::All => None,
            Self::Only(seen) => Some(("IN", serde_json::json!(seen).to_string())),
            Self::AllBut(hidden) => Some(("NOT IN", serde_json::json!(hidden).to_string())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reach {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
