//! The protocols: the Open Inference Protocol over REST and gRPC, KServe's first one, MLflow's scoring.

pub mod grpc;
pub mod kserve;
pub mod oip;
mod refusal;
pub mod scoring;
