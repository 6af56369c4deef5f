//! The trees of an ensemble: planted from what a file lists, and walked from root to leaf.
//!
//! Forests that only compare with thresholds, nearly all there are, are walked by `flat`; the walk here
//! serves the rest (categories) and is the plain statement of what a walk does.

use std::collections::HashSet;
use std::sync::OnceLock;

use tract_onnx::tract_hir::internal::*;

use super::flat::Flat;
use super::{Real, Score};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Leaf,
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Differs,
    Member,
}

/// A branch, or a leaf whose `yes..no` is its range of `Forest::weights`.
#[derive(Clone, Debug)]
pub struct Node {
    /// For `Mode::Member` the place in `Forest::sets`.
    pub value: f64,
    pub feature: u32,
    pub yes: u32,
    pub no: u32,
    pub mode: Mode,
    pub nan_is_yes: bool,
}

/// What a leaf adds to the score of one class or target.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub target: usize,
    pub value: f64,
}

/// One node as a file gives it; `P` is how the file names a place.
pub enum Grown<P> {
    Leaf(Vec<Weight>),
    Branch { mode: Mode, value: f64, feature: i64, nan_is_yes: bool, yes: P, no: P },
}

/// A file's listing of trees.
pub trait Listing {
    type Place: Copy;
    fn roots(&self) -> Vec<Self::Place>;
    fn node(&self, at: Self::Place) -> TractResult<Grown<Self::Place>>;
    /// The nodes of all trees, leaves included: more are met only by running in a circle.
    fn most(&self) -> usize;
    /// How many training rows came to a node, if the file says that of all of them.
    fn cover(&self, _: Self::Place) -> Option<f64> {
        None
    }
}

#[derive(Debug, Default)]
pub struct Forest {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    weights: Vec<Weight>,
    sets: Vec<HashSet<u64>>,
    /// How many training rows came to each node; empty where that is not known.
    covers: Vec<f64>,
    /// One more than the highest feature any branch looks at.
    columns: usize,
    single: OnceLock<Option<Flat<f32>>>,
    double: OnceLock<Option<Flat<f64>>>,
}

impl Forest {
    /// Copies the trees of a listing. `sets` are what `Mode::Member` nodes point to.
    pub fn plant(listing: &impl Listing, sets: Vec<HashSet<u64>>) -> TractResult<Self> {
        let mut forest = Self { sets, ..Self::default() };
        for root in listing.roots() {
            let root = forest.plant_one(listing, root)?;
            forest.roots.push(root);
        }
        ensure!(!forest.roots.is_empty(), "the ensemble has no trees");
        if !forest.covers_add_up() {
            forest.covers = Vec::new();
        }
        Ok(forest)
    }

    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many training rows came to each node, where the file tells.
    pub fn covers(&self) -> Option<&[f64]> {
        (!self.covers.is_empty()).then_some(&self.covers)
    }

    /// Whether the covers can be counts: most exporters write 1 for every node. Sums of weights are rounded.
    fn covers_add_up(&self) -> bool {
        let adds_up = |(node, &cover): (&Node, &f64)| {
            let sum = || self.covers[node.yes as usize] + self.covers[node.no as usize];
            cover.is_finite()
                && cover > 0.0
                && (node.mode == Mode::Leaf || (sum() - cover).abs() <= 1e-4 * cover)
        };
        let has_branches = self.nodes.iter().any(|node| node.mode != Mode::Leaf);
        let all = self.covers.len() == self.nodes.len();
        has_branches && all && self.nodes.iter().zip(&self.covers).all(adds_up)
    }

    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    pub fn weights_of(&self, node: &Node) -> &[Weight] {
        if node.mode == Mode::Leaf { &self.weights[node.yes as usize..node.no as usize] } else { &[] }
    }

    pub fn check_columns(&self, columns: usize) -> TractResult<()> {
        ensure!(
            columns >= self.columns.max(1),
            "the trees look at {} features, the input has {columns}",
            self.columns
        );
        Ok(())
    }

    pub fn leaves_have_one_weight(&self) -> bool {
        self.nodes.iter().all(|node| node.mode != Mode::Leaf || node.no - node.yes <= 1)
    }

    /// The one target that all weights are of, if it is one.
    pub fn only_target(&self) -> Option<usize> {
        let first = self.weights.first()?.target;
        self.weights.iter().all(|weight| weight.target == first).then_some(first)
    }

