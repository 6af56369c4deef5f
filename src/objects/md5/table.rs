//! Where bodies that arrive at the same time are digested together. Whoever comes while a place to work is
//! free works for all that wait, up to eight; the others sleep until their digest is done, or until it is
//! their turn to work. Nobody waits for company: a body alone is digested alone.

use super::{BLOCK, LANES, State, compress};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
};

/// The one table of the process.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Table { places: (cores / 2).max(1), inner: Mutex::default() }
});

pub struct Table {
    /// How many may work at the same time; the fewer they are, the fuller the lanes.
    places: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<(Job, Arc<Seat>)>,
    working: usize,
}

/// Whole blocks to take into a state.
struct Job {
    state: State,
    bytes: Bytes,
    /// Blocks that are done.
    done: usize,
}

impl Job {
    fn rest(&self) -> &[[u8; BLOCK]] {
        self.bytes.as_chunks().0.get(self.done..).unwrap_or_default()
    }
}

#[derive(Default)]
struct Seat {
    turn: Mutex<Option<Turn>>,
    came: Condvar,
}

enum Turn {
    Work(Job),
    Done(State),
}

impl Table {
    /// Takes whole blocks into a state. Blocks its thread.
    pub fn digest(&self, state: State, bytes: Bytes) -> State {
        let job = Job { state, bytes, done: 0 };
        let mut inner = lock(&self.inner);
        let own = if inner.working < self.places {
            inner.working += 1;
            job
        } else {
            let seat = Arc::new(Seat::default());
            inner.waiting.push_back((job, Arc::clone(&seat)));
            drop(inner);
            match seat.wait() {
                Turn::Done(state) => return state,
                Turn::Work(job) => {
                    inner = lock(&self.inner);
                    job
                }
            }
        };
        let company = inner.waiting.len().min(LANES - 1);
        let (mut jobs, mut seats) = (vec![own], Vec::new());
        for (job, seat) in inner.waiting.drain(..company) {
            jobs.push(job);
            seats.push(seat);
        }
        drop(inner);
        work(&mut jobs);
        for (job, seat) in jobs.iter().skip(1).zip(seats) {
            seat.say(Turn::Done(job.state));
        }
        self.pass_on();
        jobs[0].state
    }

    /// Who has waited longest works next.
    fn pass_on(&self) {
        let mut inner = lock(&self.inner);
        match inner.waiting.pop_front() {
            Some((job, seat)) => seat.say(Turn::Work(job)),
            None => inner.working -= 1,
        }
    }
}

impl Seat {
    fn wait(&self) -> Turn {
        let mut turn = lock(&self.turn);
        loop {
            match turn.take() {
                Some(came) => return came,
                None => turn = self.came.wait(turn).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn say(&self, turn: Turn) {
        *lock(&self.turn) = Some(turn);
        self.came.notify_one();
    }
}

/// All jobs to their ends: in step as far as at least two go, then one by one.
fn work(jobs: &mut [Job]) {
    #[cfg(target_arch = "x86_64")]
    while let Some((lanes, blocks)) = in_step(jobs) {
        step(jobs, &lanes, blocks);
    }
    for job in jobs {
        let mut state = job.state;
        compress(&mut state, job.rest());
        job.state = state;
    }
}

/// Which jobs still have blocks, and how many all of these have; none when there is no second.
#[cfg(target_arch = "x86_64")]
fn in_step(jobs: &[Job]) -> Option<(Vec<usize>, usize)> {
    let lanes: Vec<usize> = (0..jobs.len()).filter(|index| !jobs[*index].rest().is_empty()).collect();
    let blocks = lanes.iter().map(|index| jobs[*index].rest().len()).min()?;
    (lanes.len() > 1).then_some((lanes, blocks))
}

#[cfg(target_arch = "x86_64")]
fn step(jobs: &mut [Job], lanes: &[usize], blocks: usize) {
    // A lane without a job repeats another, and its outcome is forgotten.
    let job = |lane: usize| &jobs[lanes[lane % lanes.len()]];
    let mut states = std::array::from_fn(|lane| job(lane).state);
    super::lanes::compress(&mut states, &std::array::from_fn(|lane| job(lane).rest()), blocks);
    for (index, state) in lanes.iter().zip(states) {
        jobs[*index].state = state;
        jobs[*index].done += blocks;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
