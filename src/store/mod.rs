//! Floor 1: the data directory, SQLite with group commit, migrations, blobs. The only state there is.
//!
//! Invariants: an answer to a write is given after its commit reached the disk; a blob is durable
//! before the row that names it is committed; nothing here knows what the rows mean.

pub mod db;
pub mod migrate;

pub use db::{Db, Durability};
pub use migrate::Migration;
/// What the closures of `Db::read` and `Db::write` are given, so that services need not name SQLite.
pub use rusqlite::Connection;
