//! Conv along one or two dimensions by weights that are known before the first run, in single precision: the layers of
//! a network for images. All channels of a window are multiplied by the weights (or, where each channel has a window
//! of its own, one channel); groups of channels, and all else, are tract's.
//!
//! An image is laid out in planes first, its padding around it, so that a value at the same place of neighbouring
//! windows lies side by side: with strides of two, the even lines and columns and the odd ones are planes apart.

use std::ops::Range;
use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::{binary::TypedBinOp, math};
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice};
use super::kernel::{Built, Fact, Instead, Kernel, Spread, instead};
use super::product::{PANEL, Right, Settle, multiply};
use super::scale::only;
use super::vectors::{Lanewise, Vectors, times_plus};
use super::windows::Windows;

/// By which a planned kernel is known.
pub const NAME: &str = "Conv";

pub fn conv(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let mut node = node.clone();
    // ONNX knows them without each other only; where a file has both, onnxruntime goes by the first.
    if Attrs(&node).string("auto_pad")?.is_some_and(|way| way != "NOTSET") {
        node.attribute.retain(|attribute| attribute.name != "pads");
    }
    instead(ctx, &node, Node(Arc::new(node.clone())))
}

#[derive(Clone, Debug)]
struct Node(Arc<NodeProto>);

impl Instead for Node {
    type Kernel = Convolution;

    fn kernel(&self, facts: &[&TypedFact]) -> TractResult<Option<(Convolution, usize)>> {
        let [x, weights, ..] = facts else { return Ok(None) };
        let Some(weights) = weights.konst.as_deref().filter(|weights| weights.rank() == x.rank()) else {
            return Ok(None);
        };
        let ours = [x.datum_type, weights.datum_type()] == [DatumType::F32; 2];
        let ([count, depth, kernel @ ..], [_, channels, sizes @ ..]) = (weights.shape(), &*x.shape) else {
            return Ok(None);
        };
        let Some(channels) = channels.to_usize().ok().filter(|_| ours && matches!(kernel.len(), 1 | 2))
        else {
            return Ok(None);
        };
        let attrs = Attrs(&self.0);
        let is_deep = match attrs.int("group").unwrap_or(1) {
            1 => channels == *depth,
            groups => usize::try_from(groups) == Ok(channels) && *depth == 1 && *count == channels,
        };
        let sizes: Option<Vec<usize>> = sizes.iter().map(|size| size.to_usize().ok()).collect();
        let bias = match facts.get(2) {
            None => Some(vec![0.0; *count]),
            Some(fact) => fact.konst.as_deref().map(|bias| channel(bias, 0, *count)).transpose()?.flatten(),
        };
        let (Some(sizes), Some(bias), true) = (sizes, bias, is_deep && weights.len() > 0) else {
            return Ok(None);
        };
        // What cannot be read, or has no window, is tract's to refuse or to make nothing of.
        let Ok(windows) = Windows::read(&attrs, kernel) else { return Ok(None) };
        let Some(layout) = Layout::of(&windows, &sizes, channels).filter(|_| windows.kernel == kernel) else {
            return Ok(None);
        };
        let (weights, layout) = (Arc::new(slice::<f32>(weights)?.to_vec()), Arc::new(layout));
        let made = Convolution { sizes, layout, weights, depth: *depth, channels, bias, range: ALL };
        Ok(Some((made, 1)))
    }
}

const ALL: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

#[derive(Clone, Debug)]
struct Convolution {
    /// Of an image.
    sizes: Vec<usize>,
    layout: Arc<Layout>,
    /// For each channel that is made: of each channel that a window has, the values line after line.
    weights: Arc<Vec<f32>>,
    /// Channels that a window has: all, or one.
    depth: usize,
    channels: usize,
    /// Of each channel that is made.
    bias: Vec<f32>,
    /// What is made is cut at these.
    range: [f32; 2],
}

