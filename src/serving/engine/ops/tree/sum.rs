//! An ensemble seen as what it adds up: the raw score before any transform, which is what an explanation
//! of trees shares out among the columns.

use super::forest::{Forest, Mode, Node};

/// `score[output] = base[output] + scale * (the weights of the leaves a row falls into)`.
#[derive(Debug)]
pub struct Sum<'a> {
    pub(super) forest: &'a Forest,
    pub base: Vec<f64>,
    pub scale: f64,
    /// The classes, where the scores are of classes. One name alone is that of the second of two.
    pub classes: Option<Vec<String>>,
    /// Set where all weights are of one target, whichever its number: the only score there is.
    pub single: bool,
}

impl Sum<'_> {
    pub fn trees(&self) -> usize {
        self.forest.trees()
    }

    pub fn leaves(&self) -> usize {
        self.forest.nodes().iter().filter(|node| node.mode == Mode::Leaf).count()
    }

    /// Whether the file tells how many training rows came to each node.
    pub fn has_covers(&self) -> bool {
        self.forest.covers().is_some()
    }

    /// Whether the trees look at no more than these columns.
    pub fn fits(&self, columns: usize) -> bool {
        self.forest.check_columns(columns).is_ok()
    }

    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    /// What a leaf adds, by output.
    pub(super) fn leaf(&self, node: &Node) -> impl Iterator<Item = (usize, f64)> {
        let weights = self.forest.weights_of(node).iter();
        weights.map(|weight| (if self.single { 0 } else { weight.target }, weight.value * self.scale))
    }

    /// The scores of one row.
    pub fn score(&self, row: impl Fn(usize) -> f64, scores: &mut [f64]) {
        scores.copy_from_slice(&self.base);
        for &root in self.forest.roots() {
            let leaf = self.forest.descend(root, &row);
            self.leaf(leaf).for_each(|(output, value)| scores[output] += value);
        }
    }
}
