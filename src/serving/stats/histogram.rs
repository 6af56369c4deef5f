//! A latency histogram that many threads write without waiting for each other.

use crate::serving::model::Latency;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Each doubling of the time is cut into 2^3 buckets, so a quantile is right within 1/16.
const CUT: u32 = 3;
/// Up to 2^36 microseconds, 19 hours.
pub const BUCKETS: usize = 37 << CUT;

#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, micros: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub fn add(&self, taken: Duration) {
        self.buckets[bucket(taken)].fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub fn counts(&self) -> Counts {
        Counts(self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect())
    }

    /// The sum of all times.
    pub fn seconds(&self) -> f64 {
        self.micros.load(Relaxed) as f64 / 1e6
    }
}

/// What a histogram held at one time.
#[derive(Clone, Debug, Default)]
pub struct Counts(pub Vec<u64>);

impl Counts {
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(sum, count)| *sum += count);
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |index: usize| earlier.0.get(index).copied().unwrap_or_default();
        Self(self.0.iter().enumerate().map(|(index, count)| count.saturating_sub(before(index))).collect())
    }

    /// In milliseconds; none while nothing was counted.
    pub fn quantile(&self, percent: u64) -> Option<f64> {
        let rank = (self.total() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(middle_ms)
    }

    pub fn latency(&self) -> Latency {
        Latency { p50: self.quantile(50), p95: self.quantile(95), p99: self.quantile(99) }
    }

    /// How many took less than 2^`power` microseconds.
    pub fn below(&self, power: u32) -> u64 {
        self.0.iter().take((power as usize) << CUT).sum()
    }
}

pub fn bucket(taken: Duration) -> usize {
    let micros = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX).max(1);
    let power = micros.ilog2();
    let within = if power >= CUT { micros >> (power - CUT) } else { micros << (CUT - power) };
    let index = ((power as usize) << CUT) + (within as usize & ((1 << CUT) - 1));
    index.min(BUCKETS - 1)
}

/// The middle of a bucket, in milliseconds.
fn middle_ms(index: usize) -> f64 {
    let (power, within) = (index >> CUT, index & ((1 << CUT) - 1));
    let micros = (1u64 << power) as f64 * (1.0 + (within as f64 + 0.5) / f64::from(1u32 << CUT));
    (micros / 1000.0 * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_within_a_sixteenth() {
        let histogram = Histogram::default();
        (1..=10_000u64).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        let counts = histogram.counts();
        for (percent, truth) in [(50, 5.0), (95, 9.5), (99, 9.9)] {
            let found = counts.quantile(percent).expect("something was counted");
            assert!((found / truth - 1.0).abs() < 1.0 / 16.0, "p{percent} is {found}, not {truth}");
        }
        assert_eq!(counts.below(10), 1023);
        assert_eq!(counts.since(&counts).quantile(50), None);
        assert!((histogram.seconds() - 50.005).abs() < 1e-6);
    }

    #[test]
    fn times_beyond_all_measure_fit() {
        let histogram = Histogram::default();
        for taken in [Duration::ZERO, Duration::MAX, Duration::from_secs(1 << 40)] {
            histogram.add(taken);
        }
        assert_eq!(histogram.counts().total(), 3);
    }
}
