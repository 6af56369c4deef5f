//! Floor 6: who may do what with experiments and registered models, as MLflow's basic-auth app has it.
//!
//! Roles decide for viewers, editors and admins, in every room, as they always did. A member has no
//! role over data: what a member may do is what was granted (directly, or through a role made here), at
//! least the default permission, and MANAGE over what the member made.
//!
//! Invariants
//! - What no rule covers is refused: a member's request reaches a handler only through `layer`, which
//!   lends it an editor's rights for this one request once a rule was met. Elsewhere a member is below
//!   a viewer, so a route that nobody thought of is closed.
//! - A DENY outweighs every grant. A member's grants never reach past MLflow's routes: at the S3 door
//!   a member is an account of its own, to which bucket `mlflow` is closed.
//! - Grants on a model go and are renamed with it in one transaction (triggers of the migration).
//! - An admin's or editor's request pays for one comparison.
//!
//! Departures from MLflow: a search is narrowed before it runs, so its pages are full; an experiment's
//! location may not be chosen by a member, since it could be another's; runs, traces, logged models and
//! versions have the permission of their experiment or model, and a grant on one of their kinds is
//! refused rather than kept and not heeded. There is one workspace, `default`.
//!
//! Read in this order: `model`, `rules`, `layer`, `service`, `roles`, `store`, `routes`.

mod layer;
mod model;
mod roles;
mod routes;
mod rules;
mod service;
mod store;
mod target;

#[cfg(test)]
mod tests;

pub use layer::enforce;
pub use routes::{own_router, router};
pub use service::Service;
