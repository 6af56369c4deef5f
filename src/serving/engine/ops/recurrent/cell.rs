//! What one step of a recurrent network makes of its state, for all rows at once.

use tract_onnx::tract_core::tract_linalg::routines::Func;
use tract_onnx::tract_hir::internal::*;

use super::sequence::{Columns, Weights};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Lstm {
        /// What is not let in is kept.
        couple: bool,
    },
    Gru {
        /// The state is reset after its product, not before.
        reset_after: bool,
    },
    Rnn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Relu,
    Sigmoid,
    Tanh,
}

impl Activation {
    pub fn read(name: impl AsRef<str>) -> TractResult<Self> {
        Ok(match name.as_ref().to_ascii_lowercase().as_str() {
            "relu" => Self::Relu,
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            _ => bail!("the activation {:?} is not one of Relu, Sigmoid and Tanh", name.as_ref()),
        })
    }

    fn run(self, values: &mut [f32]) -> TractResult<()> {
        match self {
            Self::Relu => values.iter_mut().for_each(|value| *value = value.max(0.0)),
            Self::Sigmoid => Func::Sigmoid.ew_f32()?.run(values)?,
            Self::Tanh => Func::Tanh.ew_f32()?.run(values)?,
        }
        Ok(())
    }
}

/// What a step works on besides the weights.
pub struct Step<'a> {
    /// The products of the inputs, gate after gate; the step's scratch from here on.
    pub gates: &'a mut [f32],
    pub state: &'a mut Columns,
    /// An LSTM's cell state.
    pub memory: &'a mut Columns,
    pub activations: &'a [Activation],
    pub clip: Option<f32>,
}

impl Step<'_> {
    fn activate(&mut self, which: usize, place: std::ops::Range<usize>) -> TractResult<()> {
        let values = &mut self.gates[place];
        if let Some(clip) = self.clip {
            values.iter_mut().for_each(|value| *value = value.clamp(-clip, clip));
        }
        self.activations[which].run(values)
    }
}

impl Cell {
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm { .. } => "LSTM",
            Self::Gru { .. } => "GRU",
            Self::Rnn => "RNN",
        }
    }

    /// How many products of a state's size a step takes.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
            Self::Rnn => 1,
        }
    }

    /// Those it has when none are named.
    pub fn activations(self) -> &'static [Activation] {
        match self {
            Self::Lstm { .. } => &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
            Self::Gru { .. } => &[Activation::Sigmoid, Activation::Tanh],
            Self::Rnn => &[Activation::Tanh],
        }
    }

    /// The bias of the state's product that is inside of what a reset scales, and so is no part of the input's.
    pub fn keeps_last_bias(self) -> bool {
        self == Self::Gru { reset_after: true }
    }

    pub fn step(self, weights: &Weights, step: Step) -> TractResult<()> {
        match self {
            Self::Lstm { couple } => lstm(couple, weights, step),
            Self::Gru { reset_after } => gru(reset_after, weights, step),
            Self::Rnn => rnn(weights, step),
        }
    }
}

/// Gates: input, output, forget, candidate.
fn lstm(couple: bool, weights: &Weights, mut step: Step) -> TractResult<()> {
    let size = step.state.values.len();
    weights.add_products(0..4, &step.state.values, step.gates);
    let [input, output, forget, candidate] = [0, 1, 2, 3].map(|gate| gate * size..(gate + 1) * size);
    if weights.peepholes.is_empty() {
        step.activate(0, 0..3 * size)?;
    } else {
        weights.add_peephole(0, &step.memory.values, &mut step.gates[input.clone()]);
        weights.add_peephole(2, &step.memory.values, &mut step.gates[forget.clone()]);
        step.activate(0, input.clone())?;
        step.activate(0, forget.clone())?;
    }
    step.activate(1, candidate.clone())?;
    for (at, memory) in step.memory.values.iter_mut().enumerate() {
        let letting = step.gates[at];
        let keeping = if couple { 1.0 - letting } else { step.gates[2 * size + at] };
        *memory = keeping * *memory + letting * step.gates[3 * size + at];
    }
    if !weights.peepholes.is_empty() {
        weights.add_peephole(1, &step.memory.values, &mut step.gates[output.clone()]);
        step.activate(0, output.clone())?;
    }
    step.state.values.copy_from_slice(&step.memory.values);
    step.activations[2].run(&mut step.state.values)?;
    times(&mut step.state.values, &step.gates[output]);
    Ok(())
}

/// Gates: update, reset, candidate.
fn gru(reset_after: bool, weights: &Weights, mut step: Step) -> TractResult<()> {
    let size = step.state.values.len();
    let candidate = 2 * size..3 * size;
    weights.add_products(0..2, &step.state.values, &mut step.gates[..2 * size]);
    step.activate(0, 0..2 * size)?;
    let mut scaled;
    if reset_after {
        scaled = weights.last_bias(step.state.rows);
        weights.add_products(2..3, &step.state.values, &mut scaled);
        times(&mut scaled, &step.gates[size..2 * size]);
        step.gates[candidate.clone()].iter_mut().zip(&scaled).for_each(|(value, more)| *value += more);
    } else {
        scaled = step.state.values.clone();
        times(&mut scaled, &step.gates[size..2 * size]);
        weights.add_products(2..3, &scaled, &mut step.gates[candidate.clone()]);
    }
    step.activate(1, candidate.clone())?;
    let (update, candidate) = (&step.gates[..size], &step.gates[candidate]);
    for ((state, update), candidate) in step.state.values.iter_mut().zip(update).zip(candidate) {
        *state = (1.0 - update) * candidate + update * *state;
    }
    Ok(())
}

fn rnn(weights: &Weights, mut step: Step) -> TractResult<()> {
    weights.add_products(0..1, &step.state.values, step.gates);
    step.activate(0, 0..step.gates.len())?;
    step.state.values.copy_from_slice(step.gates);
    Ok(())
}

fn times(values: &mut [f32], by: &[f32]) {
    values.iter_mut().zip(by).for_each(|(value, by)| *value *= by);
}
