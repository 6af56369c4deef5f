//! Conv along one or two dimensions by weights that are known before the first run, in single precision: the layers of
//! a network for images. All channels of a window are multiplied by the weights (or, where each channel has a window
//! of its own, one channel); groups of channels, and all else, are tract's.

mod columns;
mod layout;
mod slid;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::{binary::TypedBinOp, math};
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, along, slice};
use super::kernel::{Built, Fact, Instead, Kernel, Spread, instead};
use super::product::{Blocks, Settle, multiply};
use super::scale::only;
use super::vectors::Vectors;
use super::windows::Windows;
use columns::Columns;
use layout::Layout;
use slid::Slid;

/// By which a planned kernel is known.
pub const NAME: &str = "Conv";

pub fn conv(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let mut node = node.clone();
    // ONNX knows them without each other only; where a file has both, onnxruntime goes by the first.
    if Attrs(&node).string("auto_pad")?.is_some_and(|way| way != "NOTSET") {
        node.attribute.retain(|attribute| attribute.name != "pads");
    }
    let node = Arc::new(node);
    instead(ctx, &node, Node(Arc::clone(&node)))
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
        let groups = attrs.int("group").unwrap_or(1);
        let is_deep = match groups {
            1 => channels == *depth,
            groups => usize::try_from(groups) == Ok(channels) && *depth == 1 && *count == channels,
        };
        let sizes: Option<Vec<usize>> = sizes.iter().map(|size| size.to_usize().ok()).collect();
        let bias = match facts.get(2) {
            None => Some(vec![0.0; *count]),
            Some(fact) => fact.konst.as_deref().map(|bias| along(bias, 0, *count)).transpose()?.flatten(),
        };
        let (Some(sizes), Some(bias), true) = (sizes, bias, is_deep && weights.len() > 0) else {
            return Ok(None);
        };
        // What cannot be read, or has no window, is tract's to refuse or to make nothing of.
        let Ok(windows) = Windows::read(&attrs, kernel) else { return Ok(None) };
        let Some(layout) = Layout::of(&windows, &sizes, channels).filter(|_| windows.kernel == kernel) else {
            return Ok(None);
        };
        let values = slice::<f32>(weights)?;
        let weights = match groups {
            1 => Weights::Whole(Blocks::of(values, values.len() / count)),
            _ => Weights::Single(values.to_vec()),
        };
        let (weights, layout) = (Arc::new(weights), Arc::new(layout));
        Ok(Some((Convolution { sizes, layout, weights, channels, bias, range: ALL }, 1)))
    }
}

const ALL: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

#[derive(Clone, Debug)]
struct Convolution {
    /// Of an image.
    sizes: Vec<usize>,
    layout: Arc<Layout>,
    weights: Arc<Weights>,
    channels: usize,
    /// Of each channel that is made.
    bias: Vec<f32>,
    /// What is made is cut at these.
    range: [f32; 2],
}

/// For each channel that is made, what the values of a window are multiplied by.
#[derive(Clone, Debug)]
enum Weights {
    /// Windows have all channels: a line for each that is made.
    Whole(Blocks),
    /// Windows have one channel, the one that is made.
    Single(Vec<f32>),
}

impl Weights {
    fn scale(&mut self, by: &[f32]) {
        match self {
            Self::Whole(lines) => lines.scale(by),
            Self::Single(values) => {
                let size = values.len() / by.len();
                let lines = values.chunks_exact_mut(size).zip(by);
                lines.for_each(|(line, by)| line.iter_mut().for_each(|weight| *weight *= by));
            }
        }
    }
}

impl Convolution {
    /// How many windows there are along each axis of an image.
    fn counts(&self) -> &[usize] {
        &self.layout.counts[2 - self.sizes.len()..]
    }

    /// Of windows that have all channels. `room` is for the planes, and to be given again for the next image.
    fn multiply(&self, weights: &Blocks, image: &[f32], room: &mut Vec<f32>, out: &mut [f32]) {
        let layout = &*self.layout;
        let planes = layout.planes(image, self.channels, room);
        let columns = Columns::of(layout, planes, self.channels);
        multiply(weights, columns, &Cut { of: self }, out);
    }

    /// Of windows of one channel.
    fn slide(&self, weights: &[f32], image: &[f32], room: &mut Vec<f32>, out: &mut [f32]) {
        let layout = &*self.layout;
        let mut sums = vec![0.0; layout.length()];
        let channels = image.chunks_exact(layout.sizes[0] * layout.sizes[1]);
        let both = channels.zip(weights.chunks_exact(layout.taps.len())).zip(&self.bias);
        for (((channel, weights), &bias), out) in both.zip(out.chunks_exact_mut(layout.pixels())) {
            let plane = layout.planes(channel, 1, room);
            Vectors::widest().run(Slid { of: self, weights, bias, plane, sums: &mut sums, out });
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
        let Some(other) = along(other, 1, self.bias.len())? else { return Ok(None) };
        let mut joined = self.clone();
        let (one, is_one) = (other[0], other.iter().all(|value| *value == other[0]));
        let is_whole = self.range == ALL;
        if next.0.is::<math::Add>() && is_whole {
            joined.bias.iter_mut().zip(&other).for_each(|(bias, more)| *bias += more);
        } else if next.0.is::<math::Mul>() && is_whole {
            Arc::make_mut(&mut joined.weights).scale(&other);
            joined.bias.iter_mut().zip(&other).for_each(|(bias, by)| *bias *= by);
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
            match &*self.weights {
                Weights::Whole(weights) => self.multiply(weights, image, &mut room, out),
                Weights::Single(weights) => self.slide(weights, image, &mut room, out),
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
