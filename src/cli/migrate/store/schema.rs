//! What is written into MLflow's tables, and what a database has of them. Nothing of its schema is known but
//! names: a column that an older MLflow lacks is left out, and one that a newer one wants is named.

use crate::cli::{Failure, failure::Code};
use rusqlite::Connection;
use std::collections::HashMap;

/// What is written into one table.
pub struct Rows<const N: usize> {
    pub table: &'static str,
    pub columns: [&'static str; N],
    /// Of these, what only a new row is given: one that is there keeps what it has.
    pub once: &'static [&'static str],
}

pub const EXPERIMENTS: Rows<7> = Rows {
    table: "experiments",
    columns: [
        "experiment_id",
        "workspace",
        "name",
        "artifact_location",
        "lifecycle_stage",
        "creation_time",
        "last_update_time",
    ],
    once: &["artifact_location"],
};
pub const EXPERIMENT_TAGS: Rows<3> =
    Rows { table: "experiment_tags", columns: ["experiment_id", "key", "value"], once: &[] };
pub const RUNS: Rows<14> = Rows {
    table: "runs",
    columns: [
        "run_uuid",
        "experiment_id",
        "name",
        "source_type",
        "source_name",
        "entry_point_name",
        "source_version",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "deleted_time",
        "lifecycle_stage",
        "artifact_uri",
    ],
    once: &[
        "experiment_id",
        "source_type",
        "source_name",
        "entry_point_name",
        "source_version",
        "artifact_uri",
    ],
};
pub const PARAMS: Rows<3> = Rows { table: "params", columns: ["run_uuid", "key", "value"], once: &[] };
pub const TAGS: Rows<3> = Rows { table: "tags", columns: ["run_uuid", "key", "value"], once: &[] };
const POINT: [&str; 6] = ["run_uuid", "key", "timestamp", "step", "value", "is_nan"];
pub const METRICS: Rows<6> = Rows { table: "metrics", columns: POINT, once: &[] };
pub const LATEST_METRICS: Rows<6> = Rows { table: "latest_metrics", columns: POINT, once: &[] };
pub const DATASETS: Rows<8> = Rows {
    table: "datasets",
    columns: [
        "dataset_uuid",
        "experiment_id",
        "name",
        "digest",
        "dataset_source_type",
        "dataset_source",
        "dataset_schema",
        "dataset_profile",
    ],
    once: &["dataset_uuid"],
};
pub const INPUTS: Rows<6> = Rows {
    table: "inputs",
    columns: ["input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step"],
    once: &["input_uuid"],
};
pub const INPUT_TAGS: Rows<3> =
    Rows { table: "input_tags", columns: ["input_uuid", "name", "value"], once: &[] };
pub const LOGGED_MODELS: Rows<11> = Rows {
    table: "logged_models",
    columns: [
        "model_id",
        "experiment_id",
        "name",
        "artifact_location",
        "creation_timestamp_ms",
        "last_updated_timestamp_ms",
        "status",
        "status_message",
        "lifecycle_stage",
        "model_type",
        "source_run_id",
    ],
    once: &["experiment_id", "artifact_location"],
};
pub const LOGGED_MODEL_PARAMS: Rows<4> = Rows {
    table: "logged_model_params",
    columns: ["model_id", "experiment_id", "param_key", "param_value"],
    once: &[],
};
pub const LOGGED_MODEL_TAGS: Rows<4> = Rows {
    table: "logged_model_tags",
    columns: ["model_id", "experiment_id", "tag_key", "tag_value"],
    once: &[],
};
pub const LOGGED_MODEL_METRICS: Rows<9> = Rows {
    table: "logged_model_metrics",
    columns: [
        "model_id",
        "experiment_id",
        "run_id",
        "metric_name",
        "metric_timestamp_ms",
        "metric_step",
        "metric_value",
        "dataset_name",
        "dataset_digest",
    ],
    once: &[],
};
pub const REGISTERED_MODELS: Rows<5> = Rows {
    table: "registered_models",
    columns: ["workspace", "name", "creation_time", "last_updated_time", "description"],
    once: &[],
};
pub const REGISTERED_MODEL_TAGS: Rows<4> =
    Rows { table: "registered_model_tags", columns: ["workspace", "name", "key", "value"], once: &[] };
pub const REGISTERED_MODEL_ALIASES: Rows<4> =
    Rows { table: "registered_model_aliases", columns: ["workspace", "name", "alias", "version"], once: &[] };
pub const MODEL_VERSIONS: Rows<13> = Rows {
    table: "model_versions",
    columns: [
        "workspace",
        "name",
        "version",
        "creation_time",
        "last_updated_time",
        "description",
        "user_id",
        "current_stage",
        "source",
        "storage_location",
        "run_id",
        "run_link",
        "status",
    ],
    once: &["status"],
};
pub const MODEL_VERSION_TAGS: Rows<5> = Rows {
    table: "model_version_tags",
    columns: ["workspace", "name", "version", "key", "value"],
    once: &[],
};