/// A value for each channel, of a constant that has its channels on this axis; or one for all.
fn channel(known: &Tensor, axis: usize, count: usize) -> TractResult<Option<Vec<f32>>> {
    if known.datum_type() != DatumType::F32 {
        return Ok(None);
    }
    let is_line = known.shape().iter().enumerate().all(|(at, &size)| size == 1 || at == axis);
    let values = slice::<f32>(known)?;
    Ok(match values.len() {
        1 => Some(vec![values[0]; count]),
        length if length == count && is_line => Some(values.to_vec()),
        _ => None,
    })
}

impl Convolution {
    /// How many windows there are along each axis of an image.
    fn counts(&self) -> &[usize] {
        &self.layout.counts[2 - self.sizes.len()..]
    }

    /// Of windows that have all channels. `room` is for the planes, and to be given again for the next image.
    fn multiply(&self, image: &[f32], room: &mut Vec<f32>, out: &mut [f32]) {
        let layout = &*self.layout;
        let planes = layout.planes(image, self.channels, room);
        let inner = self.channels * layout.taps.len();
        let panel = vec![0.0; (inner + 1) * PANEL];
        let columns = Columns { layout, planes, inner, panel, runs: Vec::new() };
        multiply(&self.weights, columns, &Cut { of: self }, out);
    }

    /// Of windows of one channel.
    fn slide(&self, image: &[f32], room: &mut Vec<f32>, out: &mut [f32]) {
        let layout = &*self.layout;
        let mut sums = vec![0.0; layout.length()];
        let channels = image.chunks_exact(layout.sizes[0] * layout.sizes[1]);
        for (at, (channel, out)) in channels.zip(out.chunks_exact_mut(layout.pixels())).enumerate() {
            let plane = layout.planes(channel, 1, room);
            Vectors::widest().run(Slid { of: self, at, layout, plane, sums: &mut sums, out });
        }
    }

    #[inline(always)]
    fn cut(&self, value: f32) -> f32 {
        let [least, most] = self.range;
        let value = if value < least { least } else { value };
        if value > most { most } else { value }
    }
}

impl Kernel for Convolution {
    fn name(&self) -> &'static str {
        NAME
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let [rows, channels, sizes @ ..] = &*input.shape else { bail!("Conv takes an image of channels") };
        let fits = channels.to_usize().is_ok_and(|channels| channels == self.channels);
        ensure!(fits, "Conv has weights for {} channels, not {channels}", self.channels);
        let is_known = sizes.len() == self.sizes.len()
            && sizes.iter().zip(&self.sizes).all(|(size, known)| *size == known.to_dim());
        ensure!(is_known, "Conv is laid out for images of {:?}, not {sizes:?}", self.sizes);
        let made = [rows.clone(), self.bias.len().to_dim()];
        let counts = self.counts().iter().map(|count| count.to_dim());
        Ok(tvec!(Fact::new(DatumType::F32, made.into_iter().chain(counts))))
    }

    fn joined(&self, next: &TypedBinOp, other: &Tensor) -> TractResult<Option<Arc<dyn Kernel>>> {
        let Some(other) = channel(other, 1, self.bias.len())? else { return Ok(None) };
        let mut joined = self.clone();
        let (one, is_one) = (other[0], other.iter().all(|value| *value == other[0]));
        let is_whole = self.range == ALL;
        if next.0.is::<math::Add>() && is_whole {
            joined.bias.iter_mut().zip(&other).for_each(|(bias, more)| *bias += more);
        } else if next.0.is::<math::Mul>() && is_whole {
            let size = self.weights.len() / self.bias.len();
            let lines = Arc::make_mut(&mut joined.weights).chunks_exact_mut(size);
            for ((line, bias), by) in lines.zip(&mut joined.bias).zip(&other) {
                line.iter_mut().for_each(|weight| *weight *= by);
                *bias *= by;
            }
        } else if next.0.is::<math::Max>() && is_one && self.range[0] < one && one <= self.range[1] {
            joined.range[0] = one;
        } else if next.0.is::<math::Min>() && is_one && self.range[0] <= one && one < self.range[1] {
            joined.range[1] = one;
        } else {
            return Ok(None);
        }
        Ok(Some(Arc::new(joined)))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let &[rows, channels, ref sizes @ ..] = inputs[0].shape() else {
            bail!("Conv takes an image of channels")
        };
        ensure!(
            channels == self.channels && *sizes == *self.sizes,
            "Conv takes {} channels of {:?}, not {channels} of {sizes:?}",
            self.channels,
            self.sizes
        );
        let shape: TVec<usize> = [rows, self.bias.len()].iter().chain(self.counts()).copied().collect();
        // SAFETY: every value is written below, and none is read before.
        let mut out = unsafe { Tensor::uninitialized::<f32>(&shape)? };
        if out.len() == 0 {
            return Ok(tvec!(out));
        }
        let (input, size) = (slice::<f32>(inputs[0])?, out.len() / rows);
        let (mut room, mut plain) = (Vec::new(), out.try_as_plain_ram_mut()?);
        let outs = plain.as_slice_mut::<f32>()?.chunks_exact_mut(size);
        for (image, out) in input.chunks_exact(input.len() / rows).zip(outs) {
            match self.depth == channels {
                true => self.multiply(image, &mut room, out),
                false => self.slide(image, &mut room, out),
            }
        }
        Ok(tvec!(out))
    }
}

