//! Counters and a latency histogram that many threads write without waiting for each other.

use super::model::Latency;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Each doubling of the time is cut into 2^3 buckets, so a quantile is right within 1/16.
const CUT: u32 = 3;
/// Up to 2^36 microseconds, 19 hours.
const BUCKETS: usize = 37 << CUT;

#[derive(Debug)]
pub struct Stats {
    requests: AtomicU64,
    errors: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

impl Default for Stats {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { requests: AtomicU64::new(0), errors: AtomicU64::new(0), buckets }
    }
}

impl Stats {
    /// One request, answered or refused. Only answers count for the latency.
    pub fn count(&self, taken: Duration, ok: bool) {
        self.requests.fetch_add(1, Relaxed);
        if ok {
            self.buckets[bucket(taken)].fetch_add(1, Relaxed);
        } else {
            self.errors.fetch_add(1, Relaxed);
        }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    pub fn latency(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let quantile = |percent: u64| {
            let rank = (total * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map(middle_ms)
        };
        Latency { p50: quantile(50), p95: quantile(95), p99: quantile(99) }
    }
}

fn bucket(taken: Duration) -> usize {
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