/// Each table with what is written into it.
pub const ALL: [(&str, &[&str]); 19] = [
    (EXPERIMENTS.table, &EXPERIMENTS.columns),
    (EXPERIMENT_TAGS.table, &EXPERIMENT_TAGS.columns),
    (RUNS.table, &RUNS.columns),
    (PARAMS.table, &PARAMS.columns),
    (TAGS.table, &TAGS.columns),
    (METRICS.table, &METRICS.columns),
    (LATEST_METRICS.table, &LATEST_METRICS.columns),
    (DATASETS.table, &DATASETS.columns),
    (INPUTS.table, &INPUTS.columns),
    (INPUT_TAGS.table, &INPUT_TAGS.columns),
    (LOGGED_MODELS.table, &LOGGED_MODELS.columns),
    (LOGGED_MODEL_PARAMS.table, &LOGGED_MODEL_PARAMS.columns),
    (LOGGED_MODEL_TAGS.table, &LOGGED_MODEL_TAGS.columns),
    (LOGGED_MODEL_METRICS.table, &LOGGED_MODEL_METRICS.columns),
    (REGISTERED_MODELS.table, &REGISTERED_MODELS.columns),
    (REGISTERED_MODEL_TAGS.table, &REGISTERED_MODEL_TAGS.columns),
    (REGISTERED_MODEL_ALIASES.table, &REGISTERED_MODEL_ALIASES.columns),
    (MODEL_VERSIONS.table, &MODEL_VERSIONS.columns),
    (MODEL_VERSION_TAGS.table, &MODEL_VERSION_TAGS.columns),
];

/// Without these a run cannot be kept.
const NEEDED: [(&str, &[&str]); 6] = [
    ("experiments", &["experiment_id", "name", "artifact_location", "lifecycle_stage"]),
    (
        "runs",
        &["run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri"],
    ),
    ("params", &PARAMS.columns),
    ("tags", &TAGS.columns),
    ("metrics", &POINT),
    ("latest_metrics", &POINT),
];

struct Column {
    name: String,
    /// It may not be NULL, and nothing fills it by itself.
    wanted: bool,
    /// Its place in the primary key, from 1.
    key: u32,
}

/// The tables a database has.
pub struct Schema(HashMap<String, Vec<Column>>);

impl Schema {
    pub fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut ask = db.prepare(
            "SELECT t.name, c.name, c.\"notnull\" AND c.dflt_value IS NULL, c.pk
             FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
        )?;
        let mut rows = ask.query([])?;
        let mut tables: HashMap<String, Vec<Column>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let column = Column { name: row.get(1)?, wanted: row.get(2)?, key: row.get(3)? };
            tables.entry(row.get(0)?).or_default().push(column);
        }
        Ok(Self(tables))
    }

    pub fn has(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.0.get(table).is_some_and(|columns| columns.iter().any(|one| one.name == column))
    }

    /// That all that must be written can be, and that no table wants more than is known here.
    pub fn check(&self) -> Result<(), Failure> {
        for (table, columns) in NEEDED {
            let Some(column) = columns.iter().find(|column| !self.has_column(table, column)) else {
                continue;
            };
            let message = format!("the database is too old to be filled: it has no {table}.{column}");
            return Err(Failure::new(Code::Usage, message).hint("`mlflow db upgrade` brings it up to date"));
        }
        let mut unknown = Vec::new();
        for (table, known) in ALL {
            let columns = self.0.get(table).map_or(&[][..], Vec::as_slice);
            let wanted =
                columns.iter().filter(|column| column.wanted && !known.contains(&column.name.as_str()));
            unknown.extend(wanted.map(|column| format!("{table}.{}", column.name)));
            if !columns.is_empty() && columns.iter().all(|column| column.key == 0) {
                let message = format!("table {table} has no primary key: this is not a database of MLflow's");
                return Err(Failure::new(Code::Usage, message));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let message = format!("the database wants values that Crannog does not know: {}", unknown.join(", "));
        Err(Failure::new(Code::Usage, message).hint(
            "it was made by an MLflow newer than this Crannog: make one with MLflow 3.17, and let the newer MLflow \
             upgrade it afterwards",
        ))
    }

    /// The statement that writes a row, and which of the columns it takes; none where the table is missing.
    /// A row of the same primary key is brought in line.
    pub fn upsert<const N: usize>(&self, rows: &Rows<N>) -> Option<(String, Vec<usize>)> {
        let there = self.0.get(rows.table)?;
        let (mut names, mut at, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for (place, name) in rows.columns.iter().enumerate() {
            let Some(column) = there.iter().find(|column| column.name == *name) else { continue };
            names.push(format!("\"{name}\""));
            at.push(place);
            if column.key == 0 && !rows.once.contains(name) {
                changes.push(format!("\"{name}\" = excluded.\"{name}\""));
            }
        }
        let mut keys: Vec<_> = there.iter().filter(|column| column.key > 0).collect();
        keys.sort_by_key(|column| column.key);
        let keys: Vec<_> = keys.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let change = match changes.is_empty() {
            true => "DO NOTHING".to_owned(),
            false => format!("DO UPDATE SET {}", changes.join(", ")),
        };
        let sql = format!(
            "INSERT INTO \"{}\" ({}) VALUES ({}) ON CONFLICT ({}) {change}",
            rows.table,
            names.join(", "),
            vec!["?"; names.len()].join(", "),
            keys.join(", ")
        );
        Some((sql, at))
    }
}
