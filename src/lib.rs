//! Crannog: a whole MLOps platform in one process. The modules below are listed in reading order,
//! lowest floor first; a module imports lower floors only, which `tests/it/tidy.rs` enforces.

pub mod app;
pub mod auth; // 2  users, roles, tokens, access keys, sessions
pub mod backup; // 4  snapshots of the data directory, and the way back
pub mod cli; // 8  commands
pub mod kernel; // 0  no domain words: config, errors, ids, tasks, events, HTTP
pub mod kubernetes; // 1  manifests and the OCI image: pure functions of config
pub mod objects; // 3  buckets and objects: the S3 door
pub mod permissions; // 6  what members may do with experiments and models
pub mod pipelines; // 7  DAGs, schedules, task supervisors
pub mod registry; // 5  registered models, versions, aliases: MLflow's registry
pub mod serving; // 6  endpoints, the ONNX engine, inference protocols
pub mod store; // 1  SQLite with group commit, blobs, the data directory
pub mod tracking; // 4  experiments, runs, metrics, artifacts: MLflow's tracker
pub mod ui; // 8  the embedded web UI and the offline documentation // 8  the composition root: start and stop order, router
