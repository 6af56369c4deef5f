//! Coalitions of columns, and Shapley values from what all of them are worth.

/// Columns a coalition can be of.
pub const MOST: usize = 256;
/// All coalitions are asked of up to this many columns.
pub const MOST_EXACT: usize = 11;

/// A set of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Coalition([u64; MOST / 64]);

impl Coalition {
    pub fn of(numbers: impl Iterator<Item = usize>) -> Self {
        let mut coalition = Self::default();
        numbers.for_each(|number| coalition.0[number / 64] |= 1 << (number % 64));
        coalition
    }

    pub fn has(&self, column: usize) -> bool {
        self.0[column / 64] >> (column % 64) & 1 == 1
    }

    /// The other columns of `count`.
    pub fn others(&self, count: usize) -> Self {
        Self::of((0..count).filter(|&column| !self.has(column)))
    }

    /// The coalition whose bits are this number's.
    fn numbered(number: usize) -> Self {
        let mut coalition = Self::default();
        coalition.0[0] = number as u64;
        coalition
    }
}

/// All coalitions of `count` columns but the empty one and the whole, by number.
pub fn all(count: usize) -> Vec<Coalition> {
    (1..(1usize << count) - 1).map(Coalition::numbered).collect()
}

/// Shapley's definition. `worth` is by coalition of `all`, and output; `none` and `whole` are the two left
/// out there. Gives shares by column and output.
pub fn exact(count: usize, none: &[f64], whole: &[f64], worth: &[f64]) -> Vec<f64> {
    let outputs = none.len();
    let last = (1usize << count) - 1;
    let of = |number: usize, output: usize| match number {
        0 => none[output],
        number if number == last => whole[output],
        number => worth[(number - 1) * outputs + output],
    };
    let weights = weights(count);
    let mut shares = vec![0.0; count * outputs];
    for (column, shares) in shares.chunks_exact_mut(outputs).enumerate() {
        for without in (0..=last).filter(|number| number >> column & 1 == 0) {
            let weight = weights[without.count_ones() as usize];
            for (output, share) in shares.iter_mut().enumerate() {
                *share += weight * (of(without | 1 << column, output) - of(without, output));
            }
        }
    }
    shares
}

/// `size! (count - size - 1)! / count!` by size: the part of all orders in which a column comes next after
/// one coalition of that size.
fn weights(count: usize) -> Vec<f64> {
    let mut weight = 1.0 / count.max(1) as f64;
    let mut weights = Vec::with_capacity(count);
    for size in 0..count {
        weights.push(weight);
        weight *= (size + 1) as f64 / (count - size - 1).max(1) as f64;
    }
    weights
}
