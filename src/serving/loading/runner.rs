//! What runs a model: the ONNX engine in this process, or a Python worker beside it.

use crate::{
    kernel::error::Result,
    serving::{
        engine::{Model, NamedTensor, TensorSpec, Trees},
        predict::{call::Params, gate::Pass},
        python::{self, Worker},
    },
};
use std::time::Instant;

pub enum Runner {
    Onnx(Box<Model>),
    Python(Worker),
}

impl Runner {
    pub fn inputs(&self) -> &[TensorSpec] {
        match self {
            Self::Onnx(model) => model.inputs(),
            Self::Python(worker) => worker.inputs(),
        }
    }

    pub fn outputs(&self) -> &[TensorSpec] {
        match self {
            Self::Onnx(model) => model.outputs(),
            Self::Python(worker) => worker.outputs(),
        }
    }

    /// Runs the model. Inputs go by name, in any order; all outputs come back, in the model's order.
    pub fn infer(&self, inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
        self.infer_with(inputs, None)
    }

    /// The same with parameters, which only a model of Python can take.
    pub fn infer_with(&self, inputs: Vec<NamedTensor>, params: Option<Params>) -> Result<Vec<NamedTensor>> {
        match self {
            Self::Onnx(model) => model.infer(inputs),
            Self::Python(worker) => worker.infer(&inputs, params.as_deref()),
        }
    }

    /// Whether requests may share a run, and gain by it: each row is answered by itself.
    pub fn shares_runs(&self) -> bool {
        match self {
            Self::Onnx(model) => model.gains_by_batches(),
            Self::Python(_) => false,
        }
    }

    /// Whether it does its work on the thread that asks, so that its time is that thread's.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Onnx(_))
    }

    /// Waits for a model that takes one request at a time, so that no core waits with it.
    pub async fn turn(&self, deadline: Option<Instant>) -> Result<Option<Pass>> {
        match self {
            Self::Onnx(_) => Ok(None),
            Self::Python(worker) => worker.turn(deadline).await.map(Some),
        }
    }

    /// Whether the model gave one array and no name for it, which MLflow answers with as it is.
    pub fn is_bare(&self, results: &[NamedTensor]) -> bool {
        let bare = |results: &[NamedTensor]| matches!(results, [only] if only.name == python::BARE);
        matches!(self, Self::Python(_)) && bare(results)
    }

    /// The trees the model is made of, if it is made of nothing else.
    pub fn trees(&self) -> Option<&Trees> {
        match self {
            Self::Onnx(model) => model.trees(),
            Self::Python(_) => None,
        }
    }

    /// The names of the classes, where the model says them.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Onnx(model) => model.classes(),
            Self::Python(_) => &[],
        }
    }

    /// What the protocols call it.
    pub fn platform(&self) -> &'static str {
        match self {
            Self::Onnx(_) => "onnx_crannog",
            Self::Python(_) => "mlflow_pyfunc",
        }
    }
}
