//! A clock that is set back: what was put off until a time that seemed near must not wait for the clock to come
//! there again. A clock set forward needs nothing: what is due then is due, as after a time of standing still.

use super::{definition::Definition, store};
use crate::{kernel::error::Result, store::Connection};

/// Less than this is the clock being kept right, not set.
const SMALLEST_MS: i64 = 5_000;

/// How far the clock went back since the last look, where that is more than a correction.
pub fn went_back(latest: &mut i64, now: i64) -> Option<i64> {
    let by = *latest - now;
    *latest = now;
    (by > SMALLEST_MS).then_some(by)
}

/// No schedule waits for longer than until its next firing from now on. A firing that has its run gets no
/// second one, so that setting the clock back and forth repeats nothing.
pub fn reschedule(db: &Connection, now: i64) -> Result<()> {
    for pipeline in store::pipeline_list(db)?.into_iter().filter(|pipeline| !pipeline.paused) {
        let next =
            Definition::parse(&pipeline.definition).ok().and_then(|definition| definition.next_at(now));
        if next.is_some() && pipeline.next_at > next {
            store::pipeline_set_schedule(db, &pipeline.name, false, next)?;
        }
    }
    Ok(())
}

/// The same after the clock went back by so much: retries come as soon as they would have.
pub fn take_back(db: &Connection, now: i64, by: i64) -> Result<()> {
    store::task_retry_sooner(db, by)?;
    reschedule(db, now)
}
