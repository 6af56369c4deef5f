//! Products of matrices in single precision. The right side is laid out in panels: once, where it is used again and
//! again, as the weights of a network are, or one after the other as they are asked for.

use super::vectors::{Lanewise, Vectors, WIDEST, times_plus};

/// Columns of the right side that are worked on together.
pub const PANEL: usize = 2 * WIDEST;
/// Lines of the left side, likewise: with two vectors each, as many sums as hide the time a product takes, and as
/// stay in the processor's registers.
const BLOCK: usize = 4;

/// The right side: panels of columns, one line of a panel behind the other.
#[derive(Debug)]
pub struct Panels {
    values: Vec<[f32; PANEL]>,
    inner: usize,
    width: usize,
}

impl Panels {
    /// Of a matrix of `inner` lines and `width` columns, line after line.
    pub fn of(values: &[f32], inner: usize, width: usize) -> Self {
        let mut panels = Self::empty(inner, width);
        for first in (0..width).step_by(PANEL) {
            let count = PANEL.min(width - first);
            panels.values.extend(values.chunks_exact(width).map(|line| {
                let mut part = [0.0; PANEL];
                part[..count].copy_from_slice(&line[first..first + count]);
                part
            }));
        }
        panels
    }

    /// Of a matrix that is given column after column.
    pub fn of_columns(values: &[f32], inner: usize, width: usize) -> Self {
        let mut panels = Self::empty(inner, width);
        for columns in values.chunks((inner * PANEL).max(1)) {
            panels.values.extend((0..inner).map(|line| {
                let mut part = [0.0; PANEL];
                part.iter_mut().zip(columns.chunks_exact(inner)).for_each(|(to, column)| *to = column[line]);
                part
            }));
        }
        panels
    }

    /// How many numbers are laid out for a matrix.
    pub fn size(inner: usize, width: usize) -> usize {
        width.div_ceil(PANEL).saturating_mul(PANEL).saturating_mul(inner)
    }

    fn empty(inner: usize, width: usize) -> Self {
        Self { values: Vec::with_capacity(width.div_ceil(PANEL) * inner), inner, width }
    }

    pub fn inner(&self) -> usize {
        self.inner
    }

    pub fn width(&self) -> usize {
        self.width
    }
}

/// The right side of a product.
pub trait Right {
    /// How many lines it has.
    fn inner(&self) -> usize;

    /// How many columns.
    fn width(&self) -> usize;

    /// The `PANEL` columns from `nth * PANEL` on, line after line; what is behind the last column may be anything.
    fn panel<const LANES: usize>(&mut self, nth: usize) -> &[[f32; PANEL]];
}

impl Right for &Panels {
    #[inline(always)]
    fn inner(&self) -> usize {
        self.inner
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn panel<const LANES: usize>(&mut self, nth: usize) -> &[[f32; PANEL]] {
        &self.values[nth * self.inner..][..self.inner]
    }
}

/// What becomes of the sums of some columns in a line of the product.
pub trait Settle {
    /// `line` is the line's place, `first` that of the first of these columns.
    fn settle(&self, line: usize, first: usize, sums: &[f32], out: &mut [f32]);
}

/// They are added to what is there.
pub struct Added;

impl Settle for Added {
    #[inline(always)]
    fn settle(&self, _line: usize, _first: usize, sums: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
    }
}

/// They are written, with a bias for each column.
pub struct Biased<'a> {
    pub bias: &'a [f32],
    /// What is below nought is nought.
    pub is_rectified: bool,
}

impl Settle for Biased<'_> {
    #[inline(always)]
    fn settle(&self, _line: usize, first: usize, sums: &[f32], out: &mut [f32]) {
        for ((out, sum), bias) in out.iter_mut().zip(sums).zip(&self.bias[first..]) {
            let value = sum + bias;
            *out = if self.is_rectified && value < 0.0 { 0.0 } else { value };
        }
    }
}

/// Settles `lines * right` in `out`, both `lines` and `out` line after line: as many as there are of both.
pub fn multiply(lines: &[f32], right: impl Right, settle: &impl Settle, out: &mut [f32]) {
    multiply_in(Vectors::widest(), lines, right, settle, out);
}