    /// Merges into `scores` (row by row, `targets` each) what the leaves of these rows say.
    pub fn score<A: Real>(
        &self,
        values: &[A],
        columns: usize,
        targets: usize,
        scores: &mut [Score<A>],
        merge: impl Fn(&mut Score<A>, A),
    ) {
        if let Some(flat) = A::flat(self) {
            return flat.each_weight(values, columns, |row, target, value| {
                merge(&mut scores[row * targets + target], value);
            });
        }
        for (row, scores) in values.chunks_exact(columns.max(1)).zip(scores.chunks_exact_mut(targets)) {
            for &root in &self.roots {
                for weight in self.leaf(root, row) {
                    merge(&mut scores[weight.target], A::of(weight.value));
                }
            }
        }
    }

    pub fn flat_single(&self) -> Option<&Flat<f32>> {
        self.single.get_or_init(|| Flat::new(self)).as_ref()
    }

    pub fn flat_double(&self) -> Option<&Flat<f64>> {
        self.double.get_or_init(|| Flat::new(self)).as_ref()
    }

    pub fn leaf<A: Real>(&self, root: u32, row: &[A]) -> &[Weight] {
        self.weights_of(self.descend(root, &|feature: usize| row[feature].wide()))
    }

    /// The leaf a row falls into.
    pub fn descend(&self, root: u32, row: &impl Fn(usize) -> f64) -> &Node {
        let mut node = &self.nodes[root as usize];
        while node.mode != Mode::Leaf {
            let next = if self.is_yes(node, row(node.feature as usize)) { node.yes } else { node.no };
            node = &self.nodes[next as usize];
        }
        node
    }

    /// Which way a branch sends a value.
    #[inline]
    pub fn is_yes(&self, node: &Node, value: f64) -> bool {
        let yes = match node.mode {
            Mode::AtMost => value <= node.value,
            Mode::Below => value < node.value,
            Mode::AtLeast => value >= node.value,
            Mode::Above => value > node.value,
            Mode::Equal => value == node.value,
            Mode::Differs => value != node.value,
            Mode::Member => self.sets[node.value as usize].contains(&key(value)),
            Mode::Leaf => false,
        };
        yes || (node.nan_is_yes && value.is_nan())
    }

    /// Whether every row gets some weight of this target.
    pub fn always_gives(&self, target: usize) -> bool {
        let weights = |at: u32| self.weights_of(&self.nodes[at as usize]);
        let gives = |at: u32| weights(at).iter().any(|weight| weight.target == target);
        self.roots.iter().any(|&root| self.leaves_under(root).all(gives))
    }

    /// The places of the leaves of a tree.
    pub fn leaves_under(&self, root: u32) -> impl Iterator<Item = u32> {
        let mut waiting = vec![root];
        std::iter::from_fn(move || {
            while let Some(at) = waiting.pop() {
                let node = &self.nodes[at as usize];
                if node.mode == Mode::Leaf {
                    return Some(at);
                }
                waiting.extend([node.no, node.yes]);
            }
            None
        })
    }

    /// Copies one tree, parent before child, and returns its root's place. A file lists each node once:
    /// what is reached twice is no tree, and a walk through it might never end.
    fn plant_one<L: Listing>(&mut self, listing: &L, root: L::Place) -> TractResult<u32> {
        let start = place(self.nodes.len())?;
        // (place in the listing, place of the parent in `nodes`, whether it is the parent's yes)
        let mut waiting = vec![(root, None)];
        while let Some((at, parent)) = waiting.pop() {
            let here = place(self.nodes.len())?;
            ensure!(self.nodes.len() < listing.most(), "the trees of the ensemble run in a circle");
            match parent {
                Some((parent, true)) => self.nodes[parent as usize].yes = here,
                Some((parent, false)) => self.nodes[parent as usize].no = here,
                None => {}
            }
            self.covers.extend(listing.cover(at));
            match listing.node(at)? {
                Grown::Leaf(weights) => self.push_leaf(&weights)?,
                Grown::Branch { mode, value, feature, nan_is_yes, yes, no } => {
                    let feature = u32::try_from(feature).ok();
                    let feature = feature.context("a tree looks at a feature that cannot be")?;
                    self.columns = self.columns.max(feature as usize + 1);
                    self.nodes.push(Node { value, feature, yes: 0, no: 0, mode, nan_is_yes });
                    waiting.push((no, Some((here, false))));
                    waiting.push((yes, Some((here, true))));
                }
            }
        }
        Ok(start)
    }

    fn push_leaf(&mut self, weights: &[Weight]) -> TractResult<()> {
        let yes = place(self.weights.len())?;
        self.weights.extend(weights);
        let no = place(self.weights.len())?;
        self.nodes.push(Node { value: 0.0, feature: 0, yes, no, mode: Mode::Leaf, nan_is_yes: false });
        Ok(())
    }
}

fn place(at: usize) -> TractResult<u32> {
    u32::try_from(at).context("the ensemble has more nodes than fit")
}

/// A number as a member of a set: equal numbers have equal keys.
pub fn key(value: f64) -> u64 {
    (value + 0.0).to_bits()
}
