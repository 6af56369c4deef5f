//! Durations as people write them: `30` (seconds), `90s`, `5m`, `1h30m`, `2d`, `500ms`.

use std::time::Duration;

/// A year: anything longer is a slip of the keyboard.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a duration; the error says how one looks.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is not a duration; write it like 30s, 5m, 1h30m or 2d");
    if let Ok(seconds) = text.parse::<u32>() {
        return bounded(Duration::from_secs(seconds.into()), text);
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let unit = unit(&rest[digits..unit_end]).ok_or_else(wrong)?;
        total = unit.checked_mul(count).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[unit_end..];
    }
    if text.is_empty() { Err(wrong()) } else { bounded(total, text) }
}

fn unit(name: &str) -> Option<Duration> {
    Some(match name {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        "d" => Duration::from_secs(24 * 3600),
        _ => return None,
    })
}

fn bounded(duration: Duration, text: &str) -> Result<Duration, String> {
    if duration > LONGEST { Err(format!("{text:?} is longer than a year")) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_read_as_written() {
        for (text, ms) in
            [("30", 30_000), ("90s", 90_000), ("1h30m", 5_400_000), ("500ms", 500), ("2d", 172_800_000)]
        {
            assert_eq!(parse(text).map(|d| d.as_millis()), Ok(ms), "{text}");
        }
        for text in ["", "5 minutes", "m", "-1", "1.5h", "99999999999d", "400d", "5x", "٣s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
