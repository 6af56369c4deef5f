//! When an expression fires next, in local wall time, with a rule for daylight saving time.
//!
//! The rule is Airflow's. A schedule with fixed hours steps along the wall clock: a time that the
//! spring gap skips fires once, moved on by the gap; a time that the autumn overlap repeats fires
//! once, at its second occurrence. A schedule for every hour fires at each real hour instead.

use super::Cron;
use chrono::{DateTime, Datelike, Days, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// How far is searched before a date is called impossible: 29 February may be 4 years away, and with
/// a weekday that falls on it longer (`L` and `#` narrow it further). The crate's calendar ends with 2100.
const HORIZON_DAYS: u64 = 366 * 9;
/// More than any clock change, so that stepping back by it reaches every wall time that may repeat.
const LARGEST_SHIFT: Duration = Duration::hours(3);
/// Bounds the walk through a window of wall times; a window is a few hours wide.
const MAX_STEPS: usize = 2_000;

impl Cron {
    /// The first instant after `after` at which the expression fires in `zone`.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let wall = after.with_timezone(&zone).naive_local();
        if self.hours.count_ones() == 24 {
            return self.next_real_hour(after, wall, zone);
        }
        instants(self.next_wall(wall)?, zone).last().copied()
    }

    /// The last instant in `from..=until`, or none. Used after a pause in service: of the runs that
    /// were missed, only the latest is made up for.
    pub fn latest_between(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: Tz,
    ) -> Option<DateTime<Utc>> {
        let before_from = from - Duration::milliseconds(1);
        // Widening windows: a frequent schedule is found in the first, so years of downtime cost nothing.
        let windows = [1, 24, 24 * 32, 24 * 366].map(Duration::hours).map(|width| until - width);
        for start in windows.into_iter().filter(|start| *start > before_from).chain([before_from]) {
            let mut latest = None;
            let mut at = start;
            while let Some(next) = self.next_after(at, zone).filter(|next| *next <= until) {
                (latest, at) = (Some(next), next);
            }
            if latest.is_some() {
                return latest;
            }
        }
        None
    }

    /// Whether any date matches at all: `0 0 30 2 *` does not.
    pub(super) fn ever_fires(&self) -> bool {
        // A leap year is in reach of this start.
        NaiveDate::from_ymd_opt(2023, 1, 1)
            .and_then(|d| d.and_hms_opt(0, 0, 0))
            .and_then(|t| self.next_wall(t))
            .is_some()
    }

    fn next_real_hour(&self, after: DateTime<Utc>, wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
        let mut at = wall - LARGEST_SHIFT;
        let mut best: Option<DateTime<Utc>> = None;
        for _ in 0..MAX_STEPS {
            at = self.next_wall(at)?;
            let candidate = instants(at, zone).into_iter().filter(|instant| *instant > after).min();
            best = [best, candidate].into_iter().flatten().min();
            // Once the walk is past every wall time that could still map before the best, it is final.
            if best.is_some_and(|best| at > best.with_timezone(&zone).naive_local() + LARGEST_SHIFT) {
                break;
            }
        }
        best
    }

    /// The first matching wall-clock minute after `after`. Wall time is given to the crate as if it
    /// were UTC, which has no gaps; what the zone makes of it is decided by the callers.
    fn next_wall(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let horizon = after.date().checked_add_days(Days::new(HORIZON_DAYS))?;
        let mut at = after;
        while at.date() <= horizon {
            let time = self.times.after(&at.and_utc()).next()?.naive_utc();
            if self.matches_day(time.date()) {
                return Some(time);
            }
            // On to the last instant of that day: the next day's first time follows it.
            at = time.date().and_hms_opt(23, 59, 59)?;
        }
        None
    }

    fn matches_day(&self, day: NaiveDate) -> bool {
        match (self.days.is_any(), self.weekdays.is_any()) {
            (true, true) => true,
            (true, false) => self.matches_weekday(day),
            (false, true) => self.matches_day_of_month(day),
            (false, false) => self.matches_weekday(day) || self.matches_day_of_month(day),
        }
    }

    fn matches_day_of_month(&self, day: NaiveDate) -> bool {
        self.days.mask & 1 << day.day() != 0
            || self.days.last && day.day() == last_day(day)
            || self.days.nearest.iter().any(|wanted| day.day() == nearest_working_day(day, *wanted))
    }

    fn matches_weekday(&self, day: NaiveDate) -> bool {
        let weekday = day.weekday().num_days_from_sunday();
        self.weekdays.mask & 1 << weekday != 0
            || self.weekdays.nth.contains(&(weekday, (day.day() - 1) / 7 + 1))
            || self.weekdays.last.contains(&weekday) && day.day() + 7 > last_day(day)
    }
}

/// The instants a wall time stands for: one, two (overlap, earlier first) or, in a gap, the one
/// that the clock's offset before the gap gives.
fn instants(wall: NaiveDateTime, zone: Tz) -> Vec<DateTime<Utc>> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) => vec![at.to_utc()],
        LocalResult::Ambiguous(first, second) => {
            let (first, second) = (first.to_utc(), second.to_utc());
            vec![first.min(second), first.max(second)]
        }
        LocalResult::None => before_gap(wall, zone).into_iter().collect(),
    }
}

fn before_gap(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    // Samoa once skipped a whole day, so look back that far, in steps no offset change is finer than.
    (1..=100).map(|quarter| Duration::minutes(15 * quarter)).find_map(|back| {
        let earlier = zone.from_local_datetime(&(wall - back)).latest()?;
        Some(earlier.to_utc() + back)
    })
}

fn last_day(day: NaiveDate) -> u32 {
    (28..=31).rev().find(|d| day.with_day(*d).is_some()).unwrap_or(28)
}

/// The working day nearest to `wanted` in this month, never leaving the month; 0 where the month
/// has no such day.
fn nearest_working_day(day: NaiveDate, wanted: u32) -> u32 {
    let Some(date) = day.with_day(wanted) else { return 0 };
    match date.weekday() {
        chrono::Weekday::Sat if wanted == 1 => 3,
        chrono::Weekday::Sat => wanted - 1,
        chrono::Weekday::Sun if wanted == last_day(day) => wanted - 2,
        chrono::Weekday::Sun => wanted + 1,
        _ => wanted,
    }
}
