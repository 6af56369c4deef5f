//! The prediction log: what was asked and answered, as Parquet in a bucket, with the version that answered, so
//! that drift can be measured and a model be trained on what it saw.
//!
//! Invariants: no request waits for it or fails by it; what it holds in memory is bounded, and what does not fit
//! is dropped and counted; a file is whole or not there. Rows that were gathered are written when the server
//! stops; a server that is killed loses those of the last interval.

mod collect;
mod rows;

use super::engine::NamedTensor;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Entries that wait to be gathered.
const QUEUE: usize = 4096;
/// Bytes of tensors that wait, and of rows that are gathered.
const MOST_BYTES: usize = 64 << 20;
/// A larger request is not kept: as JSON it would be some times as large.
const LARGEST: usize = 4 << 20;

/// One request and its answer.
pub struct Entry {
    pub bucket: String,
    pub at_ms: i64,
    pub request_id: String,
    pub endpoint: String,
    pub route: Arc<str>,
    pub model: String,
    pub version: String,
    pub status: u16,
    pub latency_ms: f64,
    /// Absent where the request could not be read.
    pub inputs: Option<Arc<Vec<NamedTensor>>>,
    /// Absent where there was no answer.
    pub outputs: Option<Arc<Vec<NamedTensor>>>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let tensors = |list: &Option<Arc<Vec<NamedTensor>>>| -> usize {
            list.iter().flat_map(|list| list.iter()).map(|tensor| tensor.data.bytes()).sum()
        };
        size_of::<Self>() + tensors(&self.inputs) + tensors(&self.outputs)
    }
}

/// What waits to be written.
pub struct PredictionLog {
    queue: Sender<Entry>,
    waiting: Mutex<Option<Receiver<Entry>>>,
    bytes: AtomicUsize,
    dropped: AtomicU64,
    written: AtomicU64,
}

impl PredictionLog {
    pub fn new() -> Self {
        let (queue, waiting) = channel(QUEUE);
        Self {
            queue,
            waiting: Mutex::new(Some(waiting)),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }

    /// Takes an entry, if there is room.
    pub fn offer(&self, entry: Entry) {
        let size = entry.bytes();
        let before = self.bytes.fetch_add(size, Relaxed);
        let fits = size <= LARGEST && before + size <= MOST_BYTES;
        if !fits || self.queue.try_send(entry).is_err() {
            self.bytes.fetch_sub(size, Relaxed);
            self.drop_rows(1);
        }
    }

    fn drop_rows(&self, rows: u64) {
        self.dropped.fetch_add(rows, Relaxed);
    }

    /// Rows that were lost, and rows that are in a bucket.
    pub fn counts(&self) -> (u64, u64) {
        (self.dropped.load(Relaxed), self.written.load(Relaxed))
    }

    fn take(&self) -> Option<Receiver<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
