//! The last hour in slots of ten seconds, and the quantiles of the last minute: what a page draws.

use super::histogram::{BUCKETS, Counts, bucket};
use serde::Serialize;
use std::time::Duration;

const SLOT_MS: i64 = 10_000;
const SLOTS: usize = 360;
/// Slots whose latencies are kept.
const MINUTE: usize = 6;

/// Requests of ten seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which ten seconds these were; a slot of another hour is empty.
    at: i64,
    requests: u64,
    errors: u64,
    micros: u64,
}

#[derive(Debug)]
pub struct Recent {
    slots: Vec<Slot>,
    latencies: Vec<(i64, Vec<u32>)>,
}

/// One point of a line over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub at_ms: i64,
    pub requests: u64,
    pub errors: u64,
    /// Of the answers; none where there was none.
    pub mean_ms: Option<f64>,
}

impl Default for Recent {
    fn default() -> Self {
        // Slot 0 is in 1970, so nothing that is asked for.
        Self { slots: vec![Slot::default(); SLOTS], latencies: vec![(0, Vec::new()); MINUTE] }
    }
}

impl Recent {
    pub fn add(&mut self, now_ms: i64, taken: Duration, ok: bool) {
        let at = now_ms / SLOT_MS;
        let slot = &mut self.slots[place(at, SLOTS)];
        if slot.at != at {
            *slot = Slot { at, ..Slot::default() };
        }
        slot.requests += 1;
        if !ok {
            slot.errors += 1;
            return;
        }
        slot.micros += u64::try_from(taken.as_micros()).unwrap_or_default();
        let (of, counts) = &mut self.latencies[place(at, MINUTE)];
        if *of != at {
            *of = at;
            counts.clear();
            counts.resize(BUCKETS, 0);
        }
        counts[bucket(taken)] += 1;
    }

    /// The last hour, oldest first; only what was counted.
    pub fn series(&self, now_ms: i64) -> Vec<Point> {
        let now = now_ms / SLOT_MS;
        let mut found: Vec<Slot> = self.last(now, SLOTS).collect();
        found.sort_unstable_by_key(|slot| slot.at);
        found.iter().map(Slot::point).collect()
    }

    /// Requests a second over the last minute.
    pub fn rate(&self, now_ms: i64) -> f64 {
        let now = now_ms / SLOT_MS;
        let requests: u64 = self.last(now, MINUTE).map(|slot| slot.requests).sum();
        let span_ms = (MINUTE as i64 - 1) * SLOT_MS + now_ms % SLOT_MS;
        (requests as f64 * 1000.0 / span_ms as f64 * 100.0).round() / 100.0
    }

    /// The latencies of the last minute.
    pub fn counts(&self, now_ms: i64) -> Counts {
        let now = now_ms / SLOT_MS;
        let mut sum = vec![0; BUCKETS];
        for (_, counts) in self.latencies.iter().filter(|(at, _)| is_last(*at, now, MINUTE)) {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        Counts(sum)
    }

    fn last(&self, now: i64, slots: usize) -> impl Iterator<Item = Slot> + '_ {
        self.slots.iter().filter(move |slot| is_last(slot.at, now, slots)).copied()
    }
}

impl Slot {
    fn point(&self) -> Point {
        let answers = self.requests - self.errors;
        let mean_ms = (answers > 0).then(|| self.micros as f64 / answers as f64 / 1000.0);
        Point { at_ms: self.at * SLOT_MS, requests: self.requests, errors: self.errors, mean_ms }
    }
}

fn place(at: i64, slots: usize) -> usize {
    usize::try_from(at).unwrap_or_default() % slots
}

fn is_last(at: i64, now: i64, slots: usize) -> bool {
    at <= now && now - at < slots as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_a_minute_of_latencies() {
        let mut recent = Recent::default();
        let began = 1_800_000_000_000;
        for second in 0..7200 {
            recent.add(began + second * 1000, Duration::from_millis(2), second % 10 != 0);
        }
        let now = began + 7_199_000;
        let series = recent.series(now);
        assert_eq!(series.len(), 360);
        assert!(series.iter().all(|point| point.requests == 10 && point.errors == 1));
        assert_eq!(series.last().map(|point| point.at_ms), Some(began + 7_190_000));
        assert!((recent.rate(now) - 60.0 / 59.0).abs() < 0.01);
        assert_eq!(recent.counts(now).total(), 54);
        let later = now + 3_600_000;
        assert!(recent.series(later).is_empty() && recent.counts(later).total() == 0);
    }
}
