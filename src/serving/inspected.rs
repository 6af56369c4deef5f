//! What was found in model files, remembered for as long as they stay the same: a page asks again and again.

use super::loading::load::Origin;
use serde_json::{Map, Value};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Files remembered.
const REMEMBERED: usize = 64;

/// What was found in a file, as its page shows it.
type Found = Arc<Map<String, Value>>;

/// What was found in files, newest last.
#[derive(Default)]
pub struct Inspected(Mutex<VecDeque<(Origin, Found)>>);

impl Inspected {
    pub fn find(&self, origin: &Origin) -> Option<Found> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(at, _)| at == origin).map(|(_, found)| Arc::clone(found))
    }

    pub fn put(&self, origin: Origin, found: &Found) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(at, _)| *at != origin);
        known.push_back((origin, Arc::clone(found)));
        if known.len() > REMEMBERED {
            known.pop_front();
        }
    }
}
