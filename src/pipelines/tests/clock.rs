//! Clocks that jump.

use super::{Lab, bad};
use crate::pipelines::{jump, store};

const HOUR: i64 = 3_600_000;
const HOURLY: &str =
    "name: hourly\nschedule: '0 * * * *'\ntasks:\n  - {id: a, run: x, retries: 3, retry_delay: 60}\n";

#[tokio::test]
async fn a_clock_set_far_ahead_and_back_again_neither_repeats_nor_stops_a_schedule() {
    let lab = Lab::new();
    lab.put(HOURLY, 0).await;
    lab.advance(HOUR, 0, Vec::new()).await;
    let far = 20 * 365 * 24 * HOUR;
    lab.advance(far, 0, Vec::new()).await;
    assert_eq!(lab.firings("hourly").await, [HOUR, far], "what was missed is made up for once");

    let mut latest = far;
    let now = 2 * HOUR - 1;
    assert_eq!(jump::went_back(&mut latest, now), Some(far - now));
    assert_eq!(jump::went_back(&mut latest, now - 100), None, "a small correction is no jump");
    lab.with(move |db| jump::take_back(db, now, far - now)).await;
    for at in [now, 2 * HOUR, 2 * HOUR + 5, 3 * HOUR] {
        lab.advance(at, 0, Vec::new()).await;
    }
    let mut firings = lab.firings("hourly").await;
    firings.sort_unstable();
    assert_eq!(firings, [HOUR, 2 * HOUR, 3 * HOUR, far]);

    // An hour back: what ran in it does not run again.
    let now = 2 * HOUR + 1;
    lab.with(move |db| jump::take_back(db, now, HOUR)).await;
    lab.advance(3 * HOUR, 0, Vec::new()).await;
    assert_eq!(lab.firings("hourly").await.len(), 4);
}

#[tokio::test]
async fn a_retry_does_not_wait_for_a_clock_that_was_set_back() {
    let lab = Lab::new();
    lab.begin(HOURLY).await;
    let day = 24 * HOUR;
    lab.advance(day, 1, Vec::new()).await;
    let running = lab.running().await;
    lab.advance(day, 1, vec![(running[0].clone(), bad(day))]).await;
    assert_eq!(lab.with(move |db| store::task_next_retry(db, day)).await, Some(day + 60_000));
    let now = HOUR;
    lab.with(move |db| jump::take_back(db, now, day - now)).await;
    assert_eq!(lab.with(move |db| store::task_next_retry(db, now)).await, Some(now + 60_000));
}
