//! Issues: made, read, changed and searched.

use crate::{
    kernel::error::{Error, Result},
    tracking::{
        evaluation::{
            model::{Issue, IssueChange, as_text},
            search,
        },
        model::Page,
        search::{
            page::Ask,
            sql::{Bind, Sql},
        },
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "i.id, i.experiment_id, i.name, i.description, i.status, i.severity, i.root_causes, \
                       i.categories, i.source_run_id, i.created_by, i.created_at, i.updated_at";
/// In how many traces an assessment names the issue.
const TRACES: &str =
    "(SELECT count(DISTINCT a.trace) FROM assessments a WHERE a.kind = 'issue' AND a.name = i.id)";

fn issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    let texts = |index| {
        let text: String = row.get(index)?;
        Ok::<_, rusqlite::Error>(serde_json::from_str(&text).unwrap_or_default())
    };
    Ok(Issue {
        issue_id: row.get(0)?,
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        name: row.get(2)?,
        description: row.get(3)?,
        status: row.get(4)?,
        severity: row.get(5)?,
        root_causes: texts(6)?,
        categories: texts(7)?,
        source_run_id: row.get(8)?,
        created_by: row.get(9)?,
        created_timestamp: row.get(10)?,
        last_updated_timestamp: row.get(11)?,
        trace_count: row.get(12)?,
    })
}

pub fn issue_create(db: &Connection, experiment: i64, issue: &Issue) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO issues (id, experiment_id, name, description, status, severity, root_causes, categories,
                             source_run_id, created_by, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        issue.issue_id,
        experiment,
        issue.name,
        issue.description,
        issue.status,
        issue.severity,
        as_text(&issue.root_causes),
        as_text(&issue.categories),
        issue.source_run_id,
        issue.created_by,
        issue.created_timestamp,
        issue.last_updated_timestamp,
    ])?;
    Ok(())
}

pub fn issue_get(db: &Connection, id: &str) -> Result<Issue> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS}, NULL FROM issues i WHERE i.id = ?1"))?;
    let found = statement.query_row([id], issue).optional()?;
    found.ok_or_else(|| Error::not_found(format!("Issue with ID '{id}' not found")))
}

pub fn issue_update(db: &Connection, id: &str, change: &IssueChange, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE issues SET name = coalesce(?2, name), description = coalesce(?3, description),
             status = coalesce(?4, status), severity = coalesce(?5, severity), updated_at = ?6 WHERE id = ?1",
    )?
    .execute(params![id, change.name, change.description, change.status, change.severity, now])?;
    Ok(())
}

/// What a search over issues asks for.
#[derive(Clone, Debug)]
pub struct Query {
    pub experiment: Option<i64>,
    pub filter: String,
    pub counted: bool,
}

pub fn issue_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<Issue>> {
    let count = query.counted.then_some(TRACES);
    let columns = format!("{COLUMNS}, {}", count.unwrap_or("NULL"));
    let mut from = Sql::from(" FROM issues i WHERE TRUE");
    if let Some(experiment) = query.experiment {
        from.push(" AND i.experiment_id = ").bind(Bind::Int(experiment));
    }
    search::filter_issues(&query.filter, &mut from)?;
    let order = search::order_issues(count);
    paged::page(db, Search { columns: &columns, from: vec![from], order }, ask, issue)
}
