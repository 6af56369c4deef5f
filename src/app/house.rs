//! The list of rooms: every service is built here, bottom floor first, and every router is merged
//! here. A room adds its lines to `furnish`, `recover`, `start` and `routes`.

use super::{
    ARTIFACT_BUCKET,
    door::{Gate, Service},
    health::{self, Health},
    layers, metrics, starts,
};
use crate::{
    auth, backup,
    kernel::{
        config::Config,
        error::{Kind, Result},
        event::Bus,
        hook::Sender,
        tasks::Tasks,
        tls::Trust,
        web::Web,
    },
    objects, permissions, pipelines, registry, serving,
    store::Stores,
    tracking, ui,
};
use axum::{Router, middleware};
use std::sync::Arc;
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_http::catch_panic::CatchPanicLayer;

/// Every service of the running server.
pub struct House {
    pub auth: auth::Service,
    objects: objects::Service,
    tracking: tracking::Service,
    registry: registry::Service,
    webhooks: registry::webhooks::Webhooks,
    permissions: permissions::Service,
    serving: serving::Service,
    pipelines: pipelines::Service,
    backup: backup::Service,
    sender: Sender,
    health: Health,
    s3: objects::S3Settings,
}

impl House {
    /// Builds the services on opened stores; nothing runs yet.
    pub async fn furnish(
        config: &Config,
        stores: &Stores,
        health: Health,
        events: &Bus,
        tasks: &Tasks,
    ) -> Result<Self> {
        let auth = auth::Service::open(stores.control.clone(), &stores.secrets())?;
        let objects = objects::Service::new(stores, events.clone());
        let tracking = tracking::Service::open(stores, objects.clone(), events.clone()).await?;
        let registry = registry::Service::new(
            stores.control.clone(),
            tracking.clone(),
            events.clone(),
            config.mlflow.version_source_pattern.clone(),
        );
        let sender = Sender::new(Web::new(trust(config))?);
        let webhooks =
            registry::webhooks::Webhooks::new(stores.control.clone(), auth.clone(), sender.clone());
        let serving = serving::Service::new(
            stores.control.clone(),
            registry.clone(),
            objects.clone(),
            events.clone(),
            python(config),
            serving::Regions::new(config.serving.shared_memory),
        );
        let pipelines = own_pipelines(config, stores, &health, events, &auth)?;
        pipelines.furnish(pipelines::Rooms {
            auth: auth.clone(),
            objects: objects.clone(),
            tracking: tracking.clone(),
            registry: registry.clone(),
            serving: serving.clone(),
        });
        registry.set_listener(Arc::new(starts::Hears(pipelines.clone())));
        serving.set_listener(Arc::new(starts::Hears(pipelines.clone())));
        objects.set_starter(Arc::new(starts::Starts(pipelines.clone())));
        let default = config.mlflow.default_permission.0;
        let permissions =
            permissions::Service::new(stores.control.clone(), auth.clone(), tracking.clone(), default)?;
        let backup = backup::Service::new(stores, objects.clone(), (&config.backup).into(), tasks.clone());
        watch_stores(&health, stores);
        watch_blobs(&health, &objects);
        Ok(Self {
            auth,
            objects,
            tracking,
            registry,
            webhooks,
            permissions,
            serving,
            pipelines,
            backup,
            sender,
            health,
            s3: s3_settings(config),
        })
    }

    /// Brings what a crash left half-done into order, before anybody may ask.
    pub async fn recover(&self) -> Result<()> {
        self.objects.webhooks_seal().await?;
        self.pipelines.learn_hearings().await?;
        self.objects.bucket_ensure(ARTIFACT_BUCKET).await
    }

    /// Starts the background work.
    pub fn start(&self, tasks: &Tasks, config: &Config) -> Result<()> {
        let objects = &config.objects;
        self.objects.start_collector(tasks);
        self.objects.start_lifecycle(tasks, objects.lifecycle_day_s, objects.upload_expiry.0);
        self.objects.start_delivery(tasks, self.sender.clone());
        self.objects.start_logs(tasks, objects.log_interval.0);
        self.objects.start_scrubber(tasks, objects.scrub_period.0);
        self.registry.start_collector(tasks, config.tracking.deleted_retention.0);
        registry::webhooks::start(&self.webhooks, &self.registry, tasks);
        self.serving.start(tasks, config.serving.log_interval.0, self.sender.clone());
        self.pipelines.start(tasks);
        self.backup.start();
        Ok(())
    }

    /// What answers on the main door; requests with an AWS signature go on to `s3`.
    pub fn main_door(&self, s3: Gate) -> Service {
        // Around the router as one service: layers of the router itself would be boxed for each of its routes, and
        // each request would clone all of the boxes.
        let service = ServiceBuilder::new()
            .layer(middleware::from_fn(layers::identify))
            .layer(middleware::from_fn(layers::secure_cookies))
            .layer(middleware::from_fn(serving::refuse_in_grpc))
            .layer(CatchPanicLayer::custom(layers::panicked))
            .layer(middleware::from_fn_with_state(s3, layers::signed_to_s3))
            .layer(middleware::from_fn_with_state(self.auth.clone(), auth::guard))
            .service(self.routes().fallback(layers::nowhere));
        BoxCloneSyncService::new(service)
    }

