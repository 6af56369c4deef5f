//! What was looked up lately, such as what stands behind an access key, so that a request costs no
//! query. Every change forgets it all: changes are rare, requests are not.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Keys remembered at most, of one kind.
const REMEMBERED: usize = 4096;

pub struct Known<T>(Mutex<Inner<T>>);

struct Inner<T> {
    /// Counts the changes: what was read before one must not be remembered after it.
    changes: u64,
    found: HashMap<String, T>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner { changes: 0, found: HashMap::new() }))
    }
}

impl<T: Clone> Known<T> {
    /// What is known of this key; else the count of changes to give to `learn` with what was read.
    pub fn get(&self, key: &str) -> Result<T, u64> {
        let inner = self.lock();
        inner.found.get(key).cloned().ok_or(inner.changes)
    }

    pub fn learn(&self, key: &str, value: T, changes: u64) {
        let mut inner = self.lock();
        if inner.changes != changes {
            return;
        }
        if inner.found.len() >= REMEMBERED {
            inner.found.clear();
        }
        inner.found.insert(key.to_owned(), value);
    }

    pub fn forget(&self) {
        let mut inner = self.lock();
        inner.changes += 1;
        inner.found.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let known = Known::default();
        let before = known.get("key").unwrap_err();
        known.forget();
        known.learn("key", "old", before);
        let now = known.get("key").unwrap_err();
        known.learn("key", "new", now);
        assert_eq!(known.get("key"), Ok("new"));
        known.forget();
        assert!(known.get("key").is_err());
    }
}
