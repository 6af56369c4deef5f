//! The aggregate `percentile(value, p)`: the value below which `p` per cent of the group lie, between
//! two neighbours in proportion. SQLite has no such function of its own in every build.

use crate::kernel::error::Result;
use rusqlite::{
    Connection,
    functions::{Aggregate, Context, FunctionFlags},
};

struct Percentile;

#[derive(Default)]
struct Group {
    values: Vec<f64>,
    percent: f64,
}

impl Aggregate<Group, Option<f64>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Group> {
        Ok(Group::default())
    }

    fn step(&self, context: &mut Context<'_>, group: &mut Group) -> rusqlite::Result<()> {
        group.percent = context.get(1)?;
        group.values.extend(context.get::<Option<f64>>(0)?);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, group: Option<Group>) -> rusqlite::Result<Option<f64>> {
        Ok(group.and_then(|group| of(group.values, group.percent)))
    }
}

/// `None` for no values at all.
fn of(mut values: Vec<f64>, percent: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = (percent.clamp(0.0, 100.0) / 100.0) * values.len().checked_sub(1)? as f64;
    let (below, share) = (place.floor(), place.fract());
    let low = values.get(below as usize)?;
    let high = values.get(below as usize + 1).unwrap_or(low);
    Some(low + (high - low) * share)
}

pub(super) fn register(db: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    Ok(db.create_aggregate_function("percentile", 2, flags, Percentile)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_neighbours_in_proportion() {
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        let of = |values: &str, percent: f64| -> Option<f64> {
            let sql = format!("SELECT percentile(value, ?1) FROM json_each('{values}')");
            db.query_row(&sql, [percent], |row| row.get(0)).unwrap()
        };
        assert_eq!(of("[4, 1, 3, 2]", 50.0), Some(2.5));
        assert_eq!(of("[1, 2, 3, null]", 100.0), Some(3.0));
        assert_eq!(of("[7]", 99.0), Some(7.0));
        assert_eq!(of("[null]", 50.0), None);
        assert_eq!(of("[]", 50.0), None);
    }
}
