//! Floor 4: experiments, runs, metrics and artifacts, as MLflow's tracking server has them.

pub mod check;
pub mod fields;
pub mod model;
pub mod search;
pub mod wire;
