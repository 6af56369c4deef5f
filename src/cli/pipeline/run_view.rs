//! One run as tables: what made it, when, and where its tasks stand.

use super::{follow, items, show::row, text, time};
use crate::cli::table;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn run_text(run: &Value) -> String {
    let params = run["params"].as_object().filter(|params| !params.is_empty());
    let mut facts = vec![
        row(["Run", &text(&run["id"])]),
        row(["Pipeline", &text(&run["pipeline"])]),
        row(["State", &text(&run["state"])]),
        row(["Started by", &text(&run["trigger"])]),
    ];
    if let Some(event) = run["event"].as_object() {
        let fact = |(name, value): (&String, &Value)| row(["Event", &format!("{name}: {}", text(value))]);
        facts.extend(event.iter().map(fact));
    }
    facts.extend([
        row(["Logical date", &time::told(&run["logical_at"])]),
        row(["Commit", &text(&run["commit"])]),
        row(["Waiting for", &run["waiting_for"].as_str().map_or("-".to_owned(), time::in_words)]),
        row(["Started", &time::told(&run["started_at"])]),
        row(["Ended", &time::told(&run["ended_at"])]),
    ]);
    if run["deadline_at"].is_string() {
        let missed = if run["deadline_missed"] == true { " (missed)" } else { "" };
        facts.push(row(["Deadline", &format!("{}{missed}", time::told(&run["deadline_at"]))]));
    }
    facts.push(row(["Parameters", &params.map_or("-".to_owned(), |params| json!(params).to_string())]));
    let mut tasks = vec![row(["TASK", "STATE", "ATTEMPT", "STARTED", "ENDED", "EXIT", "WHY"])];
    tasks.extend(in_order(items(run, "tasks")).into_iter().map(|task| {
        row([
            &text(&task["id"]),
            &text(&task["state"]),
            &format!("{}/{}", text(&task["attempt"]), text(&task["max_attempts"])),
            &time::told(&task["started_at"]),
            &time::told(&task["ended_at"]),
            &text(&task["exit_code"]),
            &follow::reason(task).unwrap_or_else(|| "-".to_owned()),
        ])
    }));
    format!("{}\n{}", table(&facts), table(&tasks))
}

/// The instances of a mapped task right after it: they are stored behind all the others.
fn in_order(tasks: &[Value]) -> Vec<&Value> {
    let id = |task: &'_ Value| text(&task["id"]);
    let places: HashMap<String, usize> = tasks.iter().map(id).zip(0..).collect();
    let mut ordered: Vec<&Value> = tasks.iter().collect();
    ordered.sort_by_cached_key(|task| {
        let base = id(task).split('[').next().and_then(|base| places.get(base)).copied();
        (base, task["map_index"].as_u64())
    });
    ordered
}

#[cfg(test)]
mod tests {
    use super::run_text;
    use serde_json::json;

    #[test]
    fn the_event_the_deadline_and_both_halves_of_why_are_told() {
        let told = run_text(&json!({
            "id": "R1", "state": "running", "trigger": "event", "deadline_at": "soon", "deadline_missed": true,
            "event": { "kind": "object_created", "bucket": "raw", "key": "in/a.csv" },
            "tasks": [
                { "id": "each", "mapped": 2, "map_index": null },
                { "id": "last", "map_index": null, "state": "up_for_retry", "reason": "exit code 1",
                  "waiting_for": "exit code 1; waits for attempt 2 of 4 at soon" },
                { "id": "each[1]", "map_index": 1 },
                { "id": "each[0]", "map_index": 0 },
            ],
        }));
        for line in [
            "Event         kind: object_created\nEvent         bucket: raw\nEvent         key: in/a.csv",
            "Deadline      soon (missed)",
            "exit code 1; waits for attempt 2 of 4",
        ] {
            assert!(told.contains(line), "{line:?} is not in\n{told}");
        }
        let places = ["each ", "each[0]", "each[1]", "last"].map(|id| told.find(&format!("\n{id}")));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{told}");
    }
}
