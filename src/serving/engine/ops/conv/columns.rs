//! The windows of an image as the right side of a product, a panel at a time.

use super::super::product::{Lines, PANEL, Right};
use super::layout::{Layout, copy_by};

/// The windows of an image as the columns of a product: a line for each value that a window has.
pub struct Columns<'a> {
    layout: &'a Layout,
    planes: &'a [f32],
    inner: usize,
    /// One panel, and room behind it.
    panel: Lines,
    /// Windows of the panel that lie side by side in a plane: where in the panel they begin, and where in the plane.
    runs: Vec<[usize; 2]>,
}

impl<'a> Columns<'a> {
    /// Of so many channels, which lie in these planes.
    pub fn of(layout: &'a Layout, planes: &'a [f32], channels: usize) -> Self {
        let inner = channels * layout.taps.len();
        Self { layout, planes, inner, panel: Lines::of(inner + 1), runs: Vec::new() }
    }

    fn find_runs(&mut self, first: usize) {
        let (across, beside, pixels) = (self.layout.counts[1], self.layout.plane[1], self.layout.pixels());
        self.runs.clear();
        let mut pixel = first;
        while pixel < pixels.min(first + PANEL) {
            let (line, column) = (pixel / across, pixel % across);
            self.runs.push([pixel - first, line * beside + column]);
            // Where lines follow each other without anything between them, they are one.
            pixel = if across == beside { pixels } else { (line + 1) * across };
        }
    }
}

impl Right for Columns<'_> {
    #[inline(always)]
    fn inner(&self) -> usize {
        self.inner
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.layout.pixels()
    }

    /// A run is copied with what is behind it, as many values as a panel has; what comes next is written over that.
    #[inline(always)]
    fn panel<const LANES: usize>(&mut self, nth: usize) -> &[[f32; PANEL]] {
        self.find_runs(nth * PANEL);
        let (area, mut line) = (self.layout.area(), 0);
        let panel = self.panel.lines_mut().as_flattened_mut();
        for plane in 0..self.inner / self.layout.taps.len() {
            for tap in &self.layout.taps {
                for [to, from] in &self.runs {
                    let from = &self.planes[plane * area + tap + from..];
                    let to = &mut panel[line + to..][..PANEL];
                    match from.first_chunk::<PANEL>() {
                        // By vectors: as one copy, this and the next would become a call of a function.
                        Some(from) => copy_by::<LANES>(from, to),
                        None => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
                    }
                }
                line += PANEL;
            }
        }
        &self.panel.lines()[..self.inner]
    }
}
