//! Where bodies that arrive at the same time are digested together. What came of a body waits here until much of it
//! does, or its digest is asked for; who needs that works then for all that waits, as many bodies at a time as the
//! processor takes. A body that is alone waits for nobody.

use super::{BLOCK, State, compress, most};
use bytes::{Buf, Bytes};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
};

/// Blocks of each body between two looks at who came: 16 KiB, some 25 us.
const SLICE: usize = 256;
/// Bytes that may wait of one body; of all, as much for each that is taken in step, and half of it in a crowd, where
/// lanes are full anyway.
const EACH: usize = 1 << 20;

/// The one table of the process.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Table { lanes: most(), places: (cores / 2).max(1), inner: Mutex::default() }
});

struct Table {
    /// How many bodies are taken in step.
    lanes: usize,
    /// How many may work at the same time; the fewer they are, the fuller the lanes.
    places: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    guests: HashMap<u64, Guest>,
    /// Those nobody works for, the longest waiting first.
    queue: VecDeque<u64>,
    /// Bytes of those in the queue.
    waiting: usize,
    working: usize,
}

/// A body whose bytes come here.
struct Guest {
    state: State,
    /// Each of whole blocks.
    pieces: VecDeque<Bytes>,
    bytes: usize,
    stage: Stage,
    /// Its thread sleeps on the bell.
    asleep: bool,
    bell: Arc<Condvar>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// All that came is digested.
    Served,
    Queued,
    /// Somebody works for it.
    InHands,
}

/// What a worker has of a body.
struct Job {
    guest: u64,
    state: State,
    pieces: VecDeque<Bytes>,
}

/// A body's place at the table, given back when it is dropped.
pub struct Seat(u64);

impl Seat {
    /// For a body that has come so far.
    pub fn take(state: State) -> Self {
        let mut inner = TABLE.lock();
        inner.next += 1;
        let id = inner.next;
        let (pieces, bell) = (VecDeque::new(), Arc::default());
        let guest = Guest { state, pieces, bytes: 0, stage: Stage::Served, asleep: false, bell };
        inner.guests.insert(id, guest);
        Self(id)
    }

    /// Leaves pieces of whole blocks here. Blocks its thread where enough of them wait.
    pub fn bring(&self, pieces: VecDeque<Bytes>) {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        let mut inner = TABLE.lock();
        let alone = inner.guests.len() == 1;
        let Some(guest) = inner.guests.get_mut(&self.0).filter(|_| bytes > 0) else { return };
        guest.pieces.extend(pieces);
        guest.bytes += bytes;
        let much = alone || guest.bytes >= EACH;
        match guest.stage {
            Stage::Served => inner.queue_up(self.0, false),
            Stage::Queued => inner.waiting += bytes,
            Stage::InHands => {}
        }
        if much || inner.waiting >= inner.room() {
            TABLE.serve(inner, self.0);
        }
    }

    /// The state with all that came. Blocks its thread.
    pub fn settle(self) -> State {
        TABLE.serve(TABLE.lock(), self.0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = TABLE.lock();
        if let Some(guest) = inner.guests.remove(&self.0).filter(|guest| guest.stage == Stage::Queued) {
            inner.waiting -= guest.bytes;
            inner.queue.retain(|id| *id != self.0);
        }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that all that came of this body is digested.
    fn serve<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, own: u64) -> State {
        loop {
            let has_place = inner.working < self.places;
            let Some(guest) = inner.guests.get_mut(&own) else { return State::default() };
            match guest.stage {
                Stage::Served => return guest.state,
                Stage::Queued if has_place => inner = self.work(inner, own),
                _ => {
                    guest.asleep = true;
                    let bell = Arc::clone(&guest.bell);
                    inner = bell.wait(inner).unwrap_or_else(PoisonError::into_inner);
                    inner.guests.entry(own).and_modify(|guest| guest.asleep = false);
                }
            }
        }
    }

    /// Works for this body, and for others meanwhile.
    fn work<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, own: u64) -> MutexGuard<'a, Inner> {
        inner.working += 1;
        inner.queue.retain(|id| *id != own);
        let mut jobs: Vec<Job> = inner.hand_over(own).into_iter().collect();
        while jobs.iter().any(|job| job.guest == own) {
            while jobs.len() < self.lanes
                && let Some(next) = inner.queue.pop_front()
            {
                jobs.extend(inner.hand_over(next));
            }
            drop(inner);
            work(&mut jobs);
            inner = self.lock();
            jobs.retain_mut(|job| job.pieces.front().is_some() || inner.goes_on(job));
        }
        jobs.into_iter().rev().for_each(|job| inner.put_back(job));
        inner.working -= 1;
        inner.wake_one();
        inner
    }
}

