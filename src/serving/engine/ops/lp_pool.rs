//! LpPool: the p-norm of each window.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;

/// Windows are not larger, and images do not have more dimensions.
const MOST: usize = 1 << 16;

pub fn lp_pool(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let sizes = |name: &str, default: usize, count: usize| -> TractResult<Vec<usize>> {
        let given =
            attrs.ints(name).iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= MOST));
        let given: Vec<usize> =
            given.collect::<Option<_>>().with_context(|| format!("LpPool's {name} cannot be"))?;
        ensure!(given.is_empty() || given.len() == count, "LpPool's {name} are not of its dimensions");
        Ok(if given.is_empty() { vec![default; count] } else { given })
    };
    let axes = attrs.ints("kernel_shape").len();
    ensure!((1..=3).contains(&axes), "LpPool has one to three dimensions, not {axes}");
    let padding = match attrs.string("auto_pad")?.as_deref() {
        None | Some("NOTSET") => Padding::Given(sizes("pads", 0, 2 * axes)?),
        Some("VALID") => Padding::Given(vec![0; 2 * axes]),
        Some("SAME_UPPER") => Padding::Same { upper: true },
        Some("SAME_LOWER") => Padding::Same { upper: false },
        Some(other) => bail!("auto_pad {other} is not known"),
    };
    let pool = Pool {
        kernel: sizes("kernel_shape", 1, axes)?,
        strides: sizes("strides", 1, axes)?,
        dilations: sizes("dilations", 1, axes)?,
        padding,
        ceil: attrs.int("ceil_mode").unwrap_or(0) != 0,
        power: attrs.int("p").unwrap_or(2),
    };
    let positive = [&pool.kernel, &pool.strides, &pool.dilations].iter().all(|sizes| !sizes.contains(&0));
    ensure!(positive && pool.power > 0, "LpPool's sizes and power must be above zero");
    wrap(node, pool)
}

#[derive(Debug)]
enum Padding {
    /// Before each axis, then after each.
    Given(Vec<usize>),
    /// As many windows as strides fit in the input; what is odd goes to the end, or to the start.
    Same { upper: bool },
}

#[derive(Debug)]
struct Pool {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    padding: Padding,
    ceil: bool,
    power: i64,
}

impl Pool {
    /// Along one axis: how many windows there are, and how far before the input the first begins.
    fn windows(&self, axis: usize, size: usize) -> TractResult<(usize, usize)> {
        let (stride, span) = (self.strides[axis], (self.kernel[axis] - 1) * self.dilations[axis] + 1);
        match &self.padding {
            Padding::Same { upper } => {
                let count = size.div_ceil(stride);
                let missing = ((count.max(1) - 1) * stride + span).saturating_sub(size);
                Ok((count, if *upper { missing / 2 } else { missing.div_ceil(2) }))
            }
            Padding::Given(pads) => {
                let padded = size + pads[axis] + pads[axis + self.kernel.len()];
                let room = padded.checked_sub(span).context("LpPool's window is larger than its input")?;
                let mut count = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
                // A window may not lie wholly in the padding behind the input.
                if self.ceil && (count - 1) * stride >= size + pads[axis] {
                    count -= 1;
                }
                Ok((count, pads[axis]))
            }
        }
    }

    fn all_windows(&self, sizes: &[usize]) -> TractResult<Vec<(usize, usize)>> {
        sizes.iter().enumerate().map(|(axis, &size)| self.windows(axis, size)).collect()
    }

    /// The norm of the window at `place` of one channel.
    fn window(&self, image: &[f32], sizes: &[usize], windows: &[(usize, usize)], place: usize) -> f32 {
        let mut sum = 0f64;
        for offset in 0..self.kernel.iter().product() {
            let (mut place, mut offset, mut at, mut stride) = (place, offset, Some(0), 1);
            for axis in (0..sizes.len()).rev() {
                let (count, before) = windows[axis];
                let step =
                    place % count * self.strides[axis] + offset % self.kernel[axis] * self.dilations[axis];
                let inside = step.checked_sub(before).filter(|&step| step < sizes[axis]);
                at = at.zip(inside).map(|(at, step)| at + step * stride);
                (place, offset, stride) = (place / count, offset / self.kernel[axis], stride * sizes[axis]);
            }
            sum += at.map_or(0.0, |at| f64::from(image[at].abs()).powi(self.power as i32));
        }
        sum.powf(1.0 / self.power as f64) as f32
    }
}

impl Kernel for Pool {
    fn name(&self) -> &'static str {
        "LpPool"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        ensure!(input.datum == DatumType::F32, "LpPool's input must be F32, not {:?}", input.datum);
        ensure!(
            input.shape.len() == self.kernel.len() + 2,
            "LpPool's kernel is not of its input's dimensions"
        );
        let sizes = input.shape[2..].iter().map(|size| size.to_usize().ok());
        let sizes: Vec<usize> =
            sizes.collect::<Option<_>>().context("LpPool's input must have a known size")?;
        let counts = self.all_windows(&sizes)?;
        let outer = input.shape[..2].iter().cloned();
        Ok(tvec!(Fact::new(DatumType::F32, outer.chain(counts.iter().map(|(count, _)| count.to_dim())))))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        let (outer, sizes) = shape.split_at(2);
        let windows = self.all_windows(sizes)?;
        let (area, count): (usize, usize) =
            (sizes.iter().product(), windows.iter().map(|(count, _)| count).product());
        let mut out = Vec::with_capacity(outer.iter().product::<usize>() * count);
        for image in slice::<f32>(inputs[0])?.chunks_exact(area.max(1)) {
            out.extend((0..count).map(|place| self.window(image, sizes, &windows, place)));
        }
        let shape: Vec<usize> =
            outer.iter().copied().chain(windows.iter().map(|(count, _)| *count)).collect();
        Ok(tvec!(tensor(&shape, out)?))
    }
}
