//! What permissions promise.