    /// What answers on the S3 door.
    pub fn s3_door(&self) -> Service {
        BoxCloneSyncService::new(objects::s3_service(self.objects.clone(), self.auth.clone(), &self.s3))
    }

    /// Where the S3 door is for who asks on the main door.
    fn s3_address(&self) -> objects::Address {
        let health = self.health.clone();
        Arc::new(move |headers| health.s3_url_for(headers))
    }

    /// Where the main door is for who asks there: it takes requests with an AWS signature as well.
    fn http_address(&self) -> objects::Address {
        let health = self.health.clone();
        Arc::new(move |headers| health.http_url_for(headers))
    }

    /// What MLflow's clients call. Members reach it through the permissions only.
    fn mlflow_routes(&self) -> Router {
        Router::new()
            .merge(tracking::router(self.tracking.clone(), self.auth.clone(), self.http_address()))
            .merge(registry::router(self.registry.clone(), self.tracking.clone()))
            .merge(registry::webhooks::router(self.webhooks.clone()))
            .merge(permissions::router(self.permissions.clone()))
            .route_layer(middleware::from_fn_with_state(self.permissions.clone(), permissions::enforce))
    }

    fn routes(&self) -> Router {
        Router::new()
            .merge(health::router(self.health.clone()))
            .merge(metrics::router(self.serving.clone(), self.backup.clone()))
            .merge(auth::router(self.auth.clone()))
            .merge(objects::router(self.objects.clone(), self.auth.clone(), self.s3_address()))
            .merge(self.mlflow_routes())
            .merge(permissions::own_router(self.permissions.clone()))
            .merge(serving::router(self.serving.clone()))
            .merge(pipelines::router(self.pipelines.clone()))
            .merge(pipelines::hooks_router(self.pipelines.clone()))
            .merge(pipelines::airflow_router(self.pipelines.clone(), self.auth.clone()))
            .merge(backup::router(self.backup.clone()))
            .merge(ui::router())
    }
}

/// How the S3 door is to behave.
fn s3_settings(config: &Config) -> objects::S3Settings {
    objects::S3Settings {
        allow_sigv2: config.s3.allow_sigv2,
        public_url: config.s3.public_url.clone(),
        main_url: config.http.public_url.clone(),
    }
}

/// Whom this server trusts when it asks others.
fn trust(config: &Config) -> Trust {
    Trust(config.tls.trusted.iter().cloned().collect())
}

/// The Git repository of definitions, if there is one.
fn git(config: &Config) -> Option<pipelines::GitSettings> {
    let config = &config.pipelines;
    Some(pipelines::GitSettings {
        place: config.git.clone()?,
        reference: config.git_ref.clone(),
        folder: config.git_folder.clone().unwrap_or_default(),
        interval: config.git_interval.0,
        credentials: config.git_credentials.clone(),
    })
}

/// Tasks run on this machine, so they are given the addresses that need no proxy and no Service.
fn own_pipelines(
    config: &Config,
    stores: &Stores,
    health: &Health,
    events: &Bus,
    auth: &auth::Service,
) -> Result<pipelines::Service> {
    let (http_url, s3_url) = (health.local_http_url(), health.local_s3_url());
    let environment = pipelines::ServerEnvironment::new(
        stores.control.clone(),
        auth.clone(),
        http_url,
        s3_url,
        objects::REGION.into(),
        health.authority(),
    );
    let own = pipelines::Config {
        dir: config.pipelines.dir.clone(),
        venvs: config.pipelines.venvs.clone(),
        bucket: config.pipelines.bucket.clone(),
        git: git(config),
        parallelism: config.pipelines.max_tasks,
        archive: config.pipelines.archive_logs,
        history: pipelines::Policy { runs: config.pipelines.keep_runs, age: config.pipelines.keep_age.0 },
        trust: trust(config),
        ..pipelines::Config::default()
    };
    pipelines::Service::new(stores, events.clone(), Arc::new(environment), own)
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

/// Damage is told here and does not stop the server: what is sound can still be read.
fn watch_blobs(health: &Health, objects: &objects::Service) {
    let objects = objects.clone();
    health.watch("blobs", move || {
        let objects = objects.clone();
        Box::pin(async move {
            objects.scrub_line().await.map_err(|_| "the scrubber's notes cannot be read".to_owned())
        })
    });
}

/// How models that are not ONNX are run.
fn python(config: &Config) -> serving::PythonHost {
    serving::PythonHost {
        venvs: config.pipelines.venvs.clone().unwrap_or_else(|| config.data_dir.join("venvs")),
        venv: config.serving.venv.clone(),
        scratch: config.data_dir.join("python"),
        limit: config.serving.python_timeout.0,
    }
}
