//! The five fields of a cron expression, each parsed into a bit mask of the values it allows.

/// One field's name, bounds and value names.
pub(super) struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The day-of-month field: a mask and the two special forms that depend on the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayOfMonth {
    pub mask: u32,
    /// `L`: the last day.
    pub last: bool,
    /// `15W`: the working day nearest to the 15th, within the month.
    pub nearest: Vec<u32>,
}

/// The weekday field: a mask (bit 0 is Sunday) and its special forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weekdays {
    pub mask: u8,
    /// `5#2`: the second Friday, as (weekday, which).
    pub nth: Vec<(u32, u32)>,
    /// `L5`: the last Friday.
    pub last: Vec<u32>,
}

impl Field {
    pub(super) const MINUTE: Self = Self { name: "minute", min: 0, max: 59, names: &[] };
    pub(super) const HOUR: Self = Self { name: "hour", min: 0, max: 23, names: &[] };
    pub(super) const MONTH: Self = Self { name: "month", min: 1, max: 12, names: &MONTHS };
    const DAY: Self = Self { name: "day of month", min: 1, max: 31, names: &[] };
    /// 7 is accepted as a number and folded onto 0: both are Sunday.
    const WEEKDAY: Self = Self { name: "weekday", min: 0, max: 7, names: &WEEKDAYS };

    /// A comma-separated list into a mask.
    pub(super) fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |mask, part| Ok(mask | self.part(part)?))
    }

    /// `*`, `a`, `a-b`, each with an optional `/step`. A range whose end is before its start wraps.
    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step, part)?)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (self.min, self.top()),
            (_, Some((from, to))) => (self.value(from, part)?, self.value(to, part)?),
            (_, None) => {
                let value = self.value(range, part)?;
                (value, if step.is_some() { self.top() } else { value })
            }
        };
        Ok(self.mask(from, to, step.unwrap_or(1)))
    }

    fn mask(&self, from: u32, to: u32, step: u32) -> u64 {
        let end = if to >= from { to } else { to + self.top() - self.min + 1 };
        let fold = |value: u32| if value > self.top() { value - (self.top() - self.min + 1) } else { value };
        // Sunday written as 7 ends a range (`5-7`) or stands alone.
        (from..=end).step_by(step as usize).fold(0, |mask, value| mask | 1 << fold(value))
    }

    /// The largest value that is not an alias of another.
    fn top(&self) -> u32 {
        if self.name == Self::WEEKDAY.name { 6 } else { self.max }
    }

    fn step(&self, text: &str, part: &str) -> Result<u32, String> {
        match text.parse::<u32>() {
            Ok(step) if (1..=self.max).contains(&step) => Ok(step),
            _ => Err(format!("{} {part:?}: a step is a number from 1 to {}", self.name, self.max)),
        }
    }

    fn value(&self, text: &str, part: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(at as u32 + if self.min == 1 { 1 } else { 0 });
        }
        let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(value) if digits && (self.min..=self.max).contains(&value) => Ok(value),
            Ok(value) if digits => {
                Err(format!("{} {value} is out of range {}-{}", self.name, self.min, self.max))
            }
            _ if lower.starts_with('h') => {
                Err(format!("{} {part:?}: H (a hashed time) is not supported; write the time", self.name))
            }
            _ => Err(format!("{} {part:?} is not understood", self.name)),
        }
    }
}

impl DayOfMonth {
    const ALL: u32 = 0xFFFF_FFFE;

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut days = Self { mask: 0, last: false, nearest: Vec::new() };
        if text == "?" {
            days.mask = Self::ALL;
            return Ok(days);
        }
        for part in text.split(',') {
            match part.strip_suffix(['W', 'w']) {
                _ if part.eq_ignore_ascii_case("l") => days.last = true,
                Some(day) => days.nearest.push(Field::DAY.value(day, part)?),
                None => days.mask |= Field::DAY.part(part)? as u32,
            }
        }
        Ok(days)
    }

    /// Whether the field leaves the day open, in which case only the weekday decides.
    pub(super) fn is_any(&self) -> bool {
        self.mask == Self::ALL
    }
}

impl Weekdays {
    const ALL: u8 = 0x7F;

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut days = Self { mask: 0, nth: Vec::new(), last: Vec::new() };
        if text == "?" {
            days.mask = Self::ALL;
            return Ok(days);
        }
        for part in text.split(',') {
            if let Some((day, which)) = part.split_once('#') {
                days.nth.push((weekday(day, part)?, nth(which, part)?));
            } else if let Some(day) = part.strip_prefix(['L', 'l']).filter(|day| !day.is_empty()) {
                days.last.push(weekday(day, part)?);
            } else {
                days.mask |= Field::WEEKDAY.part(part)? as u8;
            }
        }
        Ok(days)
    }

    pub(super) fn is_any(&self) -> bool {
        self.mask == Self::ALL
    }
}

fn weekday(text: &str, part: &str) -> Result<u32, String> {
    Ok(Field::WEEKDAY.value(text, part)? % 7)
}

fn nth(text: &str, part: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(which @ 1..=5) => Ok(which),
        _ => Err(format!("weekday {part:?}: after # comes a number from 1 to 5")),
    }
}
