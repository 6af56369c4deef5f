//! Definitions: what is read, and what is refused with which words at which line.

use super::Definition;
use std::time::Duration;

const FULL: &str = "\
name: flights
description: Train and serve
schedule: '0 2 * * MON-FRI'
timezone: Europe/Berlin
params:
  epochs: 5
  rate: 1.10
  full: true
  table: ''
tasks:
  - id: load
    run: python load.py --table {{ params.table }}
    retries: 2
    retry_delay: 1s
    timeout: 1h30m
  - id: train
    needs: [load]
    env:
      EPOCHS: '{{ params.epochs }}'
      THREADS: 2
    run: |
      python train.py
      echo done
";

fn problems(text: &str) -> Vec<String> {
    Definition::parse(text).expect_err("the definition is wrong").iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let found = problems(text);
    assert!(found.iter().any(|message| message.contains(expected)), "expected {expected:?} in {found:#?}");
}

#[test]
fn a_full_definition_is_read() {
    let flights = Definition::parse(FULL).expect("the definition is sound");
    assert_eq!(flights.name, "flights");
    let schedule = flights.schedule.expect("it has a schedule");
    assert_eq!((schedule.cron.text(), schedule.zone.name()), ("0 2 * * MON-FRI", "Europe/Berlin"));
    let param = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(
        flights.params,
        [
            param("epochs", Some("5")),
            param("rate", Some("1.10")),
            param("full", Some("true")),
            param("table", Some(""))
        ]
    );
    let [load, train] = &flights.tasks[..] else { panic!("two tasks") };
    assert_eq!((load.retries, load.retry_delay), (2, Duration::from_secs(1)));
    assert_eq!(load.timeout, Some(Duration::from_secs(5400)));
    assert_eq!((&train.needs[..], train.env["THREADS"].as_str()), (&[0][..], "2"));
    assert!(train.run.ends_with("echo done\n"));
}

#[test]
fn a_cycle_is_named_as_its_path() {
    refused(
        "name: p\ntasks:\n  - {id: a, run: x, needs: [b]}\n  - {id: b, run: x, needs: [a]}\n",
        "line 3, column 10: the tasks need each other in a circle: a -> b -> a",
    );
    refused("name: p\ntasks:\n  - {id: a, run: x, needs: [a]}\n", "a -> a");
}

#[test]
fn structural_mistakes_carry_line_and_column() {
    refused("name: p\nschedul: x\ntasks: []\n", "line 2, column 1: unknown field");
    refused("name: p\ntasks:\n  - id: a\n    run: x\n    retry: 3\n", "line 5");
    refused("name: p\ntasks:\n  - id: a\n", "run");
    refused("tasks:\n  - {id: a, run: x}\n", "name");
    refused("name: [1\n", "line");
    refused("name: p\ntasks:\n  - {id: a, run: x, retries: many}\n", "line 3");
    refused("name: p\nname: q\ntasks: []\n", "line 2");
    refused(
        "name: p\nschedule: '@daily'\nparams: {x: }\ntasks: [{id: a, run: x}]\n",
        "\"x\" needs a default",
    );
    refused("", "");
}

#[test]
fn broken_rules_are_reported_together() {
    let found = problems(
        "name: 'a b'\nschedule: '61 * * * *'\ntimezone: Mars/Base\ntasks:\n  - {id: x, run: ' ', needs: [lod], timeout: soon}\n  - {id: x, run: ls}\n  - {id: load, run: 'echo {{ params.nope }}', env: {'A-B': 1}}\n",
    );
    for expected in [
        "line 1, column 7: pipeline name",
        "line 2, column 11: minute 61 is out of range",
        "line 3, column 11: timezone \"Mars/Base\"",
        "did you mean \"load\"?",
        "empty run",
        "used twice",
        "not a duration",
        "params.nope",
        "environment variable",
    ] {
        assert!(
            found.iter().any(|message| message.contains(expected)),
            "expected {expected:?} in {found:#?}"
        );
    }
}

#[test]
fn names_that_could_leave_a_folder_are_refused() {
    for id in ["..", ".", "a/b", "", "-x", "a b", "ä"] {
        refused(&format!("name: p\ntasks:\n  - {{id: '{id}', run: x}}\n"), "task id");
    }
}

#[test]
fn size_is_bounded_and_deep_chains_are_fine() {
    let chain = |n: usize| {
        let task = |i: usize| {
            format!(
                "  - {{id: t{i}, run: x, needs: [{}]}}\n",
                if i == 0 { String::new() } else { format!("t{}", i - 1) }
            )
        };
        format!("name: p\ntasks:\n{}", (0..n).map(task).collect::<String>())
    };
    assert_eq!(
        Definition::parse(&chain(super::MAX_TASKS)).map(|d| d.tasks.len()),
        Ok(super::MAX_TASKS).map_err(|()| vec![])
    );
    refused(&chain(10_000), "10000 tasks; the most is 2000");
    refused(&"x".repeat(super::MAX_BYTES + 1), "larger than");
    // An alias bomb is stopped by the parser's budget.
    let bomb: String =
        (1..30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1)).collect();
    assert!(Definition::parse(&format!("a0: &a0 [x, x]\n{bomb}")).is_err());
}
