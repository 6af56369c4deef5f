//! When the schedules of a definition fire, within its dates, and which missed firings are made up for.

use super::{Catchup, Definition};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// The narrowest window that is searched for missed firings; it doubles until it holds enough.
const WINDOW_MS: i64 = 60_000;

impl Definition {
    /// When a schedule fires next after `now`, both in ms since the epoch.
    pub fn next_at(&self, now: i64) -> Option<i64> {
        // The start itself may be a firing.
        let after = self.start_at.map_or(now, |start| now.max(start - 1));
        let next = self.schedules.iter().filter_map(|one| one.cron.next_after(instant(after)?, one.zone));
        next.min().map(|at| at.timestamp_millis()).filter(|at| self.end_at.is_none_or(|end| *at <= end))
    }

    /// The firing from which on a pipeline seen first, or unpaused, at `now` is to run: with
    /// `catchup: all` the first one after `last`, the newest it has a run of.
    pub fn first_due(&self, last: Option<i64>, now: i64) -> Option<i64> {
        match (self.catchup, last.or(self.start_at.map(|start| start - 1))) {
            (Catchup::All, Some(from)) => self.next_at(from),
            _ => self.next_at(now),
        }
    }

    /// Of the firings in `from..=until`, oldest first, those to be made up for.
    pub fn due(&self, from: i64, until: i64) -> Vec<i64> {
        match self.catchup {
            // The scheduler's own lateness is no reason to skip one.
            Catchup::None => self.last_firings(from.max(until - WINDOW_MS), until, 1),
            Catchup::Latest => self.last_firings(from, until, 1),
            Catchup::All => self.last_firings(from, until, self.max_catchup),
        }
    }

    /// All firings in `from..=until`, the first `limit` of them.
    pub fn firings(&self, from: i64, until: i64, limit: usize) -> Vec<i64> {
        let mut found = Vec::new();
        let mut at = from - 1;
        while let Some(next) = self.next_at(at).filter(|next| *next <= until && found.len() < limit) {
            found.push(next);
            at = next;
        }
        found
    }

    /// The newest `count` firings of a span that may be years wide, found in steps whose number does
    /// not grow with the span.
    fn last_firings(&self, from: i64, until: i64, count: usize) -> Vec<i64> {
        let mut width = WINDOW_MS;
        loop {
            let start = until.saturating_sub(width).max(from);
            let found: BTreeSet<i64> = self.firings(start, until, usize::MAX).into_iter().collect();
            if found.len() >= count || start == from {
                return found.iter().copied().skip(found.len().saturating_sub(count)).collect();
            }
            width = width.saturating_mul(2);
        }
    }
}

fn instant(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}
