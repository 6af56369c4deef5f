//! What people do to runs and pools: cancel, clear, mark, delete, change the slots.

use super::Service;
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        by_hand::{self, Clearing, Done},
        definition::{Definition, Task},
        engine, history,
        model::{Attempt, DEFAULT_POOL, Pool, RunState, TaskState, check_name},
        scheduler, store,
        waiting::RunView,
    },
    store::Connection,
};
use std::sync::Arc;

impl Service {
    /// Ends a run: what has not started never will, what runs is asked to end, then made to.
    pub async fn cancel(&self, id: &str) -> Result<RunView> {
        let wanted = id.to_owned();
        let (change, running) = self.0.db.write(move |db| engine::cancel(db, &wanted, now_ms())).await?;
        self.0.executor.request_cancel(&running).await?;
        scheduler::publish(&self.0.bus, change.as_slice());
        self.0.bell.ring();
        self.0.wake.notify_one();
        self.run(id).await
    }

    /// Clears tasks, so that they run again; answers the ids of those that do, or in a dry run would.
    pub async fn clear(&self, id: &str, what: Clearing) -> Result<(RunView, Vec<String>)> {
        let wanted = id.to_owned();
        let clear = move |db: &Connection| {
            let done = by_hand::clear(db, &wanted, &what, now_ms())?;
            Ok((done.tasks.clone(), vec![done]))
        };
        let tasks = self.by_hand(clear).await?;
        Ok((self.run(id).await?, tasks))
    }

    /// Says how tasks ended, whatever they did; one that runs is ended.
    pub async fn mark(&self, id: &str, tasks: Vec<String>, state: TaskState) -> Result<RunView> {
        let wanted = id.to_owned();
        let done = self.0.db.write(move |db| by_hand::mark(db, &wanted, &tasks, state, now_ms())).await?;
        self.follow_up(done).await?;
        self.run(id).await
    }

    /// What a sound definition asks for that would never come, as the pools are.
    pub async fn warnings(&self, definition: &Definition) -> Result<Vec<String>> {
        let pools = self.pools().await?;
        let never = |task: &Task| {
            let pool = pools.iter().find(|pool| pool.name == task.pool)?;
            Some(format!("task {:?}: {}", task.id, pool.never_has(task.pool_slots)?))
        };
        Ok(definition.tasks.iter().filter_map(never).collect())
    }

    /// Says how a run as a whole ended, whatever its tasks did.
    pub async fn mark_run(&self, id: &str, state: &str) -> Result<RunView> {
        let state = match state {
            "success" => RunState::Success,
            "failed" => RunState::Failed,
            other => {
                return Err(Error::invalid(format!("A run is marked success or failed, not {other:?}.")));
            }
        };
        let run = id.to_owned();
        self.by_hand(move |db| Ok(((), vec![by_hand::set_run(db, &run, state, now_ms())?]))).await?;
        self.run(id).await
    }

    /// Does what people do to several runs at once: all of it or, with an error, nothing.
    pub(in crate::pipelines) async fn by_hand<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<(T, Vec<Done>)> + Send + 'static,
    ) -> Result<T> {
        let executor = Arc::clone(&self.0.executor);
        let whole = move |db: &Connection| {
            let (answer, done) = act(db)?;
            // Before the scheduler can claim anything of it; and once more when all can see the change.
            done.iter().filter_map(|one| one.renewed.as_deref()).for_each(|run| executor.forget(run));
            Ok((answer, done))
        };
        let (answer, done) = self.0.db.write(whole).await?;
        for one in done {
            self.follow_up(one).await?;
        }
        Ok(answer)
    }

    async fn follow_up(&self, done: Done) -> Result<()> {
        done.renewed.iter().for_each(|run| self.0.executor.forget(run));
        self.0.executor.request_cancel(&done.to_end).await?;
        scheduler::publish(&self.0.bus, done.change.as_slice());
        self.0.bell.ring();
        self.0.wake.notify_one();
        Ok(())
    }

    /// Forgets a run that is over, or never began, with its logs.
    pub async fn delete_run(&self, id: &str) -> Result<()> {
        let wanted = id.to_owned();
        let look = move |db: &Connection| {
            let run = store::run_get(db, &wanted)?.ok_or_else(|| engine::no_run(&wanted))?;
            Ok((run.state, !store::attempt_running_of(db, &wanted)?.is_empty()))
        };
        match self.0.db.read(look).await? {
            (RunState::Queued, false) => drop(self.cancel(id).await?),
            (state, busy) if busy || !state.is_over() => {
                let message = format!("Run {id} is {state}: cancel it, or wait for its end.");
                return Err(Error::conflict(message));
            }
            _ => {}
        }
        self.0.executor.release(id).await?;
        // The folder first: a crash in between leaves a run without logs, never logs without a run.
        self.remove_folder(self.0.executor.tasks_dir().join(id)).await?;
        let gone = id.to_owned();
        self.0.db.write(move |db| store::run_delete(db, &gone)).await
    }

    /// Forgets a task of a run that is over, with its tries and their logs.
    pub async fn delete_task(&self, run_id: &str, task_id: &str) -> Result<()> {
        let (run, task) = (run_id.to_owned(), task_id.to_owned());
        self.0.db.read(move |db| by_hand::removable(db, &run, &task).map(drop)).await?;
        self.remove_folder(self.0.executor.tasks_dir().join(run_id).join(task_id)).await?;
        let (run, task) = (run_id.to_owned(), task_id.to_owned());
        self.0.db.write(move |db| by_hand::remove(db, &run, &task)).await
    }

    async fn remove_folder(&self, folder: std::path::PathBuf) -> Result<()> {
        tokio::task::spawn_blocking(move || history::remove_folder(&folder)).await.map_err(Error::internal)?
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
    pub async fn set_pool(
        &self,
        name: &str,
        slots: u32,
        description: String,
        include_deferred: bool,
    ) -> Result<Vec<Pool>> {
        check_name(name).map_err(|why| Error::invalid(format!("Pool {name:?} {why}.")))?;
        let name = name.to_owned();
        self.0.db.write(move |db| store::pool_put(db, &name, slots, &description, include_deferred)).await?;
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
