//! The SQL of review, by what it touches.

pub mod items;
pub mod queues;
pub mod schemas;
