//! The fast walk against the plain one, on trees and rows drawn at random.

use tract_onnx::tract_hir::internal::*;

use super::flat::Flat;
use super::forest::{Forest, Grown, Listing, Mode, Weight};
use super::{Columns, Real, Score, Sum, can_share, interventional};

/// A small generator of the same numbers every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const COLUMNS: usize = 4;
const TARGETS: usize = 3;
/// Thresholds and values alike, so that they often meet; the third lies between two singles.
const VALUES: [f64; 9] =
    [f64::NEG_INFINITY, -1.5, 0.1, -0.0, 0.0, 1e300, 2.0, f64::INFINITY, f64::MIN_POSITIVE];
const MODES: [Mode; 4] = [Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above];

struct Random {
    nodes: Vec<(Mode, f64, i64, bool, usize, usize)>,
    roots: Vec<usize>,
    targets: u64,
}

impl Random {
    fn grow(&mut self, dice: &mut Dice, depth: usize) -> usize {
        let at = self.nodes.len();
        let (value, feature) = (VALUES[1 + dice.roll(8) as usize], dice.roll(COLUMNS as u64) as i64);
        let leaf = depth == 0 || dice.roll(5) == 0;
        let mode = if leaf { Mode::Leaf } else { MODES[dice.roll(4) as usize] };
        self.nodes.push((mode, value, feature, dice.roll(2) == 0, 0, 0));
        if !leaf {
            self.nodes[at].4 = self.grow(dice, depth - 1);
            self.nodes[at].5 = self.grow(dice, depth - 1);
        }
        at
    }
}

impl Listing for Random {
    type Place = usize;

    fn roots(&self) -> Vec<usize> {
        self.roots.clone()
    }

    fn node(&self, at: usize) -> TractResult<Grown<usize>> {
        let (mode, value, feature, nan_is_yes, yes, no) = self.nodes[at];
        if mode == Mode::Leaf {
            let target = (at as u64 % self.targets) as usize;
            return Ok(Grown::Leaf(vec![Weight { target, value: at as f64 / 7.0 }]));
        }
        Ok(Grown::Branch { mode, value, feature, nan_is_yes, yes, no })
    }

    fn most(&self) -> usize {
        self.nodes.len()
    }
}

fn forest(dice: &mut Dice, trees: usize, targets: u64) -> Forest {
    let mut listing = Random { nodes: Vec::new(), roots: Vec::new(), targets };
    for _ in 0..trees {
        let root = listing.grow(dice, 6);
        listing.roots.push(root);
    }
    Forest::plant(&listing, Vec::new()).expect("the trees are trees")
}

fn walks_agree<A: Real>(forest: &Forest, values: &[A]) {
    let flat = Flat::<A>::new(forest).expect("all branches have thresholds");
    let mut fast = vec![Score::<A>::none(); values.len() / COLUMNS * TARGETS];
    flat.each_weight(values, COLUMNS, |row, target, value| fast[row * TARGETS + target].add(value));
    for (row, fast) in values.chunks(COLUMNS).zip(fast.chunks(TARGETS)) {
        let mut plain = [Score::<A>::none(); TARGETS];
        for &root in forest.roots() {
            forest.leaf(root, row).iter().for_each(|w| plain[w.target].add(A::of(w.value)));
        }
        for (fast, plain) in fast.iter().zip(plain) {
            assert_eq!((fast.value, fast.given), (plain.value, plain.given), "row {row:?}");
        }
    }
}

#[test]
fn the_fast_walk_ends_where_the_plain_one_does() {
    let dice = &mut Dice(0x9e37_79b9_7f4a_7c15);
    for (trees, targets) in [(1, 1), (7, 3), (8, 1), (21, 2), (21, 3)] {
        let forest = forest(dice, trees, targets);
        for rows in [1, 7, 8, 33] {
            for gaps in [false, true] {
                let values: Vec<f64> = (0..rows * COLUMNS)
                    .map(|_| {
                        let nan = gaps && dice.roll(4) == 0;
                        if nan { f64::NAN } else { VALUES[dice.roll(9) as usize] }
                    })
                    .collect();
                walks_agree::<f64>(&forest, &values);
                walks_agree::<f32>(&forest, &values.iter().map(|&v| v as f32).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn trees_that_run_in_a_circle_are_refused() {
    let nodes = vec![(Mode::AtMost, 0.0, 0, false, 1, 0), (Mode::Leaf, 0.0, 0, false, 0, 0)];
    let refused = Forest::plant(&Random { nodes, roots: vec![0], targets: 1 }, Vec::new());
    assert!(refused.is_err_and(|error| error.to_string().contains("circle")));
}

/// One score a row, of columns taken from the row where `taken` has their bit, else from the background;
/// averaged over the background.
fn game(sum: &Sum, row: &[f64], background: &[Vec<f64>], taken: usize) -> Vec<f64> {
    let mut total = vec![0.0; sum.outputs()];
    for behind in background {
        let mut scores = vec![0.0; sum.outputs()];
        sum.score(|column| if taken >> column & 1 == 1 { row[column] } else { behind[column] }, &mut scores);
        total.iter_mut().zip(scores).for_each(|(total, score)| *total += score / background.len() as f64);
    }
    total
}

/// Shapley's definition, word by word.
fn by_definition(sum: &Sum, row: &[f64], background: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let worth: Vec<_> = (0..1 << COLUMNS).map(|taken| game(sum, row, background, taken)).collect();
    let orders = [6.0, 2.0, 2.0, 6.0].map(|ways| ways / 24.0);
    let share = |column: usize, output: usize| {
        let without = (0..1 << COLUMNS).filter(|taken| taken >> column & 1 == 0);
        let gain = |taken: usize| worth[taken | 1 << column][output] - worth[taken][output];
        without.map(|taken: usize| orders[taken.count_ones() as usize] * gain(taken)).sum()
    };
    (0..COLUMNS).map(|column| (0..sum.outputs()).map(|output| share(column, output)).collect()).collect()
}

fn drawn(dice: &mut Dice, rows: usize) -> Vec<Vec<f64>> {
    let value = |dice: &mut Dice| if dice.roll(6) == 0 { f64::NAN } else { VALUES[dice.roll(9) as usize] };
    (0..rows).map(|_| (0..COLUMNS).map(|_| value(dice)).collect()).collect()
}

fn columns(table: &[Vec<f64>]) -> Columns {
    let column = |at: usize| table.iter().map(|row| row[at]).collect();
    Columns { rows: table.len(), values: (0..COLUMNS).map(column).collect() }
}

#[test]
fn shares_are_those_of_the_definition() {
    let dice = &mut Dice(0x2545_f491_4f6c_dd1d);
    for (trees, targets, scale) in [(1, 1, 1.0), (9, 3, 0.25), (20, 2, 1.0)] {
        let forest = forest(dice, trees, targets);
        let base = vec![0.5; targets as usize];
        let sum = Sum { forest: &forest, base, scale, classes: None, single: false };
        assert!(can_share(&sum));
        for (rows, behind) in [(1, 1), (3, 11), (30, 5)] {
            let (rows, behind) = (drawn(dice, rows), drawn(dice, behind));
            let found = interventional(&sum, &columns(&rows), &columns(&behind), &|| true).expect("runs");
            let outputs = sum.outputs();
            for (at, row) in rows.iter().enumerate() {
                let wanted: Vec<f64> = by_definition(&sum, row, &behind).concat();
                let found = &found.shares[at * COLUMNS * outputs..][..COLUMNS * outputs];
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}, of row {row:?}");
                }
            }
        }
    }
}
