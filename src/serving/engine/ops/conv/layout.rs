//! How an image is laid out before its windows are looked at: in planes, its padding around it, so that a value at the
//! same place of neighbouring windows lies side by side. With strides of two, the even lines and columns and the odd
//! ones are planes apart.

use std::ops::Range;

use super::super::product::PANEL;
use super::super::windows::Windows;

/// How an image lies in planes, of lines and columns; one dimension is a single line.
#[derive(Debug)]
pub struct Layout {
    pub sizes: [usize; 2],
    strides: [usize; 2],
    /// How far before the image its first window begins.
    pub before: [usize; 2],
    /// How many windows there are.
    pub counts: [usize; 2],
    /// Of each plane.
    pub plane: [usize; 2],
    /// Which lines and columns, by their remainders of the strides, make up the planes of a channel: one behind the
    /// other.
    phases: Vec<Phase>,
    /// Where each value of the first window is in a channel's planes.
    pub taps: Vec<usize>,
}

#[derive(Debug)]
struct Phase {
    remainders: [usize; 2],
    /// Which lines and columns of the plane are inside of the image.
    inside: [Range<usize>; 2],
}

/// Where a window's values are along one axis.
struct Steps {
    /// Their remainders of the stride, each once.
    remainders: Vec<usize>,
    /// For each value: which remainder it has, and how many strides it is from the first.
    places: Vec<(usize, usize)>,
}

impl Steps {
    fn of(kernel: usize, dilation: usize, stride: usize) -> Self {
        let (mut remainders, mut known) = (Vec::new(), vec![None; stride]);
        let place = |step: usize| {
            let nth = *known[step % stride].get_or_insert_with(|| {
                remainders.push(step % stride);
                remainders.len() - 1
            });
            (nth, step / stride)
        };
        let places = (0..kernel).map(|value| value * dilation).map(place).collect();
        Self { remainders, places }
    }
}

/// Numbers that are laid out for an image at most: 256 MiB. What would take more is tract's.
const MOST: usize = 1 << 26;

impl Layout {
    /// `None` where there is nothing to lay out, or too much.
    pub fn of(windows: &Windows, sizes: &[usize], channels: usize) -> Option<Self> {
        let along = windows.over(sizes).ok()?;
        let lift = |of: &[usize], single: usize| match *of {
            [columns] => Some([single, columns]),
            [lines, columns] => Some([lines, columns]),
            _ => None,
        };
        let counts: Vec<usize> = along.iter().map(|(count, _)| *count).collect();
        let before: Vec<usize> = along.iter().map(|(_, before)| *before).collect();
        let (kernel, dilations) = (lift(&windows.kernel, 1)?, lift(&windows.dilations, 1)?);
        let (strides, counts) = (lift(&windows.strides, 1)?, lift(&counts, 1)?);
        let (sizes, before) = (lift(sizes, 1)?, lift(&before, 0)?);
        let reach = |axis: usize| counts[axis] + (kernel[axis] - 1) * dilations[axis] / strides[axis];
        let plane = [reach(0), reach(1)];
        let within = |axis: usize, remainder: usize| -> Range<usize> {
            let (before, stride) = (before[axis], strides[axis]);
            let start = before.saturating_sub(remainder).div_ceil(stride);
            let end = (sizes[axis] + before).saturating_sub(remainder).div_ceil(stride).min(plane[axis]);
            start.min(end)..end
        };
        let taken = [plane[0], plane[1], strides[0].min(kernel[0]), strides[1].min(kernel[1]), channels];
        let windowed = [kernel[0], kernel[1], channels, PANEL];
        let is_small = |sizes: &[usize]| {
            let all = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
            all.is_some_and(|all| (1..=MOST).contains(&all))
        };
        if !is_small(&taken) || !is_small(&windowed) || sizes.contains(&0) || counts.contains(&0) {
            return None;
        }
        let [down, across] = [0, 1].map(|axis| Steps::of(kernel[axis], dilations[axis], strides[axis]));
        let phase = |line: usize, column: usize| Phase {
            remainders: [line, column],
            inside: [within(0, line), within(1, column)],
        };
        let columns = |line| across.remainders.iter().map(move |column| phase(line, *column));
        let phases = down.remainders.iter().flat_map(|line| columns(*line)).collect();
        let tap = |(nth, line): &(usize, usize)| {
            let (first, line, wide) = (nth * across.remainders.len(), *line, plane[1]);
            let places = across.places.iter();
            places.map(move |(nth, column)| ((first + nth) * plane[0] + line) * wide + column)
        };
        let taps = down.places.iter().flat_map(tap).collect();
        Some(Self { sizes, strides, before, counts, plane, phases, taps })
    }

