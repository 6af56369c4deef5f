//! A search read page by page: the one SELECT behind every search that answers in pages.

use super::rows;
use crate::{
    kernel::error::Result,
    tracking::{
        model::Page,
        search::{
            keyset::Order,
            page::Ask,
            sql::{Bind, Sql},
        },
    },
};
use rusqlite::{
    Connection, Row,
    types::{FromSql, FromSqlResult, ValueRef},
};

/// What is read: columns, where from and of which rows, and in which order.
pub struct Search<'a> {
    pub columns: &'a str,
    /// `FROM .. WHERE ..`, with the values bound in it. Several have no row in common.
    pub from: Vec<Sql>,
    pub order: Order,
}

/// The page that was asked for, with the token of the next if more follows.
pub fn page<T>(
    db: &Connection,
    search: Search<'_>,
    ask: &Ask,
    mut map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>> {
    let keys = search.order.count();
    let sql = compiled(search, ask)?;
    let (mut at, mut last) = (0, None);
    let mut items = rows(db, &sql, |row| {
        at += 1;
        if at == ask.limit {
            last = Some(place(row, keys)?);
        }
        map(row)
    })?;
    let more = items.len() > ask.limit;
    items.truncate(ask.limit);
    Ok(Page { items, next: last.filter(|_| more).map(|place| ask.next(place)) })
}

fn compiled(search: Search<'_>, ask: &Ask) -> Result<Sql> {
    let Search { columns, from, order } = search;
    let mut sql = Sql::default();
    let behind = ask.after(order.count())?.map(|place| order.behind(place)).unwrap_or_default();
    for (index, from) in from.into_iter().enumerate() {
        sql.push(if index > 0 { " UNION ALL SELECT " } else { "SELECT " }).push(columns);
        sql.append(order.columns()).append(from).append(behind.clone());
    }
    // One row more shows whether another page follows.
    let limit = i64::try_from(ask.limit).unwrap_or(i64::MAX - 1) + 1;
    sql.push(&order.clause()).push(" LIMIT ").bind(Bind::Int(limit));
    Ok(sql)
}

/// The keys of the order, which are the last columns.
fn place(row: &Row<'_>, keys: usize) -> rusqlite::Result<Vec<Bind>> {
    let columns = row.as_ref().column_count();
    (columns - keys..columns).map(|index| row.get(index)).collect()
}

impl FromSql for Bind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(int) => Self::Int(int),
            ValueRef::Real(real) => Self::Real(real),
            ValueRef::Text(_) | ValueRef::Blob(_) => Self::Text(String::column_result(value)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::search::{page::Asked, runs};

    /// Runs with ties in everything but their ids; metrics, params and ends that some lack.
    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0002_tracking.sql")).unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0019_runs_newest.sql")).unwrap();
        db.execute_batch(include_str!("../../../migrations/control/0023_runs_named.sql")).unwrap();
        db.execute("INSERT INTO metric_keys (id, key) VALUES (1, 'm')", []).unwrap();
        for rid in 1..=40_i64 {
            add(&db, rid);
        }
        db
    }

    fn add(db: &Connection, rid: i64) {
        let ended = (rid % 3 != 0).then_some(rid % 5);
        db.execute(
            "INSERT INTO runs (rid, id, experiment_id, name, user_id, status, started_at, ended_at, artifact_uri)
             VALUES (?1, ?2, 0, ?3, '', 'RUNNING', ?4, ?5, '')",
            (rid, format!("r{:03}", rid * 7 % 101), format!("n{}", rid % 4), rid % 6, ended),
        )
        .unwrap();
        if let Some(value) =
            [0.5, f64::INFINITY, -1.5, f64::NEG_INFINITY, 0.1, f64::NAN].get(rid as usize % 8)
        {
            let (value, nan) = if value.is_nan() { (0.0, true) } else { (*value, false) };
            db.execute("INSERT INTO metrics_latest VALUES (?1, 1, 0, 0, ?2, ?3)", (rid, value, nan)).unwrap();
        }
        if rid % 2 == 0 {
            db.execute("INSERT INTO params VALUES (?1, 'p', ?2)", (rid, format!("v{}", rid % 3))).unwrap();
        }
    }

    fn search(order_by: &[&str]) -> Search<'static> {
        search_of(order_by, &[0])
    }

    fn search_of(order_by: &[&str], experiments: &[i64]) -> Search<'static> {
        let order_by: Vec<_> = order_by.iter().map(|clause| (*clause).to_owned()).collect();
        let (joins, order) = runs::compile_order(&order_by).unwrap();
        let one = |id: &i64| {
            let mut from = Sql::from(" FROM runs r");
            from.append(joins.clone()).push(" WHERE r.experiment_id = ").bind(Bind::Int(*id));
            from
        };
        Search { columns: "r.rid", from: experiments.iter().map(one).collect(), order }
    }

    fn ask(limit: usize, token: &str) -> Ask {
        Ask::new(Asked::of("runs"), limit, token).unwrap()
    }

    fn read(db: &Connection, order_by: &[&str], limit: usize, token: &str) -> Page<i64> {
        page(db, search(order_by), &ask(limit, token), |row| row.get(0)).unwrap()
    }

    /// All pages, with `between` done before each but the first.
    fn pages(db: &Connection, order_by: &[&str], limit: usize, mut between: impl FnMut(&[i64])) -> Vec<i64> {
        let mut found = read(db, order_by, limit, "");
        let mut all = found.items;
        while let Some(token) = found.next {
            between(&all);
            found = read(db, order_by, limit, &token);
            assert!(found.items.len() == limit || found.next.is_none());
            all.extend(&found.items);
        }
        all
    }

    const ORDERS: &[&[&str]] = &[
        &[],
        &["start_time"],
        &["start_time DESC"],
        &["end_time"],
        &["end_time DESC"],
        &["run_name DESC"],
        &["run_id DESC"],
        &["metrics.m"],
        &["metrics.m DESC"],
        &["metrics.none"],
        &["params.p"],
        &["params.p DESC"],
        &["tags.none"],
        &["params.p DESC", "metrics.m", "end_time DESC", "run_name"],
    ];

    #[test]
    fn pages_make_the_whole_in_every_order() {
        let db = database();
        for order_by in ORDERS {
            let whole = read(&db, order_by, 1000, "");
            assert_eq!((whole.items.len(), whole.next), (40, None), "{order_by:?}");
            for limit in [1, 3, 8, 39, 40] {
                assert_eq!(pages(&db, order_by, limit, |_| ()), whole.items, "{order_by:?} by {limit}");
            }
        }
    }

    #[test]
    fn rows_that_come_and_go_shift_no_others() {
        for order_by in ORDERS {
            let db = database();
            let before = read(&db, order_by, 1000, "").items;
            let mut gone = Vec::new();
            let seen = pages(&db, order_by, 4, |seen| {
                let number = 40 + seen.len() as i64;
                add(&db, number);
                let last = *seen.last().unwrap();
                if last <= 40 {
                    db.execute("DELETE FROM runs WHERE rid = ?1", [last]).unwrap();
                    gone.push(last);
                }
            });
            assert!(gone.len() > 5);
            // Each that was there from the start is seen once, the deleted ones before they went.
            let old: Vec<_> = seen.into_iter().filter(|rid| *rid <= 40).collect();
            assert_eq!(old, before, "{order_by:?}");
        }
    }

    #[test]
    fn several_experiments_are_read_side_by_side() {
        let db = database();
        db.execute(
            "INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
             VALUES (1, 'b', '', 0, 0), (2, 'c', '', 0, 0)",
            [],
        )
        .unwrap();
        let whole = read(&db, &[], 1000, "").items;
        db.execute("UPDATE runs SET experiment_id = rid % 3", []).unwrap();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let found = page(&db, search_of(&[], &[0, 1, 2]), &ask(7, &token), |row| row.get(0)).unwrap();
            seen.extend::<Vec<i64>>(found.items);
            let Some(next) = found.next else { break };
            token = next;
        }
        assert_eq!(seen, whole);
        let plan = plan(&db, search_of(&[], &[0, 1, 2]));
        assert_eq!(plan.matches("(experiment_id=? AND started_at<?)").count(), 3, "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    /// The plan of a page behind another.
    fn plan(db: &Connection, search: Search<'_>) -> String {
        let place = vec![Bind::Int(3), Bind::Text("r020".into())];
        let sql = compiled(search, &ask(4, &ask(4, "").next(place))).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(&sql.binds), |row| row.get(3)).unwrap();
        rows.collect::<rusqlite::Result<Vec<String>>>().unwrap().join("; ")
    }

    #[test]
    fn a_page_in_the_order_of_an_index_begins_at_its_first_row() {
        let db = database();
        for order_by in [&[] as &[&str], &["start_time DESC"]] {
            let plan = plan(&db, search(order_by));
            assert_eq!(plan, "SEARCH r USING COVERING INDEX runs_newest (experiment_id=? AND started_at<?)");
        }
    }

    #[test]
    fn a_run_is_found_by_its_name() {
        let db = database();
        let mut named = search(&[]);
        for from in &mut named.from {
            from.push(" AND r.name = ").bind(Bind::Text("n1".into()));
        }
        let plan = plan(&db, named);
        assert!(
            plan.contains("COVERING INDEX runs_named (experiment_id=? AND name=? AND started_at<?)"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
