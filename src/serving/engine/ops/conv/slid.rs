//! Windows of one channel: each value of a window times its weight, for many windows side by side.

use super::super::product::PANEL;
use super::super::vectors::{Lanewise, times_plus};
use super::Convolution;
use super::layout::Layout;

/// The windows of one channel, that at this place.
pub struct Slid<'a> {
    pub of: &'a Convolution,
    pub at: usize,
    pub layout: &'a Layout,
    pub plane: &'a [f32],
    /// Room for the sums of all windows, and of what is between the lines.
    pub sums: &'a mut [f32],
    pub out: &'a mut [f32],
}

impl Lanewise for Slid<'_> {
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(self) {
        let Self { of, at, layout, plane, sums, out } = self;
        let weights = &of.weights[at * layout.taps.len()..][..layout.taps.len()];
        add_taps::<FUSED>(weights, &layout.taps, plane, of.bias[at], sums);
        let lines = sums.chunks(layout.plane[1]).zip(out.chunks_exact_mut(layout.counts[1]));
        for (sums, out) in lines {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = of.cut(*sum));
        }
    }
}

#[inline(always)]
fn add_taps<const FUSED: bool>(weights: &[f32], taps: &[usize], plane: &[f32], start: f32, sums: &mut [f32]) {
    let length = sums.len();
    // The last may be done again in part.
    for at in (0..length / PANEL * PANEL).step_by(PANEL).chain(length.checked_sub(PANEL)) {
        let some = taps_at::<PANEL, FUSED>(weights, taps, &plane[at..], start);
        sums[at..at + PANEL].copy_from_slice(&some);
    }
    if length < PANEL {
        for (at, sum) in sums.iter_mut().enumerate() {
            [*sum] = taps_at::<1, FUSED>(weights, taps, &plane[at..], start);
        }
    }
}

/// The sums of some windows side by side.
#[inline(always)]
fn taps_at<const COUNT: usize, const FUSED: bool>(
    weights: &[f32],
    taps: &[usize],
    plane: &[f32],
    start: f32,
) -> [f32; COUNT] {
    let mut sums = [start; COUNT];
    for (weight, tap) in weights.iter().zip(taps) {
        for (sum, value) in sums.iter_mut().zip(&plane[*tap..][..COUNT]) {
            *sum = times_plus::<FUSED>(*weight, *value, *sum);
        }
    }
    sums
}
