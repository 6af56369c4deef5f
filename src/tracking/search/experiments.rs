//! What experiments can be searched by: their attributes and tags.

use super::{
    filter::{self, Comparison, Op, Value},
    keyset::Order,
    order,
    sql::{Bind, Sql},
};
use crate::kernel::error::{Error, Result};

const ATTRIBUTES: &[(&str, &str)] = &[
    ("creation_time", "e.created_at"),
    ("experiment_id", "e.id"),
    ("last_update_time", "e.updated_at"),
    ("name", "e.name"),
];

/// Appends ` AND ...` for each comparison of `filter` over `experiments e`.
pub fn compile_filter(text: &str, sql: &mut Sql) -> Result<()> {
    for comparison in filter::parse_plain(text)? {
        sql.push(" AND ");
        match identify(&comparison.name)? {
            (true, key) => tag(sql, &comparison, key)?,
            (false, key) => attribute(sql, &comparison, key)?,
        }
    }
    Ok(())
}

/// The order; newest first unless told otherwise, and ids break ties.
pub fn compile_order(clauses: &[String]) -> Result<Order> {
    let mut order = Order::default();
    let mut by_id = false;
    for clause in clauses {
        let (name, ascending) = order::parse(clause)?;
        let (is_tag, key) = identify(&name)?;
        if is_tag {
            return Err(Error::invalid("Invalid order_by entity: tag"));
        }
        by_id |= key == "experiment_id";
        order.by(column_of(key)?, !ascending);
    }
    if clauses.is_empty() {
        order.descending("e.created_at").ascending("e.id");
    } else if !by_id {
        order.descending("e.id");
    }
    Ok(order)
}

/// Whether the name means a tag, and its key.
fn identify(name: &str) -> Result<(bool, &str)> {
    match filter::split_name(name) {
        (Some("tag" | "tags"), key) => Ok((true, key)),
        (None | Some("attribute"), key) => {
            column_of(key)?;
            Ok((false, key))
        }
        (Some(other), _) => Err(Error::invalid(format!(
            "Invalid entity type '{other}'. Valid entity types are ('attribute', 'tag', 'tags')"
        ))),
    }
}

fn column_of(key: &str) -> Result<&'static str> {
    let found = ATTRIBUTES.iter().find(|(name, _)| *name == key);
    found.map(|(_, column)| *column).ok_or_else(|| {
        let known: Vec<_> = ATTRIBUTES.iter().map(|(name, _)| format!("'{name}'")).collect();
        Error::invalid(format!(
            "Invalid attribute key '{key}' specified. Valid keys are '{{{}}}'",
            known.join(", ")
        ))
    })
}

fn attribute(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let column = column_of(key)?;
    let Comparison { op, value, .. } = comparison;
    if matches!(op, Op::IsNull | Op::IsNotNull) {
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'"
        )));
    }
    match key {
        "experiment_id" => return by_id(sql, *op, value),
        "name" => {
            op.among(Op::TEXT_OR_LIST)?;
            if matches!(op, Op::In | Op::NotIn) {
                return Err(Error::invalid(
                    "Only ['experiment_id'] attributes support comparison with a list of quoted string values.",
                ));
            }
            let value = Value::Text(filter::text_of(comparison, "attributes")?);
            sql.compare(column, *op, &value)?;
        }
        _ => {
            op.among(Op::NUMERIC)?;
            let whole = match value {
                Value::Number { raw, .. } => raw.parse::<i64>().ok(),
                other => {
                    return Err(Error::invalid(format!(
                        "Expected numeric value type for numeric attribute: {key}. Found {}",
                        other.raw()
                    )));
                }
            };
            let whole = whole.ok_or_else(|| {
                Error::invalid(format!("Invalid value for numeric attribute '{key}': '{}'", value.raw()))
            })?;
            sql.push(&format!("{column} {} ", if *op == Op::Ne { "<>" } else { op.word() }));
            sql.bind(Bind::Int(whole));
        }
    }
    Ok(())
}

/// Ids are integers here and text on the wire.
fn by_id(sql: &mut Sql, op: Op, value: &Value) -> Result<()> {
    let (sign, ids): (&str, &[String]) = match (op, value) {
        (Op::Eq, Value::Text(id)) => ("IN", std::slice::from_ref(id)),
        (Op::Ne, Value::Text(id)) => ("NOT IN", std::slice::from_ref(id)),
        (Op::In, Value::List(ids)) => ("IN", ids),
        (Op::NotIn, Value::List(ids)) => ("NOT IN", ids),
        (Op::Eq | Op::Ne | Op::In | Op::NotIn, other) => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value for attributes. Got value {}",
                other.raw()
            )));
        }
        (op, _) => {
            return Err(Error::invalid(format!("Invalid comparator for experiment_id: {}", op.word())));
        }
    };
    let ids = ids.iter().map(|id| crate::tracking::check::experiment_id(id).map(Bind::Int));
    let ids: Vec<_> = ids.collect::<Result<_>>()?;
    sql.push(&format!("e.id {sign} ")).list(ids);
    Ok(())
}

fn tag(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let op = comparison.op;
    sql.push(if op == Op::IsNull { "NOT EXISTS" } else { "EXISTS" });
    sql.push(" (SELECT 1 FROM experiment_tags t WHERE t.experiment_id = e.id AND t.key = ").text(key);
    if !matches!(op, Op::IsNull | Op::IsNotNull) {
        if !Op::TEXT.contains(&op) {
            return Err(Error::invalid(format!("Invalid comparator for tag: {}", op.word())));
        }
        let value = Value::Text(filter::text_of(comparison, "tag")?);
        sql.push(" AND ").compare("t.value", op, &value)?;
    }
    sql.push(")");
    Ok(())
}
