//! The worker that applies lifecycle rules, bucket after bucket, and ends uploads nobody goes on with.

use super::{
    rules::{self, Action, Day, Standing},
    walk::{Row, Walk},
};
use crate::{
    kernel::{clock::now_ms, error::Result, tasks::Tasks},
    objects::{
        asker::Asker,
        error::Fault,
        model::{Bucket, Condition, Deletion, Match, Owner},
        notify::{Fact, tell},
        service::Service,
        store,
    },
};
use s3s::dto::BucketLifecycleConfiguration;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Versions looked at, and at most changed, in one go.
const PAGE: usize = 1000;

/// How the worker keeps time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub day: Day,
    /// Uploads this old are aborted whatever the rules say; zero is never.
    pub upload_expiry: Duration,
}

impl Pace {
    /// A day has 24 rounds; a day of seconds, for tests, has one a second.
    fn pause(self) -> Duration {
        Duration::from_millis((self.day.ms / 24).clamp(1_000, 3_600_000).unsigned_abs())
    }
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub expired: u64,
    pub relabelled: u64,
    pub aborted: u64,
}

impl Service {
    /// Starts the lifecycle worker as a background task.
    pub fn start_lifecycle(&self, tasks: &Tasks, day_s: usize, upload_expiry: Duration) {
        let day = Day { ms: i64::try_from(day_s).unwrap_or(i64::MAX / 1000).saturating_mul(1000) };
        let (service, stop, pace) = (self.clone(), tasks.stopping(), Pace { day, upload_expiry });
        tasks.spawn("object lifecycle", async move {
            loop {
                let asker = Arc::new(Asker::lifecycle());
                match asker.asks(service.lifecycle_round(pace, now_ms(), &stop)).await {
                    Ok(done) if done == Done::default() => {}
                    Ok(Done { expired, relabelled, aborted }) => {
                        tracing::info!(expired, relabelled, aborted, "applied lifecycle rules");
                    }
                    Err(error) => {
                        tracing::warn!(?error, "could not apply lifecycle rules; the next round tries again")
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(pace.pause()) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Applies the rules of every bucket as of `now_ms`.
    pub async fn lifecycle_round(&self, pace: Pace, now_ms: i64, stop: &CancellationToken) -> Result<Done> {
        let mut done = Done { aborted: self.abort_old(pace, now_ms).await?, ..Done::default() };
        for info in self.bucket_list().await? {
            if stop.is_cancelled() {
                break;
            }
            let bucket = match self.bucket(&info.name).await {
                Err(error) if matches!(Fault::of(&error), Some(Fault::NoSuchBucket(_))) => continue,
                bucket => bucket?,
            };
            let Some(config) = bucket.settings.get::<BucketLifecycleConfiguration>()? else { continue };
            let round = Round { service: self, bucket, config, day: pace.day, now_ms };
            round.versions(&mut done, stop).await?;
            done.aborted += round.uploads().await?;
        }
        Ok(done)
    }

    async fn abort_old(&self, pace: Pace, now_ms: i64) -> Result<u64> {
        let age = i64::try_from(pace.upload_expiry.as_millis()).unwrap_or(i64::MAX);
        if age == 0 {
            return Ok(0);
        }
        let mut aborted = 0;
        loop {
            let old = self.db().read(move |c| store::sweep::upload_old(c, now_ms - age, PAGE)).await?;
            for (bucket, key, id) in &old {
                aborted += u64::from(self.abort_if_there(bucket, key, id).await?);
            }
            if old.len() < PAGE {
                return Ok(aborted);
            }
        }
    }

    /// Whether there was an upload to abort: its client may have ended it meanwhile.
    async fn abort_if_there(&self, bucket: &str, key: &str, id: &str) -> Result<bool> {
        match self.upload_abort(bucket, key, id).await {
            Ok(()) => Ok(true),
            Err(error) if Fault::of(&error).is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// One bucket's turn.
struct Round<'a> {
    service: &'a Service,
    bucket: Arc<Bucket>,
    config: Arc<BucketLifecycleConfiguration>,
    day: Day,
    now_ms: i64,
}

impl Round<'_> {
    async fn versions(&self, done: &mut Done, stop: &CancellationToken) -> Result<()> {
        let (mut walk, mut from) = (Walk::default(), (String::new(), i64::MAX));
        while !stop.is_cancelled() {
            let (name, at) = (self.bucket.name.clone(), from.clone());
            let rows =
                self.service.db().read(move |c| store::sweep::version_page(c, &name, &at, PAGE)).await?;
            let last = rows.len() < PAGE;
            if let Some(end) = rows.last() {
                from = (end.key.clone(), end.seq);
            }
            let mut known: Vec<(Row, Standing)> = rows.into_iter().flat_map(|row| walk.step(row)).collect();
            if last {
                known.extend(walk.end());
            }
            self.act(known, done).await?;
            if last {
                break;
            }
        }
        Ok(())
    }

    async fn act(&self, known: Vec<(Row, Standing)>, done: &mut Done) -> Result<()> {
        let (mut deletions, mut labels) = (Vec::new(), Vec::new());
        for (row, standing) in known {
            match rules::due(&self.config, &row.candidate(standing), self.day, self.now_ms) {
                Some(Action::Expire) => deletions.push(deletion(row, false)),
                Some(Action::Remove) => deletions.push(deletion(row, true)),
                Some(Action::Relabel(class)) => labels.push((row, class)),
                None => {}
            }
        }
        if !deletions.is_empty() {
            let owner = Owner(self.bucket.owner.clone());
            // What was replaced meanwhile, or is locked, stays.
            let outcomes = self.service.delete_each(&self.bucket.name, deletions, owner).await?;
            let gone = outcomes.iter().filter(|(_, o)| o.as_ref().is_ok_and(|deleted| deleted.changed));
            done.expired += gone.count() as u64;
        }
        if !labels.is_empty() {
            done.relabelled += self.relabel(labels).await?;
        }
        Ok(())
    }

    async fn relabel(&self, labels: Vec<(Row, String)>) -> Result<u64> {
        let (bucket, teller) = (self.bucket.name.clone(), self.service.teller(&self.bucket.name).await?);
        let told = teller.is_some();
        let write = move |c: &crate::store::Connection| {
            let mut changed = 0;
            for (row, class) in &labels {
                let stored = Some(class.as_str()).filter(|class| *class != "STANDARD");
                if store::sweep::version_set_class(c, &bucket, &row.key, row.seq, stored)? {
                    let (key, version) = (row.key.as_str(), Some(row.version));
                    let (size, etag) = (Some(row.size), Some(row.etag.as_str()));
                    let fact = Fact { event: "s3:LifecycleTransition", key, version, size, etag };
                    tell(c, teller.as_ref(), &fact)?;
                    changed += 1;
                }
            }
            Ok(changed)
        };
        let changed = self.service.db().write(write).await?;
        self.service.ring(told);
        Ok(changed)
    }

    async fn uploads(&self) -> Result<u64> {
        let (mut aborted, mut after) = (0, Default::default());
        loop {
            let uploads = self.service.upload_list(&self.bucket.name, "", after, PAGE).await?;
            for upload in &uploads {
                let due = rules::abort(&self.config, &upload.key, upload.created_ms, self.day);
                if due.is_some_and(|(at_ms, _)| at_ms <= self.now_ms) {
                    let (bucket, key) = (&self.bucket.name, &upload.key);
                    aborted += u64::from(self.service.abort_if_there(bucket, key, &upload.id).await?);
                }
            }
            match uploads.last() {
                Some(last) if uploads.len() == PAGE => after = (last.key.clone(), last.id.clone()),
                _ => return Ok(aborted),
            }
        }
    }
}

/// A deletion of exactly what was seen: something put there since stays.
fn deletion(row: Row, this_version: bool) -> Deletion {
    Deletion {
        condition: Condition {
            if_match: Some(Match::Etag(row.etag)),
            modified_s: Some(row.modified_ms.div_euclid(1000)),
            ..Condition::default()
        },
        key: row.key,
        version: this_version.then_some(row.version),
        bypass_governance: false,
    }
}
