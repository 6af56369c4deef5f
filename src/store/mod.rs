//! Floor 1: the data directory, SQLite with group commit, migrations, blobs.
