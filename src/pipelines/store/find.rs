//! Runs and tasks found by what a caller asks for: conditions, an order, a page, and how many there are.

use super::collect;
use crate::kernel::{clock::now_ms, error::Result};
use rusqlite::{Connection, Row, types::Value};

/// What can be asked for. Spellings of states are the ones Airflow's clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Pipeline,
    RunName,
    RunState,
    RunType,
    User,
    LogicalAt,
    RunAfter,
    CreatedAt,
    RunStartedAt,
    RunEndedAt,
    RunDuration,
    RunUpdatedAt,
    Params,
    TaskId,
    MapIndex,
    Pool,
    Priority,
    TaskState,
    TaskStartedAt,
    TaskEndedAt,
    TaskDuration,
    TaskUpdatedAt,
    Attempt,
    /// The name of one thing a task gave; of `output_find` alone.
    OutputKey,
}

impl Field {
    /// The expression over `r` (run), `n` (its notes), `t` (task), `x` (one of its outputs) and `:now`.
    fn sql(self) -> &'static str {
        match self {
            Self::Pipeline => "r.pipeline",
            Self::RunName => "coalesce(n.name, r.id)",
            Self::RunState => "CASE r.state WHEN 'cancelled' THEN 'failed' ELSE r.state END",
            Self::RunType => {
                "CASE r.trigger WHEN 'schedule' THEN 'scheduled' WHEN 'event' THEN 'asset_triggered' ELSE r.trigger END"
            }
            Self::User => "n.user",
            Self::LogicalAt => "r.logical_at",
            Self::RunAfter => {
                "coalesce(r.not_before, iif(r.trigger IN ('manual', 'event'), r.created_at, r.logical_at))"
            }
            Self::CreatedAt => "r.created_at",
            Self::RunStartedAt => "r.started_at",
            Self::RunEndedAt => "r.ended_at",
            Self::RunDuration => "(coalesce(r.ended_at, :now) - r.started_at) / 1000.0",
            Self::RunUpdatedAt => "coalesce(r.ended_at, r.started_at, r.created_at)",
            Self::Params => "r.params",
            Self::TaskId => "iif(t.map_index IS NULL, t.id, substr(t.id, 1, instr(t.id, '[') - 1))",
            Self::MapIndex => "coalesce(t.map_index, -1)",
            Self::Pool => "t.pool",
            Self::Priority => "t.priority",
            Self::TaskState => {
                "CASE t.state WHEN 'waiting' THEN 'none' WHEN 'lost' THEN 'failed'
                 WHEN 'cancelled' THEN iif(t.attempt = 0, 'skipped', 'failed') ELSE t.state END"
            }
            Self::TaskStartedAt => "t.started_at",
            Self::TaskEndedAt => "t.ended_at",
            Self::TaskDuration => "(coalesce(t.ended_at, :now) - t.started_at) / 1000.0",
            Self::TaskUpdatedAt => "coalesce(t.ended_at, t.started_at, r.created_at)",
            Self::Attempt => "t.attempt",
            Self::OutputKey => "x.key",
        }
    }
}

/// What must hold of a field.
#[derive(Clone, Debug)]
pub enum Test {
    In(Vec<String>),
    /// Any of these patterns of SQL.
    Like(Vec<String>),
    /// An operator of SQL, and a number: ms since the epoch, or seconds.
    Compare(&'static str, f64),
}

/// Conditions that all must hold, an order (true: descending) and a page.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub tests: Vec<(Field, Test)>,
    pub order: Vec<(Field, bool)>,
    pub limit: usize,
    pub offset: usize,
}

/// Ids of the runs on the page, and how many there are on all pages.
pub fn run_find(db: &Connection, wanted: &Wanted) -> Result<(Vec<String>, usize)> {
    const FROM: &str = "pipeline_runs r LEFT JOIN pipeline_run_notes n ON n.run_id = r.id";
    let found = find(db, "r.id", FROM, "r.id", wanted, |row| Ok(row.get(0)?))?;
    Ok((found, count(db, FROM, wanted)?))
}

