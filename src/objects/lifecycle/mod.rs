//! Lifecycle: rules that let objects, versions and unfinished uploads of a bucket go when they are old.
//!
//! It mirrors Amazon's configuration. Departures: a filter may name several conditions without `And`,
//! and then all must hold (as radosgw has it); a storage class is a label, for there is one place, so a
//! transition changes the label and any name will do; there are no minimum ages per class.

pub mod check;
pub mod rules;
mod walk;
pub mod worker;

pub use walk::Row;
