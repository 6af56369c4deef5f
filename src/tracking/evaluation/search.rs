//! What evaluation datasets and issues can be searched by.

use crate::{
    kernel::error::{Error, Result},
    tracking::search::{
        filter::{self, Comparison, Op, Value},
        keyset::Order,
        order,
        sql::{Bind, Sql},
    },
};

const TEXTS: &[(&str, &str)] =
    &[("name", "d.name"), ("created_by", "d.created_by"), ("last_updated_by", "d.updated_by")];
const TIMES: &[(&str, &str)] = &[("created_time", "d.created_at"), ("last_update_time", "d.updated_at")];
const ORDERS: &[(&str, &str)] =
    &[("name", "d.name"), ("created_time", "d.created_at"), ("last_update_time", "d.updated_at")];

fn column(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == key).map(|(_, column)| *column)
}

fn unknown_key(key: &str, tables: &[&[(&str, &str)]]) -> Error {
    let known: Vec<_> =
        tables.iter().flat_map(|table| table.iter()).map(|(name, _)| format!("'{name}'")).collect();
    Error::invalid(format!(
        "Invalid attribute key '{key}' specified. Valid keys are: {{{}}}",
        known.join(", ")
    ))
}

/// Appends ` AND ...` for each comparison of `text` over `evaluation_datasets d`.
pub fn filter_datasets(text: &str, sql: &mut Sql) -> Result<()> {
    for comparison in filter::parse(text)? {
        sql.push(" AND ");
        match filter::split_name(&comparison.name) {
            (None, key) => dataset_attribute(sql, &comparison, key)?,
            (Some("tags"), key) => dataset_tag(sql, &comparison, key)?,
            (Some(other), _) => return Err(wrong_entity(other)),
        }
    }
    Ok(())
}

fn wrong_entity(word: &str) -> Error {
    Error::invalid(format!("Invalid identifier token '{word}' specified"))
}

fn dataset_attribute(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    let Comparison { op, value, .. } = comparison;
    if let Some(column) = column(TEXTS, key) {
        if matches!(value, Value::List(_)) {
            if key != "name" || *op != Op::In {
                return Err(Error::invalid(
                    "List values for 'name' are only supported with the IN comparator.",
                ));
            }
            return sql.compare(column, *op, value).map(drop);
        }
        if !Op::TEXT.contains(op) {
            return Err(Error::invalid(format!("Invalid comparator for string attribute: {}", op.word())));
        }
        let value = Value::Text(filter::text_of(comparison, "attributes")?);
        return sql.compare(column, *op, &value).map(drop);
    }
    let column = column(TIMES, key).ok_or_else(|| unknown_key(key, &[TEXTS, TIMES]))?;
    if !Op::NUMERIC.contains(op) {
        return Err(Error::invalid(format!("Invalid comparator for numeric attribute: {}", op.word())));
    }
    let whole = match value {
        Value::Number { raw, .. } => raw.parse::<i64>().ok(),
        _ => None,
    };
    let whole = whole.ok_or_else(|| {
        Error::invalid(format!("Invalid value for numeric attribute '{key}': '{}'", value.raw()))
    })?;
    sql.push(&format!("{column} {} ", op.word())).bind(Bind::Int(whole));
    Ok(())
}

fn dataset_tag(sql: &mut Sql, comparison: &Comparison, key: &str) -> Result<()> {
    if !Op::TEXT.contains(&comparison.op) {
        return Err(Error::invalid(format!("Invalid comparator for tag: {}", comparison.op.word())));
    }
    let value = Value::Text(filter::text_of(comparison, "tag")?);
    sql.push("EXISTS (SELECT 1 FROM evaluation_dataset_tags t WHERE t.dataset = d.id AND t.key = ").text(key);
    sql.push(" AND ").compare("t.value", comparison.op, &value)?.push(")");
    Ok(())
}

/// The order of datasets; newest first unless told otherwise, and ids break ties.
pub fn order_datasets(clauses: &[String]) -> Result<Order> {
    let mut order = Order::default();
    for clause in clauses {
        let (name, ascending) = order::parse(clause)?;
        let key = match filter::split_name(&name) {
            (None, key) => key,
            (Some("tags"), _) => return Err(Error::invalid("Invalid order_by entity: tag")),
            (Some(other), _) => return Err(wrong_entity(other)),
        };
        let column = column(ORDERS, key).ok_or_else(|| unknown_key(key, &[ORDERS]))?;
        order.by(column, !ascending);
    }
    if clauses.is_empty() {
        order.descending("d.created_at");
    }
    order.descending("d.dataset_id");
    Ok(order)
}

/// The order of issues: the gravest first, then those of most traces if they are counted, then the newest.
pub fn order_issues(count: Option<&str>) -> Order {
    let mut order = Order::default();
    order.descending(
        "CASE i.severity WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1
             WHEN 'not_an_issue' THEN 0 ELSE -1 END",
    );
    if let Some(count) = count {
        order.descending(count);
    }
    order.descending("i.created_at").descending("i.id");
    order
}

/// Appends ` AND ...` for each comparison of `text` over `issues i`.
pub fn filter_issues(text: &str, sql: &mut Sql) -> Result<()> {
    for comparison in filter::parse(text)? {
        let column = match filter::split_name(&comparison.name) {
            (None, "status") => "i.status",
            (None, "source_run_id") => "i.source_run_id",
            _ => {
                return Err(Error::invalid(format!(
                    "Invalid filter field '{}'. Supported fields: {{'status', 'source_run_id'}}",
                    comparison.name
                )));
            }
        };
        if !matches!(comparison.op, Op::Eq | Op::Ne) {
            return Err(Error::invalid(format!(
                "Invalid comparator '{}'. Supported comparators: {{'=', '!='}}",
                comparison.op.word()
            )));
        }
        let value = Value::Text(filter::text_of(&comparison, "attributes")?);
        sql.push(" AND ").compare(column, comparison.op, &value)?;
    }
    Ok(())
}
