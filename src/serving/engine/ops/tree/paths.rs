//! Shapley values of a sum of trees by the counts of training rows in its nodes (the path-dependent game: at a branch
//! on a column left out, a row goes both ways, in the shares that the training rows went). Lundberg's second
//! algorithm: one walk keeps, for all sizes of sets of the columns asked so far, the share of such sets that lead
//! here.

use super::forest::{Mode, Node};
use super::shapley::{Columns, Shares, scores};
use super::sum::Sum;

/// A column asked on the way, of which the path counts sets.
#[derive(Clone, Copy, Debug)]
struct Step {
    column: u32,
    /// The share of rows that come here where the column is left out.
    without: f64,
    /// Whether the row comes here where it is not: 1 or 0.
    with: f64,
    /// The share of the sets of as many columns as stand before this one in the path.
    weight: f64,
}

/// Shares out the scores of `rows`; `None` when `go_on` said to stop, which is asked once a row of each tree, or where
/// the file carries no counts.
pub fn path_dependent(sum: &Sum, rows: &Columns, go_on: &dyn Fn() -> bool) -> Option<Shares> {
    let (outputs, columns) = (sum.outputs(), rows.values.len());
    let covers = sum.forest.covers()?;
    let mut shares = Shares {
        base: base(sum, covers),
        scores: scores(sum, rows),
        shares: vec![0.0; rows.rows * columns * outputs],
    };
    let mut walk = Walk { sum, covers, rows, row: 0, out: &mut [], levels: Vec::new() };
    for (row, out) in shares.shares.chunks_exact_mut((columns * outputs).max(1)).enumerate() {
        walk = Walk { row, out, ..walk };
        for &root in sum.forest.roots() {
            if !go_on() {
                return None;
            }
            walk.level(0).clear();
            walk.node(root, 0, Step { column: u32::MAX, without: 1.0, with: 1.0, weight: 0.0 });
        }
    }
    Some(shares)
}

/// The mean score of the training rows.
fn base(sum: &Sum, covers: &[f64]) -> Vec<f64> {
    let mut base = sum.base.clone();
    for &root in sum.forest.roots() {
        let all = covers[root as usize];
        for at in sum.forest.leaves_under(root) {
            let share = covers[at as usize] / all;
            let leaf = &sum.forest.nodes()[at as usize];
            sum.leaf(leaf).for_each(|(output, value)| base[output] += share * value);
        }
    }
    base
}

struct Walk<'a> {
    sum: &'a Sum<'a>,
    covers: &'a [f64],
    rows: &'a Columns,
    row: usize,
    out: &'a mut [f64],
    /// The path at each depth; kept, so that no walk asks for memory again.
    levels: Vec<Vec<Step>>,
}

impl Walk<'_> {
    fn level(&mut self, depth: usize) -> &mut Vec<Step> {
        if self.levels.len() <= depth {
            self.levels.resize_with(depth + 1, Vec::new);
        }
        &mut self.levels[depth]
    }

    /// Goes on at a node, with the path to its parent at this depth and the step from there.
    fn node(&mut self, at: u32, depth: usize, step: Step) {
        let forest = self.sum.forest;
        let node = &forest.nodes()[at as usize];
        extend(self.level(depth), step);
        if node.mode == Mode::Leaf {
            return self.leaf(node, depth);
        }
        let value = self.rows.values[node.feature as usize][self.row];
        let is_yes = forest.is_yes(node, value);
        let path = &mut self.levels[depth];
        let (mut without, mut with) = (1.0, 1.0);
        if let Some(known) = path.iter().position(|step| step.column == node.feature) {
            (without, with) = (path[known].without, path[known].with);
            unwind(path, known);
        }
        for (child, is_ours) in [(node.yes, is_yes), (node.no, !is_yes)] {
            let share = self.covers[child as usize] / self.covers[at as usize];
            let with = if is_ours { with } else { 0.0 };
            let step = Step { column: node.feature, without: without * share, with, weight: 0.0 };
            self.level(depth + 1);
            let (above, below) = self.levels.split_at_mut(depth + 1);
            below[0].clone_from(&above[depth]);
            self.node(child, depth + 1, step);
        }
    }

    fn leaf(&mut self, leaf: &Node, depth: usize) {
        let (path, outputs) = (&self.levels[depth], self.sum.outputs());
        for (at, step) in path.iter().enumerate().skip(1) {
            let gain = unwound(path, at) * (step.with - step.without);
            let place = &mut self.out[step.column as usize * outputs..][..outputs];
            self.sum.leaf(leaf).for_each(|(output, value)| place[output] += gain * value);
        }
    }
}

/// Adds a column to the path: each set grows by it, or does not.
fn extend(path: &mut Vec<Step>, step: Step) {
    let length = path.len();
    path.push(Step { weight: if length == 0 { 1.0 } else { 0.0 }, ..step });
    let count = (length + 1) as f64;
    for at in (0..length).rev() {
        path[at + 1].weight += step.with * path[at].weight * (at + 1) as f64 / count;
        path[at].weight *= step.without * (length - at) as f64 / count;
    }
}

/// Takes a column out again, as if it had never been asked.
fn unwind(path: &mut Vec<Step>, which: usize) {
    let last = path.len() - 1;
    let Step { without, with, .. } = path[which];
    let (mut next, count) = (path[last].weight, (last + 1) as f64);
    for at in (0..last).rev() {
        if with == 0.0 {
            path[at].weight *= count / (without * (last - at) as f64);
        } else {
            let before = path[at].weight;
            path[at].weight = next * count / ((at + 1) as f64 * with);
            next = before - path[at].weight * without * (last - at) as f64 / count;
        }
    }
    // The weights are by size, and stay where they are; the column goes.
    for at in which..last {
        let weight = path[at].weight;
        path[at] = Step { weight, ..path[at + 1] };
    }
    path.pop();
}

/// The sum of the weights that `unwind` would leave.
fn unwound(path: &[Step], which: usize) -> f64 {
    let last = path.len() - 1;
    let Step { without, with, .. } = path[which];
    let (mut next, count, mut sum) = (path[last].weight, (last + 1) as f64, 0.0);
    for at in (0..last).rev() {
        if with == 0.0 {
            sum += path[at].weight * count / (without * (last - at) as f64);
        } else {
            let weight = next * count / ((at + 1) as f64 * with);
            sum += weight;
            next = path[at].weight - weight * without * (last - at) as f64 / count;
        }
    }
    sum
}
