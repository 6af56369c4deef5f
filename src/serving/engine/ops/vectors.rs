//! Loops over single-precision numbers, compiled once for each kind of vector that a processor may have.

/// A loop that works on `LANES` numbers at a time, as many as a vector holds; `FUSED` where one instruction multiplies
/// and adds. What it calls is to be inlined: only what is compiled into it is laid out in those vectors.
pub trait Lanewise {
    fn run<const LANES: usize, const FUSED: bool>(self);
}

/// Lanes of the widest vectors there are.
pub const WIDEST: usize = 16;

/// A kind of vector that this processor has.
#[derive(Clone, Copy, Debug)]
pub struct Vectors(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Basic,
    #[cfg(target_arch = "x86_64")]
    Middle,
    #[cfg(target_arch = "x86_64")]
    Wide,
}

impl Vectors {
    /// Those this processor has, the widest first.
    pub fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wider = {
            let has_middle = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let has_wide = has_middle && is_x86_feature_detected!("avx512f");
            has_wide.then_some(Kind::Wide).into_iter().chain(has_middle.then_some(Kind::Middle))
        };
        #[cfg(not(target_arch = "x86_64"))]
        let wider = None.into_iter();
        wider.chain([Kind::Basic]).map(Self)
    }

    pub fn widest() -> Self {
        Self::all().next().unwrap_or(Self(Kind::Basic))
    }

    pub fn run(self, work: impl Lanewise) {
        match self.0 {
            Kind::Basic => work.run::<8, false>(),
            // SAFETY: the kind is made only where the processor has what the function asks for.
            #[cfg(target_arch = "x86_64")]
            Kind::Middle => unsafe { middle(work) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Kind::Wide => unsafe { wide(work) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn wide(work: impl Lanewise) {
    work.run::<WIDEST, true>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn middle(work: impl Lanewise) {
    work.run::<8, true>();
}

/// `left * right + sum`. Fused only where the processor does it: elsewhere that is the call of a function.
#[inline(always)]
pub fn times_plus<const FUSED: bool>(left: f32, right: f32, sum: f32) -> f32 {
    if FUSED { left.mul_add(right, sum) } else { left * right + sum }
}
