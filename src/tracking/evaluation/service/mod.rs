//! The rules of evaluation: more of the tracker's service, by what it is about.

mod datasets;
mod issues;
mod records;
mod scorers;

pub use datasets::DatasetSearch;
pub use issues::NewIssue;
