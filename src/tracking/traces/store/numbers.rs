//! What is counted over many traces.

use crate::{
    kernel::error::Result,
    tracking::{
        search::sql::Sql,
        store::rows,
        traces::{metrics::Question, npmi::Counts, search},
    },
};
use rusqlite::{Connection, params_from_iter, types::ValueRef};
use serde_json::Value;

/// How often two filters match, alone and together, among the traces that match a third.
pub fn correlation(
    db: &Connection,
    experiments: &[i64],
    first: &str,
    second: &str,
    base: &str,
) -> Result<Counts> {
    let holds = |filter: &str| -> Result<Sql> {
        let mut sql = Sql::default();
        sql.push("(1");
        search::compile_filter(filter, experiments, &mut sql)?;
        sql.push(")");
        Ok(sql)
    };
    let (first, second) = (holds(first)?, holds(second)?);
    let mut sql = Sql::default();
    sql.push(
        "SELECT count(*), coalesce(sum(f), 0), coalesce(sum(s), 0), coalesce(sum(f AND s), 0) FROM (SELECT ",
    );
    sql.append(first).push(" AS f, ").append(second).push(" AS s FROM traces t WHERE ");
    sql.append(search::scope("t", experiments)).push(" AND ").append(holds(base)?).push(")");
    Ok(db.prepare_cached(&sql.text)?.query_row(params_from_iter(&sql.binds), |row| {
        Ok(Counts { total: row.get(0)?, first: row.get(1)?, second: row.get(2)?, joint: row.get(3)? })
    })?)
}

/// One group of an answer: what it is told apart by, and its numbers, in the order of the question.
pub struct Point {
    pub keys: Vec<Value>,
    pub numbers: Vec<Option<f64>>,
}

pub fn metrics(db: &Connection, question: &Question) -> Result<Vec<Point>> {
    let keys = question.keys().len();
    let columns = keys + question.aggregations.len();
    rows(db, &question.compile()?, |row| {
        let key = |index: usize| {
            Ok(match row.get_ref(index)? {
                ValueRef::Integer(number) => Value::from(number),
                other => Value::from(other.as_str().unwrap_or_default()),
            })
        };
        Ok(Point {
            keys: (0..keys).map(key).collect::<rusqlite::Result<_>>()?,
            numbers: (keys..columns).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?,
        })
    })
}
