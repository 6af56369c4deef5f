//! Where bodies that arrive at the same time are digested together. Whoever comes while a place to work is
//! free works for all that sit there, up to eight, and takes in who comes meanwhile; the others sleep until
//! their digest is done, or until it is their turn to work. Nobody waits for company: a body alone is digested
//! alone, until another comes.

use super::{BLOCK, LANES, State, compress};
use bytes::{Buf, Bytes};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
};

/// Blocks of each body between two looks at who came: 16 KiB, some 40 us.
const SLICE: usize = 256;

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
    waiting: VecDeque<Job>,
    working: usize,
}

/// Whole blocks to take into a state, and who waits for it.
struct Job {
    state: State,
    /// Each of whole blocks.
    pieces: VecDeque<Bytes>,
    seat: Arc<Seat>,
}

impl Job {
    /// The blocks of the piece it is at; none when it is done.
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

    fn left(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

#[derive(Default)]
struct Seat {
    turn: Mutex<Option<Turn>>,
    came: Condvar,
}

enum Turn {
    /// To work for these; one's own is among them.
    Work(Vec<Job>),
    Done(State),
}

impl Table {
    /// Takes pieces, each of whole blocks, into a state. Blocks its thread.
    pub fn digest(&self, state: State, pieces: VecDeque<Bytes>) -> State {
        let seat = Arc::new(Seat::default());
        let job = Job { state, pieces, seat: Arc::clone(&seat) };
        let mut jobs = match self.sit_down(job) {
            Some(job) => vec![job],
            None => match seat.wait() {
                Turn::Done(state) => return state,
                Turn::Work(jobs) => jobs,
            },
        };
        loop {
            self.take_in(&mut jobs);
            work(&mut jobs);
            if let Some(state) = tell(&mut jobs, &seat) {
                self.pass_on(jobs);
                return state;
            }
        }
    }

    /// Gives the job back to who may work at once.
    fn sit_down(&self, job: Job) -> Option<Job> {
        let mut inner = lock(&self.inner);
        if inner.working < self.places {
            inner.working += 1;
            return Some(job);
        }
        inner.waiting.push_back(job);
        None
    }

    /// Fills free lanes with those that wait, the longest first.
    fn take_in(&self, jobs: &mut Vec<Job>) {
        let mut inner = lock(&self.inner);
        let free = LANES.saturating_sub(jobs.len()).min(inner.waiting.len());
        jobs.extend(inner.waiting.drain(..free));
    }

    /// Who has most before them works on, for all that are left, or else who has waited longest.
    fn pass_on(&self, mut jobs: Vec<Job>) {
        if jobs.is_empty() {
            let mut inner = lock(&self.inner);
            jobs.extend(inner.waiting.pop_front());
            if jobs.is_empty() {
                inner.working -= 1;
                return;
            }
        }
        let heir = jobs.iter().max_by_key(|job| job.left()).map(|job| Arc::clone(&job.seat));
        if let Some(heir) = heir {
            heir.say(Turn::Work(jobs));
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

/// Sends home who is done, and answers the state of the worker's own body if that is among them.
fn tell(jobs: &mut Vec<Job>, own: &Arc<Seat>) -> Option<State> {
    let mut answer = None;
    for job in jobs.extract_if(.., |job| job.blocks().is_empty()) {
        match Arc::ptr_eq(&job.seat, own) {
            true => answer = Some(job.state),
            false => job.seat.say(Turn::Done(job.state)),
        }
    }
    answer
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
    // A lane without a job repeats another, and its outcome is forgotten.
    let job = |lane: usize| &jobs[lane % jobs.len()];
    let mut states = std::array::from_fn(|lane| job(lane).state);
    super::lanes::compress(&mut states, &std::array::from_fn(|lane| job(lane).blocks()), blocks);
    jobs.iter_mut().zip(states).for_each(|(job, state)| job.went(blocks, state));
}

/// Nobody sits down together where the processor cannot.
#[cfg(not(target_arch = "x86_64"))]
fn step(jobs: &mut [Job], blocks: usize) {
    jobs.iter_mut().for_each(|job| alone(job, blocks));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