/// Tasks with their runs. Of a mapped task these are its instances; what was deleted is not found.
const TASKS: &str = "pipeline_tasks t JOIN pipeline_runs r ON r.id = t.run_id AND coalesce(t.mapped, 0) = 0
        AND (t.map_index IS NOT NULL OR t.state <> 'removed')
    LEFT JOIN pipeline_run_notes n ON n.run_id = r.id";

/// Run and id of the tasks on the page, and how many there are on all pages.
pub fn task_find(db: &Connection, wanted: &Wanted) -> Result<(Vec<(String, String)>, usize)> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok((find(db, "r.id, t.id", TASKS, "r.id, t.idx", wanted, read)?, count(db, TASKS, wanted)?))
}

/// One thing a task gave: run, id of the task, and its name.
type Output = (String, String, String);

/// The things tasks gave that are on the page, and how many there are on all pages.
pub fn output_find(db: &Connection, wanted: &Wanted) -> Result<(Vec<Output>, usize)> {
    let from = format!("{TASKS} JOIN json_each(t.output) x ON json_type(t.output) = 'object'");
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found = find(db, "r.id, t.id, x.key", &from, "r.id, t.idx, x.key", wanted, read)?;
    Ok((found, count(db, &from, wanted)?))
}

fn find<T>(
    db: &Connection,
    columns: &str,
    from: &str,
    tie: &str,
    wanted: &Wanted,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let (conditions, values) = conditions(&wanted.tests);
    let order = wanted
        .order
        .iter()
        .map(|(field, descending)| format!("{} {}, ", field.sql(), if *descending { "DESC" } else { "ASC" }));
    let (order, limit, offset) = (order.collect::<String>(), wanted.limit, wanted.offset);
    let mut query = db.prepare(&format!(
        "SELECT {columns} FROM {from} WHERE {conditions} ORDER BY {order}{tie} LIMIT {limit} OFFSET {offset}"
    ))?;
    bind(&mut query, &values)?;
    collect(query.raw_query(), read)
}

fn count(db: &Connection, from: &str, wanted: &Wanted) -> Result<usize> {
    let (conditions, values) = conditions(&wanted.tests);
    let mut query = db.prepare(&format!("SELECT count(*) FROM {from} WHERE {conditions}"))?;
    bind(&mut query, &values)?;
    let counted: Vec<i64> = collect(query.raw_query(), |row| Ok(row.get(0)?))?;
    Ok(counted.first().and_then(|count| usize::try_from(*count).ok()).unwrap_or_default())
}

/// Binds the values of `conditions`, which come before `:now` or stand without it.
fn bind(query: &mut rusqlite::Statement<'_>, values: &[Value]) -> Result<()> {
    for (at, value) in values.iter().enumerate() {
        query.raw_bind_parameter(format!(":v{at}").as_str(), value)?;
    }
    if query.parameter_index(":now")?.is_some() {
        query.raw_bind_parameter(":now", now_ms())?;
    }
    Ok(())
}

fn conditions(tests: &[(Field, Test)]) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (vec!["1".to_owned()], Vec::new());
    let mut put = |value: Value| {
        values.push(value);
        format!(":v{}", values.len() - 1)
    };
    for (field, test) in tests {
        let field = field.sql();
        sql.push(match test {
            Test::In(words) => {
                let words: Vec<String> = words.iter().map(|word| put(word.clone().into())).collect();
                format!("{field} IN ({})", words.join(", "))
            }
            Test::Like(patterns) => {
                let any: Vec<String> = patterns
                    .iter()
                    .map(|pattern| format!(r"{field} LIKE {} ESCAPE '\'", put(pattern.clone().into())))
                    .collect();
                format!("({})", any.join(" OR "))
            }
            Test::Compare(operator, number) => format!("{field} {operator} {}", put((*number).into())),
        });
    }
    (sql.join(" AND "), values)
}