fn multiply_in(vectors: Vectors, lines: &[f32], right: impl Right, settle: &impl Settle, out: &mut [f32]) {
    match (right.width(), right.inner()) {
        (0, _) => {}
        (width, 0) => {
            let nothing = vec![0.0; width];
            let lines = out.chunks_exact_mut(width).enumerate();
            lines.for_each(|(line, out)| settle.settle(line, 0, &nothing, out));
        }
        _ => vectors.run(Multiplied { lines, right, settle, out }),
    }
}

struct Multiplied<'a, R, S> {
    lines: &'a [f32],
    right: R,
    settle: &'a S,
    out: &'a mut [f32],
}

impl<R: Right, S: Settle> Lanewise for Multiplied<'_, R, S> {
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(self) {
        // A panel is two of the widest vectors, if it has so many columns.
        match LANES == WIDEST && self.right.width() > LANES {
            true => self.multiply::<PANEL, FUSED>(),
            false => self.multiply::<LANES, FUSED>(),
        }
    }
}

impl<R: Right, S: Settle> Multiplied<'_, R, S> {
    /// A panel is used for all lines before the next, so that it stays in the nearest of the processor's memories.
    #[inline(always)]
    fn multiply<const LANES: usize, const FUSED: bool>(self) {
        let Self { lines, mut right, settle, out } = self;
        let (inner, width) = (right.inner(), right.width());
        for first in (0..width).step_by(PANEL) {
            let panel = right.panel::<LANES>(first / PANEL);
            let mut part = Part { settle, line: 0, first, width };
            let (mut blocks, mut outs) =
                (lines.chunks_exact(inner * BLOCK), out.chunks_exact_mut(width * BLOCK));
            for (block, out) in blocks.by_ref().zip(outs.by_ref()) {
                part.block::<LANES, FUSED>(block, panel, out);
                part.line += BLOCK;
            }
            let rest = blocks.remainder().chunks_exact(inner);
            for (line, out) in rest.zip(outs.into_remainder().chunks_exact_mut(width)) {
                part.single::<LANES, FUSED>(line, panel, out);
                part.line += 1;
            }
        }
    }
}

/// Where the products with a panel go: to the columns of lines from `first` on, of `width` that a line has.
struct Part<'a, S> {
    settle: &'a S,
    line: usize,
    first: usize,
    width: usize,
}

impl<S: Settle> Part<'_, S> {
    #[inline(always)]
    fn block<const LANES: usize, const FUSED: bool>(
        &self,
        lines: &[f32],
        panel: &[[f32; PANEL]],
        out: &mut [f32],
    ) {
        let lines = std::array::from_fn(|line| &lines[line * panel.len()..][..panel.len()]);
        for part in 0..PANEL / LANES {
            let sums = sums::<LANES, FUSED>(lines, panel, part);
            for (line, sums) in sums.iter().enumerate() {
                self.put(line, part, sums, &mut out[line * self.width..][..self.width]);
            }
        }
    }

    /// A single line, by several sums for each column: one would wait for its last product each time.
    #[inline(always)]
    fn single<const LANES: usize, const FUSED: bool>(
        &self,
        line: &[f32],
        panel: &[[f32; PANEL]],
        out: &mut [f32],
    ) {
        let (fours, rest) = line.as_chunks::<4>();
        let (panel_fours, panel_rest) = panel.as_chunks::<4>();
        for part in 0..PANEL / LANES {
            let mut sums = [[0f32; LANES]; 4];
            for (left, right) in fours.iter().zip(panel_fours) {
                for ((sums, &left), right) in sums.iter_mut().zip(left).zip(right) {
                    let right = &right.as_chunks::<LANES>().0[part];
                    add_product::<LANES, FUSED>(sums, left, right);
                }
            }
            for ((sums, &left), right) in sums.iter_mut().zip(rest).zip(panel_rest) {
                let right = &right.as_chunks::<LANES>().0[part];
                add_product::<LANES, FUSED>(sums, left, right);
            }
            let sums: [f32; LANES] = std::array::from_fn(|lane| sums.iter().map(|sums| sums[lane]).sum());
            self.put(0, part, &sums, out);
        }
    }

    /// Settles the sums of a part of the panel in a line, as far as there are columns.
    #[inline(always)]
    fn put<const LANES: usize>(&self, line: usize, part: usize, sums: &[f32; LANES], out: &mut [f32]) {
        let first = self.first + part * LANES;
        let left = self.width.saturating_sub(first);
        // Most have all lanes, and the compiler then knows how many.
        match out.get_mut(first..).and_then(|out| out.first_chunk_mut::<LANES>()) {
            Some(out) => self.settle.settle(self.line + line, first, sums, out),
            None if left > 0 => self.settle.settle(self.line + line, first, &sums[..left], &mut out[first..]),
            None => {}
        }
    }
}

