//! Shapley values of a sum of trees, exactly: what each column of a row adds to the score, against a
//! background (the interventional game: a column left out takes its value from a background row).
//!
//! For one row, one background row and one leaf, the columns asked on the way to the leaf fall into
//! those that only the row answers rightly (`a` of them), those that only the background row does (`b`),
//! and those that both do; one that neither does makes the leaf unreachable. The leaf's weight goes to
//! the first in shares of `share(a, b)`, and against the second in shares of `share(b, a)`. All rows walk
//! down together, each with one bit a column; rows alike at a leaf are reckoned once, and those that no
//! partner can bring to a leaf leave the walk early.

use std::sync::OnceLock;

use super::forest::{Mode, Node};
use super::sum::Sum;

/// Different columns one path may ask: as many as a walker has bits.
const MOST_ASKED: usize = 64;
/// The walk recurses; nothing that trains makes trees so deep.
const MOST_DEEP: usize = 256;

/// A table by columns.
pub struct Columns {
    pub rows: usize,
    pub values: Vec<Vec<f64>>,
}

/// What the scores are made of: `base[output] + sum of of_row[column][output] = score[output]`.
#[derive(Debug, Default)]
pub struct Shares {
    pub base: Vec<f64>,
    /// By row and output.
    pub scores: Vec<f64>,
    /// By row, column and output.
    pub shares: Vec<f64>,
}

/// Whether the trees are of a shape the walk takes.
pub fn can_share(sum: &Sum) -> bool {
    let forest = sum.forest;
    forest.roots().iter().all(|&root| {
        // (node, the columns asked above it, in a stack that is cut back to `depth`)
        let (mut waiting, mut path) = (vec![(root, 0)], Vec::new());
        while let Some((at, depth)) = waiting.pop() {
            let node = &forest.nodes()[at as usize];
            path.truncate(depth);
            if node.mode == Mode::Leaf {
                continue;
            }
            path.push(node.feature);
            if path.len() > MOST_DEEP || different(&path) > MOST_ASKED {
                return false;
            }
            waiting.extend([(node.yes, path.len()), (node.no, path.len())]);
        }
        true
    })
}

fn different(path: &[u32]) -> usize {
    (0..path.len()).filter(|&at| !path[..at].contains(&path[at])).count()
}

/// Shares out the scores of `rows`; `None` when `go_on` said to stop, which is asked once a tree.
pub fn interventional(
    sum: &Sum,
    rows: &Columns,
    background: &Columns,
    go_on: &dyn Fn() -> bool,
) -> Option<Shares> {
    let outputs = sum.outputs();
    let mut shares = Shares {
        scores: scores(sum, rows),
        shares: vec![0.0; rows.rows * rows.values.len() * outputs],
        ..Shares::default()
    };
    let of_background = scores(sum, background);
    shares.base = (0..outputs)
        .map(|output| {
            of_background.iter().skip(output).step_by(outputs).sum::<f64>() / background.rows as f64
        })
        .collect();
    let mut walk = Walk {
        sum,
        rows,
        background,
        outputs,
        asked: Vec::new(),
        patterns: Vec::new(),
        gain: Vec::new(),
        out: &mut shares.shares,
    };
    let mut levels: Vec<Level> = Vec::new();
    levels.resize_with(MOST_DEEP + 2, Level::default);
    for &root in sum.forest.roots() {
        if !go_on() {
            return None;
        }
        levels[0].fill(rows.rows, background.rows);
        walk.node(root, &mut levels);
    }
    Some(shares)
}

pub fn scores(sum: &Sum, table: &Columns) -> Vec<f64> {
    let outputs = sum.outputs();
    let mut scores = vec![0.0; table.rows * outputs];
    for (row, scores) in scores.chunks_exact_mut(outputs).enumerate() {
        sum.score(|column| table.values[column][row], scores);
    }
    scores
}

/// A row on its way down, and which columns asked so far it answered rightly: all ones at first.
#[derive(Clone, Copy, Debug)]
struct Walker {
    row: u32,
    right: u64,
}

#[derive(Default)]
struct Level {
    rows: Vec<Walker>,
    background: Vec<Walker>,
}

impl Level {
    fn fill(&mut self, rows: usize, background: usize) {
        let all = |count: usize| (0..count as u32).map(|row| Walker { row, right: u64::MAX });
        self.rows.clear();
        self.rows.extend(all(rows));
        self.background.clear();
        self.background.extend(all(background));
    }
}

struct Walk<'a> {
    sum: &'a Sum<'a>,
    rows: &'a Columns,
    background: &'a Columns,
    outputs: usize,
    /// The columns asked on the path, in the order of their bits.
    asked: Vec<u32>,
    /// The background's different answers, and how many rows gave each.
    patterns: Vec<(u64, f64)>,
    /// What each bit's column gets of a weight of one.
    gain: Vec<f64>,
    out: &'a mut [f64],
}