impl Inner {
    /// Bytes that may wait of all.
    fn room(&self) -> usize {
        let crowd = self.guests.len() > 2 * TABLE.lanes;
        if crowd { TABLE.lanes * EACH / 2 } else { TABLE.lanes * EACH }
    }

    fn queue_up(&mut self, id: u64, first: bool) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.stage = Stage::Queued;
        self.waiting += guest.bytes;
        if first { self.queue.push_front(id) } else { self.queue.push_back(id) }
    }

    /// All that came of a body that was in the queue.
    fn hand_over(&mut self, id: u64) -> Option<Job> {
        let guest = self.guests.get_mut(&id)?;
        guest.stage = Stage::InHands;
        self.waiting -= std::mem::take(&mut guest.bytes);
        Some(Job { guest: id, state: guest.state, pieces: std::mem::take(&mut guest.pieces) })
    }

    /// Whether more came of a body meanwhile; if not, it is served.
    fn goes_on(&mut self, job: &mut Job) -> bool {
        let Some(guest) = self.guests.get_mut(&job.guest) else { return false };
        if guest.bytes > 0 {
            guest.bytes = 0;
            std::mem::swap(&mut job.pieces, &mut guest.pieces);
            return true;
        }
        (guest.state, guest.stage) = (job.state, Stage::Served);
        if guest.asleep {
            guest.bell.notify_one();
        }
        false
    }

    /// The rest of a body, before what came of it since.
    fn put_back(&mut self, mut job: Job) {
        let Some(guest) = self.guests.get_mut(&job.guest) else { return };
        job.pieces.append(&mut guest.pieces);
        (guest.state, guest.pieces) = (job.state, job.pieces);
        guest.bytes = guest.pieces.iter().map(Bytes::len).sum();
        self.queue_up(job.guest, true);
    }

    /// There is a place to work: whoever sleeps, and is in nobody's hands, takes it.
    fn wake_one(&self) {
        let mut queued = self.queue.iter().filter_map(|id| self.guests.get(id));
        if let Some(guest) = queued.find(|guest| guest.asleep) {
            guest.bell.notify_one();
        }
    }
}

impl Job {
    /// The blocks of the piece it is at.
    fn blocks(&self) -> &[[u8; BLOCK]] {
        self.pieces.front().map_or(&[], |piece| piece.as_chunks().0)
    }

    /// Goes on behind so many of them.
    fn went(&mut self, blocks: usize, state: State) {
        self.state = state;
        if let Some(piece) = self.pieces.front_mut() {
            piece.advance(blocks * BLOCK);
        }
        self.pieces.pop_front_if(|piece| piece.is_empty());
    }
}

/// The next slice of every job, in step where they are at least two.
fn work(jobs: &mut [Job]) {
    let blocks = jobs.iter().map(|job| job.blocks().len()).min().unwrap_or_default().min(SLICE);
    match jobs {
        [] => {}
        [job] => alone(job, blocks),
        jobs => step(jobs, blocks),
    }
}

fn alone(job: &mut Job, blocks: usize) {
    let mut state = job.state;
    compress(&mut state, &job.blocks()[..blocks]);
    job.went(blocks, state);
}

#[cfg(target_arch = "x86_64")]
fn step(jobs: &mut [Job], blocks: usize) {
    let mut states: Vec<State> = jobs.iter().map(|job| job.state).collect();
    let bodies: Vec<_> = jobs.iter().map(Job::blocks).collect();
    super::lanes::compress(&mut states, &bodies, blocks);
    jobs.iter_mut().zip(states).for_each(|(job, state)| job.went(blocks, state));
}

/// Nobody sits down together where the processor cannot.
#[cfg(not(target_arch = "x86_64"))]
fn step(jobs: &mut [Job], blocks: usize) {
    jobs.iter_mut().for_each(|job| alone(job, blocks));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_goes_away_leaves_nothing_behind() {
        let (one, other) = (Seat::take([0; 4]), Seat::take([0; 4]));
        one.bring(VecDeque::from([Bytes::from_static(&[7; 4 * BLOCK])]));
        let id = one.0;
        drop((one, other));
        let inner = TABLE.lock();
        assert!(!inner.guests.contains_key(&id) && !inner.queue.contains(&id));
    }
}
