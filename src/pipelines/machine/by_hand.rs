//! What people do to the tasks of a run: clear them, so that they run again, or say how they ended.

use crate::pipelines::model::{TaskInstance, TaskState};

/// The given places with everything that follows from them; what needs a mapped task follows from each
/// of its instances.
pub fn downstream(tasks: &[TaskInstance], from: &[usize]) -> Vec<usize> {
    let mut found = Places::new(tasks.len(), from);
    let mut given: Vec<usize> = from.iter().map(|at| tasks[*at].map_of.unwrap_or(*at)).collect();
    while let Some(need) = given.pop() {
        for at in (0..tasks.len()).filter(|at| tasks[*at].needs.contains(&need)) {
            if found.add(at) {
                given.push(tasks[at].map_of.unwrap_or(at));
            }
        }
    }
    found.all()
}

/// The given places with everything they follow from.
pub fn upstream(tasks: &[TaskInstance], from: &[usize]) -> Vec<usize> {
    let mut found = Places::new(tasks.len(), from);
    let mut given = from.to_vec();
    while let Some(at) = given.pop() {
        for need in tasks[at].needs.iter().filter(|need| **need < tasks.len()) {
            if found.add(*need) {
                given.push(*need);
            }
        }
    }
    found.all()
}

/// Places of a list, each of them once and in their order.
struct Places(Vec<bool>);

impl Places {
    fn new(len: usize, given: &[usize]) -> Self {
        let mut places = Self(vec![false; len]);
        for at in given {
            places.add(*at);
        }
        places
    }

    /// Whether it was not there before.
    fn add(&mut self, at: usize) -> bool {
        !std::mem::replace(&mut self.0[at], true)
    }

    fn all(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|at| self.0[*at]).collect()
    }
}

/// Sets tasks back to before their first attempt; returns all places that changed. The whole of a
/// mapped task takes its instances with it, to be made anew; an instance reopens its whole.
pub fn clear(tasks: &mut [TaskInstance], places: &[usize]) -> Vec<usize> {
    let mut changed = Vec::new();
    for (at, task) in tasks.iter_mut().enumerate() {
        let with_whole = task.map_of.is_some_and(|whole| places.contains(&whole));
        let alone = places.contains(&at) && task.state != TaskState::Removed;
        if with_whole || alone {
            *task = task.begun_anew();
            changed.push(at);
        }
    }
    let reopened = places.iter().filter_map(|at| tasks[*at].map_of).filter(|whole| !places.contains(whole));
    for whole in reopened.collect::<Vec<_>>() {
        if tasks[whole].mapped.is_some() {
            tasks[whole].state = TaskState::Running;
            tasks[whole].ended_at = None;
            changed.push(whole);
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}

/// Says how tasks ended, whatever they did; returns all places that changed.
pub fn mark(tasks: &mut [TaskInstance], places: &[usize], state: TaskState, now: i64) -> Vec<usize> {
    let mut changed = Vec::new();
    for (at, task) in tasks.iter_mut().enumerate() {
        let with_whole = task.map_of.is_some_and(|whole| places.contains(&whole));
        if !(places.contains(&at) || with_whole) || task.state == TaskState::Removed {
            continue;
        }
        // A mapped task whose list was never known is marked as one that has no instances.
        if task.rules.for_each.is_some() && task.mapped.is_none() {
            task.mapped = Some(0);
        }
        task.state = state;
        task.not_before = None;
        task.ended_at = Some(task.ended_at.unwrap_or(now));
        task.reason = Some("marked by hand".into());
        changed.push(at);
    }
    changed
}
