//! The order of traces: newest first unless told otherwise, and ids break ties.

use super::{Subject, subject};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        search::{filter, keyset::Order, order, sql::Sql},
        traces::keys,
    },
};

/// Columns that every trace has: these an index can have in order.
const NEVER_NULL: &[&str] = &["t.experiment_id", "t.id", "t.started_at", "t.state"];

/// The joins an order needs, and the order itself.
pub fn compile_order(clauses: &[String]) -> Result<(Sql, Order)> {
    let (mut joins, mut order) = (Sql::default(), Order::default());
    let mut seen: Vec<String> = Vec::new();
    for (index, clause) in clauses.iter().enumerate() {
        let (name, ascending) = order::parse(clause)?;
        let value = match ordered_by(&name)? {
            By::Column(column) => column.to_owned(),
            By::Pair(table, key) => {
                joins.push(&format!(
                    " LEFT JOIN {table} o{index} ON o{index}.trace = t.tid AND o{index}.key = "
                ));
                joins.text(&key);
                format!("o{index}.value")
            }
        };
        let what = filter::split_name(&name);
        let what = format!("{:?} {}", what.0, what.1);
        if seen.contains(&what) {
            return Err(Error::invalid(format!("`order_by` contains duplicate fields: {clauses:?}")));
        }
        seen.push(what);
        // Traces without a value come last either way.
        if NEVER_NULL.contains(&value.as_str()) {
            order.by(value.as_str(), !ascending);
        } else {
            order.nulls_last(value.as_str(), !ascending);
        }
    }
    order.descending("t.started_at").ascending("t.id");
    Ok((joins, order))
}

enum By {
    Column(&'static str),
    Pair(&'static str, String),
}

fn ordered_by(name: &str) -> Result<By> {
    if let (None | Some("attribute" | "attributes" | "trace"), "experiment_id") = filter::split_name(name) {
        return Ok(By::Column("t.experiment_id"));
    }
    let subject = subject(name)?;
    match subject {
        Subject::Column(column, _) => Ok(By::Column(column)),
        Subject::Tag(key) if key != keys::LINKED_PROMPTS => Ok(By::Pair("trace_tags", key.to_owned())),
        Subject::Metadata(key @ (keys::TOKEN_USAGE | keys::COST)) => Err(Error::invalid(format!(
            "Ordering by reserved metadata '{key}' is not supported because it is represented by multiple \
             columns."
        ))),
        Subject::Metadata(key) => Ok(By::Pair("trace_metadata", key.to_owned())),
        _ => Err(Error::invalid(format!("Invalid order_by entity: {name}"))),
    }
}