impl Walk<'_> {
    fn node(&mut self, at: u32, levels: &mut [Level]) {
        let forest = self.sum.forest;
        let node = &forest.nodes()[at as usize];
        let Some((here, below)) = levels.split_first_mut() else { return };
        if node.mode == Mode::Leaf {
            return self.leaf(node, here);
        }
        let known = self.asked.iter().position(|&column| column == node.feature);
        let bit = known.unwrap_or(self.asked.len());
        if known.is_none() {
            self.asked.push(node.feature);
        }
        let (rows, background) =
            (&self.rows.values[node.feature as usize], &self.background.values[node.feature as usize]);
        for (child, is_yes) in [(node.yes, true), (node.no, false)] {
            let step = |from: &[Walker], to: &mut Vec<Walker>, values: &[f64]| {
                to.clear();
                to.extend(from.iter().map(|walker| {
                    let wrong = forest.is_yes(node, values[walker.row as usize]) != is_yes;
                    Walker { right: walker.right & !(u64::from(wrong) << bit), ..*walker }
                }));
            };
            let Some(next) = below.first_mut() else { return };
            step(&here.rows, &mut next.rows, rows);
            step(&here.background, &mut next.background, background);
            self.drop_lost(next);
            if !next.rows.is_empty() && !next.background.is_empty() {
                self.node(child, below);
            }
        }
        if known.is_none() {
            self.asked.pop();
        }
    }

    /// Leaves out who no partner can bring any further.
    fn drop_lost(&mut self, level: &mut Level) {
        let Level { rows, background } = level;
        if rows.len() < background.len() {
            background.retain(|one| rows.iter().any(|row| row.right | one.right == u64::MAX));
        }
        self.tell_apart(background);
        let patterns = &self.patterns;
        rows.retain(|row| patterns.iter().any(|(right, _)| row.right | right == u64::MAX));
    }

    fn tell_apart(&mut self, background: &[Walker]) {
        self.patterns.clear();
        self.patterns.extend(background.iter().map(|walker| (walker.right, 1.0)));
        self.patterns.sort_unstable_by_key(|(right, _)| *right);
        self.patterns.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
    }

    fn leaf(&mut self, leaf: &Node, level: &mut Level) {
        self.tell_apart(&level.background);
        level.rows.sort_unstable_by_key(|walker| walker.right);
        let columns = self.rows.values.len();
        for alike in level.rows.chunk_by(|left, right| left.right == right.right) {
            self.reckon(alike[0].right);
            for walker in alike {
                let row = &mut self.out[walker.row as usize * columns * self.outputs..];
                for (&column, &gain) in self.asked.iter().zip(&self.gain).filter(|(_, gain)| **gain != 0.0) {
                    let place = &mut row[column as usize * self.outputs..][..self.outputs];
                    self.sum.leaf(leaf).for_each(|(output, value)| place[output] += gain * value);
                }
            }
        }
    }

    /// The gain of each column for a row that answered `right`, against all of the background.
    fn reckon(&mut self, right: u64) {
        let asked = self.asked.len();
        let all = u64::MAX.checked_shr(64 - asked as u32).unwrap_or(0);
        self.gain.clear();
        self.gain.resize(asked, 0.0);
        let (weight, b) = (1.0 / self.background.rows as f64, (all & !right).count_ones());
        let mut against = 0.0;
        for &(theirs, count) in self.patterns.iter().filter(|(theirs, _)| right | theirs == u64::MAX) {
            let mut ours = all & !theirs;
            let a = ours.count_ones();
            if b > 0 {
                against += count * weight * share(b, a);
            }
            let gain = if a > 0 { count * weight * share(a, b) } else { 0.0 };
            while ours != 0 {
                self.gain[ours.trailing_zeros() as usize] += gain;
                ours &= ours - 1;
            }
        }
        let mut theirs = all & !right;
        while theirs != 0 {
            self.gain[theirs.trailing_zeros() as usize] = -against;
            theirs &= theirs - 1;
        }
    }
}

/// One of `ours` columns' share of a leaf that all of them must reach against `theirs`:
/// `(ours - 1)! theirs! / (ours + theirs)!`. Both together are at most `MOST_ASKED`.
fn share(ours: u32, theirs: u32) -> f64 {
    static SHARES: OnceLock<Vec<f64>> = OnceLock::new();
    const SIDE: usize = MOST_ASKED + 1;
    let shares = SHARES.get_or_init(|| {
        let mut shares = vec![0.0; SIDE * SIDE];
        for ours in 1..SIDE {
            // From (ours - 1)! 0! / ours! on, each column more on the other side is one factor more.
            let mut share = 1.0 / ours as f64;
            for theirs in 0..SIDE {
                shares[ours * SIDE + theirs] = share;
                share *= (theirs + 1) as f64 / (ours + theirs + 1) as f64;
            }
        }
        shares
    });
    shares[ours as usize * SIDE + theirs as usize]
}
