//! What people do to runs and pools: cancel, clear, mark, fill in the past, change the slots.

use super::Service;
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        by_hand::{self, Backfill, Clearing, Done},
        engine,
        model::{Attempt, DEFAULT_POOL, Pool, TaskState, check_name},
        scheduler, store,
        waiting::RunView,
    },
    store::Connection,
};
use std::collections::BTreeMap;

impl Service {
    /// Ends a run: what has not started never will, what runs is asked to end, then made to.
    pub async fn cancel(&self, id: &str) -> Result<RunView> {
        let wanted = id.to_owned();
        let (change, running) = self.0.db.write(move |db| engine::cancel(db, &wanted, now_ms())).await?;
        self.0.executor.request_cancel(&running).await?;
        scheduler::publish(&self.0.bus, change.as_slice());
        self.0.wake.notify_one();
        self.run(id).await
    }

    /// Clears tasks, so that they run again; answers the ids of those that do, or in a dry run would.
    pub async fn clear(&self, id: &str, what: Clearing) -> Result<(RunView, Vec<String>)> {
        let wanted = id.to_owned();
        let done = self.0.db.write(move |db| by_hand::clear(db, &wanted, &what, now_ms())).await?;
        let tasks = done.tasks.clone();
        self.follow_up(done).await?;
        Ok((self.run(id).await?, tasks))
    }

    /// Says how tasks ended, whatever they did; one that runs is ended.
    pub async fn mark(&self, id: &str, tasks: Vec<String>, state: TaskState) -> Result<RunView> {
        let wanted = id.to_owned();
        let done = self.0.db.write(move |db| by_hand::mark(db, &wanted, &tasks, state, now_ms())).await?;
        self.follow_up(done).await?;
        self.run(id).await
    }

    async fn follow_up(&self, done: Done) -> Result<()> {
        self.0.executor.request_cancel(&done.to_end).await?;
        scheduler::publish(&self.0.bus, done.change.as_slice());
        self.0.wake.notify_one();
        Ok(())
    }

    /// Makes a run for every firing in a span that has none, or says which it would make.
    pub async fn backfill(
        &self,
        name: &str,
        span: (i64, i64),
        params: BTreeMap<String, String>,
        dry_run: bool,
    ) -> Result<Vec<Backfill>> {
        if span.1 < span.0 {
            return Err(Error::invalid("The span of a backfill ends before it begins."));
        }
        let name = name.to_owned();
        let fill = move |db: &Connection| by_hand::backfill(db, &name, span, &params, dry_run, now_ms());
        let made = self.0.db.write(fill).await?;
        self.0.wake.notify_one();
        made.iter().filter_map(|one| one.run.as_ref()).for_each(|run| self.changed(run));
        Ok(made)
    }

    /// The tries of a task, the first one first.
    pub async fn attempts(&self, run_id: &str, task_id: &str) -> Result<Vec<Attempt>> {
        let (run, task) = (run_id.to_owned(), task_id.to_owned());
        let read = move |db: &Connection| {
            store::task_state(db, &run, &task)?
                .ok_or_else(|| Error::not_found(format!("Run {run} has no task {task:?}.")))?;
            store::attempt_list(db, &run, &task)
        };
        self.0.db.read(read).await
    }

    pub async fn pools(&self) -> Result<Vec<Pool>> {
        self.0.db.read(store::pool_list).await
    }

    /// Makes a pool, or changes it.
    pub async fn set_pool(&self, name: &str, slots: u32, description: String) -> Result<Vec<Pool>> {
        check_name(name).map_err(|why| Error::invalid(format!("Pool {name:?} {why}.")))?;
        let name = name.to_owned();
        self.0.db.write(move |db| store::pool_put(db, &name, slots, &description)).await?;
        self.0.wake.notify_one();
        self.pools().await
    }

    /// Forgets a pool; tasks that name it wait until there is one again.
    pub async fn delete_pool(&self, name: &str) -> Result<()> {
        if name == DEFAULT_POOL {
            return Err(Error::conflict(format!("{DEFAULT_POOL} stays: tasks that name no pool are in it.")));
        }
        let gone = name.to_owned();
        match self.0.db.write(move |db| store::pool_delete(db, &gone)).await? {
            true => Ok(()),
            false => Err(Error::not_found(format!("There is no pool {name:?}."))),
        }
    }
}
