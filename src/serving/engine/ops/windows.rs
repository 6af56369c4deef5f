//! Windows that move over an image: how many there are along each axis, and where the first begins.

use tract_onnx::tract_hir::internal::*;

use super::attrs::Attrs;

/// Windows are not larger, and images do not have more dimensions.
const MOST: usize = 1 << 16;
const AXES: std::ops::RangeInclusive<usize> = 1..=3;

#[derive(Clone, Debug)]
pub struct Windows {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    padding: Padding,
    /// A last window may reach over the end.
    ceil: bool,
}

#[derive(Clone, Debug)]
enum Padding {
    /// Before each axis, then after each.
    Given(Vec<usize>),
    /// As many windows as strides fit in the input; what is odd goes to the end, or to the start.
    Same { upper: bool },
}

impl Windows {
    /// Those that an operator's attributes ask for; their size is that of the weights where it is not told.
    pub fn read(attrs: &Attrs, weights: &[usize]) -> TractResult<Self> {
        let name = &attrs.0.op_type;
        let axes = if weights.is_empty() { attrs.ints("kernel_shape").len() } else { weights.len() };
        ensure!(AXES.contains(&axes), "{name} has one to three dimensions, not {axes}");
        let sizes = |name: &str, default: &[usize]| -> TractResult<Vec<usize>> {
            let op = &attrs.0.op_type;
            let given =
                attrs.ints(name).iter().map(|&size| usize::try_from(size).ok().filter(|&size| size <= MOST));
            let given: Vec<usize> =
                given.collect::<Option<_>>().with_context(|| format!("{op}'s {name} cannot be"))?;
            ensure!(
                given.is_empty() || given.len() == default.len(),
                "{op}'s {name} are not of its dimensions"
            );
            Ok(if given.is_empty() { default.to_vec() } else { given })
        };
        let ones = vec![1; axes];
        let padding = match attrs.string("auto_pad")?.as_deref() {
            None | Some("NOTSET") => Padding::Given(sizes("pads", &vec![0; 2 * axes])?),
            Some("VALID") => Padding::Given(vec![0; 2 * axes]),
            Some("SAME_UPPER") => Padding::Same { upper: true },
            Some("SAME_LOWER") => Padding::Same { upper: false },
            Some(other) => bail!("auto_pad {other} is not known"),
        };
        let windows = Self {
            kernel: sizes("kernel_shape", if weights.is_empty() { &ones } else { weights })?,
            strides: sizes("strides", &ones)?,
            dilations: sizes("dilations", &ones)?,
            padding,
            ceil: attrs.int("ceil_mode").unwrap_or(0) != 0,
        };
        let all = [&windows.kernel, &windows.strides, &windows.dilations];
        ensure!(all.iter().all(|sizes| !sizes.contains(&0)), "{name}'s sizes must be above zero");
        Ok(windows)
    }

    /// Along one axis: how many windows there are, and how far before the input the first begins.
    fn along(&self, axis: usize, size: usize) -> TractResult<(usize, usize)> {
        let (stride, span) = (self.strides[axis], (self.kernel[axis] - 1) * self.dilations[axis] + 1);
        match &self.padding {
            Padding::Same { upper } => {
                let count = size.div_ceil(stride);
                let missing = ((count.max(1) - 1) * stride + span).saturating_sub(size);
                Ok((count, if *upper { missing / 2 } else { missing.div_ceil(2) }))
            }
            Padding::Given(pads) => {
                let padded = size + pads[axis] + pads[axis + self.kernel.len()];
                let room = padded.checked_sub(span).context("a window is larger than the input")?;
                let mut count = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
                // A window may not lie wholly in the padding behind the input.
                if self.ceil && (count - 1) * stride >= size + pads[axis] {
                    count -= 1;
                }
                Ok((count, pads[axis]))
            }
        }
    }

    /// Along all axes of an image of these sizes.
    pub fn over(&self, sizes: &[usize]) -> TractResult<Vec<(usize, usize)>> {
        sizes.iter().enumerate().map(|(axis, &size)| self.along(axis, size)).collect()
    }
}
