//! A month of a pipeline: its runs by day, in the time zone of its schedule, and the firings to come.

use super::{definition::Definition, model::RunState, service::Service, store};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    store::Connection,
};
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// Runs and firings that are counted; a month of one every minute has fewer.
const MAX: usize = 50_000;
/// Runs of a day that are named, the newest ones.
const NAMED: usize = 24;

pub(super) struct Month {
    pub first: NaiveDate,
    pub zone: Tz,
    pub today: NaiveDate,
    pub days: Vec<Day>,
}

pub(super) struct Day {
    pub date: NaiveDate,
    pub states: BTreeMap<&'static str, usize>,
    /// Firings that are still to come; none while the pipeline is paused.
    pub planned: usize,
    /// The newest runs, oldest first: id, state and the time it stands for.
    pub runs: Vec<(String, RunState, i64)>,
}

/// `month` as `2026-11`; the present one if none is given.
pub(super) async fn month(service: &Service, name: &str, month: Option<&str>) -> Result<Month> {
    let wanted = month.map(parse).transpose()?;
    let name = name.to_owned();
    service.db().read(move |db| of(db, &name, wanted, now_ms())).await
}

fn parse(text: &str) -> Result<NaiveDate> {
    let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
    let first = first.filter(|first| (1970..=2200).contains(&first.year()));
    first.ok_or_else(|| Error::invalid(format!("{text:?} is not a month, like 2026-11.")))
}

fn of(db: &Connection, name: &str, wanted: Option<NaiveDate>, now: i64) -> Result<Month> {
    let pipeline = store::pipeline_get(db, name)?
        .ok_or_else(|| Error::not_found(format!("There is no pipeline {name:?}.")))?;
    let definition = Definition::parse(&pipeline.definition).ok();
    let zone = definition.as_ref().and_then(|one| one.schedules.first()).map_or(Tz::UTC, |one| one.zone);
    let today = date(now, zone);
    let first = wanted.unwrap_or(today).with_day(1).unwrap_or(today);
    let after = first.checked_add_months(Months::new(1)).unwrap_or(first);
    let (from, until) = (start(first, zone), start(after, zone) - 1);
    let mut days: Vec<Day> = first.iter_days().take_while(|day| *day < after).map(Day::empty).collect();
    for (run, state, at) in store::run_marks(db, name, from, until, MAX)? {
        if let Some(day) = days.get_mut(date(at, zone).day0() as usize) {
            *day.states.entry(state.as_str()).or_default() += 1;
            day.runs.push((run, state, at));
        }
    }
    for day in &mut days {
        day.runs.drain(..day.runs.len().saturating_sub(NAMED));
    }
    if let Some(definition) = definition.filter(|_| !pipeline.paused) {
        for at in definition.firings(from.max(now + 1), until, MAX) {
            if let Some(day) = days.get_mut(date(at, zone).day0() as usize) {
                day.planned += 1;
            }
        }
    }
    Ok(Month { first, zone, today, days })
}

impl Day {
    fn empty(date: NaiveDate) -> Self {
        Self { date, states: BTreeMap::new(), planned: 0, runs: Vec::new() }
    }
}

fn date(ms: i64, zone: Tz) -> NaiveDate {
    DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default().with_timezone(&zone).date_naive()
}

/// When a day begins; where the clocks skip midnight, an hour later.
fn start(day: NaiveDate, zone: Tz) -> i64 {
    let local = |hour| day.and_hms_opt(hour, 0, 0).and_then(|at| zone.from_local_datetime(&at).earliest());
    local(0).or_else(|| local(1)).map_or(0, |at| at.timestamp_millis())
}
