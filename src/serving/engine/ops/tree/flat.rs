//! The fast walk: nodes breadth first, siblings side by side, so that a step is one comparison and one
//! addition, with nothing for the processor to guess. Several walks run abreast, each hiding the
//! others' waits for memory: eight rows through one tree, or one row through eight trees.

use std::collections::VecDeque;

use super::Real;
use super::forest::{Forest, Mode, Node as Source, Weight};

/// Walks at once. More would not stay in registers.
const ABREAST: usize = 8;

/// Set in `Node::feature` where NaN goes to the first child.
const NAN_FIRST: u32 = 1 << 31;

/// Goes to `first` where the feature is at most `split`, else to the node after it. A leaf's split is NaN,
/// which nothing is greater than, and its `first` is itself: it holds a walk that has arrived.
#[derive(Clone, Copy, Debug)]
struct Node<A> {
    split: A,
    feature: u32,
    first: u32,
}

#[derive(Debug)]
pub struct Flat<A> {
    nodes: Vec<Node<A>>,
    roots: Vec<u32>,
    leaves: Leaves<A>,
}

#[derive(Debug)]
enum Leaves<A> {
    /// All weights are of one target, at most one a leaf: by node.
    Single { target: usize, values: Vec<A> },
    /// The weights of node `n` are `weights[starts[n]..starts[n + 1]]`.
    Listed { starts: Vec<u32>, weights: Vec<(u32, A)> },
}

impl<A: Real> Flat<A> {
    /// `None` where a branch is no comparison with a threshold.
    pub fn new(forest: &Forest) -> Option<Self> {
        let mut nodes = Vec::with_capacity(forest.nodes().len());
        let mut order = Vec::with_capacity(forest.nodes().len());
        let mut roots = Vec::with_capacity(forest.roots().len());
        for &root in forest.roots() {
            roots.push(place(nodes.len())?);
            lay_out(forest, root, &mut nodes, &mut order)?;
        }
        let leaves = Leaves::new(forest, &order)?;
        Some(Self { nodes, roots, leaves })
    }

    /// Adds the leaves these rows fall into: `add(row, target, weight)`, for each row in the order of the
    /// trees.
    pub fn each_weight(&self, values: &[A], columns: usize, mut add: impl FnMut(usize, usize, A)) {
        let gaps = values.iter().any(|value| value.is_nan());
        let mut rows = values.chunks_exact(columns.max(1)).enumerate();
        while rows.len() >= ABREAST {
            let Some(first) = rows.clone().next().map(|(row, _)| row) else { return };
            let group: [&[A]; ABREAST] =
                std::array::from_fn(|_| rows.next().map_or(&[][..], |(_, values)| values));
            for &root in &self.roots {
                let ends = self.descend([root; ABREAST], group, gaps);
                for (row, end) in ends.into_iter().enumerate() {
                    self.leaves.give(end, |target, value| add(first + row, target, value));
                }
            }
        }
        for (row, values) in rows {
            self.one_row(values, gaps, |target, value| add(row, target, value));
        }
    }

    fn one_row(&self, values: &[A], gaps: bool, mut add: impl FnMut(usize, A)) {
        let mut groups = self.roots.chunks_exact(ABREAST);
        for group in &mut groups {
            let roots = std::array::from_fn(|lane| group[lane]);
            for end in self.descend::<ABREAST>(roots, [values; ABREAST], gaps) {
                self.leaves.give(end, &mut add);
            }
        }
        for &root in groups.remainder() {
            let [end] = self.descend([root], [values], gaps);
            self.leaves.give(end, &mut add);
        }
    }

    fn descend<const N: usize>(&self, roots: [u32; N], rows: [&[A]; N], gaps: bool) -> [u32; N] {
        if gaps { self.walk::<N, true>(roots, rows) } else { self.walk::<N, false>(roots, rows) }
    }

