//! Convolutions beside their definition, what is done along with them, and what is left to tract.

use super::super::attrs::tensor;
use super::*;
use tract_onnx::pb::AttributeProto;

/// Small whole numbers, whose products and sums are exact in any order.
fn drawn(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 7 + at / 11 + seed * 3) % 11) as f32 - 5.0).collect()
}

fn node(attributes: &[(&str, &[i64])]) -> Node {
    let attribute = |(name, values): &(&str, &[i64])| AttributeProto {
        name: (*name).to_owned(),
        i: values[0],
        ints: values.to_vec(),
        ..AttributeProto::default()
    };
    let attribute = attributes.iter().map(attribute).collect();
    Node(Arc::new(NodeProto { op_type: NAME.to_owned(), attribute, ..NodeProto::default() }))
}

fn known(shape: &[usize], seed: usize) -> TypedFact {
    let values = drawn(shape.iter().product(), seed);
    TypedFact::try_from(tensor(shape, values).expect("as many values as the shape has")).expect("a fact")
}

fn kernel(node: &Node, facts: &[TypedFact]) -> Option<Convolution> {
    let made = node.kernel(&facts.iter().collect::<Vec<_>>()).expect("facts that fit");
    made.map(|(kernel, _)| kernel)
}

/// A value worked out from the definition.
/// `weights` are of this channel that is made.
fn plainly(of: &Convolution, windows: &Windows, image: &[f32], made: usize, weights: &[f32]) -> Vec<f32> {
    let (layout, sizes) = (&of.layout, of.layout.sizes);
    let at = |axis: usize, of: &[usize]| of[of.len() - 2 + axis];
    let mut out = Vec::new();
    for pixel in 0..layout.counts[0] * layout.counts[1] {
        let place = [pixel / layout.counts[1], pixel % layout.counts[1]];
        let mut sum = of.bias[made];
        for (depth, weights) in weights.chunks_exact(layout.taps.len()).enumerate() {
            let channel = if matches!(*of.weights, Weights::Single(_)) { made } else { depth };
            for (tap, weight) in weights.iter().enumerate() {
                let step = [tap / at(1, &windows.kernel), tap % at(1, &windows.kernel)];
                let inside: Option<Vec<usize>> = (0..2)
                    .map(|axis| {
                        let there = place[axis] * at(axis, &windows.strides)
                            + step[axis] * at(axis, &windows.dilations);
                        there.checked_sub(layout.before[axis]).filter(|&there| there < sizes[axis])
                    })
                    .collect();
                if let Some(inside) = inside {
                    sum += weight * image[(channel * sizes[0] + inside[0]) * sizes[1] + inside[1]];
                }
            }
        }
        out.push(sum);
    }
    out
}

