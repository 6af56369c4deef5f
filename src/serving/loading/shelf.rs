//! Models in memory, shared by whoever serves them: a canary's model is the champion's a moment later, and
//! loading it twice would cost time and memory.

use super::load::{Loaded, Origin};
use crate::registry::Resolved;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Holds nothing by itself: a model goes when the last who serves it lets go.
#[derive(Default)]
pub struct Shelf(Mutex<Vec<Weak<Loaded>>>);

impl Shelf {
    pub fn find(&self, at: &Resolved, origin: &Origin) -> Option<Arc<Loaded>> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.iter().filter_map(Weak::upgrade).find(|loaded| loaded.is(at, origin))
    }

    pub fn put(&self, loaded: &Arc<Loaded>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.retain(|one| one.strong_count() > 0);
        shelf.push(Arc::downgrade(loaded));
    }
}
