//! Floor 4: experiments, runs, metrics and artifacts, as MLflow's tracking server has them.

pub mod fields;
pub mod wire;
