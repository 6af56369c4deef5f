//! Issues: opened, changed, searched.

use crate::{
    kernel::{clock::now_ms, error::Result, id},
    tracking::{
        Service, check,
        evaluation::{
            model::{Issue, IssueChange},
            store::issues::{self as store, Query},
        },
        model::{Page, Stage},
        search::{
            self,
            page::{Ask, Asked},
        },
        store::experiments,
    },
};

const PAGE_DEFAULT: i64 = 100;

/// An issue about to be opened.
#[derive(Clone, Debug)]
pub struct NewIssue {
    pub experiment_id: String,
    pub name: String,
    pub description: String,
    pub status: Option<String>,
    pub severity: Option<String>,
    pub root_causes: Vec<String>,
    pub categories: Vec<String>,
    pub source_run_id: Option<String>,
    pub created_by: Option<String>,
}

impl Service {
    pub async fn issue_create(&self, new: NewIssue) -> Result<Issue> {
        let (experiment, now) = (check::experiment_id(&new.experiment_id)?, now_ms());
        let issue = Issue {
            issue_id: format!("iss-{}", id::hex32()),
            experiment_id: experiment.to_string(),
            name: new.name,
            description: new.description,
            status: new.status.unwrap_or_else(|| "pending".to_owned()),
            severity: new.severity,
            root_causes: new.root_causes,
            categories: new.categories,
            source_run_id: new.source_run_id,
            created_by: new.created_by,
            created_timestamp: now,
            last_updated_timestamp: now,
            trace_count: None,
        };
        self.db()
            .write(move |c| {
                // A deleted experiment is one that is not there.
                if experiments::experiment_get(c, experiment)?.lifecycle_stage != Stage::Active.word() {
                    return Err(experiments::missing(experiment));
                }
                store::issue_create(c, experiment, &issue)?;
                Ok(issue)
            })
            .await
    }

    pub async fn issue_get(&self, id: &str) -> Result<Issue> {
        let id = id.to_owned();
        self.db().read(move |c| store::issue_get(c, &id)).await
    }

    pub async fn issue_update(&self, id: &str, change: IssueChange) -> Result<Issue> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                store::issue_get(c, &id)?;
                store::issue_update(c, &id, &change, now_ms())?;
                store::issue_get(c, &id)
            })
            .await
    }

    pub async fn issue_search(
        &self,
        experiment: Option<&str>,
        filter: &str,
        counted: bool,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<Issue>> {
        let limit = search::page_size(limit, PAGE_DEFAULT, search::PAGE_MAX)?;
        let asked = Asked::of("issues")
            .by("Experiment ID", &experiment)
            .by("Filter string", &filter)
            .by("Whether to count traces", &counted);
        let ask = Ask::new(asked, limit, token)?;
        let experiment = experiment.map(check::experiment_id).transpose()?;
        let query = Query { experiment, filter: filter.to_owned(), counted };
        self.db().read(move |c| store::issue_search(c, &query, &ask)).await
    }
}
