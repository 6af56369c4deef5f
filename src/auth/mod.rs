//! Floor 2: who is asking, and what they may do.
//!
//! Invariants: every request to every plane carries a credential, save `/livez`, `/readyz`, `/health`, `/ca.pem`,
//! Airflow's `version` and `monitor/health`, the login page and what a bucket's policy opens, and a hook brings
//! the token of its pipeline; a guest is let through at the S3 door only; no default password exists; secrets
//! are stored as digests, or sealed where the clear text is needed again (S3
//! keys); revoking takes effect with the next request.

mod cause;
mod iam;
mod keys;
mod middleware;
mod model;
mod pages;
mod routes;
mod seal;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use cause::{cause, caused_by};
pub use keys::KeyWanted;
pub use middleware::{Admin, Editor, HOOKS, Member, Viewer, cookie_named, guard};
pub use model::{
    FirstAdmin, IamKey, IamUser, NewSession, NewUser, Principal, Role, S3Key, S3Session, TemporaryKey,
    UserChange, UserInfo,
};
pub use routes::router;
pub use seal::Sealer;
pub use service::Service;
