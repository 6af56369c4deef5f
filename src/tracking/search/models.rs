//! What logged models can be searched by: attributes, tags, params, and metrics on named datasets.

use super::{
    filter::{self, Comparison, Op, Value},
    keyset::Order,
    sql::{Bind, Sql},
};
use crate::kernel::error::{Error, Result};

/// A dataset the metrics must have been taken on.
#[derive(Clone, Debug)]
pub struct OnDataset {
    pub name: String,
    pub digest: Option<String>,
}

/// One field to order by; for a metric, perhaps as taken on one dataset.
#[derive(Clone, Debug)]
pub struct OrderBy {
    pub field: String,
    pub ascending: bool,
    pub dataset: Option<OnDataset>,
}

impl OnDataset {
    /// What makes it differ from another.
    pub fn parts(&self) -> (&str, Option<&str>) {
        (&self.name, self.digest.as_deref())
    }
}

impl OrderBy {
    /// What makes it differ from another.
    pub fn parts(&self) -> (&str, bool, Option<(&str, Option<&str>)>) {
        (&self.field, self.ascending, self.dataset.as_ref().map(OnDataset::parts))
    }
}

const ATTRIBUTES: &[(&str, &str, bool)] = &[
    ("name", "l.name", false),
    ("model_id", "l.id", false),
    ("model_type", "l.model_type", false),
    ("experiment_id", "CAST(l.experiment_id AS TEXT)", false),
    ("source_run_id", "l.source_run_id", false),
    ("status", "l.status", false),
    ("status_message", "l.status_message", false),
    ("artifact_location", "l.artifact_uri", false),
    ("lifecycle_stage", "l.stage", false),
    ("creation_timestamp", "l.created_at", true),
    ("creation_time", "l.created_at", true),
    ("creation_timestamp_ms", "l.created_at", true),
    ("last_updated_timestamp", "l.updated_at", true),
    ("last_updated_timestamp_ms", "l.updated_at", true),
];

/// Appends ` AND ...` over `logged_models l`.
pub fn compile_filter(text: &str, datasets: &[OnDataset], sql: &mut Sql) -> Result<()> {
    let mut by_metric = false;
    for comparison in parse(text)? {
        sql.push(" AND ");
        match filter::split_name(&comparison.name) {
            (None | Some("attributes"), key) => attribute(sql, &comparison, key)?,
            (Some("metrics"), key) => {
                by_metric = true;
                metric(sql, &comparison, key, datasets)?;
            }
            (Some("params"), key) => pair(sql, &comparison, key, "logged_model_params")?,
            (Some("tags"), key) => pair(sql, &comparison, key, "logged_model_tags")?,
            (Some(other), _) => {
                return Err(Error::invalid(format!(
                    "Invalid entity type: '{other}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."
                )));
            }
        }
    }
    if !datasets.is_empty() && !by_metric {
        sql.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics m WHERE m.model_id = l.id");
        on_datasets(sql, datasets);
        sql.push(")");
    }
    Ok(())
}

/// MLflow reads this filter with another parser, which has its own word for what it cannot read.
fn parse(text: &str) -> Result<Vec<Comparison>> {
    filter::parse(text).map_err(|error| {
        if !error.message.starts_with("Invalid clause(s)") {
            return error;
        }
        let quote = if text.contains('\'') { '"' } else { '\'' };
        Error::invalid(format!(
            "Invalid filter string: {quote}{text}{quote}. Expected a list of comparisons separated by 'AND' \
             (e.g. 'metrics.loss > 0.1 AND params.lr = 0.01')."
        ))
    })
}

/// The order: nulls last whichever way, then newest first, then by id.
pub fn compile_order(clauses: &[OrderBy]) -> Result<Order> {
    let mut order = Order::default();
    let (mut by_time, mut by_id) = (false, false);
    for clause in clauses {
        match clause.field.split_once('.') {
            None => {
                let (column, _) = column_of(&clause.field)
                    .map_err(|_| Error::invalid(format!("Invalid order by field name: {}", clause.field)))?;
                by_time |= column == "l.created_at";
                by_id |= column == "l.id";
                order.nulls_last(column, !clause.ascending);
            }
            Some(("metrics", key)) => {
                order.nulls_last(latest_metric(key, clause.dataset.as_ref()), !clause.ascending);
            }
            Some(_) => {
                return Err(Error::invalid(format!(
                    "Invalid order by field name: {}. Only metrics are supported.",
                    clause.field
                )));
            }
        }
    }
    if !by_time {
        order.descending("l.created_at");
    }
    if !by_id {
        order.ascending("l.id");
    }
    Ok(order)
}