    /// How many windows there are.
    pub fn pixels(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// How far it is from the first to behind the last, with what is between the lines.
    pub fn length(&self) -> usize {
        (self.counts[0] - 1) * self.plane[1] + self.counts[1]
    }

    /// How much a channel's planes hold.
    pub fn area(&self) -> usize {
        self.phases.len() * self.plane[0] * self.plane[1]
    }

    /// Some channels in planes, one after the other: themselves, where that is what they are. `room` is for what is
    /// laid out, and may be given again for others.
    pub fn planes<'a>(&self, image: &'a [f32], channels: usize, room: &'a mut Vec<f32>) -> &'a [f32] {
        if self.plane == self.sizes && self.strides == [1, 1] && self.before == [0, 0] {
            return image;
        }
        // What is around an image is nought, and stays it from image to image.
        room.resize(channels * self.area(), 0.0);
        let (size, area) = (self.sizes[0] * self.sizes[1], self.plane[0] * self.plane[1]);
        for (image, planes) in image.chunks_exact(size).zip(room.chunks_exact_mut(self.area())) {
            for (phase, plane) in self.phases.iter().zip(planes.chunks_exact_mut(area)) {
                self.fill(image, phase, plane);
            }
        }
        room
    }

    /// Takes the lines and columns of a phase.
    fn fill(&self, image: &[f32], phase: &Phase, plane: &mut [f32]) {
        let [lines, columns] = phase.inside.clone();
        if columns.is_empty() {
            return;
        }
        let there = |axis: usize, place: usize| {
            place * self.strides[axis] + phase.remainders[axis] - self.before[axis]
        };
        let first = there(1, columns.start);
        for line in lines {
            let from = &image[there(0, line) * self.sizes[1]..][..self.sizes[1]];
            let to = &mut plane[line * self.plane[1]..][columns.clone()];
            let from = &from[first..];
            match self.strides[1] {
                1 => copy(&from[..columns.len()], to),
                2 => copy_each_second(from, to),
                stride => {
                    to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

/// By itself, since the compiler then does it by vectors.
fn copy_each_second(from: &[f32], to: &mut [f32]) {
    let (pairs, last) = from.as_chunks::<2>();
    to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
    if let (Some(to), [value]) = (to.get_mut(pairs.len()), last) {
        *to = *value;
    }
}

/// Copies a line of an image: often a few values only, for which the call of a function costs more than the copy.
pub fn copy(from: &[f32], to: &mut [f32]) {
    match from.len() {
        0..4 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        4..16 => copy_by::<4>(from, to),
        _ => copy_by::<16>(from, to),
    }
}

/// So many at a time, of a line that has as many; the last may be copied again in part.
#[inline(always)]
pub fn copy_by<const COUNT: usize>(from: &[f32], to: &mut [f32]) {
    let (chunks, _) = from.as_chunks::<COUNT>();
    chunks.iter().zip(to.as_chunks_mut::<COUNT>().0).for_each(|(from, to)| *to = *from);
    if let (Some(from), Some(to)) = (from.last_chunk::<COUNT>(), to.last_chunk_mut::<COUNT>()) {
        *to = *from;
    }
}
