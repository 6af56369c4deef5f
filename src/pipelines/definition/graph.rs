//! Rules of the graph: no circle, and who comes before whom.

use super::Task;

/// A cycle as the path that closes it (`a -> b -> a`), or none. Iterative: a long chain must not
/// exhaust the stack.
pub(super) fn cycle(tasks: &[Task]) -> Option<Vec<usize>> {
    // 0 unseen, 1 on the path, 2 known to lead to no cycle.
    let mut colour = vec![0u8; tasks.len()];
    for start in 0..tasks.len() {
        let mut path = if colour[start] == 0 { vec![(start, 0)] } else { Vec::new() };
        while let Some((at, edge)) = path.last_mut() {
            colour[*at] = 1;
            match tasks[*at].needs.get(*edge) {
                Some(next) if colour[*next] == 1 => {
                    let from = path.iter().position(|(node, _)| node == next).unwrap_or(0);
                    let ids = path[from..].iter().map(|(node, _)| *node);
                    return Some(ids.chain([*next]).collect());
                }
                Some(next) => {
                    *edge += 1;
                    if colour[*next] == 0 {
                        path.push((*next, 0));
                    }
                }
                None => {
                    colour[*at] = 2;
                    path.pop();
                }
            }
        }
    }
    None
}

/// All that comes before a task, however far.
pub(super) fn ancestors(tasks: &[Task], of: usize) -> Vec<bool> {
    let mut seen = vec![false; tasks.len()];
    let mut open = tasks[of].needs.clone();
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&tasks[at].needs);
        }
    }
    seen
}
