//! What runs can be searched by: metrics (their latest values), params, tags, attributes, datasets.

use super::{
    filter::{self, Comparison, Op, Value},
    order,
    sql::{Bind, Sql},
};
use crate::kernel::error::{Error, Result};

/// The run's columns by the names MLflow gives its attributes, with whether each is a number.
const ATTRIBUTES: &[(&str, &str, bool)] = &[
    ("artifact_uri", "r.artifact_uri", false),
    ("end_time", "r.ended_at", true),
    ("run_id", "r.id", false),
    ("run_name", "r.name", false),
    ("start_time", "r.started_at", true),
    ("status", "r.status", false),
    ("user_id", "r.user_id", false),
    ("created", "r.started_at", true),
    ("Created", "r.started_at", true),
    ("run name", "r.name", false),
    ("Run name", "r.name", false),
    ("Run Name", "r.name", false),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entity {
    Metric,
    Param,
    Tag,
    Attribute,
    Dataset,
}

/// Comparisons that become joins: SQLite joins 64 tables at most, and an order needs some of them.
const JOINS: usize = 16;

/// The `JOIN`s that a filter over `runs r` needs, and ` AND ...` for what no join can say. A run has one
/// row at most of a metric, param or tag, so that a join finds what `EXISTS` would, and costs less: its
/// cursor stays open from run to run.
pub fn compile_filter(text: &str) -> Result<(Sql, Sql)> {
    let (mut joins, mut conditions) = (Sql::default(), Sql::default());
    for (index, comparison) in filter::parse(text)?.into_iter().enumerate() {
        let (entity, key) = identify(&comparison.name)?;
        let mut piece = Sql::default();
        let joined = match entity {
            Entity::Attribute => attribute(&mut piece, &comparison, key).map(|()| None),
            Entity::Metric => metric(&mut piece, &comparison, key).map(|()| Some("metrics_latest")),
            Entity::Param => pair(&mut piece, &comparison, key, "parameter").map(|()| Some("params")),
            Entity::Tag => pair(&mut piece, &comparison, key, "tag").map(|()| Some("tags")),
            Entity::Dataset => dataset(&mut piece, &comparison, key).map(|()| None),
        }?;
        let absent = comparison.op == Op::IsNull;
        match joined {
            Some(table) if index < JOINS && !absent => {
                joins.push(&format!(" CROSS JOIN {table} f{index} ON f{index}.run = r.rid AND "));
                joins.append(piece.named(&format!("f{index}")));
            }
            Some(table) => {
                conditions.push(if absent { " AND NOT EXISTS" } else { " AND EXISTS" });
                conditions.push(&format!(" (SELECT 1 FROM {table} f WHERE f.run = r.rid AND "));
                conditions.append(piece.named("f")).push(")");
            }
            None => {
                conditions.push(" AND ").append(piece);
            }
        }
    }
    Ok((joins, conditions))
}

/// `LEFT JOIN`s that order needs, and the order itself. Newest first, then by id, breaks ties.
pub fn compile_order(clauses: &[String]) -> Result<(Sql, Sql)> {
    let (mut joins, mut order) = (Sql::default(), Sql::default());
    let mut seen: Vec<(Entity, String)> = Vec::new();
    let mut by_start = false;
    for (index, clause) in clauses.iter().enumerate() {
        let (name, ascending) = order::parse(clause)?;
        let (entity, key) = identify(&name)?;
        if seen.contains(&(entity, key.to_owned())) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {clauses:?}")));
        }
        seen.push((entity, key.to_owned()));
        let direction = if ascending { "" } else { " DESC" };
        match entity {
            Entity::Attribute => {
                let (column, _) = column_of(key)?;
                by_start |= column == "r.started_at";
                order.push(&format!("{column} IS NULL, {column}{direction}, "));
            }
            Entity::Metric => {
                joins.push(&format!(
                    " LEFT JOIN metrics_latest o{index} ON o{index}.run = r.rid AND o{index}.key = \
                     (SELECT id FROM metric_keys WHERE key = "
                ));
                joins.text(key).push(")");
                // Numbers first, then NaN, then runs without the metric, whichever way numbers go.
                order.push(&format!(
                    "CASE WHEN o{index}.nan THEN 1 WHEN o{index}.value IS NULL THEN 2 ELSE 0 END, \
                     o{index}.value{direction}, "
                ));
            }
            Entity::Param | Entity::Tag => {
                let table = if entity == Entity::Param { "params" } else { "tags" };
                joins.push(&format!(
                    " LEFT JOIN {table} o{index} ON o{index}.run = r.rid AND o{index}.key = "
                ));
                joins.text(key);
                order.push(&format!("o{index}.value IS NULL, o{index}.value{direction}, "));
            }
            Entity::Dataset => return Err(Error::invalid("Invalid identifier type 'dataset'")),
        }
    }
    order.push(if by_start { "r.id" } else { "r.started_at DESC, r.id" });
    Ok((joins, order))
}

