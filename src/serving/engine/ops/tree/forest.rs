//! The trees of an ensemble as one flat array, and the walk from root to leaf.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::internal::*;

use crate::serving::engine::ops::attrs::Attrs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Leaf,
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Differs,
}

impl Mode {
    fn read(name: &str) -> TractResult<Self> {
        Ok(match name {
            "LEAF" => Self::Leaf,
            "BRANCH_LEQ" => Self::AtMost,
            "BRANCH_LT" => Self::Below,
            "BRANCH_GTE" => Self::AtLeast,
            "BRANCH_GT" => Self::Above,
            "BRANCH_EQ" => Self::Equal,
            "BRANCH_NEQ" => Self::Differs,
            other => bail!("tree node mode {other} is not known"),
        })
    }
}

/// A branch, or a leaf whose `yes..no` is its range of `Forest::weights`.
#[derive(Clone, Debug)]
struct Node {
    value: f64,
    feature: u32,
    yes: u32,
    no: u32,
    mode: Mode,
    nan_is_yes: bool,
}

/// What a leaf adds to the score of one class or target.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub target: usize,
    pub value: f64,
}

#[derive(Debug)]
pub struct Forest {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    weights: Vec<Weight>,
    /// One more than the highest feature any branch looks at.
    columns: usize,
}

impl Forest {
    /// Reads the `nodes_*` attributes and the leaves' `class_*` or `target_*`.
    pub fn read(ctx: &ParsingContext, attrs: &Attrs, leaves: &str, targets: usize) -> TractResult<Self> {
        let source = Source::read(ctx, attrs, leaves, targets)?;
        let mut forest = Self { nodes: Vec::new(), roots: Vec::new(), weights: Vec::new(), columns: 0 };
        forest.nodes.reserve(source.modes.len());
        for first in 0..source.modes.len() {
            // The first node listed of a tree is its root.
            if first == 0 || source.trees[first] != source.trees[first - 1] {
                let root = forest.plant(&source, first)?;
                forest.roots.push(root);
            }
        }
        Ok(forest)
    }

    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    pub fn check_columns(&self, columns: usize) -> TractResult<()> {
        ensure!(
            columns >= self.columns,
            "the trees look at {} features, the input has {columns}",
            self.columns
        );
        Ok(())
    }

    /// The leaf this row falls into, tree by tree.
    pub fn leaves<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = &'a [Weight]> {
        self.roots.iter().map(|&root| self.leaf(root, row))
    }

    pub fn leaves_have_one_weight(&self) -> bool {
        self.nodes.iter().all(|node| node.mode != Mode::Leaf || node.no - node.yes <= 1)
    }

    fn leaf(&self, root: u32, row: &[f64]) -> &[Weight] {
        let mut node = &self.nodes[root as usize];
        loop {
            if node.mode == Mode::Leaf {
                return &self.weights[node.yes as usize..node.no as usize];
            }
            let value = row[node.feature as usize];
            let yes = match node.mode {
                Mode::AtMost => value <= node.value,
                Mode::Below => value < node.value,
                Mode::AtLeast => value >= node.value,
                Mode::Above => value > node.value,
                Mode::Equal => value == node.value,
                Mode::Differs => value != node.value,
                Mode::Leaf => false,
            };
            let next = if yes || (node.nan_is_yes && value.is_nan()) { node.yes } else { node.no };
            node = &self.nodes[next as usize];
        }
    }

    /// Copies one tree, parent before child, and returns its root's place. Each node is taken once:
    /// what is reached twice is no tree, and a walk through it might never end.
    fn plant(&mut self, source: &Source, first: usize) -> TractResult<u32> {
        let tree = source.trees[first];
        let root = place(self.nodes.len())?;
        // (place in `source`, place of the parent in `nodes`, whether it is the parent's yes)
        let mut waiting = vec![(first, None)];
        while let Some((at, parent)) = waiting.pop() {
            let here = place(self.nodes.len())?;
            ensure!(self.nodes.len() - (root as usize) < source.modes.len(), "tree {tree} runs in a circle");
            match parent {
                Some((parent, true)) => self.branch(parent).yes = here,
                Some((parent, false)) => self.branch(parent).no = here,
                None => {}
            }
            let node = self.copy(source, at)?;
            if node.mode != Mode::Leaf {
                waiting.push((source.child(tree, source.no[at])?, Some((here, false))));
                waiting.push((source.child(tree, source.yes[at])?, Some((here, true))));
            }
            self.nodes.push(node);
        }
        Ok(root)
    }

    fn branch(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    fn copy(&mut self, source: &Source, at: usize) -> TractResult<Node> {
        let mode = source.modes[at];
        let (mut yes, mut no, mut feature) = (0, 0, 0);
        if mode == Mode::Leaf {
            yes = place(self.weights.len())?;
            self.weights
                .extend(source.weights.get(&(source.trees[at], source.ids[at])).into_iter().flatten());
            no = place(self.weights.len())?;
        } else {
            feature =
                u32::try_from(source.features[at]).context("a tree looks at a feature that cannot be")?;
            self.columns = self.columns.max(feature as usize + 1);
        }
        Ok(Node { value: source.values[at], feature, yes, no, mode, nan_is_yes: source.nan_is_yes[at] })
    }
}

