//! Cron cases. The table of answers was written by Airflow's own CronTriggerTimetable
//! (`scripts/airflow-tables.py`).

use super::Cron;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// A row for each case: expression, zone, start, and the next four local times that Airflow gives, or that
/// it refuses the expression.
const AIRFLOW: &str = include_str!("airflow.tsv");

/// Refused by Airflow, and by us with a reason that contains these words.
const REFUSED: &[(&str, &str)] = &[
    ("0 0 LW * *", "day of month"),
    ("0 0 * * FRI#L", "number from 1 to 5"),
    ("0 0 * * 5L", "weekday"),
    ("0 0 30 2 *", "never comes"),
    ("60 * * * *", "out of range 0-59"),
    ("*/15 30 4 * * *", "6 fields"),
    ("0 0 12 1 1 ? 2030", "7 fields"),
    ("H H * * *", "hashed"),
    ("* * * *", "4 fields"),
    ("", "0 fields"),
    ("*/0 * * * *", "step"),
    ("1- * * * *", "minute"),
    ("@reboot", "macros are"),
    ("0 0 32 * *", "out of range 1-31"),
    ("0 0 * 13 *", "out of range 1-12"),
    ("0 0 * * 8", "out of range 0-7"),
    ("99999999999 * * * *", "not understood"),
    ("+5 * * * *", "not understood"),
];

fn parse(expression: &str) -> Cron {
    Cron::parse(expression).unwrap_or_else(|why| panic!("{expression}: {why}"))
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("the table holds RFC 3339 times")
}

fn firings(expression: &str, zone: &str, start: &str, count: usize) -> Vec<String> {
    let (cron, zone): (Cron, Tz) = (parse(expression), zone.parse().expect("the table holds zone names"));
    let step = |at: &DateTime<Utc>| cron.next_after(*at, zone);
    std::iter::successors(step(&utc(start)), step)
        .take(count)
        .map(|at| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S%z").to_string())
        .collect()
}

#[test]
fn answers_equal_airflow() {
    let (mut taken, mut refused) = (0, 0);
    for line in AIRFLOW.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (expression, zone, start, expected) = (cells[0], cells[1], cells[2], &cells[3..]);
        if expected == ["refused"] {
            assert!(Cron::parse(expression).is_err(), "{expression} is refused by Airflow");
            refused += 1;
        } else {
            let own = firings(expression, zone, start, expected.len());
            assert_eq!(own, expected, "{expression} in {zone} from {start}");
            taken += 1;
        }
    }
    assert_eq!((taken, refused), (60, 14));
}

#[test]
fn what_airflow_refuses_is_refused_with_a_reason() {
    for (expression, words) in REFUSED {
        match Cron::parse(expression) {
            Ok(cron) => panic!("{expression} was taken as: {}", cron.describe()),
            Err(why) => assert!(why.contains(words), "{expression}: {why}"),
        }
    }
}

#[test]
fn the_leap_day_is_found_years_ahead_and_the_calendar_ends_with_2100() {
    let leap = parse("0 0 29 2 *");
    assert_eq!(leap.next_after(utc("2025-01-01T00:00:00Z"), Tz::UTC), Some(utc("2028-02-29T00:00:00Z")));
    assert_eq!(leap.next_after(utc("2097-01-01T00:00:00Z"), Tz::UTC), None);
}

#[test]
fn an_hourly_schedule_fires_once_each_real_hour_of_a_year_with_both_clock_changes() {
    let (cron, zone) = (parse("0 * * * *"), chrono_tz::Europe::Berlin);
    let mut at = utc("2026-01-01T00:00:00Z");
    for _ in 0..365 * 24 {
        let next = cron.next_after(at, zone).expect("an hourly schedule never ends");
        assert_eq!(next - at, chrono::Duration::hours(1), "after {at}");
        at = next;
    }
}

#[test]
fn a_daily_schedule_fires_once_each_local_day_in_every_zone() {
    for zone in
        [chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe, chrono_tz::Africa::Cairo, Tz::UTC]
    {
        for expression in ["30 2 * * *", "30 1 * * *", "0 0 * * *", "45 23 * * *"] {
            let cron = parse(expression);
            let step = |at: &DateTime<Utc>| cron.next_after(*at, zone);
            let first = step(&utc("2026-01-01T12:00:00Z"));
            let days: Vec<_> = std::iter::successors(first, step)
                .take(400)
                .map(|at| at.with_timezone(&zone).date_naive())
                .collect();
            for pair in days.windows(2) {
                assert_eq!(pair[0].succ_opt(), Some(pair[1]), "{expression} in {zone}");
            }
        }
    }
}

#[test]
fn of_missed_firings_the_latest_is_found_whatever_the_distance() {
    let latest = |expression: &str, from: &str, until: &str| {
        parse(expression).latest_between(utc(from), utc(until), Tz::UTC).map(|at| at.to_rfc3339())
    };
    let until = "2026-06-10T10:00:30Z";
    assert_eq!(
        latest("* * * * *", "2016-01-01T00:00:00Z", until).as_deref(),
        Some("2026-06-10T10:00:00+00:00")
    );
    assert_eq!(
        latest("0 3 * * 1", "2016-01-01T00:00:00Z", until).as_deref(),
        Some("2026-06-08T03:00:00+00:00")
    );
    assert_eq!(
        latest("0 0 29 2 *", "2016-01-01T00:00:00Z", until).as_deref(),
        Some("2024-02-29T00:00:00+00:00")
    );
    assert_eq!(
        latest("0 10 * * *", "2026-06-10T10:00:00Z", "2026-06-10T10:00:00Z").as_deref(),
        Some("2026-06-10T10:00:00+00:00")
    );
    assert_eq!(latest("0 11 * * *", "2026-06-10T10:00:00Z", until), None);
}

#[test]
fn schedules_read_well_in_words() {
    for (expression, words) in [
        ("0 0 * * 1", "every Monday at 00:00"),
        ("@daily", "every day at 00:00"),
        ("30 2 * * *", "every day at 02:30"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "at minute 15 of every hour"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 9,17 * * MON-FRI", "from Monday to Friday at 09:00 and 17:00"),
        ("0 0 13 * 5", "on the 13th of the month and every Friday at 00:00"),
        ("0 0 L * *", "on the last day of the month at 00:00"),
        ("0 0 * * 5#2", "every 2nd Friday of the month at 00:00"),
        ("0 6 1 1 *", "on the 1st of the month at 06:00, in January"),
        ("0 */2 * * *", "at minute 0 of every 2nd hour"),
    ] {
        assert_eq!(parse(expression).describe(), words, "{expression}");
    }
}