    fn walk<const N: usize, const GAPS: bool>(&self, mut at: [u32; N], rows: [&[A]; N]) -> [u32; N] {
        let nodes = &self.nodes[..];
        loop {
            let mut moved = 0;
            for lane in 0..N {
                let node = nodes[at[lane] as usize];
                let value = rows[lane][(node.feature & !NAN_FIRST) as usize];
                let second = value > node.split;
                let lost = GAPS && value.is_nan() & (node.feature & NAN_FIRST == 0);
                let next = node.first + u32::from(second | lost);
                moved |= next ^ at[lane];
                at[lane] = next;
            }
            if moved == 0 {
                return at;
            }
        }
    }
}

impl<A: Real> Leaves<A> {
    /// `order` names the forest's node at each place.
    fn new(forest: &Forest, order: &[u32]) -> Option<Self> {
        let of = |&node: &u32| forest.weights_of(&forest.nodes()[node as usize]);
        if let Some(target) = forest.only_target().filter(|_| forest.leaves_have_one_weight()) {
            let given = order
                .iter()
                .all(|node| forest.nodes()[*node as usize].mode != Mode::Leaf || !of(node).is_empty());
            if given {
                let value = |node| of(node).first().map_or(A::of(0.0), |weight| A::of(weight.value));
                return Some(Self::Single { target, values: order.iter().map(value).collect() });
            }
        }
        let (mut starts, mut weights) = (Vec::with_capacity(order.len() + 1), Vec::new());
        for node in order {
            starts.push(place(weights.len())?);
            let listed = |weight: &Weight| Some((place(weight.target)?, A::of(weight.value)));
            weights.extend(of(node).iter().map(listed).collect::<Option<Vec<_>>>()?);
        }
        starts.push(place(weights.len())?);
        Some(Self::Listed { starts, weights })
    }

    fn give(&self, node: u32, mut add: impl FnMut(usize, A)) {
        let node = node as usize;
        match self {
            Self::Single { target, values } => add(*target, values[node]),
            Self::Listed { starts, weights } => {
                for &(target, value) in &weights[starts[node] as usize..starts[node + 1] as usize] {
                    add(target as usize, value);
                }
            }
        }
    }
}

/// Lays one tree out, breadth first.
fn lay_out<A: Real>(
    forest: &Forest,
    root: u32,
    nodes: &mut Vec<Node<A>>,
    order: &mut Vec<u32>,
) -> Option<()> {
    let mut waiting = VecDeque::from([root]);
    let mut next = place(nodes.len() + 1)?;
    while let Some(at) = waiting.pop_front() {
        let source = &forest.nodes()[at as usize];
        let here = place(nodes.len())?;
        order.push(at);
        if source.mode == Mode::Leaf {
            nodes.push(Node { split: A::nan(), feature: NAN_FIRST, first: here });
            continue;
        }
        let (split, yes_first) = threshold::<A>(source)?;
        let nan_first = source.nan_is_yes == yes_first;
        let feature = source.feature | if nan_first { NAN_FIRST } else { 0 };
        nodes.push(Node { split, feature, first: next });
        waiting.extend(if yes_first { [source.yes, source.no] } else { [source.no, source.yes] });
        next = next.checked_add(2)?;
    }
    Some(())
}

/// The greatest value that goes to the first child, and whether that is the yes. Exact for inputs of
/// type `A`: a threshold that falls between two of them is rounded down.
fn threshold<A: Real>(node: &Source) -> Option<(A, bool)> {
    if node.value.is_nan() || node.feature >= NAN_FIRST {
        return None;
    }
    let at_most = A::floor_of(node.value);
    let below = if at_most.wide() < node.value { at_most } else { at_most.below() };
    match node.mode {
        Mode::AtMost => Some((at_most, true)),
        Mode::Above => Some((at_most, false)),
        // Nothing is below minus infinity, and no threshold says so.
        Mode::Below | Mode::AtLeast if node.value == f64::NEG_INFINITY => None,
        Mode::Below => Some((below, true)),
        Mode::AtLeast => Some((below, false)),
        Mode::Equal | Mode::Differs | Mode::Member | Mode::Leaf => None,
    }
}

fn place(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}
