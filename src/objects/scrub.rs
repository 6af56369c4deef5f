//! The scrubber: re-reads every blob in the course of weeks, and says which are not what was written.
//!
//! It deletes nothing and mends nothing: it has no second copy. What it finds is in the log, in
//! `/status`, and stays noted until the blob is sound again or nobody uses it.

use super::{
    service::Service,
    store::{self, audit::BlobRow},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::Result,
        tasks::Tasks,
    },
    store::blob::{Blobs, Crc},
};
use futures::TryStreamExt;
use std::{io, time::Duration};

/// Blobs read from the table in one go.
const PAGE: usize = 64;
/// Work is done in portions, one after each pause.
const PAUSE: Duration = Duration::from_secs(10);
/// A portion is at least this much, so that a small store is soon through.
const PORTION_MIN: u64 = 16 << 20;

/// How far a pass is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    pub position: String,
    pub begun_ms: i64,
    pub checked: u64,
    pub bytes: u64,
    pub finished_ms: Option<i64>,
}

/// A blob that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub blob: String,
    pub found_ms: i64,
    pub what: String,
}

impl Service {
    /// Starts the scrubber, which goes through all blobs in about `period`; never when that is zero.
    pub fn start_scrubber(&self, tasks: &Tasks, period: Duration) {
        if period.is_zero() {
            return;
        }
        let (service, stop) = (self.clone(), tasks.stopping());
        tasks.spawn("blob scrubber", async move {
            loop {
                if let Err(error) = service.scrub_portion(period, now_ms()).await {
                    tracing::warn!(?error, "could not check blobs; the next portion tries again");
                }
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Checks as much as is its turn; answers how many blobs that were.
    pub async fn scrub_portion(&self, period: Duration, now_ms: i64) -> Result<u64> {
        let mut pass = self.db().read(store::audit::scrub_get).await?;
        if let Some(finished) = pass.finished_ms.filter(|finished| *finished >= pass.begun_ms) {
            let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
            if now_ms < pass.begun_ms.saturating_add(period_ms) {
                return Ok(0);
            }
            pass = Pass { finished_ms: Some(finished), begun_ms: now_ms, ..Pass::default() };
        } else if pass.begun_ms == 0 {
            pass.begun_ms = now_ms;
        }
        let (_, total) = self.db().read(store::audit::blob_totals).await?;
        let portions = (period.as_secs() / PAUSE.as_secs()).max(1);
        let portion = (total / portions).max(PORTION_MIN);
        let (before, mut read) = (pass.checked, 0);
        while read < portion && !self.scrub_page(&mut pass, &mut read).await? {}
        Ok(pass.checked.saturating_sub(before))
    }

    /// Checks one page of blobs; true when it was the last of the pass.
    async fn scrub_page(&self, pass: &mut Pass, read: &mut u64) -> Result<bool> {
        let after = pass.position.clone();
        let rows = self.db().read(move |c| store::audit::blob_page(c, &after, PAGE)).await?;
        let last = rows.len() < PAGE;
        let (mut damaged, mut sound) = (Vec::new(), Vec::new());
        for row in rows {
            pass.position.clone_from(&row.id);
            pass.checked += 1;
            pass.bytes += row.size;
            *read += row.size;
            match self.examine(row).await? {
                (blob, None) => sound.push(blob),
                (blob, Some(what)) => {
                    tracing::error!(
                        blob,
                        what,
                        "a blob is damaged: `crannog fsck` tells which objects have it"
                    );
                    damaged.push(Damage { blob, found_ms: now_ms(), what });
                }
            }
        }
        if last {
            pass.finished_ms = Some(now_ms());
            tracing::info!(checked = pass.checked, bytes = pass.bytes, "the scrubber is through");
        }
        let noted = pass.clone();
        self.db().write(move |c| store::audit::scrub_put(c, &noted, &damaged, &sound)).await?;
        Ok(last)
    }

    /// What is wrong with a blob that is in use now.
    async fn examine(&self, row: BlobRow) -> Result<(String, Option<String>)> {
        let id = row.id.clone();
        let Some(what) = flaw(self.blobs(), &row, true).await? else { return Ok((id, None)) };
        // It may have been let go and collected in the meantime.
        let wanted = id.clone();
        let now = self.db().read(move |c| store::audit::blob_find(c, &wanted)).await?;
        Ok((id, now.filter(|row| row.refs > 0).map(|_| what)))
    }

    /// How far the scrubber is, and what is damaged.
    pub async fn scrub_state(&self) -> Result<(Pass, Vec<Damage>)> {
        self.db().read(|c| Ok((store::audit::scrub_get(c)?, store::audit::damage_list(c)?))).await
    }

    /// The state in one line, for the status page.
    pub async fn scrub_line(&self) -> Result<String> {
        let (pass, damaged) = self.scrub_state().await?;
        let found = match damaged.len() {
            0 => "none damaged".to_owned(),
            count => format!("{count} DAMAGED: `crannog fsck` tells which objects have them"),
        };
        Ok(match pass.finished_ms {
            Some(at) => format!("{found}; all read again by {}", rfc3339(at)),
            None => format!("{found}; {} read again so far", pass.checked),
        })
    }
}

/// What is wrong with a blob, if anything: missing, another size, other bytes (when `deep`).
pub async fn flaw(blobs: &Blobs, row: &BlobRow, deep: bool) -> Result<Option<String>> {
    let (length, crc) = match &row.data {
        Some(data) => (data.len() as u64, Crc::of(data)),
        None => match measure(blobs, row, deep).await {
            Ok(measured) => measured,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some("its file is missing".into()));
            }
            Err(error) => return Ok(Some(format!("its file cannot be read: {error}"))),
        },
    };
    if length != row.size {
        return Ok(Some(format!("it has {length} bytes instead of {}", row.size)));
    }
    let differs = (deep || row.data.is_some()) && row.crc.is_some_and(|recorded| recorded != crc);
    Ok(differs.then(|| "its bytes are not those that were written (checksum)".into()))
}

async fn measure(blobs: &Blobs, row: &BlobRow, deep: bool) -> io::Result<(u64, u64)> {
    let length = blobs.size(&row.id).await?;
    if !deep || length != row.size {
        return Ok((length, 0));
    }
    let mut stream = blobs.read(&row.id, 0..length).await?;
    let mut crc = Crc::default();
    while let Some(chunk) = stream.try_next().await? {
        crc = tokio::task::spawn_blocking(move || {
            crc.see(&chunk);
            crc
        })
        .await
        .map_err(io::Error::other)?;
    }
    Ok((length, crc.value()))
}
