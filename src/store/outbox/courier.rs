//! The background task that delivers what waits in an outbox.

use super::{Notice, To, queue};
use crate::{
    kernel::{clock::now_ms, error::Result, tasks::Tasks},
    store::Db,
};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Destinations told at the same time.
const AT_ONCE: usize = 8;
/// Notices one destination is told in a round.
const BATCH: u32 = 100;
/// Pauses double from the first to the longest.
const PAUSE_FIRST_MS: i64 = 1_000;
const PAUSE_LONGEST_MS: i64 = 600_000;
/// What could not be told for so long is let go.
const GIVE_UP_MS: i64 = 24 * 3_600_000;
/// The queue is looked at this often even when nobody rings.
const LOOK_MS: i64 = 60_000;

/// Rings when a notice was written, so that nobody has to look for one.
#[derive(Default)]
pub struct Bell(Notify);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    async fn heard(&self) {
        self.0.notified().await;
    }
}

/// What came of an attempt.
#[derive(Debug)]
pub enum Outcome {
    Taken,
    /// Nobody took it now; the destination may have said how long to wait.
    Again {
        why: String,
        after: Option<Duration>,
    },
    /// Nobody ever will.
    Never {
        why: String,
    },
}

/// Brings a notice to its destination.
#[async_trait::async_trait]
pub trait Carrier: Send + Sync + 'static {
    async fn carry(&self, to: &To, notice: &Notice) -> Outcome;
}

/// Delivers the notices of one database.
pub struct Courier<C> {
    pub db: Db,
    pub bell: Arc<Bell>,
    pub carrier: C,
    /// Delivers notices of this kind alone, where several couriers share a database.
    pub only: Option<&'static str>,
}

impl<C: Carrier> Courier<C> {
    pub fn start(self, tasks: &Tasks, name: &str) {
        let stop = tasks.stopping();
        tasks.spawn(name, async move {
            loop {
                let pause = self.round().await.unwrap_or_else(|error| {
                    tracing::warn!(?error, "could not deliver notices; the next round tries again");
                    PAUSE_FIRST_MS
                });
                let pause = Duration::from_millis(pause.clamp(0, LOOK_MS).unsigned_abs());
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.bell.heard() => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Tells all that is due; answers how long nothing more will be, in milliseconds.
    async fn round(&self) -> Result<i64> {
        let now = now_ms();
        let only = self.only;
        let destinations = self.db.read(move |c| queue::destinations(c, only, now)).await?;
        let outcomes: Vec<Result<()>> =
            stream::iter(destinations).map(|to| self.tell_all(to)).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect::<Result<()>>()?;
        let next = self.db.read(move |c| queue::next(c, only)).await?;
        Ok(next.map_or(LOOK_MS, |next| next - now_ms()))
    }

    /// Tells one destination what is due, until it fails to take one.
    async fn tell_all(&self, to: To) -> Result<()> {
        let (now, wanted) = (now_ms(), to.clone());
        let due = self.db.read(move |c| queue::due(c, &wanted, now, BATCH)).await?;
        for notice in due {
            if !self.tell(&to, notice).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the destination took the notice, or it was let go.
    async fn tell(&self, to: &To, notice: Notice) -> Result<bool> {
        let (kind, name, id) = (&to.kind, &to.name, notice.id);
        let (why, after) = match self.carrier.carry(to, &notice).await {
            Outcome::Taken => {
                self.db.write(move |c| queue::done(c, id)).await?;
                return Ok(true);
            }
            Outcome::Again { why, after } if now_ms() - notice.created_ms <= GIVE_UP_MS => (why, after),
            Outcome::Again { why, .. } | Outcome::Never { why } => {
                tracing::warn!(kind, name, notice = id, error = why, "let a notice go that nobody took");
                self.db.write(move |c| queue::done(c, id)).await?;
                return Ok(true);
            }
        };
        tracing::info!(kind, name, notice = id, error = why, "a notice was not taken; it waits");
        let (due, to) = (now_ms() + pause_ms(notice.attempts, after), to.clone());
        self.db.write(move |c| queue::failed(c, &to, id, &why, due)).await?;
        Ok(false)
    }
}

/// Each pause is twice the one before, and no shorter than the destination asked for.
fn pause_ms(attempts: u32, asked: Option<Duration>) -> i64 {
    let asked = asked.map_or(0, |asked| i64::try_from(asked.as_millis()).unwrap_or(i64::MAX));
    PAUSE_FIRST_MS.saturating_mul(1 << attempts.min(20)).max(asked).min(PAUSE_LONGEST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let pauses = [0, 1, 5, 9, 10, 99].map(|attempts| pause_ms(attempts, None));
        assert_eq!(pauses, [1_000, 2_000, 32_000, 512_000, 600_000, 600_000]);
        assert_eq!(pause_ms(0, Some(Duration::from_secs(2))), 2_000);
        assert_eq!(pause_ms(3, Some(Duration::from_secs(2))), 8_000);
        assert_eq!(pause_ms(0, Some(Duration::MAX)), 600_000);
    }
}
