//! What runs can be searched by: metrics (their latest values), params, tags, attributes, datasets.

use super::{
    filter::{self, Comparison, Op, Value},
    keyset::Order,
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

/// Appends ` AND ...` for each comparison of `filter` over `runs r`.
pub fn compile_filter(text: &str, sql: &mut Sql) -> Result<()> {
    for comparison in filter::parse(text)? {
        sql.push(" AND ");
        let (entity, key) = identify(&comparison.name)?;
        match entity {
            Entity::Attribute => attribute(sql, &comparison, key)?,
            Entity::Metric => metric(sql, &comparison, key)?,
            Entity::Param => pair(sql, &comparison, key, "params", "parameter")?,
            Entity::Tag => pair(sql, &comparison, key, "tags", "tag")?,
            Entity::Dataset => dataset(sql, &comparison, key)?,
        }
    }
    Ok(())
}

/// `LEFT JOIN`s that order needs, and the order itself. Newest first, then by id, breaks ties.
pub fn compile_order(clauses: &[String]) -> Result<(Sql, Order)> {
    let (mut joins, mut order) = (Sql::default(), Order::default());
    let mut seen: Vec<(Entity, String)> = Vec::new();
    let mut by_start = false;
    for (index, clause) in clauses.iter().enumerate() {
        let (name, ascending) = order::parse(clause)?;
        let (entity, key) = identify(&name)?;
        if seen.contains(&(entity, key.to_owned())) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {clauses:?}")));
        }
        seen.push((entity, key.to_owned()));
        match entity {
            Entity::Attribute => {
                let (column, _) = column_of(key)?;
                by_start |= column == "r.started_at";
                if column == "r.ended_at" {
                    order.nulls_last(column, !ascending);
                } else {
                    order.by(column, !ascending);
                }
            }
            Entity::Metric => {
                joins.push(&format!(
                    " LEFT JOIN metrics_latest o{index} ON o{index}.run = r.rid AND o{index}.key = \
                     (SELECT id FROM metric_keys WHERE key = "
                ));
                joins.text(key).push(")");
                // Numbers first, then NaN, then runs without the metric, whichever way numbers go.
                let kind =
                    format!("CASE WHEN o{index}.nan THEN 1 WHEN o{index}.value IS NULL THEN 2 ELSE 0 END");
                order.ascending(kind.as_str()).by(format!("o{index}.value").as_str(), !ascending);
            }
            Entity::Param | Entity::Tag => {
                let table = if entity == Entity::Param { "params" } else { "tags" };
                joins.push(&format!(
                    " LEFT JOIN {table} o{index} ON o{index}.run = r.rid AND o{index}.key = "
                ));
                joins.text(key);
                order.nulls_last(format!("o{index}.value").as_str(), !ascending);
            }
            Entity::Dataset => return Err(Error::invalid("Invalid identifier type 'dataset'")),
        }
    }
    if !by_start {
        order.descending("r.started_at");
    }
    order.ascending("r.id");
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

/// NaN compares as nothing but unequal, to every number.
fn metric(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    refuse_null(comparison, "metric", key)?;
    let Value::Number { number, .. } = comparison.value else {
        return Err(Error::invalid(format!(
            "Expected numeric value type for metric. Found {}",
            comparison.value.raw()
        )));
    };
    comparison.op.among(Op::NUMERIC)?;
    sql.push(
        "EXISTS (SELECT 1 FROM metrics_latest m WHERE m.run = r.rid AND \
         m.key = (SELECT id FROM metric_keys WHERE key = ",
    );
    sql.text(key).push(") AND ");
    sql.push(if comparison.op == Op::Ne { "(m.nan OR m.value <> " } else { "(NOT m.nan AND m.value " });
    if comparison.op != Op::Ne {
        sql.push(comparison.op.word()).push(" ");
    }
    sql.bind(Bind::Real(number)).push("))");
    Ok(())
}

fn pair(sql: &mut Sql, comparison: &Comparison, key: &str, table: &str, what: &str) -> Result<()> {
    let (op, absent) = match comparison.op {
        Op::IsNull => (None, true),
        Op::IsNotNull => (None, false),
        op => (Some(op), false),
    };
    sql.push(if absent { "NOT EXISTS" } else { "EXISTS" });
    sql.push(&format!(" (SELECT 1 FROM {table} p WHERE p.run = r.rid AND p.key = ")).text(key);
    if let Some(op) = op {
        let value = Value::Text(filter::text_of(comparison, what)?);
        op.among(Op::TEXT_OR_NULL)?;
        sql.push(" AND ").compare("p.value", op, &value)?;
    }
    sql.push(")");
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
