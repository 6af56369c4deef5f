//! An instant as people write it: `14:30` on a run's day, `2026-01-31`, a full time, or `2h` after.

use super::definition::duration;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The instant a text means for a run of this logical date, in ms since the epoch.
pub fn instant(text: &str, zone: Tz, logical_at: i64) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.timestamp_millis());
    }
    let day = DateTime::<Utc>::from_timestamp_millis(logical_at).unwrap_or_default().with_timezone(&zone);
    let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
    if let Some(time) = time {
        return Ok(in_zone(day.date_naive().and_time(time), zone));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(in_zone(date.and_time(NaiveTime::MIN), zone));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    if let Some(at) = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        return Ok(in_zone(at, zone));
    }
    match duration::parse(text) {
        Ok(after) => Ok(logical_at.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))),
        Err(_) => Err(format!(
            "{text:?} is not a time; write 14:30 (on the run's day), 2026-01-31, 2026-01-31T08:00:00Z, or 2h (after the logical date)"
        )),
    }
}

/// An instant for people: what the clocks of a zone show then, and, of another zone than UTC, what UTC is.
pub fn told(at: i64, zone: Tz) -> String {
    let utc = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default();
    let wall = utc.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S");
    match zone {
        Tz::UTC => format!("that is {wall} UTC"),
        zone => format!("that is {wall} in {}, {} UTC", zone.name(), utc.format("%Y-%m-%d %H:%M:%S")),
    }
}

/// A wall time as an instant: the first of two where clocks go back, the next there is where they
/// go forward over it.
fn in_zone(wall: NaiveDateTime, zone: Tz) -> i64 {
    let later = (0..=24 * 4).filter_map(|quarter| wall.checked_add_signed(TimeDelta::minutes(15 * quarter)));
    let found = later.filter_map(|at| zone.from_local_datetime(&at).earliest()).next();
    let plain = wall.checked_add_days(Days::new(1)).unwrap_or(wall).and_utc().timestamp_millis();
    found.map_or(plain, |at| at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::{instant, told};
    use chrono::DateTime;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect(text).timestamp_millis()
    }

    #[test]
    fn an_instant_is_told_with_its_zone() {
        let zone = "Europe/Berlin".parse().expect("a zone");
        let at = ms("2026-07-01T06:00:00Z");
        assert_eq!(told(at, chrono_tz::UTC), "that is 2026-07-01 06:00:00 UTC");
        assert_eq!(told(at, zone), "that is 2026-07-01 08:00:00 in Europe/Berlin, 2026-07-01 06:00:00 UTC");
    }

    #[test]
    fn times_are_read_in_the_zone_and_from_the_logical_date() {
        let zone = "Europe/Berlin".parse().expect("a zone");
        let logical = ms("2026-03-28T23:30:00Z"); // the 29th in Berlin, when clocks go forward
        for (text, expected) in [
            ("14:30", "2026-03-29T12:30:00Z"),
            ("02:30", "2026-03-29T01:00:00Z"),
            ("00:10:05", "2026-03-28T23:10:05Z"),
            ("2026-01-31", "2026-01-30T23:00:00Z"),
            ("2026-01-31T08:00:00+05:30", "2026-01-31T02:30:00Z"),
            ("2026-07-01 08:00", "2026-07-01T06:00:00Z"),
            ("1h30m", "2026-03-29T01:00:00Z"),
        ] {
            assert_eq!(instant(text, zone, logical), Ok(ms(expected)), "{text}");
        }
        for text in ["", "noon", "25:00", "2026-02-30", "14:30 tomorrow"] {
            assert!(instant(text, zone, logical).is_err(), "{text}");
        }
    }
}