/// The sums of some lines and a part of a panel. (By itself: told of nothing else, the compiler keeps them in registers.)
#[inline(always)]
fn sums<const LANES: usize, const FUSED: bool>(
    lines: [&[f32]; BLOCK],
    panel: &[[f32; PANEL]],
    part: usize,
) -> [[f32; LANES]; BLOCK] {
    let lines = lines.map(|line| &line[..panel.len()]);
    let mut sums = [[0f32; LANES]; BLOCK];
    for (at, right) in panel.iter().enumerate() {
        let right = &right.as_chunks::<LANES>().0[part];
        for (sums, line) in sums.iter_mut().zip(lines) {
            add_product::<LANES, FUSED>(sums, line[at], right);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, whose products and sums are exact in any order.
    fn drawn(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7 + seed * 3) % 11) as f32 - 5.0).collect()
    }

    fn plainly(a: &[f32], b: &[f32], inner: usize, width: usize, start: &[f32]) -> Vec<f32> {
        let cell = |(at, &start): (usize, &f32)| {
            let (line, column) = (at / width, at % width);
            start + (0..inner).map(|k| a[line * inner + k] * b[k * width + column]).sum::<f32>()
        };
        start.iter().enumerate().map(cell).collect()
    }

    const SIZES: [(usize, usize, usize); 9] = [
        (1, 1, 1),
        (8, 4, 32),
        (7, 3, 5),
        (9, 16, 33),
        (24, 5, 16),
        (17, 31, 47),
        (3, 2, 64),
        (8, 1, 100),
        (40, 64, 20),
    ];

    #[test]
    fn products_of_all_sizes_are_those_worked_out_plainly() {
        for (height, inner, width) in SIZES {
            let (a, b, start) = (drawn(height * inner, 1), drawn(inner * width, 2), drawn(height * width, 3));
            let turned: Vec<f32> = (0..inner * width).map(|at| b[at % inner * width + at / inner]).collect();
            let wanted = plainly(&a, &b, inner, width, &start);
            for panels in [Panels::of(&b, inner, width), Panels::of_columns(&turned, inner, width)] {
                for vectors in Vectors::all() {
                    let mut out = start.clone();
                    multiply_in(vectors, &a, &panels, &Added, &mut out);
                    assert_eq!(out, wanted, "{height} x {inner} x {width} in {vectors:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_written_has_its_column_s_bias_and_may_be_cut_at_nought() {
        for (height, inner, width) in SIZES {
            let (a, b, bias) = (drawn(height * inner, 1), drawn(inner * width, 2), drawn(width, 3));
            let mut wanted = plainly(&a, &b, inner, width, &bias.repeat(height));
            for is_rectified in [false, true] {
                let mut out = vec![f32::NAN; height * width];
                multiply(&a, &Panels::of(&b, inner, width), &Biased { bias: &bias, is_rectified }, &mut out);
                assert_eq!(out, wanted, "{height} x {inner} x {width}");
                wanted.iter_mut().for_each(|value| *value = value.max(0.0));
            }
        }
    }

    #[test]
    fn what_has_no_size_is_nothing() {
        let mut out = [1.0, 2.0];
        multiply(&[], &Panels::of(&[], 0, 1), &Added, &mut out);
        multiply(&[], &Panels::of(&[], 3, 0), &Added, &mut out);
        assert_eq!(out, [1.0, 2.0]);
        multiply(&[], &Panels::of(&[], 0, 2), &Biased { bias: &[3.0, -4.0], is_rectified: true }, &mut out);
        assert_eq!(out, [3.0, 0.0]);
    }
}
