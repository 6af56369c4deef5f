//! Plans for single sets of input shapes: the few that are used most lately, and how often others were asked.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::plan::Runnable;

/// The shapes of a model's inputs, in its order.
pub type Shapes = Vec<Vec<usize>>;

/// Plans kept ready: batches of the sizes that requests are gathered to, and one or two more.
const MOST_PLANS: usize = 8;
/// A plan has the model's weights laid out anew, so there are fewer plans of a large model. One there is always.
const MOST_BYTES: usize = 256 << 20;
/// Shapes remembered that have no plan yet.
const MOST_WAITING: usize = 32;
/// A plan takes a hundred runs' time to make, and memory as long as it is kept: shapes must be asked for this often.
const DUE: u32 = 8;

pub struct Plans {
    most: usize,
    /// How often shapes are asked for until they have a plan.
    pub due: u32,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Newest use first, as below.
    ready: VecDeque<(Shapes, Runnable)>,
    waiting: VecDeque<(Shapes, u32)>,
}

impl Plans {
    /// For a model whose weights take this much.
    pub fn new(weights: usize) -> Self {
        let most = (MOST_BYTES / weights.max(1)).clamp(1, MOST_PLANS);
        Self { most, due: DUE, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan for these shapes; if there is none, whether they were asked for so often that there should be.
    /// Says so once: who hears it makes the plan.
    pub fn find(&self, shapes: &[Vec<usize>]) -> (Option<Runnable>, bool) {
        let mut inner = self.inner();
        if let Some(at) = inner.ready.iter().position(|(known, _)| known == shapes) {
            // The newest but few times out of a thousand: nothing is moved then.
            inner.ready.make_contiguous()[..=at].rotate_right(1);
            return (inner.ready.front().map(|(_, plan)| plan.clone()), false);
        }
        let asked = match inner.waiting.iter().position(|(known, _)| known == shapes) {
            Some(at) => inner.waiting.remove(at).map_or(0, |(_, asked)| asked),
            None => 0,
        };
        if asked + 1 < self.due {
            inner.waiting.truncate(MOST_WAITING - 1);
            inner.waiting.push_front((shapes.to_vec(), asked + 1));
        }
        (None, asked + 1 >= self.due)
    }

    /// Keeps a plan, and lets go of the one that rested longest.
    pub fn put(&self, shapes: &[Vec<usize>], plan: &Runnable) {
        let mut inner = self.inner();
        inner.ready.truncate(self.most - 1);
        inner.ready.push_front((shapes.to_vec(), plan.clone()));
    }
}