#[test]
fn windows_of_all_kinds_are_those_worked_out_plainly() {
    type Case<'a> = (&'a [(&'a str, &'a [i64])], [usize; 4], [usize; 3]);
    let cases: &[Case] = &[
        (&[], [5, 3, 1, 1], [3, 6, 7]),
        (&[], [9, 2, 3, 3], [2, 9, 8]),
        (&[], [30, 2, 3, 3], [2, 9, 9]),
        (&[("pads", &[1, 1, 1, 1])], [9, 2, 3, 3], [2, 40, 37]),
        (&[("pads", &[0, 2, 1, 0]), ("strides", &[2, 3])], [4, 3, 3, 2], [3, 11, 13]),
        (&[("strides", &[2, 2])], [4, 3, 1, 1], [3, 8, 9]),
        (&[("pads", &[3, 3, 3, 3]), ("strides", &[2, 2])], [8, 3, 7, 7], [3, 15, 16]),
        (&[("dilations", &[2, 3]), ("pads", &[2, 2, 2, 2])], [3, 2, 3, 3], [2, 9, 10]),
        (&[("dilations", &[3, 2]), ("strides", &[2, 3])], [3, 2, 3, 3], [2, 12, 14]),
        (&[("group", &[5]), ("pads", &[1, 1, 1, 1])], [5, 1, 3, 3], [5, 14, 14]),
        (&[("group", &[5]), ("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])], [5, 1, 3, 3], [5, 14, 15]),
        (&[("group", &[5])], [5, 1, 3, 3], [5, 12, 9]),
        (&[("group", &[4])], [4, 1, 2, 2], [4, 3, 4]),
        (&[("pads", &[9, 9, 9, 9])], [2, 1, 3, 3], [1, 2, 2]),
    ];
    for &(attributes, shape, [channels, height, width]) in cases {
        let facts =
            [DatumType::F32.fact([2, channels, height, width]), known(&shape, 1), known(&shape[..1], 2)];
        let made = kernel(&node(attributes), &facts).expect("one of ours");
        let weights = drawn(shape.iter().product(), 1);
        let x = drawn(2 * channels * height * width, 3);
        let windows = Windows::read(&Attrs(&node(attributes).0), &shape[2..]).expect("windows");
        let wanted = x.chunks_exact(x.len() / 2).flat_map(|image| {
            let (made, windows, size) = (&made, &windows, weights.len() / shape[0]);
            let weights = weights.chunks_exact(size).enumerate();
            weights.flat_map(move |(at, weights)| plainly(made, windows, image, at, weights))
        });
        let wanted: Vec<f32> = wanted.collect();
        let out = made.eval(&[&tensor(&[2, channels, height, width], x.clone()).expect("two images")]);
        let out = out.expect("it runs");
        let told =
            made.facts(&[Fact::new(DatumType::F32, [2, channels, height, width].map(|size| size.to_dim()))]);
        let told = told.expect("a fact").remove(0).shape;
        assert_eq!(out[0].shape(), told.iter().map(|dim| dim.to_usize().expect("known")).collect::<Vec<_>>());
        assert_eq!(slice::<f32>(&out[0]).expect("numbers"), wanted, "{attributes:?} {shape:?}");
    }
}

#[test]
fn one_dimension_is_a_single_line() {
    let facts = [DatumType::F32.fact([1, 2, 9]), known(&[3, 2, 3], 1)];
    let flat = kernel(&node(&[("pads", &[1, 2]), ("strides", &[2])]), &facts).expect("one of ours");
    let facts = [DatumType::F32.fact([1, 2, 1, 9]), known(&[3, 2, 1, 3], 1)];
    let high = kernel(&node(&[("pads", &[0, 1, 0, 2]), ("strides", &[1, 2])]), &facts).expect("one of ours");
    let made = |of: Convolution, shape: &[usize]| {
        let out = of.eval(&[&tensor(shape, drawn(18, 3)).expect("a line")]).expect("it runs");
        (out[0].shape().to_vec(), slice::<f32>(&out[0]).expect("numbers").to_vec())
    };
    let (flat, high) = (made(flat, &[1, 2, 9]), made(high, &[1, 2, 1, 9]));
    assert_eq!((flat.0, high.0), (vec![1, 3, 5], vec![1, 3, 1, 5]));
    assert_eq!(flat.1, high.1);
}

/// A scale, a bias and a cut are done along.
fn taken_in(plain: &Convolution, x: &Tensor, made: usize) {
    let run = |of: &dyn Kernel| slice::<f32>(&of.eval(&[x]).expect("it runs")[0]).expect("numbers").to_vec();
    let op = |op: Box<dyn tract_onnx::tract_core::ops::binary::BinMiniOp>| TypedBinOp(op, None);
    let (times, add) = (op(Box::new(math::Mul)), op(Box::new(math::Add)));
    let (max, min) = (op(Box::new(math::Max)), op(Box::new(math::Min)));
    let factors: Vec<f32> = drawn(made, 5);
    let by = tensor(&[1, made, 1, 1], factors.clone()).expect("a value for each channel");
    let single = |value: f32| tensor(&[1, 1, 1, 1], vec![value]).expect("a value");
    let scaled = plain.joined(&times, &by).expect("it fits").expect("joined");
    let moved = scaled.joined(&add, &by).expect("it fits").expect("joined");
    let cut = moved.joined(&max, &single(0.0)).expect("it fits").expect("joined");
    let cut = cut.joined(&min, &single(6.0)).expect("it fits").expect("joined");
    let wanted: Vec<f32> = run(plain)
        .into_iter()
        .enumerate()
        .map(|(at, value)| value * factors[at / 4] + factors[at / 4])
        .collect();
    assert_eq!(run(&*moved), wanted);
    assert_eq!(run(&*cut), wanted.iter().map(|value| value.clamp(0.0, 6.0)).collect::<Vec<_>>());
    for (op, other) in [(&add, by.clone()), (&times, by.clone()), (&max, by.clone()), (&max, single(7.0))] {
        assert!(cut.joined(op, &other).expect("it fits").is_none());
    }
    let across = tensor(&[1, 1, 1, 2], vec![1f32, 2.0]).expect("two values");
    assert!(plain.joined(&add, &across).expect("it fits").is_none());
}

#[test]
fn what_is_done_to_each_channel_is_taken_in() {
    type Case<'a> = (&'a [(&'a str, &'a [i64])], [usize; 4], usize);
    // Fewer channels than a block of weights has lines, more than that, and a window for each channel.
    let cases: [Case; 3] =
        [(&[], [3, 2, 3, 3], 2), (&[], [14, 2, 3, 3], 2), (&[("group", &[3])], [3, 1, 3, 3], 3)];
    for (attributes, shape, channels) in cases {
        let facts = [DatumType::F32.fact([1, channels, 4, 4]), known(&shape, 1)];
        let plain = kernel(&node(attributes), &facts).expect("one of ours");
        taken_in(&plain, &tensor(&[1, channels, 4, 4], drawn(channels * 16, 3)).expect("an image"), shape[0]);
    }
}

#[test]
fn all_else_stays_tracts() {
    let x = || DatumType::F32.fact([1, 4, 8, 8]);
    let open = DatumType::F32.fact([2, 4, 3, 3]);
    let others = [
        (node(&[]), vec![x(), open.clone()]),
        (node(&[]), vec![x(), known(&[2, 4, 3, 3], 1), DatumType::F32.fact([2])]),
        (node(&[]), vec![DatumType::F64.fact([1, 4, 8, 8]), known(&[2, 4, 3, 3], 1)]),
        (node(&[("group", &[2])]), vec![x(), known(&[2, 2, 3, 3], 1)]),
        (node(&[("group", &[4])]), vec![x(), known(&[8, 1, 3, 3], 1)]),
        (node(&[]), vec![DatumType::F32.fact([1, 1, 8, 8, 8]), known(&[2, 1, 3, 3, 3], 1)]),
        // No window fits; there is no line; a window cannot be read; an image would lie in gigabytes.
        (node(&[]), vec![DatumType::F32.fact([1, 4, 2, 8]), known(&[2, 4, 3, 3], 1)]),
        (node(&[("pads", &[1, 1, 1, 1])]), vec![DatumType::F32.fact([1, 4, 0, 8]), known(&[2, 4, 1, 1], 1)]),
        (node(&[("strides", &[1 << 17, 1])]), vec![x(), known(&[2, 4, 3, 3], 1)]),
        (
            node(&[("dilations", &[30_000, 30_000]), ("pads", &[30_000; 4])]),
            vec![DatumType::F32.fact([1, 1, 1, 1]), known(&[1, 1, 3, 3], 1)],
        ),
    ];
    for (node, facts) in others {
        assert!(kernel(&node, &facts).is_none(), "{facts:?}");
    }
}
