//! The list of rooms: every service is built here, bottom floor first, and every router is merged
//! here. A room adds its lines to `furnish`, `recover`, `start` and `routes`.

use super::{
    ARTIFACT_BUCKET,
    door::Service,
    health::{self, Health},
    layers,
};
use crate::{
    auth,
    kernel::{
        config::Config,
        error::{Kind, Result},
        event::Bus,
        tasks::Tasks,
    },
    store::Stores,
    ui,
};
use axum::{Router, middleware};
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_http::catch_panic::CatchPanicLayer;

/// Every service of the running server.
pub struct House {
    pub auth: auth::Service,
    health: Health,
}

impl House {
    /// Builds the services on opened stores; nothing runs yet.
    pub async fn furnish(_config: &Config, stores: &Stores, health: Health, _events: &Bus) -> Result<Self> {
        let auth = auth::Service::open(stores.control.clone(), &stores.secrets())?;
        watch_stores(&health, stores);
        let _ = ARTIFACT_BUCKET;
        Ok(Self { auth, health })
    }

    /// Brings what a crash left half-done into order, before anybody may ask.
    pub async fn recover(&self) -> Result<()> {
        Ok(())
    }

    /// Starts the background work.
    pub fn start(&self, _tasks: &Tasks) {}

    /// What answers on the main door.
    pub fn main_door(&self) -> Service {
        let routes = self
            .routes()
            .fallback(layers::nowhere)
            .layer(middleware::from_fn_with_state(self.auth.clone(), auth::guard))
            .layer(CatchPanicLayer::custom(layers::panicked))
            .layer(middleware::from_fn(layers::identify));
        BoxCloneSyncService::new(routes.into_service::<axum::body::Body>())
    }

    fn routes(&self) -> Router {
        Router::new()
            .merge(health::router(self.health.clone()))
            .merge(auth::router(self.auth.clone()))
            .merge(ui::router())
    }
}

fn watch_stores(health: &Health, stores: &Stores) {
    for (name, db) in [("control.db", stores.control.clone()), ("objects.db", stores.objects.clone())] {
        health.watch(name, move || {
            let db = db.clone();
            Box::pin(async move {
                match db.read(|_| Ok(())).await {
                    Ok(()) => Ok("open".into()),
                    Err(error) if error.kind == Kind::Busy => Err("busy".into()),
                    Err(_) => Err("cannot be read; the log says why".into()),
                }
            })
        });
    }
}
