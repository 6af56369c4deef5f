//! The right side of a product: panels of columns, laid out once, where it is used again and again, as the weights of a
//! layer are, or one after the other as they are asked for.

use super::super::vectors::WIDEST;

/// Columns of the right side that are worked on together.
pub const PANEL: usize = 2 * WIDEST;

/// The right side of a product.
pub trait Right {
    /// How many lines it has.
    fn inner(&self) -> usize;

    /// How many columns.
    fn width(&self) -> usize;

    /// The `PANEL` columns from `nth * PANEL` on, line after line; what is behind the last column may be anything.
    fn panel<const LANES: usize>(&mut self, nth: usize) -> &[[f32; PANEL]];
}

/// Lines of panels, one behind the other, at a place in memory that suits the widest vectors: one that lies across two
/// of the processor's own lines takes twice as long to read.
#[derive(Debug)]
pub struct Lines {
    values: Vec<f32>,
    start: usize,
}

impl Lines {
    /// All nought.
    pub fn of(count: usize) -> Self {
        let values = vec![0.0; count * PANEL + WIDEST - 1];
        // It may be any number where the place cannot be told.
        let start = values.as_ptr().align_offset(WIDEST * size_of::<f32>()).min(WIDEST - 1);
        Self { values, start }
    }

    #[inline(always)]
    pub fn lines(&self) -> &[[f32; PANEL]] {
        self.values[self.start..].as_chunks().0
    }

    #[inline(always)]
    pub fn lines_mut(&mut self) -> &mut [[f32; PANEL]] {
        self.values[self.start..].as_chunks_mut().0
    }
}

/// The right side: panels of columns, one line of a panel behind the other.
#[derive(Debug)]
pub struct Panels {
    lines: Lines,
    inner: usize,
    width: usize,
}

impl Panels {
    /// Of a matrix of `inner` lines and `width` columns, line after line.
    pub fn of(values: &[f32], inner: usize, width: usize) -> Self {
        let mut panels = Self::empty(inner, width);
        for (first, panel) in (0..width).step_by(PANEL).zip(panels.panels()) {
            let count = PANEL.min(width - first);
            for (to, line) in panel.iter_mut().zip(values.chunks_exact(width)) {
                to[..count].copy_from_slice(&line[first..first + count]);
            }
        }
        panels
    }

    /// Of a matrix that is given column after column.
    pub fn of_columns(values: &[f32], inner: usize, width: usize) -> Self {
        let mut panels = Self::empty(inner, width);
        for (panel, columns) in panels.panels().zip(values.chunks((inner * PANEL).max(1))) {
            for (at, line) in panel.iter_mut().enumerate() {
                line.iter_mut().zip(columns.chunks_exact(inner)).for_each(|(to, column)| *to = column[at]);
            }
        }
        panels
    }

    fn empty(inner: usize, width: usize) -> Self {
        Self { lines: Lines::of(width.div_ceil(PANEL) * inner), inner, width }
    }

    fn panels(&mut self) -> impl Iterator<Item = &mut [[f32; PANEL]]> {
        self.lines.lines_mut().chunks_exact_mut(self.inner.max(1))
    }

    /// How many numbers are laid out for a matrix.
    pub fn size(inner: usize, width: usize) -> usize {
        width.div_ceil(PANEL).saturating_mul(PANEL).saturating_mul(inner)
    }

    pub fn inner(&self) -> usize {
        self.inner
    }

    pub fn width(&self) -> usize {
        self.width
    }
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
        &self.lines.lines()[nth * self.inner..][..self.inner]
    }
}
