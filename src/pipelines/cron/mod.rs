//! Cron schedules that mean what they mean in Airflow: five fields, weekday 0 and 7 are Sunday,
//! a restricted day of the month and a restricted weekday are joined by OR, names and macros work.
//!
//! Parsing is in `field`, the search for the next instant in `next`, the words in `words`. The
//! `cron` crate walks months and times of day; which days are meant is decided here, because it
//! numbers weekdays from 1 = Sunday and joins the two day fields by AND.
//! The case table in `tests` was answered by Airflow's own CronTriggerTimetable.

mod field;
mod next;
#[cfg(test)]
mod tests;
mod words;

use field::{DayOfMonth, Field, Weekdays};
use std::str::FromStr;

/// A parsed expression. It holds no time zone: that belongs to the schedule which asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u32,
    days: DayOfMonth,
    months: u16,
    weekdays: Weekdays,
    /// The same minutes, hours and months, for every day of the month.
    times: cron::Schedule,
}

const MACROS: [(&str, &str); 8] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@quarterly", "0 0 1 */3 *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Cron {
    /// Parses an expression or a macro; the error says which field is wrong and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fields: Vec<&str> = expand(text)?.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(wrong_count(text, fields.len()));
        };
        let minutes = Field::MINUTE.parse(minute)?;
        let hours = Field::HOUR.parse(hour)?;
        let days = DayOfMonth::parse(day)?;
        let months = Field::MONTH.parse(month)?;
        let weekdays = Weekdays::parse(weekday)?;
        let times = times(minutes, hours, months).map_err(|error| format!("schedule {text:?}: {error}"))?;
        // The masks fit their types: `Field` bounds every value.
        let (hours, months) = (hours as u32, months as u16);
        let cron = Self { text: text.to_owned(), minutes, hours, days, months, weekdays, times };
        if !cron.ever_fires() {
            return Err(format!("schedule {text:?} never comes: no such date exists in any year"));
        }
        Ok(cron)
    }

    /// The expression as the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The three plain fields as the crate reads them, each value written out: it has no ranges that wrap.
fn times(minutes: u64, hours: u64, months: u64) -> Result<cron::Schedule, cron::error::Error> {
    let list = |mask: u64| {
        let values: Vec<_> = (0..64).filter(|bit| mask & 1 << bit != 0).map(|bit| bit.to_string()).collect();
        values.join(",")
    };
    cron::Schedule::from_str(&format!("0 {} {} * {} *", list(minutes), list(hours), list(months)))
}

/// Replaces a macro by its five fields.
fn expand(text: &str) -> Result<&str, String> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    let known = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, fields)| *fields).ok_or_else(|| {
        let names: Vec<_> = MACROS.iter().map(|(name, _)| *name).collect();
        format!("schedule {text:?} is not known; the macros are {}", names.join(", "))
    })
}

fn wrong_count(text: &str, found: usize) -> String {
    let hint = if found > 5 { "; seconds and years are not supported" } else { "" };
    format!(
        "schedule {text:?} has {found} fields; it needs 5: minute, hour, day of month, month, weekday{hint}"
    )
}
