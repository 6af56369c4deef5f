//! A schedule in words, for people who do not read cron: "every Monday at 00:00".

use super::Cron;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Cron {
    /// The schedule as a phrase without a final stop.
    pub fn describe(&self) -> String {
        let (clock, fixed) = self.clock();
        let phrase = match (self.day_words(), fixed) {
            (None, true) => format!("every day at {clock}"),
            (None, false) => clock,
            (Some(days), true) => format!("{days} at {clock}"),
            (Some(days), false) => format!("{clock}, {days}"),
        };
        match self.month_words() {
            Some(months) => format!("{phrase}, in {months}"),
            None => phrase,
        }
    }

    /// The time of day, and whether it is a short list of clock times (then "at" reads well).
    fn clock(&self) -> (String, bool) {
        let (minutes, hours) = (bits(self.minutes, 60), bits(self.hours.into(), 24));
        if minutes.len() * hours.len() <= 4 {
            let times = hours.iter().flat_map(|h| minutes.iter().map(move |m| format!("{h:02}:{m:02}")));
            return (join(times.collect(), "and"), true);
        }
        let minute = match (minutes.len(), even_step(&minutes, 60)) {
            (60, _) => "every minute".to_owned(),
            (1, _) if hours.len() == 24 && minutes[0] == 0 => return ("every hour".to_owned(), false),
            (_, Some(step)) => format!("every {step} minutes"),
            (1, _) => format!("at minute {}", minutes[0]),
            _ => format!("at minutes {}", join(numbers(&minutes), "and")),
        };
        let hour = match (hours.len(), even_step(&hours, 24)) {
            (24, _) if minutes.len() == 1 => " of every hour".to_owned(),
            (24, _) => String::new(),
            (_, Some(step)) => format!(" of every {} hour", ordinal(step)),
            _ => format!(" past hours {}", join(numbers(&hours), "and")),
        };
        (minute + &hour, false)
    }

    fn day_words(&self) -> Option<String> {
        let days = (!self.days.is_any()).then(|| self.day_of_month_words());
        let weekdays = (!self.weekdays.is_any()).then(|| self.weekday_words());
        match (days, weekdays) {
            (None, None) => None,
            (Some(days), None) => Some(format!("on {days} of the month")),
            (None, Some(weekdays)) => Some(weekdays),
            (Some(days), Some(weekdays)) => Some(format!("on {days} of the month and {weekdays}")),
        }
    }

    fn day_of_month_words(&self) -> String {
        let mut words: Vec<String> =
            bits(self.days.mask.into(), 32).iter().map(|day| format!("the {}", ordinal(*day))).collect();
        words.extend(
            self.days.nearest.iter().map(|day| format!("the working day nearest the {}", ordinal(*day))),
        );
        if self.days.last {
            words.push("the last day".into());
        }
        join(words, "and")
    }

    fn weekday_words(&self) -> String {
        let name = |day: u32| WEEKDAYS[day as usize % 7];
        let plain = match self.weekdays.mask {
            0 => None,
            0b011_1110 => Some("from Monday to Friday".to_owned()),
            mask => {
                let days = bits(mask.into(), 7).into_iter().map(|day| name(day).to_owned());
                Some(format!("every {}", join(days.collect(), "and")))
            }
        };
        let nth = self
            .weekdays
            .nth
            .iter()
            .map(|(day, which)| format!("every {} {} of the month", ordinal(*which), name(*day)));
        let last = self.weekdays.last.iter().map(|day| format!("every last {} of the month", name(*day)));
        join(plain.into_iter().chain(nth).chain(last).collect(), "and")
    }

    fn month_words(&self) -> Option<String> {
        let months = bits(self.months.into(), 13);
        let names = months.iter().map(|month| MONTHS[*month as usize - 1].to_owned());
        (months.len() < 12).then(|| join(names.collect(), "and"))
    }
}

fn bits(mask: u64, width: u32) -> Vec<u32> {
    (0..width).filter(|bit| mask & 1 << bit != 0).collect()
}

/// The step of a list such as 0, 15, 30, 45 that goes round its clock evenly.
fn even_step(values: &[u32], around: u32) -> Option<u32> {
    let [0, step, ..] = values else { return None };
    let even = around.is_multiple_of(*step) && values.len() as u32 == around / step;
    (even && values.windows(2).all(|pair| pair[1] - pair[0] == *step)).then_some(*step)
}

fn numbers(values: &[u32]) -> Vec<String> {
    values.iter().map(u32::to_string).collect()
}

fn join(mut words: Vec<String>, last: &str) -> String {
    match (words.pop(), words.is_empty()) {
        (None, _) => String::new(),
        (Some(end), true) => end,
        (Some(end), false) => format!("{} {last} {end}", words.join(", ")),
    }
}

fn ordinal(n: u32) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}
