//! Floor 8: the composition root.