/// Each channel's sums with its bias, and cut.
struct Cut<'a> {
    of: &'a Convolution,
}

impl Settle for Cut<'_> {
    #[inline(always)]
    fn settle(&self, line: usize, _first: usize, sums: &[f32], out: &mut [f32]) {
        let bias = self.of.bias[line];
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = self.of.cut(sum + bias));
    }
}

/// How an image lies in planes, of lines and columns; one dimension is a single line.
#[derive(Debug)]
struct Layout {
    sizes: [usize; 2],
    strides: [usize; 2],
    /// How far before the image its first window begins.
    before: [usize; 2],
    /// How many windows there are.
    counts: [usize; 2],
    /// Of each plane.
    plane: [usize; 2],
    /// Which lines and columns, by their remainders of the strides, make up the planes of a channel: one behind the
    /// other.
    phases: Vec<Phase>,
    /// Where each value of the first window is in a channel's planes.
    taps: Vec<usize>,
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
    fn of(windows: &Windows, sizes: &[usize], channels: usize) -> Option<Self> {
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
    fn pixels(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// How far it is from the first to behind the last, with what is between the lines.
    fn length(&self) -> usize {
        (self.counts[0] - 1) * self.plane[1] + self.counts[1]
    }

    /// How much a channel's planes hold.
    fn area(&self) -> usize {
        self.phases.len() * self.plane[0] * self.plane[1]
    }

    /// Some channels in planes, one after the other: themselves, where that is what they are. `room` is for what is
    /// laid out, and may be given again for others.
    fn planes<'a>(&self, image: &'a [f32], channels: usize, room: &'a mut Vec<f32>) -> &'a [f32] {
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
            match self.strides[1] {
                1 => copy(&from[first..][..columns.len()], to),
                stride => {
                    to.iter_mut()
                        .zip(from[first..].iter().step_by(stride))
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

/// Copies a line of an image: often a few values only, for which the call of a function costs more than the copy.
fn copy(from: &[f32], to: &mut [f32]) {
    match from.len() {
        0..4 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        4..16 => copy_by::<4>(from, to),
        _ => copy_by::<16>(from, to),
    }
}

/// So many at a time, of a line that has as many; the last may be copied again in part.
#[inline(always)]
fn copy_by<const COUNT: usize>(from: &[f32], to: &mut [f32]) {
    let (chunks, _) = from.as_chunks::<COUNT>();
    chunks.iter().zip(to.as_chunks_mut::<COUNT>().0).for_each(|(from, to)| *to = *from);
    if let (Some(from), Some(to)) = (from.last_chunk::<COUNT>(), to.last_chunk_mut::<COUNT>()) {
        *to = *from;
    }
}

/// The windows of an image as the columns of a product: a line for each value that a window has.
struct Columns<'a> {
    layout: &'a Layout,
    planes: &'a [f32],
    inner: usize,
    /// One panel, and room behind it.
    panel: Vec<f32>,
    /// Windows of the panel that lie side by side in a plane: where in the panel they begin, and where in the plane.
    runs: Vec<[usize; 2]>,
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
        for plane in 0..self.inner / self.layout.taps.len() {
            for tap in &self.layout.taps {
                for [to, from] in &self.runs {
                    let from = &self.planes[plane * area + tap + from..];
                    let to = &mut self.panel[line + to..][..PANEL];
                    match from.first_chunk::<PANEL>() {
                        // By vectors: as one copy, this and the next would become a call of a function.
                        Some(from) => copy_by::<LANES>(from, to),
                        None => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
                    }
                }
                line += PANEL;
            }
        }
        &self.panel.as_chunks().0[..self.inner]
    }
}

impl Columns<'_> {
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

/// The windows of one channel, that at this place.
struct Slid<'a> {
    of: &'a Convolution,
    at: usize,
    layout: &'a Layout,
    plane: &'a [f32],
    /// Room for the sums of all windows, and of what is between the lines.
    sums: &'a mut [f32],
    out: &'a mut [f32],
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

#[cfg(test)]
mod tests {
    use super::super::attrs::tensor;
    use super::*;
    use tract_onnx::pb::AttributeProto;

    /// Small whole numbers, whose products and sums are exact in any order.
    fn drawn(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7 + at / 11 + seed * 3) % 11) as f32 - 5.0).collect()
    }

    fn node(attributes: &[(&str, &[i64])]) -> Node {
        let attribute = |(name, values): &(&str, &[i64])| AttributeProto {
            name: (*name).to_owned(),
            i: values[0],
            ints: values.to_vec(),
            ..AttributeProto::default()
        };
        let attribute = attributes.iter().map(attribute).collect();
        Node(Arc::new(NodeProto { op_type: NAME.to_owned(), attribute, ..NodeProto::default() }))
    }

    fn known(shape: &[usize], seed: usize) -> TypedFact {
        let values = drawn(shape.iter().product(), seed);
        TypedFact::try_from(tensor(shape, values).expect("as many values as the shape has")).expect("a fact")
    }

    fn kernel(node: &Node, facts: &[TypedFact]) -> Option<Convolution> {
        let made = node.kernel(&facts.iter().collect::<Vec<_>>()).expect("facts that fit");
        made.map(|(kernel, _)| kernel)
    }

    /// A value worked out from the definition.
    fn plainly(of: &Convolution, windows: &Windows, image: &[f32], made: usize) -> Vec<f32> {
        let (layout, sizes) = (&of.layout, of.layout.sizes);
        let at = |axis: usize, of: &[usize]| of[of.len() - 2 + axis];
        let mut out = Vec::new();
        for pixel in 0..layout.counts[0] * layout.counts[1] {
            let place = [pixel / layout.counts[1], pixel % layout.counts[1]];
            let mut sum = of.bias[made];
            for depth in 0..of.depth {
                let channel = if of.depth == 1 && of.channels > 1 { made } else { depth };
                for tap in 0..layout.taps.len() {
                    let step = [tap / at(1, &windows.kernel), tap % at(1, &windows.kernel)];
                    let inside: Option<Vec<usize>> = (0..2)
                        .map(|axis| {
                            let there = place[axis] * at(axis, &windows.strides)
                                + step[axis] * at(axis, &windows.dilations);
                            there.checked_sub(layout.before[axis]).filter(|&there| there < sizes[axis])
                        })
                        .collect();
                    if let Some(inside) = inside {
                        let weight = of.weights[(made * of.depth + depth) * layout.taps.len() + tap];
                        sum += weight * image[(channel * sizes[0] + inside[0]) * sizes[1] + inside[1]];
                    }
                }
            }
            out.push(sum);
        }
        out
    }

    #[test]
    fn windows_of_all_kinds_are_those_worked_out_plainly() {
        type Case<'a> = (&'a [(&'a str, &'a [i64])], [usize; 4], [usize; 3]);
        let cases: &[Case] = &[
            (&[], [5, 3, 1, 1], [3, 6, 7]),
            (&[], [9, 2, 3, 3], [2, 9, 8]),
            (&[("pads", &[1, 1, 1, 1])], [9, 2, 3, 3], [2, 40, 37]),
            (&[("pads", &[0, 2, 1, 0]), ("strides", &[2, 3])], [4, 3, 3, 2], [3, 11, 13]),
            (&[("strides", &[2, 2])], [4, 3, 1, 1], [3, 8, 9]),
            (&[("pads", &[3, 3, 3, 3]), ("strides", &[2, 2])], [8, 3, 7, 7], [3, 15, 16]),
            (&[("dilations", &[2, 3]), ("pads", &[2, 2, 2, 2])], [3, 2, 3, 3], [2, 9, 10]),
            (&[("dilations", &[3, 2]), ("strides", &[2, 3])], [3, 2, 3, 3], [2, 12, 14]),
            (&[("group", &[5]), ("pads", &[1, 1, 1, 1])], [5, 1, 3, 3], [5, 14, 14]),
            (&[("group", &[5]), ("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])], [5, 1, 3, 3], [5, 14, 15]),
            (&[("group", &[4])], [4, 1, 2, 2], [4, 3, 4]),
            (&[("pads", &[9, 9, 9, 9])], [2, 1, 3, 3], [1, 2, 2]),
        ];
        for &(attributes, shape, [channels, height, width]) in cases {
            let facts =
                [DatumType::F32.fact([2, channels, height, width]), known(&shape, 1), known(&shape[..1], 2)];
            let made = kernel(&node(attributes), &facts).expect("one of ours");
            let x = drawn(2 * channels * height * width, 3);
            let windows = Windows::read(&Attrs(&node(attributes).0), &shape[2..]).expect("windows");
            let wanted = x.chunks_exact(x.len() / 2).flat_map(|image| {
                let (made, windows) = (&made, &windows);
                (0..shape[0]).flat_map(move |at| plainly(made, windows, image, at))
            });
            let wanted: Vec<f32> = wanted.collect();
            let out = made.eval(&[&tensor(&[2, channels, height, width], x.clone()).expect("two images")]);
            let out = out.expect("it runs");
            let told = made
                .facts(&[Fact::new(DatumType::F32, [2, channels, height, width].map(|size| size.to_dim()))]);
            let told = told.expect("a fact").remove(0).shape;
            assert_eq!(
                out[0].shape(),
                told.iter().map(|dim| dim.to_usize().expect("known")).collect::<Vec<_>>()
            );
            assert_eq!(slice::<f32>(&out[0]).expect("numbers"), wanted, "{attributes:?} {shape:?}");
        }
    }

    #[test]
    fn one_dimension_is_a_single_line() {
        let facts = [DatumType::F32.fact([1, 2, 9]), known(&[3, 2, 3], 1)];
        let flat = kernel(&node(&[("pads", &[1, 2]), ("strides", &[2])]), &facts).expect("one of ours");
        let facts = [DatumType::F32.fact([1, 2, 1, 9]), known(&[3, 2, 1, 3], 1)];
        let high =
            kernel(&node(&[("pads", &[0, 1, 0, 2]), ("strides", &[1, 2])]), &facts).expect("one of ours");
        let made = |of: Convolution, shape: &[usize]| {
            let out = of.eval(&[&tensor(shape, drawn(18, 3)).expect("a line")]).expect("it runs");
            (out[0].shape().to_vec(), slice::<f32>(&out[0]).expect("numbers").to_vec())
        };
        let (flat, high) = (made(flat, &[1, 2, 9]), made(high, &[1, 2, 1, 9]));
        assert_eq!((flat.0, high.0), (vec![1, 3, 5], vec![1, 3, 1, 5]));
        assert_eq!(flat.1, high.1);
    }

    #[test]
    fn what_is_done_to_each_channel_is_taken_in() {
        let facts = [DatumType::F32.fact([1, 2, 4, 4]), known(&[3, 2, 3, 3], 1)];
        let plain = kernel(&node(&[]), &facts).expect("one of ours");
        let x = tensor(&[1, 2, 4, 4], drawn(32, 3)).expect("an image");
        let run =
            |of: &dyn Kernel| slice::<f32>(&of.eval(&[&x]).expect("it runs")[0]).expect("numbers").to_vec();
        let op = |op: Box<dyn tract_onnx::tract_core::ops::binary::BinMiniOp>| TypedBinOp(op, None);
        let (times, add) = (op(Box::new(math::Mul)), op(Box::new(math::Add)));
        let (max, min) = (op(Box::new(math::Max)), op(Box::new(math::Min)));
        let by = tensor(&[1, 3, 1, 1], vec![1f32, -2.0, 3.0]).expect("three values");
        let single = |value: f32| tensor(&[1, 1, 1, 1], vec![value]).expect("a value");
        let scaled = plain.joined(&times, &by).expect("it fits").expect("joined");
        let moved = scaled.joined(&add, &by).expect("it fits").expect("joined");
        let cut = moved.joined(&max, &single(0.0)).expect("it fits").expect("joined");
        let cut = cut.joined(&min, &single(6.0)).expect("it fits").expect("joined");
        let wanted = run(&plain).into_iter().enumerate().map(|(at, value)| {
            let by = [1f32, -2.0, 3.0][at / 4];
            (value * by + by).clamp(0.0, 6.0)
        });
        assert_eq!(run(&*cut), wanted.collect::<Vec<_>>());
        for (op, other) in [(&add, by.clone()), (&times, by.clone()), (&max, by.clone()), (&max, single(7.0))]
        {
            assert!(cut.joined(op, &other).expect("it fits").is_none());
        }
        let across = tensor(&[1, 1, 1, 2], vec![1f32, 2.0]).expect("two values");
        assert!(plain.joined(&add, &across).expect("it fits").is_none());
    }

    #[test]
    fn all_else_stays_tracts() {
        let x = || DatumType::F32.fact([1, 4, 8, 8]);
        let open = DatumType::F32.fact([2, 4, 3, 3]);
        let others = [
            (node(&[]), vec![x(), open.clone()]),
            (node(&[]), vec![x(), known(&[2, 4, 3, 3], 1), DatumType::F32.fact([2])]),
            (node(&[]), vec![DatumType::F64.fact([1, 4, 8, 8]), known(&[2, 4, 3, 3], 1)]),
            (node(&[("group", &[2])]), vec![x(), known(&[2, 2, 3, 3], 1)]),
            (node(&[("group", &[4])]), vec![x(), known(&[8, 1, 3, 3], 1)]),
            (node(&[]), vec![DatumType::F32.fact([1, 1, 8, 8, 8]), known(&[2, 1, 3, 3, 3], 1)]),
            // No window fits; there is no line; a window cannot be read; an image would lie in gigabytes.
            (node(&[]), vec![DatumType::F32.fact([1, 4, 2, 8]), known(&[2, 4, 3, 3], 1)]),
            (
                node(&[("pads", &[1, 1, 1, 1])]),
                vec![DatumType::F32.fact([1, 4, 0, 8]), known(&[2, 4, 1, 1], 1)],
            ),
            (node(&[("strides", &[1 << 17, 1])]), vec![x(), known(&[2, 4, 3, 3], 1)]),
            (
                node(&[("dilations", &[30_000, 30_000]), ("pads", &[30_000; 4])]),
                vec![DatumType::F32.fact([1, 1, 1, 1]), known(&[1, 1, 3, 3], 1)],
            ),
        ];
        for (node, facts) in others {
            assert!(kernel(&node, &facts).is_none(), "{facts:?}");
        }
    }
}
