//! Definitions: what is read, and what is refused with which words at which line.

use super::{
    Action, Catchup, Definition, Kind,
    kinds::wait::{Ended, What},
};
use crate::pipelines::model::{ForEach, TriggerRule};
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
    let schedule = &flights.schedules[0];
    assert_eq!((schedule.cron.text(), schedule.zone.name()), ("0 2 * * MON-FRI", "Europe/Berlin"));
    let params: Vec<_> =
        flights.params.iter().map(|param| (param.name.as_str(), param.default.as_deref())).collect();
    assert_eq!(
        params,
        [("epochs", Some("5")), ("rate", Some("1.10")), ("full", Some("true")), ("table", Some(""))]
    );
    let [load, train] = &flights.tasks[..] else { panic!("two tasks") };
    assert_eq!((load.retries, load.retry_delay), (2, Duration::from_secs(1)));
    assert_eq!(load.timeout, Some(Duration::from_secs(5400)));
    assert_eq!((&train.needs[..], train.env["THREADS"].as_str()), (&[0][..], "2"));
    assert!(matches!(&train.action, Action::Run(run) if run.ends_with("echo done\n")));
}

#[test]
fn a_task_does_one_thing() {
    refused("name: p\ntasks:\n  - {id: a}\n", "line 3, column 10: task \"a\": it does nothing");
    refused(
        "name: p\ntasks:\n  - {id: a, run: x, wait_for: {time: 1h}}\n",
        "it has both run and wait_for; a task does one thing",
    );
}

