//! Removing deleted runs, experiments and logged models for good. The tracker does it; it is asked from
//! here, because the files that versions name must stay, and only the registry knows those.

use super::{Service, source, store};
use crate::{
    auth::Admin,
    kernel::{
        error::Result,
        http::{Json, Problem},
        tasks::Tasks,
    },
    tracking::gc::{Claims, Report, Wanted},
};
use axum::{Router, extract::State, routing::post};
use std::time::Duration;

/// How often the retention policy is carried out.
const EVERY: Duration = Duration::from_secs(3600);

/// `POST /api/crannog/v1/gc`, for administrators.
pub fn router(service: Service) -> Router {
    Router::new().route("/api/crannog/v1/gc", post(collect)).with_state(service)
}

async fn collect(
    _: Admin,
    State(registry): State<Service>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Report>, Problem> {
    Ok(Json(registry.collect_deleted(wanted).await?))
}

impl Service {
    /// Removes what was deleted for good, but for what a version still needs.
    pub async fn collect_deleted(&self, wanted: Wanted) -> Result<Report> {
        let claims = self.claims().await?;
        self.tracker().collect_deleted(wanted, claims).await
    }

    /// What registered versions need.
    async fn claims(&self) -> Result<Claims> {
        let needed = self.db().read(store::versions_needed).await?;
        let mut claims = Claims::default();
        for need in needed {
            let by = format!("version {} of registered model {}", need.version, need.name);
            // Prompts, and models kept elsewhere, have no files here.
            if let Ok((bucket, prefix)) = source::locate(self.tracker(), &need.storage).await
                && bucket == source::BUCKET
                && !prefix.is_empty()
            {
                claims.prefixes.insert(prefix, by.clone());
            }
            if let Some(id) = need.logged_model_id {
                claims.models.insert(id, by);
            }
        }
        Ok(claims)
    }

    /// Removes by itself what was deleted longer than `retention` ago; zero is never.
    pub fn start_collector(&self, tasks: &Tasks, retention: Duration) {
        let Ok(older_than_ms) = i64::try_from(retention.as_millis()) else { return };
        if older_than_ms == 0 {
            return;
        }
        let (service, stop) = (self.clone(), tasks.stopping());
        tasks.spawn("deleted runs collector", async move {
            loop {
                let wanted = Wanted { older_than_ms, ..Wanted::default() };
                match service.collect_deleted(wanted).await {
                    Ok(report) if report.runs + report.experiments + report.logged_models == 0 => {}
                    Ok(report) => tracing::info!(
                        runs = report.runs,
                        experiments = report.experiments,
                        logged_models = report.logged_models,
                        bytes = report.bytes,
                        "removed for good what was deleted longer ago than tracking.deleted_retention"
                    ),
                    Err(error) => {
                        tracing::warn!(
                            ?error,
                            "could not remove what was deleted; the next round tries again"
                        )
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }
}