fn place(at: usize) -> TractResult<u32> {
    u32::try_from(at).context("the ensemble has more nodes than fit")
}

/// The attributes as the file gives them: one array per field, nodes found by tree and id.
struct Source<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    values: Vec<f64>,
    modes: Vec<Mode>,
    nan_is_yes: Vec<bool>,
    places: HashMap<(i64, i64), usize>,
    weights: HashMap<(i64, i64), Vec<Weight>>,
}

impl<'a> Source<'a> {
    fn read(ctx: &ParsingContext, attrs: &Attrs<'a>, leaves: &str, targets: usize) -> TractResult<Self> {
        let modes = attrs.strings("nodes_modes")?;
        let modes = modes.iter().map(|mode| Mode::read(mode)).collect::<TractResult<Vec<_>>>()?;
        let mut nan_is_yes: Vec<_> =
            attrs.ints("nodes_missing_value_tracks_true").iter().map(|&flag| flag == 1).collect();
        nan_is_yes.resize(modes.len(), false);
        let (trees, ids) = (attrs.ints("nodes_treeids"), attrs.ints("nodes_nodeids"));
        let source = Self {
            trees,
            ids,
            features: attrs.ints("nodes_featureids"),
            yes: attrs.ints("nodes_truenodeids"),
            no: attrs.ints("nodes_falsenodeids"),
            values: attrs.reals(ctx, "nodes_values")?,
            places: trees.iter().copied().zip(ids.iter().copied()).zip(0..).collect(),
            weights: leaf_weights(ctx, attrs, leaves, targets)?,
            nan_is_yes,
            modes,
        };
        source.check()?;
        Ok(source)
    }

    fn check(&self) -> TractResult<()> {
        let count = self.modes.len();
        ensure!(count > 0, "the ensemble has no nodes");
        let lengths = [self.trees, self.ids, self.features, self.yes, self.no].map(<[i64]>::len);
        let equal =
            lengths.iter().chain([&self.values.len(), &self.nan_is_yes.len()]).all(|&length| length == count);
        ensure!(equal, "the ensemble's nodes_* attributes differ in length");
        ensure!(self.places.len() == count, "the ensemble lists a node twice");
        let lost = self.weights.keys().find(|place| !self.places.contains_key(place));
        ensure!(lost.is_none(), "a weight of the ensemble is of a node that does not exist");
        Ok(())
    }

    fn child(&self, tree: i64, id: i64) -> TractResult<usize> {
        let at = self.places.get(&(tree, id)).copied();
        at.with_context(|| format!("tree {tree} branches to node {id}, which does not exist"))
    }
}

fn leaf_weights(
    ctx: &ParsingContext,
    attrs: &Attrs,
    leaves: &str,
    targets: usize,
) -> TractResult<HashMap<(i64, i64), Vec<Weight>>> {
    let list = |what: &str| attrs.ints(&format!("{leaves}_{what}"));
    let (ids, nodes, trees) = (list("ids"), list("nodeids"), list("treeids"));
    let values = attrs.reals(ctx, &format!("{leaves}_weights"))?;
    let equal = [nodes.len(), trees.len(), values.len()].iter().all(|&length| length == ids.len());
    ensure!(equal, "the ensemble's {leaves}_* attributes differ in length");
    let mut weights: HashMap<_, Vec<Weight>> = HashMap::new();
    for (index, &value) in values.iter().enumerate() {
        let target = usize::try_from(ids[index]).ok().filter(|&target| target < targets);
        let target = target.with_context(|| format!("the ensemble has no {leaves} {}", ids[index]))?;
        weights.entry((trees[index], nodes[index])).or_default().push(Weight { target, value });
    }
    Ok(weights)
}
