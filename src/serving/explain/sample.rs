//! Shapley values from a sample of coalitions: the regression of KernelSHAP. Whole sizes of coalitions
//! are taken while the sample has room for them, from the outermost in, as those weigh most; the rest is
//! drawn, each coalition with its complement.

use super::coalitions::{Coalition, MOST};
use std::collections::HashMap;

/// Coalitions, and how much each counts.
pub struct Sample {
    pub coalitions: Vec<Coalition>,
    weights: Vec<f64>,
    columns: usize,
}

/// As many as the shap package takes by default.
pub fn usual_size(columns: usize) -> usize {
    2 * columns + 2048
}

impl Sample {
    /// About `size` coalitions of `columns`, the same for the same seed.
    pub fn draw(columns: usize, size: usize, seed: u64) -> Self {
        let mut sample =
            Self { coalitions: Vec::with_capacity(size), weights: Vec::with_capacity(size), columns };
        // What all coalitions of a size and of its complement weigh together.
        let mut of_sizes: Vec<(usize, f64)> =
            (1..=columns / 2).map(|inner| (inner, weight_of_size(columns, inner))).collect();
        let total: f64 = of_sizes.iter().map(|(_, weight)| weight).sum();
        of_sizes.iter_mut().for_each(|(_, weight)| *weight /= total);
        let mut whole = 0;
        for &(inner, weight) in &of_sizes {
            let left: f64 = of_sizes[whole..].iter().map(|(_, weight)| weight).sum();
            let count = ways(columns, inner) * if is_own_complement(columns, inner) { 1.0 } else { 2.0 };
            let room = size.saturating_sub(sample.coalitions.len()) as f64;
            if room * weight / left < count {
                break;
            }
            sample.take_whole(inner, weight / count);
            whole += 1;
        }
        sample.take_some(&of_sizes[whole..], size, seed);
        sample
    }

    fn push(&mut self, coalition: Coalition, weight: f64) {
        self.coalitions.push(coalition);
        self.weights.push(weight);
    }

    /// Every coalition of a size, and its complement.
    fn take_whole(&mut self, inner: usize, weight: f64) {
        let (columns, both) = (self.columns, !is_own_complement(self.columns, inner));
        let mut members: Vec<usize> = (0..inner).collect();
        loop {
            let coalition = Coalition::of(members.iter().copied());
            self.push(coalition, weight);
            if both {
                self.push(coalition.others(columns), weight);
            }
            // The next in order: the last member that can move on does, and those after it follow it.
            let Some(at) = (0..inner).rev().find(|&at| members[at] < columns - inner + at) else { return };
            members[at] += 1;
            for next in at + 1..inner {
                members[next] = members[next - 1] + 1;
            }
        }
    }

    /// Draws from the sizes that are left, until the sample is full or nothing new comes up.
    fn take_some(&mut self, of_sizes: &[(usize, f64)], size: usize, seed: u64) {
        let left: f64 = of_sizes.iter().map(|(_, weight)| weight).sum();
        let (mut dice, mut known) = (Dice(seed), HashMap::new());
        let (first, columns) = (self.coalitions.len(), self.columns);
        let mut order: Vec<usize> = (0..columns).collect();
        for _ in 0..4 * size {
            if of_sizes.is_empty() || self.coalitions.len() + 2 > size {
                break;
            }
            let mut at = dice.unit() * left;
            let found = of_sizes.iter().find(|(_, weight)| {
                at -= weight;
                at <= 0.0
            });
            let inner = found.or(of_sizes.last()).map_or(1, |(inner, _)| *inner);
            for place in 0..inner {
                order.swap(place, place + dice.below(columns - place));
            }
            let coalition = Coalition::of(order[..inner].iter().copied());
            let place = *known.entry(coalition).or_insert(self.coalitions.len());
            if place == self.coalitions.len() {
                known.insert(coalition.others(columns), place);
                self.push(coalition, 0.0);
                self.push(coalition.others(columns), 0.0);
            }
            let pair = place - (place - first) % 2;
            self.weights[pair] += 1.0;
            self.weights[pair + 1] += 1.0;
        }
        let drawn: f64 = self.weights[first..].iter().sum();
        self.weights[first..].iter_mut().for_each(|weight| *weight *= left / drawn);
    }

    /// The weighted least squares fit whose shares add up to `whole - none`; by column and output. `None`
    /// where the sample does not tell all columns apart.
    pub fn fit(&self, none: &[f64], whole: &[f64], worth: &[f64]) -> Option<Vec<f64>> {
        let (outputs, free) = (none.len(), self.columns - 1);
        // The last column gets what the others leave, so it is taken off both sides.
        let mut matrix = vec![0.0; free * free];
        let mut right = vec![0.0; free * outputs];
        let mut line = vec![0.0; free];
        for (at, (coalition, &weight)) in self.coalitions.iter().zip(&self.weights).enumerate() {
            let number = |column: usize| f64::from(u8::from(coalition.has(column)));
            let last = number(free);
            line.iter_mut().enumerate().for_each(|(column, cell)| *cell = number(column) - last);
            for row in (0..free).filter(|&row| line[row] != 0.0) {
                let scaled = weight * line[row];
                let into = &mut matrix[row * free..][..=row];
                into.iter_mut().zip(&line).for_each(|(cell, other)| *cell += scaled * other);
                for output in 0..outputs {
                    let gain = worth[at * outputs + output] - none[output];
                    right[row * outputs + output] += scaled * (gain - last * (whole[output] - none[output]));
                }
            }
        }
        solve(&mut matrix, &mut right, free, outputs)?;
        for output in 0..outputs {
            let given: f64 = (0..free).map(|column| right[column * outputs + output]).sum();
            right.push(whole[output] - none[output] - given);
        }
        Some(right)
    }
}

/// Solves `matrix * x = right` in place, by Cholesky; only the lower half of the matrix is read.
fn solve(matrix: &mut [f64], right: &mut [f64], size: usize, outputs: usize) -> Option<()> {
    for row in 0..size {
        for column in 0..=row {
            let inner = (0..column).map(|at| matrix[row * size + at] * matrix[column * size + at]);
            let rest = matrix[row * size + column] - inner.sum::<f64>();
            if row == column {
                if rest <= 1e-12 {
                    return None;
                }
                matrix[row * size + row] = rest.sqrt();
            } else {
                matrix[row * size + column] = rest / matrix[column * size + column];
            }
        }
    }
    for output in 0..outputs {
        for row in 0..size {
            let known = (0..row).map(|at| matrix[row * size + at] * right[at * outputs + output]);
            let rest = right[row * outputs + output] - known.sum::<f64>();
            right[row * outputs + output] = rest / matrix[row * size + row];
        }
        for row in (0..size).rev() {
            let known = (row + 1..size).map(|at| matrix[at * size + row] * right[at * outputs + output]);
            let rest = right[row * outputs + output] - known.sum::<f64>();
            right[row * outputs + output] = rest / matrix[row * size + row];
        }
    }
    Some(())
}

/// What all coalitions of this size and of its complement weigh, but for a factor.
fn weight_of_size(columns: usize, inner: usize) -> f64 {
    let one = (columns - 1) as f64 / (inner * (columns - inner)) as f64;
    if is_own_complement(columns, inner) { one } else { 2.0 * one }
}

fn is_own_complement(columns: usize, inner: usize) -> bool {
    2 * inner == columns
}

/// How many coalitions of a size there are.
fn ways(columns: usize, inner: usize) -> f64 {
    (0..inner.min(MOST)).map(|at| (columns - at) as f64 / (at + 1) as f64).product::<f64>().round()
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
