//! History is kept for a while: runs that are over go, with the folders of their tasks, once they are
//! older than the policy's age and no longer among the newest of their pipeline.

use super::{aside, store};
use crate::{
    kernel::{clock::now_ms, error::Result},
    objects,
    store::Db,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(3600);
/// Runs in one transaction, so that no other writer waits long.
const BATCH: usize = 100;

/// What is kept: a run goes only when neither asks for it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The newest runs of each pipeline, whatever their age.
    pub runs: usize,
    /// Every run younger than this.
    pub age: Duration,
}

/// Prunes at the start and every hour until the server stops.
pub async fn keep_pruned(
    db: Db,
    tasks_dir: PathBuf,
    policy: Policy,
    objects: Option<objects::Service>,
    stop: CancellationToken,
) {
    loop {
        match prune(&db, &tasks_dir, &policy, objects.as_ref(), now_ms()).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "runs beyond the kept history were removed"),
            Err(error) => tracing::warn!(?error, "the history of runs could not be pruned"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes what the policy lets go; answers how many runs.
pub async fn prune(
    db: &Db,
    tasks_dir: &Path,
    policy: &Policy,
    objects: Option<&objects::Service>,
    now: i64,
) -> Result<usize> {
    let before = now.saturating_sub(i64::try_from(policy.age.as_millis()).unwrap_or(i64::MAX));
    let (keep, mut pruned) = (policy.runs, 0);
    loop {
        let old = db.read(move |db| store::run_prunable(db, keep, before, BATCH)).await?;
        if old.is_empty() {
            return Ok(pruned);
        }
        pruned += old.len();
        // The folders first: a crash in between leaves a run without logs, never logs without a run.
        let folders: Vec<PathBuf> = old.iter().map(|run| tasks_dir.join(run)).collect();
        let remove = move || folders.iter().try_for_each(|folder| remove_folder(folder));
        tokio::task::spawn_blocking(remove).await.map_err(crate::kernel::error::Error::internal)??;
        if let Some(objects) = objects {
            aside::forget(objects, &old).await?;
        }
        db.write(move |db| old.iter().try_for_each(|run| store::run_delete(db, run))).await?;
    }
}

/// Removes a folder with all that is in it; one that is not there is none the less.
pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
