//! Users, roles and what stands for them.

use crate::kernel::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a user may do; each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Writes data: runs, models, objects, pipelines, endpoints.
    Editor,
    /// Manages users, keys and settings.
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "editor" => Ok(Self::Editor),
            "admin" => Ok(Self::Admin),
            other => Err(Error::invalid(format!("{other:?} is not a role. Use viewer, editor or admin."))),
        }
    }
}

/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub user: String,
    pub role: Role,
}

impl Principal {
    /// Refuses with `Forbidden` unless the role is at least `needed`.
    pub fn require(&self, needed: Role) -> Result<()> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Error::forbidden(format!(
            "User {:?} is {}; this needs {}. An admin can change the role under Settings.",
            self.user,
            self.role.as_str(),
            needed.as_str()
        )))
    }
}

/// The credentials made at the first start, as kept in `secrets/admin.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FirstAdmin {
    pub user: String,
    pub password: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// A user as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct UserInfo {
    pub name: String,
    pub role: Role,
    pub created_at: String,
}

/// A token as the API shows it: never its secret.
#[derive(Clone, Debug, Serialize)]
pub struct TokenInfo {
    pub id: String,
    pub user: String,
    pub label: String,
    pub created_at: String,
    pub expires_at: Option<String>,
}

/// An S3 key as the API shows it: never its secret.
#[derive(Clone, Debug, Serialize)]
pub struct KeyInfo {
    pub access_key_id: String,
    pub user: String,
    pub label: String,
    pub created_at: String,
}

/// A user's name: 1 to 64 of `A-Z a-z 0-9 . _ @ -`, so that it fits Basic auth, logs and URLs.
pub fn check_user_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name:?} is not a user name. Use 1 to 64 letters, digits, '.', '_', '@' or '-'."
    )))
}

/// A password: 12 to 256 bytes.
pub fn check_password(password: &str) -> Result<()> {
    if (12..=256).contains(&password.len()) {
        return Ok(());
    }
    Err(Error::invalid("A password has 12 to 256 characters."))
}
