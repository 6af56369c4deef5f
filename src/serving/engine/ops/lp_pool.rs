//! LpPool: the p-norm of each window.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;
use super::windows::Windows;

pub fn lp_pool(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let pool = Pool { windows: Windows::read(&attrs, &[])?, power: attrs.int("p").unwrap_or(2) };
    ensure!(pool.power > 0, "LpPool's power must be above zero");
    wrap(node, pool)
}

#[derive(Debug)]
struct Pool {
    windows: Windows,
    power: i64,
}

impl Pool {
    /// The norm of the window at `place` of one channel.
    fn window(&self, image: &[f32], sizes: &[usize], counts: &[(usize, usize)], place: usize) -> f32 {
        let (mut sum, windows) = (0f64, &self.windows);
        for offset in 0..windows.kernel.iter().product() {
            let (mut place, mut offset, mut at, mut stride) = (place, offset, Some(0), 1);
            for axis in (0..sizes.len()).rev() {
                let (count, before) = counts[axis];
                let step = place % count * windows.strides[axis]
                    + offset % windows.kernel[axis] * windows.dilations[axis];
                let inside = step.checked_sub(before).filter(|&step| step < sizes[axis]);
                at = at.zip(inside).map(|(at, step)| at + step * stride);
                (place, offset, stride) =
                    (place / count, offset / windows.kernel[axis], stride * sizes[axis]);
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
            input.shape.len() == self.windows.kernel.len() + 2,
            "LpPool's kernel is not of its input's dimensions"
        );
        let sizes = input.shape[2..].iter().map(|size| size.to_usize().ok());
        let sizes: Vec<usize> =
            sizes.collect::<Option<_>>().context("LpPool's input must have a known size")?;
        let counts = self.windows.over(&sizes)?;
        let outer = input.shape[..2].iter().cloned();
        Ok(tvec!(Fact::new(DatumType::F32, outer.chain(counts.iter().map(|(count, _)| count.to_dim())))))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        let (outer, sizes) = shape.split_at(2);
        let counts = self.windows.over(sizes)?;
        let (area, count): (usize, usize) =
            (sizes.iter().product(), counts.iter().map(|(count, _)| count).product());
        let mut out = Vec::with_capacity(outer.iter().product::<usize>() * count);
        for image in slice::<f32>(inputs[0])?.chunks_exact(area.max(1)) {
            out.extend((0..count).map(|place| self.window(image, sizes, &counts, place)));
        }
        let shape: Vec<usize> = outer.iter().copied().chain(counts.iter().map(|(count, _)| *count)).collect();
        Ok(tvec!(tensor(&shape, out)?))
    }
}
