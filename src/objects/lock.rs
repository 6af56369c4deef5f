//! Object lock: what a bucket retains its new objects for, and which changes of a lock are allowed.
//! Whether a version may be deleted is decided inside the transaction that would delete it.

use super::{
    error::Fault,
    model::{Bucket, Retention, RetentionMode, Traits},
    settings::Setting,
};
use crate::kernel::error::Result;
use chrono::{DateTime, Days, Months};
use serde::{Deserialize, Serialize};

/// A hundred years: what no retention may exceed.
const DAYS_MAX: u32 = 36_500;
const YEARS_MAX: u32 = 100;

/// What objects put without a retention of their own are retained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRetention {
    pub mode: RetentionMode,
    pub period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Days(u32),
    Years(u32),
}

impl Setting for DefaultRetention {
    const NAME: &'static str = "object-lock";
}

impl Period {
    /// As a configuration has it; none when the number is none a period may have.
    pub fn days(days: i32) -> Option<Self> {
        u32::try_from(days).ok().filter(|days| (1..=DAYS_MAX).contains(days)).map(Self::Days)
    }

    pub fn years(years: i32) -> Option<Self> {
        u32::try_from(years).ok().filter(|years| (1..=YEARS_MAX).contains(years)).map(Self::Years)
    }
}

impl DefaultRetention {
    pub fn from(&self, now_ms: i64) -> Option<Retention> {
        let now = DateTime::from_timestamp_millis(now_ms)?;
        let until = match self.period {
            Period::Days(days) => now.checked_add_days(Days::new(days.into()))?,
            Period::Years(years) => now.checked_add_months(Months::new(years * 12))?,
        };
        Some(Retention { mode: self.mode, until_ms: until.timestamp_millis() })
    }
}

/// Gives a new object of the bucket its retention, unless it brings one.
pub fn retain_new(bucket: &Bucket, traits: &mut Traits, now_ms: i64) -> Result<()> {
    if bucket.object_lock && traits.retention.is_none() {
        let default = bucket.settings.get::<DefaultRetention>()?;
        traits.retention = default.and_then(|default| default.from(now_ms));
    }
    Ok(())
}

/// Whether a retention may take the place of the one that is there. Longer is always allowed; shorter,
/// none at all or the other mode only for one in governance mode, and for who may bypass it.
pub fn check_change(
    old: Option<&Retention>,
    new: Option<&Retention>,
    bypass_governance: bool,
    now_ms: i64,
) -> Result<(), Fault> {
    let Some(old) = old.filter(|old| old.until_ms > now_ms) else { return Ok(()) };
    let keeps = new.is_some_and(|new| new.mode == old.mode && new.until_ms >= old.until_ms);
    if keeps || (old.mode == RetentionMode::Governance && bypass_governance) {
        return Ok(());
    }
    Err(Fault::ObjectLocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use RetentionMode::{Compliance, Governance};

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn until(mode: RetentionMode, days: i64) -> Retention {
        Retention { mode, until_ms: NOW + days * DAY }
    }

    #[test]
    fn a_lock_is_lengthened_freely_and_loosened_only_in_governance_mode_with_the_right() {
        let (governance, compliance) = (until(Governance, 10), until(Compliance, 10));
        let allowed = |old: &Retention, new: Option<Retention>| {
            [false, true].map(|bypass| check_change(Some(old), new.as_ref(), bypass, NOW).is_ok())
        };
        assert_eq!(allowed(&governance, Some(until(Governance, 11))), [true, true]);
        assert_eq!(allowed(&governance, Some(until(Governance, 9))), [false, true]);
        assert_eq!(allowed(&governance, Some(until(Compliance, 10))), [false, true]);
        assert_eq!(allowed(&governance, None), [false, true]);
        assert_eq!(allowed(&compliance, Some(until(Compliance, 11))), [true, true]);
        assert_eq!(allowed(&compliance, Some(until(Compliance, 9))), [false, false]);
        assert_eq!(allowed(&compliance, Some(until(Governance, 11))), [false, false]);
        assert_eq!(allowed(&compliance, None), [false, false]);
        assert_eq!(allowed(&until(Compliance, 0), None), [true, true]);
        assert_eq!(check_change(None, Some(&governance), false, NOW), Ok(()));
    }

    #[test]
    fn periods_are_calendar_days_and_years() {
        let days = DefaultRetention { mode: Governance, period: Period::Days(3) };
        assert_eq!(days.from(NOW), Some(until(Governance, 3)));
        let leap = DateTime::parse_from_rfc3339("2028-02-29T00:00:00Z").unwrap().timestamp_millis();
        let years = DefaultRetention { mode: Compliance, period: Period::Years(1) };
        let ends = DateTime::parse_from_rfc3339("2029-02-28T00:00:00Z").unwrap().timestamp_millis();
        assert_eq!(years.from(leap), Some(Retention { mode: Compliance, until_ms: ends }));
        assert_eq!((Period::days(0), Period::years(-1), Period::days(36_501)), (None, None, None));
    }
}
