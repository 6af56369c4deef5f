//! Products of matrices in single precision: a panel of columns of the right side is worked on with all lines of the
//! left, and what becomes of the sums is told by who asks.

mod left;
mod right;

use super::vectors::{Lanewise, Vectors, WIDEST};
use left::BLOCK;
pub use left::{Blocks, Left};
pub use right::{Lines, PANEL, Panels, Right};

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

/// Settles `lines * right` in `out`, line after line: as many as there are of both.
pub fn multiply(lines: impl Left, right: impl Right, settle: &impl Settle, out: &mut [f32]) {
    multiply_in(Vectors::widest(), lines, right, settle, out);
}

fn multiply_in(vectors: Vectors, lines: impl Left, right: impl Right, settle: &impl Settle, out: &mut [f32]) {
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

/// Of the lines of a block.
const HALF: usize = BLOCK / 2;

struct Multiplied<'a, L, R, S> {
    lines: L,
    right: R,
    settle: &'a S,
    out: &'a mut [f32],
}

impl<L: Left, R: Right, S: Settle> Lanewise for Multiplied<'_, L, R, S> {
    /// A panel is used for all lines before the next, so that it stays in the nearest of the processor's memories.
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(self) {
        let Self { lines, mut right, settle, out } = self;
        let width = right.width();
        for first in (0..width).step_by(PANEL) {
            let panel = right.panel::<LANES>(first / PANEL);
            let part = Part { settle, line: 0, first, width };
            match (LANES, FUSED) {
                // A panel is two of the widest vectors, where it has so many columns.
                (WIDEST, _) if width - first > WIDEST => lines.times::<PANEL, BLOCK, FUSED>(panel, part, out),
                // With all lines of a block and one vector the compiler does not find the vectors.
                (WIDEST, _) => lines.times::<WIDEST, HALF, FUSED>(panel, part, out),
                // Two vectors, of eight lanes or of four.
                (_, true) => lines.times::<16, HALF, FUSED>(panel, part, out),
                (_, false) => lines.times::<8, HALF, FUSED>(panel, part, out),
            }
        }
    }
}

/// Where the products with a panel go: to the columns of lines from `first` on, of `width` that a line has.
pub struct Part<'a, S> {
    settle: &'a S,
    /// The line that is worked on.
    line: usize,
    first: usize,
    width: usize,
}

impl<S: Settle> Part<'_, S> {
    /// The panel's pieces of so many columns, as far as there are columns.
    #[inline(always)]
    fn pieces<const LANES: usize>(&self) -> std::ops::Range<usize> {
        match PANEL / LANES {
            1 => 0..1,
            pieces => 0..(self.width - self.first).div_ceil(LANES).min(pieces),
        }
    }

    /// Settles the sums of a piece of the panel in as many lines.
    #[inline(always)]
    fn put<const LANES: usize, const ROWS: usize>(
        &self,
        nth: usize,
        sums: &[[f32; LANES]; ROWS],
        out: &mut [f32],
    ) {
        let first = self.first + nth * LANES;
        for (at, sums) in sums.iter().enumerate() {
            let out = &mut out[at * self.width..][first..self.width];
            // Most have all lanes, and the compiler then knows how many.
            match out.first_chunk_mut::<LANES>() {
                Some(out) => self.settle.settle(self.line + at, first, sums, out),
                None => self.put_some(self.line + at, first, sums, out),
            }
        }
    }

    /// As far as the line goes: by eight, of which the compiler knows how many they are, and the rest.
    #[inline(always)]
    fn put_some(&self, line: usize, first: usize, sums: &[f32], out: &mut [f32]) {
        let (eights, rest) = out.as_chunks_mut::<8>();
        let done = eights.len() * 8;
        for (at, (out, sums)) in eights.iter_mut().zip(sums.as_chunks::<8>().0).enumerate() {
            self.settle.settle(line, first + at * 8, sums, out);
        }
        self.settle.settle(line, first + done, &sums[done..done + rest.len()], rest);
    }
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
            let blocks = Blocks::of(&a, inner);
            for panels in [Panels::of(&b, inner, width), Panels::of_columns(&turned, inner, width)] {
                for vectors in Vectors::all() {
                    let mut out = start.clone();
                    multiply_in(vectors, &*a, &panels, &Added, &mut out);
                    assert_eq!(out, wanted, "{height} x {inner} x {width} in {vectors:?}");
                    out.clone_from(&start);
                    multiply_in(vectors, &blocks, &panels, &Added, &mut out);
                    assert_eq!(out, wanted, "blocks, {height} x {inner} x {width} in {vectors:?}");
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
                multiply(&*a, &Panels::of(&b, inner, width), &Biased { bias: &bias, is_rectified }, &mut out);
                assert_eq!(out, wanted, "{height} x {inner} x {width}");
                wanted.iter_mut().for_each(|value| *value = value.max(0.0));
            }
        }
    }

    #[test]
    fn what_has_no_size_is_nothing() {
        let mut out = [1.0, 2.0];
        multiply(&[][..], &Panels::of(&[], 0, 1), &Added, &mut out);
        multiply(&[][..], &Panels::of(&[], 3, 0), &Added, &mut out);
        assert_eq!(out, [1.0, 2.0]);
        multiply(
            &[][..],
            &Panels::of(&[], 0, 2),
            &Biased { bias: &[3.0, -4.0], is_rectified: true },
            &mut out,
        );
        assert_eq!(out, [3.0, 0.0]);
    }
}
