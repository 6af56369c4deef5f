//! The tracker, as the registry asks it.

use super::source::{self, Logged, Tracker};
use crate::{
    kernel::error::Result,
    tracking::{
        self,
        gc::{Claims, Report, Wanted},
        model::Pair,
    },
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

/// Where the tracker's pages find which versions a logged model became.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

impl Tracker for tracking::Service {
    fn run_root<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<String>> {
        async move { Ok(self.run_info(run_id).await?.artifact_uri) }.boxed()
    }

    fn logged_model<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Logged>> {
        async move {
            let info = self.logged_model_get(id, false).await?.info;
            Ok(Logged { artifact_uri: info.artifact_uri, run_id: info.source_run_id })
        }
        .boxed()
    }

    fn logged_by_run<'a>(&'a self, run_id: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Logged>>> {
        async move {
            // No model's name holds a slash or a quote, so such a path is inside the run's artifacts.
            if name.is_empty() || name.contains(['/', '\'', '"']) {
                return Ok(None);
            }
            let experiment = self.run_info(run_id).await?.experiment_id;
            let filter = format!("name = '{name}' AND source_run_id = '{run_id}'");
            let page = self.logged_model_search(&[experiment], &filter, vec![], vec![], Some(1), "").await?;
            let found = page.items.into_iter().next().map(|model| model.info);
            Ok(found.map(|info| Logged { artifact_uri: info.artifact_uri, run_id: info.source_run_id }))
        }
        .boxed()
    }

    fn collect_deleted(&self, wanted: Wanted, claims: Claims) -> BoxFuture<'_, Result<Report>> {
        async move { tracking::Service::collect_deleted(self, wanted, &claims).await }.boxed()
    }

    fn keeps<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<bool>> {
        async move {
            let kept = self.experiment_places().await?;
            let mut kept = kept.iter().filter_map(|(_, location)| source::artifact_path(location));
            Ok(kept.any(|kept| source::is_within(&kept, folder) || source::is_within(folder, &kept)))
        }
        .boxed()
    }

    fn registered<'a>(&'a self, id: &'a str, name: &'a str, version: u32) -> BoxFuture<'a, Result<()>> {
        async move {
            let model = self.logged_model_get(id, true).await?;
            let tag = model.info.tags.iter().find(|tag| tag.key == VERSIONS_TAG);
            let known = tag.and_then(|tag| serde_json::from_str::<Vec<Value>>(&tag.value).ok());
            let mut versions = known.unwrap_or_default();
            let this = json!({ "name": name, "version": version });
            if !versions.contains(&this) {
                versions.push(this);
            }
            let value = listed(&versions);
            self.logged_model_tags_set(id, vec![Pair { key: VERSIONS_TAG.into(), value }]).await
        }
        .boxed()
    }
}

/// The list as MLflow writes it, with its spaces: clients compare the text.
fn listed(versions: &[Value]) -> String {
    let one = |entry: &Value| format!("{{\"name\": {}, \"version\": {}}}", entry["name"], entry["version"]);
    format!("[{}]", versions.iter().map(one).collect::<Vec<_>>().join(", "))
}
