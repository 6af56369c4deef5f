//! The left side of a product: lines as they are given, or laid out once in blocks, as a convolution's weights are.

use super::super::vectors::times_plus;
use super::{PANEL, Part, Settle};

/// The left side of a product.
pub trait Left {
    /// Settles the products of all lines and a panel. Lines that are laid out are worked on by `ROWS`.
    fn times<const LANES: usize, const ROWS: usize, const FUSED: bool>(
        &self,
        panel: &[[f32; PANEL]],
        part: Part<'_, impl Settle>,
        out: &mut [f32],
    );
}

/// Lines that are worked on together where they lie as they are given. With two vectors each that is as many sums as
/// hide the time a product takes; for more there are not enough registers to know where each line is.
const GIVEN: usize = 4;

impl Left for &[f32] {
    #[inline(always)]
    fn times<const LANES: usize, const ROWS: usize, const FUSED: bool>(
        &self,
        panel: &[[f32; PANEL]],
        mut part: Part<'_, impl Settle>,
        out: &mut [f32],
    ) {
        let inner = panel.len();
        let (mut blocks, mut outs) =
            (self.chunks_exact(inner * GIVEN), out.chunks_exact_mut(part.width * GIVEN));
        for (block, out) in blocks.by_ref().zip(outs.by_ref()) {
            let lines = std::array::from_fn(|line| &block[line * inner..][..inner]);
            for nth in part.pieces::<LANES>() {
                part.put(nth, &given_sums::<LANES, FUSED>(lines, panel, nth), out);
            }
            part.line += GIVEN;
        }
        let rest = blocks.remainder().chunks_exact(inner);
        for (line, out) in rest.zip(outs.into_remainder().chunks_exact_mut(part.width)) {
            for nth in part.pieces::<LANES>() {
                part.put(nth, &[single_sums::<LANES, FUSED>(line, panel, nth)], out);
            }
            part.line += 1;
        }
    }
}

/// Lines of a block: with two vectors each, as many sums as the widest registers hold. What has half as many registers
/// works on half of them.
pub const BLOCK: usize = 12;

/// Lines in blocks, of which the values in the same place lie side by side.
#[derive(Clone, Debug)]
pub struct Blocks {
    blocks: Vec<[f32; BLOCK]>,
    /// The last lines, where they do not fill a block: as they are given.
    rest: Vec<f32>,
    inner: usize,
}

impl Blocks {
    /// Of lines one behind the other, of so many values.
    pub fn of(lines: &[f32], inner: usize) -> Self {
        let full = lines.chunks_exact(inner * BLOCK);
        let rest = full.remainder().to_vec();
        let block = |lines: &[f32], at: usize| {
            let mut values = [0.0; BLOCK];
            values.iter_mut().zip(lines.chunks_exact(inner)).for_each(|(value, line)| *value = line[at]);
            values
        };
        let blocks = full.flat_map(|lines| (0..inner).map(move |at| block(lines, at))).collect();
        Self { blocks, rest, inner }
    }

    /// Multiplies each line by its factor.
    pub fn scale(&mut self, by: &[f32]) {
        let (block_by, rest_by) = by.as_chunks::<BLOCK>();
        for (block, by) in self.blocks.chunks_exact_mut(self.inner).zip(block_by) {
            let values = block.iter_mut();
            values.for_each(|values| values.iter_mut().zip(by).for_each(|(value, by)| *value *= by));
        }
        for (line, by) in self.rest.chunks_exact_mut(self.inner).zip(rest_by) {
            line.iter_mut().for_each(|value| *value *= by);
        }
    }
}

impl Left for &Blocks {
    #[inline(always)]
    fn times<const LANES: usize, const ROWS: usize, const FUSED: bool>(
        &self,
        panel: &[[f32; PANEL]],
        mut part: Part<'_, impl Settle>,
        out: &mut [f32],
    ) {
        let blocks = self.blocks.chunks_exact(panel.len());
        let (out, rest) = out.split_at_mut(blocks.len() * BLOCK * part.width);
        let mut outs = out.chunks_exact_mut(part.width * ROWS);
        for block in blocks {
            for (rows, out) in (0..BLOCK / ROWS).zip(outs.by_ref()) {
                for nth in part.pieces::<LANES>() {
                    part.put(nth, &block_sums::<LANES, ROWS, FUSED>(block, rows, panel, nth), out);
                }
                part.line += ROWS;
            }
        }
        self.rest.as_slice().times::<LANES, ROWS, FUSED>(panel, part, rest);
    }
}

// Each of these by itself: told of nothing else, the compiler keeps the sums in registers.

/// The sums of some lines and a piece of a panel.
#[inline(always)]
fn given_sums<const LANES: usize, const FUSED: bool>(
    lines: [&[f32]; GIVEN],
    panel: &[[f32; PANEL]],
    nth: usize,
) -> [[f32; LANES]; GIVEN] {
    let lines = lines.map(|line| &line[..panel.len()]);
    let mut sums = [[0f32; LANES]; GIVEN];
    for (at, right) in panel.iter().enumerate() {
        let right = &right.as_chunks::<LANES>().0[nth];
        for (sums, line) in sums.iter_mut().zip(lines) {
            add_product::<LANES, FUSED>(sums, line[at], right);
        }
    }
    sums
}

/// Those of a single line, by several sums for each column: one would wait for its last product each time.
#[inline(always)]
fn single_sums<const LANES: usize, const FUSED: bool>(
    line: &[f32],
    panel: &[[f32; PANEL]],
    nth: usize,
) -> [f32; LANES] {
    let (fours, rest) = line.as_chunks::<4>();
    let (panel_fours, panel_rest) = panel.as_chunks::<4>();
    let mut sums = [[0f32; LANES]; 4];
    for (left, right) in fours.iter().zip(panel_fours) {
        for ((sums, &left), right) in sums.iter_mut().zip(left).zip(right) {
            add_product::<LANES, FUSED>(sums, left, &right.as_chunks::<LANES>().0[nth]);
        }
    }
    for ((sums, &left), right) in sums.iter_mut().zip(rest).zip(panel_rest) {
        add_product::<LANES, FUSED>(sums, left, &right.as_chunks::<LANES>().0[nth]);
    }
    std::array::from_fn(|lane| sums.iter().map(|sums| sums[lane]).sum())
}

/// Those of some rows of a block.
#[inline(always)]
fn block_sums<const LANES: usize, const ROWS: usize, const FUSED: bool>(
    block: &[[f32; BLOCK]],
    rows: usize,
    panel: &[[f32; PANEL]],
    nth: usize,
) -> [[f32; LANES]; ROWS] {
    let mut sums = [[0f32; LANES]; ROWS];
    for (left, right) in block.iter().zip(panel) {
        let left = &left.as_chunks::<ROWS>().0[rows];
        let right = &right.as_chunks::<LANES>().0[nth];
        for (sums, &left) in sums.iter_mut().zip(left) {
            add_product::<LANES, FUSED>(sums, left, right);
        }
    }
    sums
}

#[inline(always)]
fn add_product<const LANES: usize, const FUSED: bool>(
    sums: &mut [f32; LANES],
    left: f32,
    right: &[f32; LANES],
) {
    *sums = std::array::from_fn(|lane| times_plus::<FUSED>(left, right[lane], sums[lane]));
}
