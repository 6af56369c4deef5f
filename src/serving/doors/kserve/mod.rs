//! KServe's first inference protocol: `/v1/models/{name}:predict`, rows or columns in, predictions out.
//! Refusals have the shape of the second protocol's, `{"error": "..."}`, as at KServe.

mod predict;
mod question;
mod routes;

pub use routes::router;
