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

/// Rows that a filter joins at most: SQLite joins 64 tables, and the order has joins of its own.
const JOINED_MAX: usize = 30;

/// What a filter asks of `runs r`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The metrics, params and tags of the run that are compared, to be put behind `FROM runs r`.
    pub joins: Sql,
    /// ` AND ...` for each comparison.
    pub condition: Sql,
}

/// Compiles a filter. The rows that it compares are joined, at most one for each run, which costs less
/// than to ask for their existence; those that are least likely to fit come first.
pub fn compile_filter(text: &str) -> Result<Filter> {
    let (mut filter, mut joins) = (Filter::default(), Vec::new());
    for comparison in filter::parse(text)? {
        let sql = &mut filter.condition;
        sql.push(" AND ");
        let (entity, key) = identify(&comparison.name)?;
        let name = (joins.len() < JOINED_MAX).then(|| format!("f{}", joins.len()));
        let join = match entity {
            Entity::Attribute => attribute(sql, &comparison, key).map(|()| None)?,
            Entity::Metric => metric(sql, &comparison, key, name)?,
            Entity::Param => pair(sql, &comparison, key, name, ("params", "parameter"))?,
            Entity::Tag => pair(sql, &comparison, key, name, ("tags", "tag"))?,
            Entity::Dataset => dataset(sql, &comparison, key).map(|()| None)?,
        };
        joins.extend(join.map(|join| (comparison.op != Op::Eq, join)));
    }
    joins.sort_by_key(|(is_wide, _)| *is_wide);
    for (_, join) in joins {
        filter.joins.append(join);
    }
    Ok(filter)
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

/// Whether an order is that of the index over the runs of an experiment.
pub fn is_newest_first(clauses: &[String]) -> bool {
    match clauses {
        [] => true,
        [one] => order::parse(one).is_ok_and(|(name, ascending)| {
            !ascending
                && matches!(identify(&name), Ok((Entity::Attribute, "start_time" | "created" | "Created")))
        }),
        _ => false,
    }
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

/// NaN compares as nothing but unequal, to every number. Answers what is to be joined, under the name
/// given for it.
fn metric(sql: &mut Sql, comparison: &Comparison, key: &str, name: Option<String>) -> Result<Option<Sql>> {
    refuse_null(comparison, "metric", key)?;
    let Value::Number { number, .. } = comparison.value else {
        return Err(Error::invalid(format!(
            "Expected numeric value type for metric. Found {}",
            comparison.value.raw()
        )));
    };
    comparison.op.among(Op::NUMERIC)?;
    let mut key_id = Sql::from("(SELECT id FROM metric_keys WHERE key = ");
    key_id.text(key).push(")");
    beside(sql, "metrics_latest", key_id, name, |sql, it| {
        let value = match comparison.op {
            Op::Ne => format!("({it}.nan OR {it}.value <> "),
            op => format!("(NOT {it}.nan AND {it}.value {} ", op.word()),
        };
        sql.push(&value).bind(Bind::Real(number)).push(")");
        Ok(())
    })
}

/// Compares a row that belongs to the run: joined under a name, of which the join is answered, or, when
/// there are too many of them, asked for where it stands.
fn beside(
    sql: &mut Sql,
    table: &str,
    key: Sql,
    name: Option<String>,
    compare: impl FnOnce(&mut Sql, &str) -> Result<()>,
) -> Result<Option<Sql>> {
    let it = name.as_deref().unwrap_or("x");
    let mut row = Sql::default();
    row.push(&format!("{it}.run = r.rid AND {it}.key = ")).append(key);
    if name.is_some() {
        compare(sql, it)?;
        let mut join = Sql::default();
        join.push(&format!(" CROSS JOIN {table} {it} ON ")).append(row);
        return Ok(Some(join));
    }
    sql.push(&format!("EXISTS (SELECT 1 FROM {table} {it} WHERE ")).append(row).push(" AND ");
    compare(sql, it)?;
    sql.push(")");
    Ok(None)
}

fn pair(
    sql: &mut Sql,
    comparison: &Comparison,
    key: &str,
    name: Option<String>,
    (table, what): (&str, &str),
) -> Result<Option<Sql>> {
    if comparison.op == Op::IsNull {
        sql.push(&format!("NOT EXISTS (SELECT 1 FROM {table} p WHERE p.run = r.rid AND p.key = "));
        sql.text(key).push(")");
        return Ok(None);
    }
    let mut bound = Sql::default();
    bound.text(key);
    beside(sql, table, bound, name, |sql, it| {
        let column = format!("{it}.value");
        if comparison.op == Op::IsNotNull {
            return sql.compare(&column, Op::IsNotNull, &Value::None).map(drop);
        }
        let value = Value::Text(filter::text_of(comparison, what)?);
        comparison.op.among(Op::TEXT_OR_NULL)?;
        sql.compare(&column, comparison.op, &value).map(drop)
    })
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
