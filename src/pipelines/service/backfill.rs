//! Filling in the past: at once, or as a backfill that can be paused and stopped.

use super::Service;
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        backfill::{self, Firing},
        store::{self, BackfillPlan, BackfillRow},
    },
    store::Connection,
};
use std::collections::BTreeMap;

impl Service {
    /// Makes a run for every firing in a span that has none, or says which it would make.
    pub async fn backfill(
        &self,
        name: &str,
        span: (i64, i64),
        params: BTreeMap<String, String>,
        dry_run: bool,
    ) -> Result<Vec<Firing>> {
        if span.1 < span.0 {
            return Err(Error::invalid("The span of a backfill ends before it begins."));
        }
        let name = name.to_owned();
        let fill = move |db: &Connection| backfill::fill(db, &name, span, &params, dry_run, now_ms());
        let made = self.0.db.write(fill).await?;
        self.0.wake.notify_one();
        made.iter().filter_map(|one| one.run.as_ref()).for_each(|run| self.changed(run));
        Ok(made)
    }

    /// The logical times a backfill would be about.
    pub async fn backfill_look(&self, plan: BackfillPlan) -> Result<Vec<i64>> {
        self.0.db.read(move |db| backfill::look(db, &plan, now_ms())).await
    }

    pub async fn backfill_start(&self, plan: BackfillPlan) -> Result<BackfillRow> {
        self.by_hand(move |db| backfill::start(db, &plan, now_ms())).await
    }

    /// The backfills of a pipeline, the first one first.
    pub async fn backfills(&self, pipeline: &str) -> Result<Vec<BackfillRow>> {
        let name = pipeline.to_owned();
        self.0.db.read(move |db| store::backfill_list(db, &name)).await
    }

    pub async fn backfill_find(&self, id: i64) -> Result<BackfillRow> {
        self.0.db.read(move |db| backfill::find(db, id)).await
    }

    pub async fn backfill_pause(&self, id: i64, paused: bool) -> Result<BackfillRow> {
        let found = self.0.db.write(move |db| backfill::set_paused(db, id, paused, now_ms())).await?;
        self.0.wake.notify_one();
        Ok(found)
    }

    pub async fn backfill_cancel(&self, id: i64) -> Result<BackfillRow> {
        self.by_hand(move |db| backfill::cancel(db, id, now_ms())).await
    }
}
