//! Gathers entries into rows, and rows into files of a bucket.

use super::{Entry, PredictionLog, rows::Rows};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    serving::service::Service,
};
use bytes::Bytes;
use chrono::DateTime;
use std::{
    collections::BTreeMap,
    mem,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::Receiver;

/// A file is written at this size, before it is packed.
const FILE_BYTES: usize = 8 << 20;
const FILE_ROWS: usize = 50_000;
/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(1);
/// After the server began to stop, requests under way may end and be logged for so long.
const LAST_WAIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);
/// A store that has too much to do is asked again.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Rows by the bucket they go to, and the endpoint they are of.
type Gathered = BTreeMap<(String, String), Rows>;

impl Service {
    /// Writes the log until the server stops, and what is left then.
    pub(in crate::serving) async fn write_log(self, interval: Duration) {
        let Some(mut queue) = self.log().take() else { return };
        let stop = self.stopping();
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let mut gathered = Gathered::new();
        let mut tick = tokio::time::interval(TICK.min(interval));
        loop {
            let entry = tokio::select! {
                () = stop.cancelled() => break,
                entry = queue.recv() => entry,
                _ = tick.tick() => None,
            };
            if let Some(entry) = entry {
                self.gather(&mut gathered, entry);
            }
            self.write_due(&mut gathered, now_ms() - interval_ms).await;
        }
        self.gather_last(&mut queue, &mut gathered).await;
        self.write_due(&mut gathered, i64::MAX).await;
    }

    fn gather(&self, gathered: &mut Gathered, entry: Entry) {
        let before = entry.bytes();
        let place = (entry.bucket.clone(), entry.endpoint.clone());
        let after = gathered.entry(place).or_default().add(entry);
        // The row weighs now instead of the tensors.
        self.log().bytes.fetch_add(after, Relaxed);
        self.log().bytes.fetch_sub(before, Relaxed);
    }

    /// Takes what is still answered while the doors close.
    async fn gather_last(&self, queue: &mut Receiver<Entry>, gathered: &mut Gathered) {
        let until = Instant::now() + LAST_WAIT;
        loop {
            let quiet = self.in_flight() == 0;
            while let Ok(entry) = queue.try_recv() {
                self.gather(gathered, entry);
            }
            if quiet || Instant::now() > until {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Requests that wait or run.
    fn in_flight(&self) -> u64 {
        let boards = self.endpoints();
        boards.iter().flat_map(|endpoint| endpoint.board.all()).map(|(_, stats)| stats.in_flight()).sum()
    }

    /// Writes what is large enough, or began before `before_ms`.
    async fn write_due(&self, gathered: &mut Gathered, before_ms: i64) {
        let is_due =
            |rows: &Rows| rows.bytes >= FILE_BYTES || rows.len() >= FILE_ROWS || rows.began_ms() <= before_ms;
        let due: Vec<_> = gathered.extract_if(.., |_, rows| is_due(rows)).collect();
        for ((bucket, endpoint), mut rows) in due {
            let (count, bytes, began_ms) = (rows.len() as u64, rows.bytes, rows.began_ms());
            let written = self.write_file(&bucket, &endpoint, began_ms, mem::take(&mut rows)).await;
            let log: &PredictionLog = self.log();
            log.bytes.fetch_sub(bytes, Relaxed);
            match written {
                Ok(()) => {
                    log.written.fetch_add(count, Relaxed);
                }
                Err(error) => {
                    log.drop_rows(count);
                    tracing::warn!(
                        ?error,
                        bucket,
                        endpoint,
                        rows = count,
                        "predictions could not be kept; they are lost"
                    );
                }
            }
        }
    }

    async fn write_file(&self, bucket: &str, endpoint: &str, began_ms: i64, rows: Rows) -> Result<()> {
        // Not through the gate, which may turn callers away: these rows have nowhere else to go.
        let file = tokio::task::spawn_blocking(move || rows.file()).await.map_err(Error::internal)?;
        let file = Bytes::from(file);
        let time = DateTime::from_timestamp_millis(began_ms).unwrap_or_default();
        let key = format!("{endpoint}/{}-{}.parquet", time.format("%Y-%m-%d/%H%M%S"), id::ordered());
        let mut tries = 0;
        loop {
            tries += 1;
            match self.put_file(bucket, &key, file.clone()).await {
                Err(error) if error.may_pass() && tries < TRIES => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    async fn put_file(&self, bucket: &str, key: &str, file: Bytes) -> Result<()> {
        self.objects().bucket_ensure(bucket).await?;
        let kind = Some("application/vnd.apache.parquet");
        self.objects().put_bytes(bucket, key, file, kind).await.map(drop)
    }
}
