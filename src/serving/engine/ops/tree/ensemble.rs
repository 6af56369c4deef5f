//! TreeEnsemble, the one operator of ai.onnx.ml 5 for all trees: numbered branches and leaves, and sets
//! of categories.

use std::collections::HashSet;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::{Forest, Grown, Listing, Mode, Weight, key};
use super::regressor::{Aggregate, Regressor};
use crate::serving::engine::ops::attrs::{Attrs, slice};
use crate::serving::engine::ops::kernel::{Built, wrap};
use crate::serving::engine::ops::scores::PostTransform;

pub fn tree_ensemble(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let targets = usize::try_from(attrs.int("n_targets").unwrap_or(1)).unwrap_or(0);
    ensure!((1..=1 << 16).contains(&targets), "an ensemble has 1 to 65536 targets");
    let aggregate = match attrs.int("aggregate_function").unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => bail!("aggregate_function {other} is not known"),
    };
    let post = match attrs.int("post_transform").unwrap_or(0) {
        0 => PostTransform::None,
        // The standard calls 1 SOFTMAX and 2 LOGISTIC; onnxruntime takes them the other way round.
        1 | 2 => bail!(
            "post_transform SOFTMAX and LOGISTIC mean different things to different runtimes here; export NONE \
             and a node Softmax or Sigmoid after the ensemble"
        ),
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => bail!("post_transform {other} is not known"),
    };
    let forest = Source::read(ctx, &attrs, targets)?;
    wrap(node, Regressor::new("TreeEnsemble", forest, targets, Vec::new(), aggregate, post))
}

/// Where a branch leads: whether to a leaf, and its number.
type Place = (bool, i64);

struct Source<'a> {
    roots: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
    yes_is_leaf: &'a [i64],
    no_is_leaf: &'a [i64],
    modes: Vec<Mode>,
    /// For `Mode::Member` the number of the set.
    values: Vec<f64>,
    nan_is_yes: &'a [i64],
    leaf_targets: &'a [i64],
    leaf_weights: Vec<f64>,
    targets: usize,
}

impl<'a> Source<'a> {
    fn read(ctx: &ParsingContext, attrs: &Attrs<'a>, targets: usize) -> TractResult<Forest> {
        let modes = attrs.tensor(ctx, "nodes_modes")?.context("TreeEnsemble has no nodes_modes")?;
        let modes = slice::<u8>(&modes)?.iter().map(|&number| mode(number)).collect::<TractResult<_>>()?;
        let mut source = Self {
            roots: attrs.ints("tree_roots"),
            features: attrs.ints("nodes_featureids"),
            yes: attrs.ints("nodes_truenodeids"),
            no: attrs.ints("nodes_falsenodeids"),
            yes_is_leaf: attrs.ints("nodes_trueleafs"),
            no_is_leaf: attrs.ints("nodes_falseleafs"),
            modes,
            values: reals(ctx, attrs, "nodes_splits")?,
            nan_is_yes: attrs.ints("nodes_missing_value_tracks_true"),
            leaf_targets: attrs.ints("leaf_targetids"),
            leaf_weights: reals(ctx, attrs, "leaf_weights")?,
            targets,
        };
        source.check()?;
        let sets = source.name_sets(&reals(ctx, attrs, "membership_values")?)?;
        Forest::plant(&source, sets)
    }

    fn check(&self) -> TractResult<()> {
        let lists = [self.features, self.yes, self.no, self.yes_is_leaf, self.no_is_leaf].map(<[i64]>::len);
        let equal = lists.iter().chain([&self.values.len()]).all(|&length| length == self.modes.len());
        ensure!(equal, "the ensemble's nodes_* attributes differ in length");
        let flags = self.nan_is_yes.len();
        ensure!(
            flags == 0 || flags == self.modes.len(),
            "nodes_missing_value_tracks_true has {flags} values"
        );
        let (ids, weights) = (self.leaf_targets.len(), self.leaf_weights.len());
        ensure!(ids == weights, "the ensemble has {ids} leaf_targetids for {weights} leaf_weights");
        Ok(())
    }

    /// Cuts the sets apart, each ended by NaN, and gives each member node the number of its own.
    fn name_sets(&mut self, members: &[f64]) -> TractResult<Vec<HashSet<u64>>> {
        let mut sets: Vec<HashSet<u64>> =
            members.split(|value| value.is_nan()).map(|set| set.iter().map(|&v| key(v)).collect()).collect();
        if members.last().is_none_or(|last| last.is_nan()) {
            sets.pop();
        }
        let nodes = self.modes.iter().zip(&mut self.values).filter(|(mode, _)| **mode == Mode::Member);
        let mut count = 0;
        for (_, value) in nodes {
            *value = count as f64;
            count += 1;
        }
        ensure!(count == sets.len(), "the ensemble has {} sets for {count} nodes that ask one", sets.len());
        Ok(sets)
    }
}

impl Listing for Source<'_> {
    type Place = Place;

    fn roots(&self) -> Vec<Place> {
        self.roots.iter().map(|&root| (false, root)).collect()
    }

    fn node(&self, (is_leaf, number): Place) -> TractResult<Grown<Place>> {
        let count = if is_leaf { self.leaf_weights.len() } else { self.modes.len() };
        let at = usize::try_from(number).ok().filter(|&at| at < count);
        let at = at.with_context(|| format!("a tree leads to place {number}, which does not exist"))?;
        if is_leaf {
            let target = usize::try_from(self.leaf_targets[at]).ok().filter(|&target| target < self.targets);
            let target = target.with_context(|| format!("there is no target {}", self.leaf_targets[at]))?;
            return Ok(Grown::Leaf(vec![Weight { target, value: self.leaf_weights[at] }]));
        }
        Ok(Grown::Branch {
            mode: self.modes[at],
            value: self.values[at],
            feature: self.features[at],
            nan_is_yes: self.nan_is_yes.get(at).is_some_and(|&flag| flag == 1),
            yes: (self.yes_is_leaf[at] != 0, self.yes[at]),
            no: (self.no_is_leaf[at] != 0, self.no[at]),
        })
    }

    /// Each branch once, and a leaf under either of its sides.
    fn most(&self) -> usize {
        3 * self.modes.len()
    }
}

fn mode(number: u8) -> TractResult<Mode> {
    let modes =
        [Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above, Mode::Equal, Mode::Differs, Mode::Member];
    modes.get(usize::from(number)).copied().with_context(|| format!("tree node mode {number} is not known"))
}

fn reals(ctx: &ParsingContext, attrs: &Attrs, name: &str) -> TractResult<Vec<f64>> {
    match attrs.tensor(ctx, name)? {
        Some(tensor) => Ok(slice::<f64>(&*tensor.cast_to::<f64>()?)?.to_vec()),
        None => Ok(Vec::new()),
    }
}
