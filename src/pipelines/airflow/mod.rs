//! Airflow's door: its REST API `/api/v2`, as Airflow 3.3 answers it, over the house's pipelines.
//!
//! A pipeline is a dag, a run a dagRun, a task of a run a task instance, an attempt a try. `fault` and
//! `asked` are Airflow's manners (errors, queries, bodies), `shapes` its JSON, and each file beside
//! them holds the handlers of one of its resources.
//!
//! It departs from Airflow in what the house does otherwise:
//! - Variables and connections are for editors alone, and secrets in them are not shown again.
//! - A run is known by the id its caller chose, or else by the house's own, which always finds it too.
//! - Cancelled and lost are `failed` there, or `skipped` where a cancelled task never began; a task that
//!   waits for others has no state.
//! - `conf` is the run's parameters: a name the pipeline does not declare is refused.
//! - An operation the house has no counterpart for answers 501 and says so.

mod absent;
mod asked;
mod backfills;
mod bulk;
mod connections;
mod dags;
mod fault;
mod favorites;
mod instances;
mod logs;
mod monitor;
mod pools;
mod runs;
mod search;
mod shapes;
mod sources;
mod token;
mod variables;
mod xcoms;

use super::service::Service;
use crate::auth;
use axum::{Router, extract::FromRef, routing::post};
use fault::Answer;

/// What the handlers need.
#[derive(Clone)]
struct Door {
    service: Service,
    auth: auth::Service,
}

impl FromRef<Door> for Service {
    fn from_ref(door: &Door) -> Self {
        door.service.clone()
    }
}

pub fn router(service: Service, auth: auth::Service) -> Router {
    const V2: &str = "/api/v2";
    let routes = Router::new()
        .merge(monitor::routes())
        .merge(dags::routes())
        .merge(favorites::routes())
        .merge(token::routes())
        .merge(runs::routes())
        .merge(instances::routes())
        .merge(pools::routes())
        .merge(backfills::routes())
        .merge(xcoms::routes())
        .merge(logs::routes())
        .merge(sources::routes())
        .merge(variables::routes())
        .merge(connections::routes())
        .merge(absent::routes());
    Router::new()
        .route("/auth/token", post(token::issue))
        .route("/auth/token/cli", post(token::issue))
        .nest(V2, routes)
        .with_state(Door { service, auth })
}
