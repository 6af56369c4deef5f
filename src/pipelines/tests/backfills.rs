//! Backfills that are paused and stopped as one, beside the other runs of their pipeline.

use super::{DAY, Lab};
use crate::pipelines::{
    backfill,
    model::{Reprocess, RunState},
    store::{self, BackfillPlan},
};
use crate::store::Connection;
use std::collections::BTreeMap;

const DAILY: &str = "name: daily\nmax_active_runs: 1\nschedule: '@daily'\ntasks: [{id: a, run: x}]\n";

fn plan(backwards: bool) -> BackfillPlan {
    BackfillPlan {
        pipeline: "daily".into(),
        span: (DAY, 4 * DAY),
        params: BTreeMap::new(),
        reprocess: Reprocess::None,
        backwards,
        max_active_runs: 2,
        latest: true,
    }
}

impl Lab {
    /// Logical days of the runs in a state.
    async fn days(&self, wanted: RunState) -> Vec<i64> {
        let runs = self.with(|db| store::run_firings(db, "daily", 0, 99 * DAY)).await;
        runs.into_iter().filter(|(.., state)| *state == wanted).map(|(at, ..)| at / DAY).collect()
    }
}

#[tokio::test]
async fn a_backfill_begins_no_more_than_it_may_and_none_while_paused() {
    let lab = Lab::new();
    lab.put(DAILY, 5 * DAY).await;
    let id = lab.with(|db| Ok(backfill::start(db, &plan(false), 5 * DAY)?.0.id)).await;
    lab.advance(5 * DAY, 16, vec![]).await;
    assert_eq!(lab.days(RunState::Running).await, [1, 2], "two, though its pipeline may have but one");
    lab.with(move |db| backfill::set_paused(db, id, true, 5 * DAY)).await;
    lab.end_all(5 * DAY + 1).await;
    // The schedule's own run is none of the backfill's.
    lab.advance(6 * DAY, 16, vec![]).await;
    assert_eq!(lab.days(RunState::Running).await, [6]);
    assert_eq!(lab.days(RunState::Queued).await, [3, 4]);
    lab.with(move |db| backfill::set_paused(db, id, false, 6 * DAY)).await;
    lab.advance(6 * DAY, 16, vec![]).await;
    assert_eq!(lab.days(RunState::Running).await, [3, 4, 6]);
    assert_eq!(lab.with(move |db| backfill::find(db, id)).await.completed_at, None);
    lab.end_all(6 * DAY + 2).await;
    assert_eq!(lab.with(move |db| backfill::find(db, id)).await.completed_at, Some(6 * DAY + 2));
}

#[tokio::test]
async fn a_backfill_that_is_stopped_leaves_what_had_not_begun_and_runs_again_by_hand() {
    let lab = Lab::new();
    lab.put(DAILY, 5 * DAY).await;
    let id = lab.with(|db| Ok(backfill::start(db, &plan(true), 5 * DAY)?.0.id)).await;
    lab.advance(5 * DAY, 16, vec![]).await;
    assert_eq!(lab.days(RunState::Running).await, [3, 4], "the newest first");
    let twice = |db: &Connection| Ok(backfill::start(db, &plan(true), 5 * DAY).is_err());
    assert!(lab.with(twice).await, "one at a time");
    lab.with(move |db| backfill::cancel(db, id, 5 * DAY).map(drop)).await;
    assert_eq!(lab.days(RunState::Cancelled).await, [1, 2]);
    lab.end_all(5 * DAY + 1).await;
    assert_eq!(lab.days(RunState::Success).await, [3, 4]);
    let again = |db: &Connection| {
        let stopped = store::run_firings(db, "daily", DAY, DAY)?.remove(0).1;
        crate::pipelines::by_hand::clear(db, &stopped, &Default::default(), 5 * DAY).map(drop)
    };
    lab.with(again).await;
    lab.advance(5 * DAY + 2, 16, vec![]).await;
    assert_eq!(lab.days(RunState::Running).await, [1]);
}
