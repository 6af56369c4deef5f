//! How far a transfer is, on a terminal only: a script's log gets one line a file and no more.

use super::super::place::bytes;
use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes moved so far, of all files together.
pub struct Progress {
    total: Option<u64>,
    moved: AtomicU64,
    shown: Mutex<Option<Instant>>,
    terminal: bool,
}

const EVERY: Duration = Duration::from_millis(200);

impl Progress {
    pub fn new(total: Option<u64>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { total, moved: AtomicU64::new(0), shown: Mutex::new(None), terminal }
    }

    pub fn add(&self, count: u64) {
        let moved = self.moved.fetch_add(count, Ordering::Relaxed) + count;
        if !self.terminal {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        *shown = Some(Instant::now());
        let of = self.total.map(|total| {
            let percent = moved.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
            format!(" of {} ({percent} %)", bytes(total))
        });
        let _ = write!(std::io::stderr(), "\r\x1b[K{}{}", bytes(moved), of.unwrap_or_default());
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{}{line}", self.clear());
    }

    /// The end: the running line is wiped off.
    pub fn end(&self) {
        let _ = write!(std::io::stderr(), "{}", self.clear());
    }

    fn clear(&self) -> &'static str {
        if self.terminal { "\r\x1b[K" } else { "" }
    }

    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}
