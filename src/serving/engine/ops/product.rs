//! Products of matrices in single precision, where the right side is used again and again, as the weights of a network
//! are: it is laid out once. Vectors of 512 bits are used where the processor has them.

/// Columns of the right side that are worked on together: two of the widest vectors.
const PANEL: usize = 32;
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

/// What becomes of the sums of some columns in a line of the product.
pub trait Settle {
    /// `first` is the place of the first of these columns.
    fn settle(&self, first: usize, sums: &[f32], out: &mut [f32]);
}

/// They are added to what is there.
pub struct Added;

impl Settle for Added {
    #[inline(always)]
    fn settle(&self, _first: usize, sums: &[f32], out: &mut [f32]) {
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
    fn settle(&self, first: usize, sums: &[f32], out: &mut [f32]) {
        for ((out, sum), bias) in out.iter_mut().zip(sums).zip(&self.bias[first..]) {
            let value = sum + bias;
            *out = if self.is_rectified && value < 0.0 { 0.0 } else { value };
        }
    }
}

/// Settles `lines * panels` in `out`, both `lines` and `out` line after line: as many as there are of both.
pub fn multiply(lines: &[f32], panels: &Panels, settle: &impl Settle, out: &mut [f32]) {
    if panels.width == 0 {
        return;
    }
    if panels.inner == 0 {
        let nothing = vec![0.0; panels.width];
        return out.chunks_exact_mut(panels.width).for_each(|out| settle.settle(0, &nothing, out));
    }
    #[cfg(target_arch = "x86_64")]
    match vectors() {
        // SAFETY: the processor has what these ask for, and they ask for nothing else.
        Vectors::Wide => return unsafe { multiply_wide(lines, panels, settle, out) },
        // SAFETY: likewise.
        Vectors::Middle => return unsafe { multiply_middle(lines, panels, settle, out) },
        Vectors::Basic => {}
    }
    multiply_in::<8, false>(lines, panels, settle, out);
}

/// What this processor can.
#[cfg(target_arch = "x86_64")]
enum Vectors {
    Basic,
    Middle,
    Wide,
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Vectors {
    match () {
        () if is_x86_feature_detected!("avx512f") => Vectors::Wide,
        () if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => Vectors::Middle,
        () => Vectors::Basic,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_wide(lines: &[f32], panels: &Panels, settle: &impl Settle, out: &mut [f32]) {
    match panels.width <= PANEL / 2 {
        true => multiply_in::<16, true>(lines, panels, settle, out),
        false => multiply_in::<32, true>(lines, panels, settle, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_middle(lines: &[f32], panels: &Panels, settle: &impl Settle, out: &mut [f32]) {
    multiply_in::<8, true>(lines, panels, settle, out);
}

/// Compiled once for each kind of vector: `LANES` columns at a time, with or without the fused instruction.
#[inline(always)]
fn multiply_in<const LANES: usize, const FUSED: bool>(
    lines: &[f32],
    panels: &Panels,
    settle: &impl Settle,
    out: &mut [f32],
) {
    let (inner, width) = (panels.inner, panels.width);
    let (mut blocks, mut outs) = (lines.chunks_exact(inner * BLOCK), out.chunks_exact_mut(width * BLOCK));
    for (block, out) in blocks.by_ref().zip(outs.by_ref()) {
        multiply_block::<LANES, FUSED>(block, panels, settle, out);
    }
    let rest = blocks.remainder().chunks_exact(inner);
    for (line, out) in rest.zip(outs.into_remainder().chunks_exact_mut(width)) {
        multiply_line::<LANES, FUSED>(line, panels, settle, out);
    }
}

#[inline(always)]
fn multiply_block<const LANES: usize, const FUSED: bool>(
    lines: &[f32],
    panels: &Panels,
    settle: &impl Settle,
    out: &mut [f32],
) {
    let (inner, width) = (panels.inner, panels.width);
    for (nth, panel) in panels.values.chunks_exact(inner).enumerate() {
        // As long as the panel, which the compiler then knows.
        let lines: [&[f32]; BLOCK] = std::array::from_fn(|line| &lines[line * inner..][..panel.len()]);
        for part in 0..PANEL / LANES {
            let first = nth * PANEL + part * LANES;
            if first >= width {
                break;
            }
            let mut sums = [[0f32; LANES]; BLOCK];
            for (at, right) in panel.iter().enumerate() {
                let right = &right.as_chunks::<LANES>().0[part];
                for (sums, line) in sums.iter_mut().zip(&lines) {
                    add_product::<LANES, FUSED>(sums, line[at], right);
                }
            }
            let count = LANES.min(width - first);
            for (line, sums) in sums.iter().enumerate() {
                settle.settle(first, &sums[..count], &mut out[line * width + first..][..count]);
            }
        }
    }
}

/// A single line, by several sums for each column: one would wait for its last product each time.
#[inline(always)]
fn multiply_line<const LANES: usize, const FUSED: bool>(
    line: &[f32],
    panels: &Panels,
    settle: &impl Settle,
    out: &mut [f32],
) {
    let (fours, rest) = line.as_chunks::<BLOCK>();
    for (nth, (panel, out)) in panels.values.chunks_exact(panels.inner).zip(out.chunks_mut(PANEL)).enumerate()
    {
        let (panel_fours, panel_rest) = panel.as_chunks::<BLOCK>();
        for (part, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [[0f32; LANES]; BLOCK];
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
            settle.settle(nth * PANEL + part * LANES, &sums[..out.len()], out);
        }
    }
}

/// Adds `left * right` to the sums. Fused only where the processor does it: elsewhere that is a call of a function.
#[inline(always)]
fn add_product<const LANES: usize, const FUSED: bool>(
    sums: &mut [f32; LANES],
    left: f32,
    right: &[f32; LANES],
) {
    *sums = std::array::from_fn(|lane| match FUSED {
        true => left.mul_add(right[lane], sums[lane]),
        false => sums[lane] + left * right[lane],
    });
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
                let mut out = start.clone();
                multiply(&a, &panels, &Added, &mut out);
                assert_eq!(out, wanted, "{height} x {inner} x {width}");
                let mut basic = start.clone();
                multiply_in::<8, false>(&a, &panels, &Added, &mut basic);
                assert_eq!(basic, wanted, "{height} x {inner} x {width} without wide vectors");
                #[cfg(target_arch = "x86_64")]
                if !matches!(vectors(), Vectors::Basic) {
                    let mut middle = start.clone();
                    // SAFETY: a processor that has any of the wider vectors has those of the middle.
                    unsafe { multiply_middle(&a, &panels, &Added, &mut middle) };
                    assert_eq!(middle, wanted, "{height} x {inner} x {width} in vectors of the middle");
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
