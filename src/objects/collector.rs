//! The garbage collector of blobs: at the start and every few minutes it removes files nothing refers
//! to. The grace lets a reader finish what it began, and a commit that is under way arrive.

use super::{service::Service, store};
use crate::kernel::{clock::now_ms, error::Result, tasks::Tasks};
use std::{sync::Arc, time::Duration};
use tokio::sync::OwnedRwLockReadGuard;

const EVERY: Duration = Duration::from_secs(600);
const GRACE_MS: i64 = 3_600_000;
const BATCH: usize = 1000;

/// As long as this lives, no file is removed.
pub struct Kept(#[expect(dead_code, reason = "what it does is to be dropped")] OwnedRwLockReadGuard<()>);

impl Service {
    /// Starts the collector as a background task.
    pub fn start_collector(&self, tasks: &Tasks) {
        let (service, stop) = (self.clone(), tasks.stopping());
        tasks.spawn("blob collector", async move {
            loop {
                match service.collect(GRACE_MS).await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "removed blobs nothing refers to"),
                    Err(error) => {
                        tracing::warn!(?error, "could not collect blobs; the next round tries again")
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Lets every file stay that is there now, until what this answers is dropped.
    pub async fn keep_files(&self) -> Kept {
        Kept(Arc::clone(self.collecting()).read_owned().await)
    }

    /// Removes blobs without an owner for longer than the grace; answers how many files went. While somebody keeps the
    /// files, it leaves them to a later round.
    pub async fn collect(&self, grace_ms: i64) -> Result<usize> {
        let Ok(_alone) = self.collecting().try_write() else { return Ok(0) };
        let before = now_ms() - grace_ms;
        Ok(self.collect_dead(before).await? + self.collect_unknown(before).await?)
    }

    /// Blobs whose last owner went. The file goes first: a row without its file has no owner to miss it.
    async fn collect_dead(&self, before_ms: i64) -> Result<usize> {
        let mut removed = 0;
        loop {
            let ids = self.db().read(move |c| store::blob::dead(c, before_ms, BATCH)).await?;
            if ids.is_empty() {
                return Ok(removed);
            }
            for id in &ids {
                self.blobs().delete(id).await?;
            }
            removed += ids.len();
            self.db().write(move |c| store::blob::remove_dead(c, &ids)).await?;
        }
    }

    /// Files of uploads that never reached their commit. Claims are looked at before rows: a commit in
    /// between is then seen as a row.
    async fn collect_unknown(&self, before_ms: i64) -> Result<usize> {
        let files = self.blobs().unclaimed_before(before_ms).await?;
        let mut removed = 0;
        for batch in files.chunks(BATCH) {
            let batch = batch.to_vec();
            let unknown = self.db().read(move |c| store::blob::unknown(c, batch)).await?;
            for id in &unknown {
                self.blobs().delete(id).await?;
            }
            removed += unknown.len();
        }
        Ok(removed)
    }
}
