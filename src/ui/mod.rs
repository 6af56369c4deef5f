//! Floor 8: the embedded web UI and offline documentation.