fn identify(name: &str) -> Result<(Entity, &str)> {
    let (entity, key) = filter::split_name(name);
    let entity = match entity {
        None => Entity::Attribute,
        Some("metric" | "metrics") => Entity::Metric,
        Some("parameter" | "parameters" | "param" | "params") => Entity::Param,
        Some("tag" | "tags") => Entity::Tag,
        Some("attribute" | "attr" | "attributes" | "run") => Entity::Attribute,
        Some("dataset" | "datasets") => Entity::Dataset,
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid entity type '{other}'. Valid values are \
                 ['metric', 'parameter', 'tag', 'attribute', 'dataset']"
            )));
        }
    };
    if entity == Entity::Attribute {
        column_of(key)?;
    }
    if entity == Entity::Dataset && !matches!(key, "name" | "digest" | "context") {
        return Err(Error::invalid(format!(
            "Invalid dataset key '{key}' specified. Valid keys are '{{'context', 'digest', 'name'}}'"
        )));
    }
    Ok((entity, key))
}

fn column_of(key: &str) -> Result<(&'static str, bool)> {
    let found = ATTRIBUTES.iter().find(|(name, ..)| *name == key);
    found.map(|(_, column, numeric)| (*column, *numeric)).ok_or_else(|| {
        let known: Vec<_> = ATTRIBUTES.iter().map(|(name, ..)| format!("'{name}'")).collect();
        Error::invalid(format!(
            "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
            known.join(", ")
        ))
    })
}

fn attribute(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let (column, numeric) = column_of(key)?;
    refuse_null(comparison, "attribute", key)?;
    if numeric {
        let Value::Number { .. } = comparison.value else {
            return Err(Error::invalid(format!(
                "Expected numeric value type for numeric attribute: {key}. Found {}",
                comparison.value.raw()
            )));
        };
        comparison.op.among(Op::NUMERIC)?;
    } else {
        match &comparison.value {
            Value::Text(_) => {}
            Value::Bare(word) => return Err(filter::unquoted(word)),
            Value::List(_) if key == "run_id" => {}
            Value::List(_) => {
                return Err(Error::invalid(
                    "Only ['run_id'] attributes support comparison with a list of quoted string values.",
                ));
            }
            other => {
                return Err(Error::invalid(format!(
                    "Expected a quoted string value for attributes. Got value {}",
                    other.raw()
                )));
            }
        }
        comparison.op.among(Op::TEXT_OR_LIST)?;
    }
    sql.compare(column, comparison.op, &comparison.value)?;
    Ok(())
}

/// About one row of `metrics_latest`, called `$`. NaN compares as nothing but unequal, to every number.
fn metric(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    refuse_null(comparison, "metric", key)?;
    let Value::Number { number, .. } = comparison.value else {
        return Err(Error::invalid(format!(
            "Expected numeric value type for metric. Found {}",
            comparison.value.raw()
        )));
    };
    comparison.op.among(Op::NUMERIC)?;
    sql.push("$.key = (SELECT id FROM metric_keys WHERE key = ").text(key).push(") AND ");
    sql.push(if comparison.op == Op::Ne { "($.nan OR $.value <> " } else { "(NOT $.nan AND $.value " });
    if comparison.op != Op::Ne {
        sql.push(comparison.op.word()).push(" ");
    }
    sql.bind(Bind::Real(number)).push(")");
    Ok(())
}

/// About one row of `params` or `tags`, called `$`.
fn pair(sql: &mut Sql, comparison: &Comparison, key: &str, what: &str) -> Result<()> {
    sql.push("$.key = ").text(key);
    if !matches!(comparison.op, Op::IsNull | Op::IsNotNull) {
        let value = Value::Text(filter::text_of(comparison, what)?);
        comparison.op.among(Op::TEXT_OR_NULL)?;
        sql.push(" AND ").compare("$.value", comparison.op, &value)?;
    }
    Ok(())
}

fn dataset(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    refuse_null(comparison, "dataset", key)?;
    match &comparison.value {
        Value::Text(_) | Value::List(_) => {}
        Value::Bare(word) => return Err(filter::unquoted(word)),
        other => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value for dataset attributes. Got value {}",
                other.raw()
            )));
        }
    }
    comparison.op.among(Op::TEXT_OR_LIST)?;
    sql.push("EXISTS (SELECT 1 FROM run_datasets rd JOIN datasets d ON d.id = rd.dataset");
    let column = match key {
        "name" => "d.name",
        "digest" => "d.digest",
        _ => {
            sql.push(
                " JOIN run_dataset_tags dt ON dt.run = rd.run AND dt.dataset = rd.dataset \
                 AND dt.key = 'mlflow.data.context'",
            );
            "dt.value"
        }
    };
    sql.push(" WHERE rd.run = r.rid AND ").compare(column, comparison.op, &comparison.value)?.push(")");
    Ok(())
}

fn refuse_null(comparison: &Comparison, entity: &str, key: &str) -> Result<()> {
    if matches!(comparison.op, Op::IsNull | Op::IsNotNull) {
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{entity}' '{key}'"
        )));
    }
    Ok(())
}
