//! Lines on their way to the bucket they are kept in.

use super::{
    line::Answered,
    name::{self, Logging, Source},
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Kind, Result},
        id,
        tasks::Tasks,
    },
    objects::{
        model::{Bucket, Owner, PutOptions, Traits},
        s3::REGION,
        service::Service,
    },
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// A batch of this size is delivered at once.
const BATCH_MAX: usize = 1 << 20;
/// More than this waits nowhere: further lines are dropped, and counted in the log.
const WAITING_MAX: usize = 64 << 20;

/// What waits, by where it goes.
#[derive(Default)]
pub struct Logs {
    waiting: Mutex<Waiting>,
    /// Rings when a batch was begun or is full.
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    open: HashMap<Place, Batch>,
    full: Vec<(Place, Batch)>,
    bytes: usize,
    dropped: u64,
}

/// Where a batch goes: bucket, prefix and, when partitioned, the bucket it tells about.
type Place = (String, String, Option<String>);

struct Batch {
    logging: Logging,
    source: String,
    owner: String,
    since_ms: i64,
    text: String,
}

impl Logs {
    /// Adds lines about one bucket.
    pub fn add(&self, bucket: &Bucket, logging: &Logging, lines: &[Answered]) {
        let Some(first) = lines.first() else { return };
        let text: String = lines.iter().map(Answered::line).collect();
        let mut waiting = lock(&self.waiting);
        if waiting.bytes + text.len() > WAITING_MAX {
            waiting.dropped += lines.len() as u64;
            return;
        }
        waiting.bytes += text.len();
        let partition = logging.partition.map(|_| bucket.name.clone());
        let place = (logging.bucket.clone(), logging.prefix.clone(), partition);
        let mut begun = false;
        let batch = waiting.open.entry(place.clone()).or_insert_with(|| {
            begun = true;
            Batch {
                logging: logging.clone(),
                source: bucket.name.clone(),
                owner: bucket.owner.clone(),
                since_ms: first.at_ms,
                text: String::new(),
            }
        });
        batch.text.push_str(&text);
        let full = batch.text.len() >= BATCH_MAX;
        if full {
            let batch = waiting.open.remove(&place);
            waiting.full.extend(batch.map(|batch| (place, batch)));
        }
        if begun || full {
            self.bell.notify_one();
        }
    }

    /// Takes out what is full or waits since `before_ms`; answers also since when the rest does.
    fn take(&self, before_ms: i64) -> (Vec<Batch>, Option<i64>) {
        let mut waiting = lock(&self.waiting);
        let mut ready: Vec<Batch> =
            mem::take(&mut waiting.full).into_iter().map(|(_, batch)| batch).collect();
        ready.extend(waiting.open.extract_if(|_, batch| batch.since_ms <= before_ms).map(|(_, batch)| batch));
        waiting.bytes -= ready.iter().map(|batch| batch.text.len()).sum::<usize>();
        let dropped = mem::take(&mut waiting.dropped);
        if dropped > 0 {
            tracing::warn!(dropped, "access log lines were dropped: more came than could be delivered");
        }
        (ready, waiting.open.values().map(|batch| batch.since_ms).min())
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Starts the delivery of access logs as a background task.
    pub fn start_logs(&self, tasks: &Tasks, interval: Duration) {
        let (service, stop) = (self.clone(), tasks.stopping());
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        tasks.spawn("access logs", async move {
            while !stop.is_cancelled() {
                let next = service.deliver_logs(now_ms() - interval_ms).await;
                let pause = next.map_or(interval_ms, |since| since + interval_ms - now_ms());
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(pause.max(0).unsigned_abs())) => {}
                    () = service.logs().bell.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
            service.deliver_logs(i64::MAX).await;
        });
    }

    /// Delivers what waits since `before_ms`; answers since when the rest does.
    pub(in crate::objects) async fn deliver_logs(&self, before_ms: i64) -> Option<i64> {
        let (ready, rest) = self.logs().take(before_ms);
        for batch in ready {
            let (target, source) = (batch.logging.bucket.clone(), batch.source.clone());
            match self.deliver_log(batch).await {
                Ok(()) => {}
                Err(error) if error.kind == Kind::Internal => {
                    tracing::error!(
                        ?error,
                        target,
                        source,
                        "an access log could not be written; its lines are lost"
                    );
                }
                Err(error) => {
                    tracing::warn!(
                        error = error.message,
                        target,
                        source,
                        "an access log was refused; its lines are lost"
                    );
                }
            }
        }
        rest
    }

    async fn deliver_log(&self, batch: Batch) -> Result<()> {
        let target = self.bucket(&batch.logging.bucket).await?;
        self.log_check(&batch.owner, &batch.source, &target, &batch.logging.prefix)?;
        let source = Source { account: &batch.owner, region: REGION, bucket: &batch.source };
        let unique = id::hex32()[..16].to_uppercase();
        let key = name::key(&batch.logging, &source, batch.since_ms, now_ms(), &unique);
        let traits =
            Traits { owner: Owner(target.owner.clone()), ..Traits::of_type(Some("text/plain".into())) };
        let body = futures::stream::iter([Ok(Bytes::from(batch.text))]);
        let options = PutOptions { traits, ..PutOptions::default() };
        self.put(&target.name, &key, body, options).await.map(drop)
    }
}
