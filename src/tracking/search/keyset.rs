//! The order of a search, and the condition that leads behind a row of it. A page is found by the values
//! of the row before it and not by a count of rows: the hundredth costs what the first costs, and rows
//! that come or go between two pages shift none of the others.

use super::sql::{Bind, Sql};

/// What rows are ordered by. The keys together are different for every row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order(Vec<Key>);

#[derive(Clone, Debug, PartialEq)]
struct Key {
    sql: Sql,
    descending: bool,
}

impl Order {
    /// Adds a key.
    pub fn by(&mut self, sql: impl Into<Sql>, descending: bool) -> &mut Self {
        self.0.push(Key { sql: sql.into(), descending });
        self
    }

    pub fn ascending(&mut self, sql: impl Into<Sql>) -> &mut Self {
        self.by(sql, false)
    }

    pub fn descending(&mut self, sql: impl Into<Sql>) -> &mut Self {
        self.by(sql, true)
    }

    /// Adds a key that some rows have no value for; they come last whichever way the others go.
    pub fn nulls_last(&mut self, sql: impl Into<Sql>, descending: bool) -> &mut Self {
        let sql = sql.into();
        let mut missing = sql.clone();
        missing.push(" IS NULL");
        self.by(missing, false).by(sql, descending)
    }

    /// The keys as an ORDER BY would have them.
    #[cfg(test)]
    pub fn text(&self) -> String {
        let keys = self.0.iter();
        let keys: Vec<_> = keys
            .map(|key| format!("{}{}", key.sql.text, if key.descending { " DESC" } else { "" }))
            .collect();
        keys.join(", ")
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The keys as columns of a SELECT, to be put behind its others: `, r.started_at AS k0, r.id AS k1`.
    pub fn columns(&self) -> Sql {
        let mut sql = Sql::default();
        for (index, key) in self.0.iter().enumerate() {
            sql.push(", ").append(key.sql.clone()).push(&format!(" AS k{index}"));
        }
        sql
    }

    /// ` AND ...` for the rows behind `place`.
    pub fn behind(&self, place: &[Bind]) -> Sql {
        let mut sql = Sql::default();
        let Some((first, value)) = self.0.first().zip(place.first()) else { return sql };
        // An index leads to the first row of the page by this, which the rest of the condition implies.
        sql.push(if first.descending { " AND k0 <= " } else { " AND k0 >= " }).bind(value.clone());
        sql.push(" AND ");
        for (index, (key, value)) in self.0.iter().zip(place).enumerate() {
            let sign = if key.descending { "<" } else { ">" };
            sql.push(&format!("(k{index} {sign} ")).bind(value.clone());
            if index + 1 < self.0.len() {
                // IS, since a missing value is behind no other, and beside those that are missing too.
                sql.push(&format!(" OR (k{index} IS ")).bind(value.clone()).push(" AND ");
            }
        }
        sql.push(&")".repeat(2 * self.0.len() - 1));
        sql
    }

    /// ` ORDER BY k0, k1 DESC`
    pub fn clause(&self) -> String {
        let keys = self.0.iter().enumerate();
        let keys: Vec<_> = keys
            .map(|(index, key)| format!("k{index}{}", if key.descending { " DESC" } else { "" }))
            .collect();
        format!(" ORDER BY {}", keys.join(", "))
    }
}