/// The newest value of a metric of `l`, as a scalar.
fn latest_metric(key: &str, dataset: Option<&OnDataset>) -> Sql {
    let mut sql = Sql::default();
    sql.push("(SELECT m.value FROM logged_model_metrics m WHERE m.model_id = l.id AND m.key = ").text(key);
    if let Some(dataset) = dataset {
        on_datasets(&mut sql, std::slice::from_ref(dataset));
    }
    sql.push(" ORDER BY m.timestamp DESC, m.step DESC, m.run_id LIMIT 1)");
    sql
}

fn on_datasets(sql: &mut Sql, datasets: &[OnDataset]) {
    if datasets.is_empty() {
        return;
    }
    sql.push(" AND (");
    for (index, dataset) in datasets.iter().enumerate() {
        sql.push(if index > 0 { " OR (" } else { "(" });
        // An order without a dataset's name may still name a digest.
        sql.push("m.dataset_name = ").text(dataset.name.as_str());
        if let Some(digest) = &dataset.digest {
            sql.push(" AND m.dataset_digest = ").text(digest.as_str());
        }
        sql.push(")");
    }
    sql.push(")");
}

fn column_of(key: &str) -> Result<(&'static str, bool)> {
    let found = ATTRIBUTES.iter().find(|(name, ..)| *name == key);
    found
        .map(|(_, column, numeric)| (*column, *numeric))
        .ok_or_else(|| Error::invalid(format!("Invalid attribute key '{key}' specified.")))
}

fn attribute(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let (column, numeric) = column_of(key)?;
    allowed(comparison, numeric)?;
    sql.compare(column, comparison.op, &value_of(comparison, key, numeric)?)?;
    Ok(())
}

fn metric(sql: &mut Sql, comparison: &Comparison, key: &str, datasets: &[OnDataset]) -> Result<()> {
    allowed(comparison, true)?;
    let Value::Number { number, .. } = value_of(comparison, key, true)? else { return Ok(()) };
    sql.push("EXISTS (SELECT 1 FROM logged_model_metrics m WHERE m.model_id = l.id AND m.key = ").text(key);
    let sign = if comparison.op == Op::Ne { "<>" } else { comparison.op.word() };
    sql.push(&format!(" AND NOT m.nan AND m.value {sign} ")).bind(Bind::Real(number));
    on_datasets(sql, datasets);
    sql.push(")");
    Ok(())
}

fn pair(sql: &mut Sql, comparison: &Comparison, key: &str, table: &str) -> Result<()> {
    allowed(comparison, false)?;
    sql.push(&format!("EXISTS (SELECT 1 FROM {table} p WHERE p.model_id = l.id AND p.key = ")).text(key);
    sql.push(" AND ").compare("p.value", comparison.op, &value_of(comparison, key, false)?)?.push(")");
    Ok(())
}

fn allowed(comparison: &Comparison, numeric: bool) -> Result<()> {
    let ops = if numeric { Op::NUMERIC } else { Op::TEXT_OR_LIST };
    if ops.contains(&comparison.op) {
        return Ok(());
    }
    let words: Vec<_> = ops.iter().map(|op| format!("'{}'", op.word())).collect();
    let (entity, key) = filter::split_name(&comparison.name);
    Err(Error::invalid(format!(
        "Invalid comparison operator for {}.{key}: '{}'. Expected one of ({}).",
        entity.unwrap_or("attributes"),
        comparison.op.word(),
        words.join(", ")
    )))
}

fn value_of(comparison: &Comparison, key: &str, numeric: bool) -> Result<Value> {
    match (&comparison.value, numeric) {
        (value @ Value::Number { .. }, true) => Ok(value.clone()),
        (other, true) => {
            Err(Error::invalid(format!("Expected numeric value type for {key}. Found {}", other.raw())))
        }
        (value @ (Value::Text(_) | Value::List(_)), false) => Ok(value.clone()),
        // MLflow takes a bare word or number as text here, and here only.
        (other, false) => Ok(Value::Text(other.raw())),
    }
}