#[test]
fn what_is_waited_for_is_read_and_what_cannot_be_is_refused_at_its_place() {
    let wait = |text: &str| {
        let parsed =
            Definition::parse(&format!("name: p\nparams: {{n: 1}}\ntasks: [{{id: a, wait_for: {text}}}]\n"));
        match parsed.map(|mut definition| definition.tasks.remove(0).action) {
            Ok(Action::Wait(wait)) => Ok(wait),
            Ok(other) => panic!("{other:?}"),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    };
    let sound = wait("{object: {bucket: b, prefix: 'in/{{ params.n }}/'}, interval: 5s, soft_fail: true}")
        .expect("sound");
    assert!(matches!(&sound.what, What::Object { prefix: true, key, .. } if key == "in/{{ params.n }}/"));
    assert_eq!((sound.interval, sound.soft_fail), (Duration::from_secs(5), true));
    let sound = wait("{pipeline: {name: other, state: finished, offset: 1d}}").expect("sound");
    assert!(
        matches!(sound.what, What::Run { state: Ended::Anyhow, offset, .. } if offset.as_secs() == 86_400)
    );
    assert!(wait("{http: {url: 'http://x/{{ params.n }}', status: [200, 204], body: 'o.k'}}").is_ok());
    assert!(wait("{time: '14:30'}").is_ok() && wait("{time: '{{ params.n }}h'}").is_ok());
    for (text, why) in [
        ("{}", "line 3, column 27: task \"a\": wait_for needs one of"),
        ("{time: 1h, object: {bucket: b, key: k}}", "one thing"),
        ("{object: {bucket: b}}", "either key or prefix"),
        ("{object: {bucket: b, key: k, prefix: k}}", "either key or prefix"),
        (
            "{object: {bucket: b, key: '{{ params.m }}'}}",
            "line 3, column 53: task \"a\": {{ params.m }} is not known",
        ),
        ("{time: noon}", "\"noon\" is not a time"),
        ("{http: {url: 'https://x/'}}", "no TLS"),
        ("{http: {url: x}}", "not an address"),
        ("{http: {url: 'http://x', body: '('}}", "not a regular expression"),
        ("{http: {url: 'http://x', status: [2000]}}", "not a status"),
        ("{pipeline: {name: other, state: done}}", "not one of success"),
        ("{time: 1h, interval: soon}", "interval \"soon\" is not a duration"),
        ("{tim: 1h}", "unknown field"),
    ] {
        let refusal = wait(text).expect_err(text);
        assert!(refusal.contains(why), "{text}: {refusal}");
    }
    refused("name: p\ntasks: [{id: a, retries: 1, wait_for: {time: 1h}}]\n", "not retried");
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

const RULES: &str = "\
name: rules
schedule: ['0 2 * * *', '30 14 * * 1']
catchup: all
start_date: 2026-01-01
end_date: 2026-12-31
max_active_runs: 2
params:
  rate: {type: number, default: 1.50, minimum: 0, maximum: 2, description: how fast}
  mode: {enum: [fast, full], default: fast}
  files: [a, b]
tasks:
  - {id: list, group: prepare, run: x}
  - {id: check, group: prepare, run: x, depends_on_past: true}
  - id: each
    needs: [prepare]
    when: params.mode == 'full' and outputs.list.rows > 0
    for_each: '{{ outputs.list.files }}'
    run: 'echo {{ item.path }} {{ outputs.check.ok }}'
    retries: 3
    retry_backoff: 2
    retry_max_delay: 10m
    retry_jitter: 0.5
    pool: gpu
    pool_slots: 2
    priority: -5
  - {id: clean, needs: [each], trigger_rule: all_done, run: 'echo {{ outputs.list.files }}'}
";

#[test]
fn everything_a_task_may_say_is_read() {
    let rules = Definition::parse(RULES).unwrap_or_else(|found| panic!("{found:#?}"));
    assert_eq!((rules.schedules.len(), rules.catchup, rules.max_active_runs), (2, Catchup::All, 2));
    // The last instant of the last day.
    assert_eq!((rules.start_at, rules.end_at), (Some(1_767_225_600_000), Some(1_798_761_599_999)));
    let defaults: Vec<_> = rules.params.iter().map(|param| param.default.as_deref()).collect();
    assert_eq!(defaults, [Some("1.50"), Some("fast"), Some("[\"a\",\"b\"]")]);
    assert_eq!(rules.params[2].kind, Kind::Array);
    let each = &rules.tasks[2];
    assert_eq!(
        (&each.needs[..], each.pool.as_str(), each.pool_slots, each.priority),
        (&[0, 1][..], "gpu", 2, -5)
    );
    assert_eq!(each.rules.for_each, Some(ForEach::Name("outputs.list.files".into())));
    assert_eq!((each.rules.backoff, each.rules.jitter, each.rules.max_delay_ms), (2.0, 0.5, 600_000));
    assert_eq!(rules.tasks[3].rules.trigger_rule, TriggerRule::AllDone);
}

#[test]
fn what_is_almost_right_is_refused_with_a_hint_where_it_stands() {
    let task = |rest: &str| {
        format!("name: p\nparams: {{n: 1}}\ntasks:\n  - {{id: a, run: x}}\n  - {{id: b, run: x, {rest}}}\n")
    };
    refused("name: p\nschedul: x\ntasks: []\n", "line 2, column 1: unknown field `schedul`");
    refused("name: p\nschedul: x\ntasks: []\n", "did you mean \"schedule\"?");
    refused(&task("retrys: 1"), "did you mean \"retries\"?");
    for (rest, expected) in [
        ("trigger_rule: all_dne", "line 5, column 35: task \"b\": trigger_rule \"all_dne\" is not one of"),
        ("trigger_rule: all_dne", "did you mean \"all_done\"?"),
        ("when: 'params.m > 1'", "params.m }} is not known"),
        ("when: 'params.n >'", "the condition ends too early"),
        ("when: 'outputs.a.x'", "comes from task \"a\", which it must need"),
        ("needs: [a], when: 'outputs.aa.x'", "did you mean \"a\"?"),
        ("for_each: 3", "for_each takes a list"),
        ("env: {X: '{{ item }}'}", "item }} is not known"),
        ("retry_backoff: 0.5", "not between 1 and 10"),
        ("pool: 'a b'", "pool \"a b\""),
        ("pool_slots: 0", "pool_slots must be 1 or more"),
        ("group: a", "has the name of a task"),
    ] {
        refused(&task(rest), expected);
    }
    let params = |text: &str| format!("name: p\nparams:\n  n: {text}\ntasks: [{{id: a, run: x}}]\n");
    for (text, expected) in [
        ("{type: integr, default: 1}", "line 3, column 13: parameter \"n\": type \"integr\""),
        ("{type: integer, default: many}", "line 3, column 31: parameter \"n\" cannot be \"many\""),
        ("{typ: integer}", "did you mean \"type\"?"),
        ("{pattern: '('}", "not a regular expression"),
        ("{enum: [a], default: b}", "one of a"),
    ] {
        refused(&params(text), expected);
    }
    refused("name: p\ncatchup: al\ntasks: [{id: a, run: x}]\n", "did you mean \"all\"?");
    refused("name: p\nstart_date: soon\ntasks: [{id: a, run: x}]\n", "line 2, column 13: start_date");
    refused(
        "name: p\nstart_date: 2026-02-01\nend_date: 2026-01-01\ntasks: [{id: a, run: x}]\n",
        "end_date is before start_date",
    );
    refused("name: p\nmax_active_runs: 0\ntasks: [{id: a, run: x}]\n", "max_active_runs must be 1 or more");
}

#[test]
fn missed_firings_are_made_up_for_as_catchup_says() {
    const HOUR: i64 = 3_600_000;
    let with = |rest: &str| {
        let text = format!("name: p\nschedule: '@hourly'\n{rest}\ntasks: [{{id: a, run: x}}]\n");
        Definition::parse(&text).unwrap_or_else(|found| panic!("{found:#?}"))
    };
    let years = 20 * 366 * 24;
    assert_eq!(with("").due(HOUR, years * HOUR + 5), [years * HOUR]);
    assert!(with("catchup: none").due(HOUR, 10 * HOUR + 120_000).is_empty());
    assert_eq!(with("catchup: none").due(10 * HOUR, 10 * HOUR + 30_000), [10 * HOUR]);
    let all = with("catchup: all\nmax_catchup: 3");
    assert_eq!(all.due(HOUR, years * HOUR + 5), [(years - 2) * HOUR, (years - 1) * HOUR, years * HOUR]);
    assert_eq!(all.due(HOUR, 2 * HOUR), [HOUR, 2 * HOUR]);
    let dated = with("catchup: all\nstart_date: 1970-01-02\nend_date: 1970-01-02");
    assert_eq!(
        (dated.first_due(None, 99 * HOUR), dated.first_due(Some(25 * HOUR), 0)),
        (Some(24 * HOUR), Some(26 * HOUR))
    );
    assert_eq!(dated.next_at(47 * HOUR), None);
    // The unquoted spelling is kept through a list of schedules, and both fire.
    let two = with("").schedules.len()
        + Definition::parse("name: p\nschedule: ['0 1 * * *', '0 2 * * *']\ntasks: [{id: a, run: x}]\n")
            .map_or(0, |two| two.firings(0, 24 * HOUR, 9).len());
    assert_eq!(two, 3);
}
