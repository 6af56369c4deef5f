//! Instants for people: the clock of this machine's zone (TZ), to the second, with the zone. JSON keeps its own.

use super::text;
use chrono::{DateTime, FixedOffset, Local, Offset, TimeZone};
use serde_json::Value;

/// An instant of the API; a dash for none.
pub(super) fn told(value: &Value) -> String {
    value.as_str().and_then(|given| shown(given, &Local)).unwrap_or_else(|| text(value))
}

/// A sentence of the API, in which instants may stand.
pub(super) fn in_words(sentence: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ')', '.']);
        let told = shown(bare, &Local).filter(|_| bare.len() > "2026-01-31T".len());
        told.map_or_else(|| word.to_owned(), |told| told + &word[bare.len()..])
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn shown<Z: TimeZone>(given: &str, zone: &Z) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(given).ok()?.with_timezone(zone);
    let offset: FixedOffset = at.offset().fix();
    let at = at.with_timezone(&offset);
    Some(match offset.local_minus_utc() {
        0 => at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        _ => at.format("%Y-%m-%d %H:%M:%S %:z").to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::{in_words, shown};
    use chrono::Utc;

    #[test]
    fn an_instant_is_told_to_the_second_in_the_zone() {
        let berlin: chrono_tz::Tz = "Europe/Berlin".parse().expect("a zone");
        let at = "2026-07-01T06:00:00.123Z";
        assert_eq!(shown(at, &Utc).as_deref(), Some("2026-07-01 06:00:00 UTC"));
        assert_eq!(shown(at, &berlin).as_deref(), Some("2026-07-01 08:00:00 +02:00"));
        assert_eq!(shown("soon", &Utc), None);
    }

    #[test]
    fn instants_in_a_sentence_are_told_so_too_and_the_rest_stays() {
        let told = in_words("exit code 1; waits for attempt 2 of 4 at 2026-07-01T06:00:00.123Z, perhaps");
        assert!(told.starts_with("exit code 1; waits for attempt 2 of 4 at 2026-0"), "{told}");
        assert!(!told.contains(".123Z") && told.ends_with(", perhaps"), "{told}");
        assert_eq!(in_words("no time  at all, 2026-07-01"), "no time  at all, 2026-07-01");
    }
}
