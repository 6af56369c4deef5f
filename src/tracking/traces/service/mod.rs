//! The rules of traces, as further methods of the tracker: `traces` for what is said of a trace,
//! `spans` for what comes by OpenTelemetry, `assessments` for what others say.

mod assessments;
mod spans;
mod traces;

pub use assessments::AssessmentChange;
pub use traces::{Ended, Started};
