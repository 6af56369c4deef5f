//! The listing of TreeEnsembleClassifier and TreeEnsembleRegressor: one attribute per field, nodes found
//! by tree and id.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::internal::*;

use super::forest::{Forest, Grown, Listing, Mode, Weight};
use crate::serving::engine::ops::attrs::Attrs;

/// Reads the `nodes_*` attributes and the leaves' `class_*` or `target_*`.
pub fn forest(ctx: &ParsingContext, attrs: &Attrs, leaves: &str, targets: usize) -> TractResult<Forest> {
    Forest::plant(&Source::read(ctx, attrs, leaves, targets)?, Vec::new())
}

fn mode(name: &str) -> TractResult<Mode> {
    Ok(match name {
        "LEAF" => Mode::Leaf,
        "BRANCH_LEQ" => Mode::AtMost,
        "BRANCH_LT" => Mode::Below,
        "BRANCH_GTE" => Mode::AtLeast,
        "BRANCH_GT" => Mode::Above,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::Differs,
        other => bail!("tree node mode {other} is not known"),
    })
}

struct Source<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    values: Vec<f64>,
    /// Empty, or as many as there are nodes.
    covers: Vec<f64>,
    modes: Vec<Mode>,
    nan_is_yes: Vec<bool>,
    places: HashMap<(i64, i64), usize>,
    weights: HashMap<(i64, i64), Vec<Weight>>,
}

impl<'a> Source<'a> {
    fn read(ctx: &ParsingContext, attrs: &Attrs<'a>, leaves: &str, targets: usize) -> TractResult<Self> {
        let modes = attrs.strings("nodes_modes")?;
        let modes = modes.iter().map(|name| mode(name)).collect::<TractResult<Vec<_>>>()?;
        let mut nan_is_yes: Vec<_> =
            attrs.ints("nodes_missing_value_tracks_true").iter().map(|&flag| flag == 1).collect();
        nan_is_yes.resize(modes.len(), false);
        let mut covers = attrs.reals(ctx, "nodes_hitrates")?;
        if covers.len() != modes.len() {
            covers.clear();
        }
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
            covers,
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

impl Listing for Source<'_> {
    type Place = usize;

    /// The first node listed of a tree is its root.
    fn roots(&self) -> Vec<usize> {
        let first = |&at: &usize| at == 0 || self.trees[at] != self.trees[at - 1];
        (0..self.modes.len()).filter(first).collect()
    }

    fn node(&self, at: usize) -> TractResult<Grown<usize>> {
        let tree = self.trees[at];
        if self.modes[at] == Mode::Leaf {
            return Ok(Grown::Leaf(self.weights.get(&(tree, self.ids[at])).cloned().unwrap_or_default()));
        }
        Ok(Grown::Branch {
            mode: self.modes[at],
            value: self.values[at],
            feature: self.features[at],
            nan_is_yes: self.nan_is_yes[at],
            yes: self.child(tree, self.yes[at])?,
            no: self.child(tree, self.no[at])?,
        })
    }

    fn most(&self) -> usize {
        self.modes.len()
    }

    fn cover(&self, at: usize) -> Option<f64> {
        self.covers.get(at).copied()
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
