//! The last requests of an endpoint that got no answer, with what is needed to find them again.

use crate::kernel::{
    clock::{now_ms, rfc3339},
    error::Error,
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

const KEPT: usize = 50;
/// A longer message is cut.
const LONGEST: usize = 500;

#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub at: String,
    pub request_id: String,
    pub route: String,
    /// Absent where no model was chosen.
    pub version: Option<String>,
    pub status: u16,
    pub message: String,
}

#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    pub fn add(&self, request_id: &str, route: &str, version: Option<&str>, error: &Error) {
        let mut message = error.message.clone();
        message.truncate(message.floor_char_boundary(LONGEST));
        let failure = Failure {
            at: rfc3339(now_ms()),
            request_id: request_id.to_owned(),
            route: route.to_owned(),
            version: version.map(str::to_owned),
            status: error.kind.status().as_u16(),
            message,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front(failure);
    }

    /// Newest first.
    pub fn list(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
