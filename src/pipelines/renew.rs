//! A run taken over to the latest definition of its pipeline: what it has done stays, tasks that are new join it,
//! and those that are no longer count as if they had never been.

use super::{
    definition::{Definition, Task, problems_text},
    engine::merge_params,
    model::{Pipeline, Run, TaskInstance, TaskState},
    store,
};
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
};

/// Ids of the tasks that the latest definition has and the run does not.
pub fn new_tasks(db: &Connection, run: &Run) -> Result<Vec<String>> {
    let (_, definition) = latest(db, run)?;
    let tasks = store::task_list(db, &run.id)?;
    let is_new = |task: &&Task| !tasks.iter().any(|known| known.map_of.is_none() && known.id == task.id);
    Ok(definition.tasks.iter().filter(is_new).map(|task| task.id.clone()).collect())
}

/// Takes a run over; answers it as it is then. What runs goes on as it began.
pub fn renew(db: &Connection, run: Run) -> Result<Run> {
    let (pipeline, definition) = latest(db, &run)?;
    let mut tasks = store::task_list(db, &run.id)?;
    let known = tasks.len();
    let places: Vec<usize> = places(&definition, &mut tasks);
    for (task, at) in definition.tasks.iter().zip(&places) {
        let fresh = TaskInstance {
            needs: task.needs.iter().filter_map(|need| places.get(*need).copied()).collect(),
            ..TaskInstance::new(task)
        };
        adopt(&mut tasks, *at, &fresh);
    }
    for (at, task) in tasks.iter_mut().enumerate().take(known) {
        let whole = task.map_of.unwrap_or(at);
        if !places.contains(&whole) && !task.state.is_under_way() {
            task.state = TaskState::Removed;
        }
    }
    tasks[..known].iter().try_for_each(|task| store::task_redefine(db, &run.id, task))?;
    store::task_create_all(db, &run.id, known, &tasks[known..])?;
    let declared = run.params.clone().into_iter();
    let given = declared.filter(|(name, _)| definition.params.iter().any(|param| param.name == *name));
    let params = merge_params(&definition, given.collect())?;
    let run = Run {
        params,
        definition: pipeline.definition,
        folder: pipeline.folder,
        commit: pipeline.commit,
        ..run
    };
    store::run_redefine(db, &run)?;
    Ok(run)
}

fn latest(db: &Connection, run: &Run) -> Result<(Pipeline, Definition)> {
    let name = &run.pipeline;
    let pipeline = store::pipeline_get(db, name)?.ok_or_else(|| {
        Error::conflict(format!("Pipeline {name:?} is gone: there is no later definition of it."))
    })?;
    let definition = Definition::parse(&pipeline.definition).map_err(|problems| {
        let problems = problems_text(&problems);
        Error::conflict(format!("Pipeline {name:?} has no sound definition to run: {problems}"))
    })?;
    Ok((pipeline, definition))
}

/// Where each task of the definition stands in the run; those that are new get a place at the end, since no place
/// ever changes its task.
fn places(definition: &Definition, tasks: &mut Vec<TaskInstance>) -> Vec<usize> {
    let place = |task: &Task| {
        let known = tasks.iter().position(|known| known.map_of.is_none() && known.id == task.id);
        known.unwrap_or_else(|| {
            tasks.push(TaskInstance::new(task));
            tasks.len() - 1
        })
    };
    definition.tasks.iter().map(place).collect()
}

/// What the definition says of a task goes to its row and to those of its instances.
fn adopt(tasks: &mut [TaskInstance], at: usize, fresh: &TaskInstance) {
    for (place, task) in tasks.iter_mut().enumerate() {
        let is_whole = place == at;
        if !(is_whole || task.map_of == Some(at)) || task.state.is_under_way() {
            continue;
        }
        let rules = match is_whole {
            true => fresh.rules.clone(),
            false => fresh.rules.of_instance(),
        };
        // One that was taken out and is back has everything before it.
        let state =
            if is_whole && task.state == TaskState::Removed { TaskState::Waiting } else { task.state };
        *task = TaskInstance {
            kind: fresh.kind,
            needs: fresh.needs.clone(),
            rules,
            state,
            retries: fresh.retries,
            retry_delay_ms: fresh.retry_delay_ms,
            max_attempts: if task.attempt == 0 { fresh.max_attempts } else { task.max_attempts },
            pool: fresh.pool.clone(),
            pool_slots: fresh.pool_slots,
            priority: fresh.priority,
            depends_on_past: fresh.depends_on_past,
            ..task.clone()
        };
    }
}
