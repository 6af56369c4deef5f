//! Windows of one channel: each value of a window times its weight, for many windows side by side.

use super::super::vectors::{Lanewise, WIDEST, times_plus};
use super::Convolution;
use super::layout::copy;

/// The windows of one channel.
pub struct Slid<'a> {
    pub of: &'a Convolution,
    /// What a window's values are multiplied by, and what is added.
    pub weights: &'a [f32],
    pub bias: f32,
    pub plane: &'a [f32],
    /// Room for the sums of all windows, and of what is between the lines.
    pub sums: &'a mut [f32],
    pub out: &'a mut [f32],
}

impl Lanewise for Slid<'_> {
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(mut self) {
        let length = self.sums.len();
        let mut at = 0;
        while at + MANY * WIDEST <= length {
            self.add::<WIDEST, MANY, FUSED>(at);
            at += MANY * WIDEST;
        }
        while at + WIDEST <= length {
            self.add::<WIDEST, 1, FUSED>(at);
            at += WIDEST;
        }
        // Of the last, some are done again.
        if let Some(last) = length.checked_sub(WIDEST).filter(|_| at < length) {
            self.add::<WIDEST, 1, FUSED>(last);
            at = length;
        }
        (at..length).for_each(|at| self.add::<1, 1, FUSED>(at));
        let layout = &*self.of.layout;
        let lines = self.sums.chunks(layout.plane[1]).zip(self.out.chunks_exact_mut(layout.counts[1]));
        lines.for_each(|(sums, out)| copy(&sums[..out.len()], out));
    }
}

/// Vectors that are worked on together, so as to hide the time a product takes.
const MANY: usize = 4;

impl Slid<'_> {
    /// Sums some windows side by side.
    #[inline(always)]
    fn add<const LANES: usize, const COUNT: usize, const FUSED: bool>(&mut self, at: usize) {
        let plane = &self.plane[at..];
        let sums = taps::<LANES, COUNT, FUSED>(self.weights, &self.of.layout.taps, plane, self.bias);
        let out = self.sums[at..].as_chunks_mut::<LANES>().0;
        for (out, sums) in out.iter_mut().zip(sums) {
            *out = sums.map(|sum| self.of.cut(sum));
        }
    }
}

/// (By itself: told of nothing else, the compiler keeps the sums in registers.)
#[inline(always)]
fn taps<const LANES: usize, const COUNT: usize, const FUSED: bool>(
    weights: &[f32],
    taps: &[usize],
    plane: &[f32],
    start: f32,
) -> [[f32; LANES]; COUNT] {
    let mut sums = [[start; LANES]; COUNT];
    for (&weight, &tap) in weights.iter().zip(taps) {
        let values = plane[tap..][..LANES * COUNT].as_chunks::<LANES>().0;
        for (sums, values) in sums.iter_mut().zip(values) {
            *sums = std::array::from_fn(|lane| times_plus::<FUSED>(weight, values[lane], sums[lane]));
        }
    }
    sums
}
