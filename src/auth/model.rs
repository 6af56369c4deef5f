//! Users, roles and what stands for them.

use crate::kernel::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a user may do; each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An S3 account of its own: owns what it makes there, and has of others what they grant it.
    Guest,
    /// Has of MLflow what was granted, and what it makes there; at the S3 door it is as a guest.
    Member,
    /// Reads everything.
    Viewer,
    /// Writes data: runs, models, objects, pipelines, endpoints.
    Editor,
    /// Manages users, keys and settings.
    Admin,
}

impl Role {
    /// Whether the user is an S3 account of its own, and no part of the house's.
    pub fn has_own_account(self) -> bool {
        self < Self::Viewer
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "guest" => Ok(Self::Guest),
            "member" => Ok(Self::Member),
            "viewer" => Ok(Self::Viewer),
            "editor" => Ok(Self::Editor),
            "admin" => Ok(Self::Admin),
            other => {
                let roles = "guest, member, viewer, editor or admin";
                Err(Error::invalid(format!("{other:?} is not a role. Use {roles}.")))
            }
        }
    }
}

/// What is known of a token or a session.
#[derive(Clone, Debug)]
pub struct Issued {
    pub who: Principal,
    pub label: std::sync::Arc<str>,
    /// For good, if none.
    pub expires_at: Option<i64>,
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
    /// MLflow's clients know users by number.
    #[serde(skip)]
    pub id: i64,
    pub name: String,
    pub role: Role,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub name: String,
    /// None for a guest who has S3 keys only.
    pub password: Option<String>,
    pub role: Role,
    /// By which others may name the user in an ACL.
    pub email: Option<String>,
    pub display_name: Option<String>,
}

/// What changes about a user; none leaves it as it is, an empty text takes it away.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub password: Option<String>,
    pub role: Option<Role>,
    pub email: Option<String>,
    pub display_name: Option<String>,
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
    /// When a temporary key ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// What an S3 request is checked against: the secret of its key, and whom the key stands for.
#[derive(Clone, Debug)]
pub struct S3Key {
    pub secret: String,
    pub label: std::sync::Arc<str>,
    pub principal: Principal,
    pub expires_ms: Option<i64>,
    /// There for temporary keys only.
    pub session: Option<S3Session>,
    /// The IAM user it stands for; none is the principal itself.
    pub iam: Option<IamUser>,
}

/// A user that an account has made for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamUser {
    pub name: String,
    pub id: String,
    /// Between slashes, for sorting only.
    pub path: String,
    pub created_ms: i64,
    /// A policy document under each name; nothing under the ARN of a managed policy.
    pub policies: std::collections::BTreeMap<String, String>,
}

/// A key of an IAM user, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamKey {
    pub access_key_id: String,
    pub created_at: String,
}

/// What temporary keys are limited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Session {
    /// Hexadecimal SHA-256 of the session token that comes with each request.
    pub token: String,
    /// The role taken on, and the session's name.
    pub role: Option<(String, String)>,
    /// The rights of the house the session has at most.
    pub at_most: Option<Role>,
    /// A policy document that narrows them.
    pub policy: Option<String>,
}

/// Temporary keys to be issued.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub user: String,
    pub role: Option<(String, String)>,
    pub at_most: Option<Role>,
    pub policy: Option<String>,
    pub ttl_s: i64,
}

/// Temporary keys as they are handed out, once.
#[derive(Clone, Debug)]
pub struct TemporaryKey {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    pub expires_ms: i64,
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

/// The name of a user with an account of its own is that account's id, and must not be taken for another account or its number.
pub fn check_guest_name(name: &str) -> Result<()> {
    let number = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit());
    if number || ["crannog", "anonymous"].contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Error::invalid(format!(
            "{name:?} cannot be the name of a guest or member: it means another account."
        )));
    }
    Ok(())
}

/// An e-mail address, in the one form in which addresses are compared.
pub fn check_email(email: &str) -> Result<String> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"',;<>()".contains(c);
    let fits = email.len() <= 254
        && email.chars().all(plain)
        && email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.len() > 1 && !host.contains('@'));
    if fits {
        return Ok(email.to_lowercase());
    }
    Err(Error::invalid(format!("{email:?} is not an e-mail address.")))
}

/// A display name: up to 64 characters on one line.
pub fn check_display_name(name: &str) -> Result<()> {
    if (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid("A display name has 1 to 64 characters, on one line."))
}

/// A key pair that clients have already: so that they need not be told of a new one.
pub fn check_given_key(access: &str, secret: &str) -> Result<()> {
    let id = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !(3..=128).contains(&access.len()) || !access.chars().all(id) {
        return Err(Error::invalid("An access key id has 3 to 128 letters, digits, '.', '_' or '-'."));
    }
    if !(8..=128).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid("A secret access key has 8 to 128 printable characters without spaces."));
    }
    Ok(())
}

/// A password: 12 to 256 bytes.
pub fn check_password(password: &str) -> Result<()> {
    if (12..=256).contains(&password.len()) {
        return Ok(());
    }
    Err(Error::invalid("A password has 12 to 256 characters."))
}
