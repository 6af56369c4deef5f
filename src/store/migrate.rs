//! Migrations: numbered .sql files, embedded, forward only. SQLite's `user_version` holds the last
//! one applied; a database from a newer build is refused instead of guessed at.

use crate::kernel::error::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};

/// One step: its number is its place in the list, counted from 1.
pub struct Migration {
    pub name: &'static str,
    pub sql: &'static str,
}

/// Embeds the named files of one database's folder, in order.
#[macro_export]
macro_rules! migrations {
    ($folder:literal : $($name:literal),+ $(,)?) => {
        &[$($crate::store::Migration {
            name: $name,
            sql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

/// What control.db is made of; each room adds its file at the end.
pub const CONTROL: &[Migration] = migrations!(
    "control": "0001_auth", "0002_tracking", "0003_registry", "0004_serving", "0005_pipelines", "0006_guests",
    "0007_traces", "0008_permissions", "0009_webhooks", "0010_evaluation", "0011_gateway", "0012_metric_blocks",
    "0013_airflow", "0014_pipelines_rules", "0015_pipelines_kinds", "0016_metric_tangles", "0017_pipelines_boot",
    "0018_pipelines_backfills", "0019_runs_newest", "0020_pipelines_events", "0021_pipelines_deadlines",
    "0022_pipelines_archive", "0023_runs_named", "0024_rollout", "0025_pipelines_commit",
    "0026_pipelines_turns", "0027_pipelines_asked", "0028_review", "0029_unloaded",
    "0030_pipelines_rejected", "0031_imported", "0032_iam"
);

/// What objects.db is made of.
pub const OBJECTS: &[Migration] =
    migrations!("objects": "0001_objects", "0002_versions", "0003_kms", "0004_notify", "0005_scrub");

/// Applies what is missing, each step in a transaction of its own.
pub fn apply(db: &mut Connection, migrations: &[Migration]) -> Result<()> {
    let done: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = done as usize;
    if done > migrations.len() {
        return Err(Error::invalid(format!(
            "The database was written by a newer Crannog (schema {done}, this build knows {}). \
             Start the newer binary, or restore the backup taken before the upgrade.",
            migrations.len()
        )));
    }
    for (index, migration) in migrations.iter().enumerate().skip(done) {
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(migration.sql)?;
        step.pragma_update(None, "user_version", index as u32 + 1)?;
        step.commit()?;
        tracing::info!(migration = migration.name, "applied a migration");
    }
    Ok(())
}
