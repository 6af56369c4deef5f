"""Writes what Airflow itself decides, for the tests that hold the house's own decisions against it.

Run with an interpreter that has apache-airflow-core 3.3.2 (no server, no database is started):
    python scripts/airflow-tables.py src/pipelines/machine/airflow.tsv src/pipelines/cron/airflow.tsv
"""

import itertools
import os
import sys
import tempfile
from types import SimpleNamespace

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()

import pendulum  # noqa: E402
from airflow.ti_deps.dep_context import DepContext  # noqa: E402
from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep  # noqa: E402
from airflow.timetables.base import DataInterval, TimeRestriction  # noqa: E402
from airflow.timetables.trigger import CronTriggerTimetable  # noqa: E402
from airflow.version import version  # noqa: E402

# What is needed may be in any of these; `running` stands for all that are not over.
STATES = ["success", "failed", "skipped", "upstream_failed", "running"]
RULES = [
    "all_success",
    "all_failed",
    "all_done",
    "all_done_min_one_success",
    "all_skipped",
    "one_failed",
    "one_success",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
]


def decided(rule, states):
    """run, wait, or the state that Airflow gives the task at once."""
    upstream = [
        SimpleNamespace(task_id=f"t{at}", is_setup=False, get_needs_expansion=lambda: False)
        for at, _ in enumerate(states)
    ]
    finished = [
        SimpleNamespace(task_id=one.task_id, state=state, map_index=-1, task=one)
        for one, state in zip(upstream, states)
        if state != "running"
    ]
    given = []
    task = SimpleNamespace(
        task_id="task",
        trigger_rule=rule,
        upstream_list=upstream,
        upstream_task_ids={one.task_id for one in upstream},
        is_setup=False,
        is_teardown=False,
        get_closest_mapped_task_group=lambda: None,
        get_upstreams_only_setups=lambda: [],
    )
    instance = SimpleNamespace(
        task=task,
        task_id="task",
        map_index=-1,
        get_dagrun=lambda session: None,
        set_state=lambda state, session: given.append(state) or True,
    )
    context = DepContext(flag_upstream_failed=True, finished_tis=finished)
    statuses = list(TriggerRuleDep()._get_dep_statuses(instance, context, session=None))
    if given:
        return given[0].value
    return "run" if all(status.passed for status in statuses) else "wait"


def trigger_table():
    yield "\t".join(["needs", *RULES])
    for count in (1, 2, 3):
        for states in itertools.combinations_with_replacement(STATES, count):
            yield "\t".join(["+".join(states), *(decided(rule, states) for rule in RULES)])


CRON = [
    # expression, zone, from
    ("0 0 * * 0", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 7", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 1", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * SUN", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * sat,sun", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * MON-FRI", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 5-7", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * FRI-MON", "UTC", "2026-01-01T00:00:00"),
    # the day of the month or the weekday
    ("0 0 13 * 5", "UTC", "2026-01-01T00:00:00"),
    ("0 0 1,15 * MON", "UTC", "2026-01-01T00:00:00"),
    ("0 0 13 * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 */10 * 3", "UTC", "2026-01-01T00:00:00"),
    # the hour that is not, and the one that comes twice
    ("30 2 * * *", "America/New_York", "2026-03-07T12:00:00"),
    ("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00"),
    ("*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00"),
    ("*/30 * * * *", "America/New_York", "2026-03-08T06:00:00"),
    ("15 */2 * * *", "Europe/Berlin", "2026-03-28T22:00:00"),
    ("30 1 * * *", "America/New_York", "2026-10-31T12:00:00"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00"),
    ("*/30 * * * *", "America/New_York", "2026-11-01T05:00:00"),
    ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00"),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00"),
    ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00"),
    # zones that are off by half an hour, or shift by one
    ("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00"),
    ("*/15 * * * *", "Asia/Kathmandu", "2026-01-01T00:00:00"),
    ("0 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00"),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00"),
    ("30 * * * *", "Australia/Adelaide", "2026-10-03T15:00:00"),
    # days that few months have
    ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00"),
    ("0 0 31 * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 30 * *", "UTC", "2026-01-15T00:00:00"),
    ("0 12 29 2 1", "UTC", "2026-01-01T00:00:00"),
    ("0 0 L * *", "UTC", "2026-01-15T00:00:00"),
    ("0 0 15W * *", "UTC", "2026-01-16T00:00:00"),
    ("0 0 1W * *", "UTC", "2026-01-16T00:00:00"),
    ("0 0 * * 5#2", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 1#5", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * MON#1,FRI#3", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * L5", "UTC", "2026-01-01T00:00:00"),
    # ranges that wrap, steps, lists
    ("0 22-2 * * *", "UTC", "2026-01-01T00:00:00"),
    ("50-10 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 1 11-2 *", "UTC", "2026-01-15T00:00:00"),
    ("0 0 28-3 * *", "UTC", "2026-01-15T00:00:00"),
    ("10-50/20 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("5/15 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("*/7 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("*/7 */5 * * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 1 */5 *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 1 JAN,jul *", "UTC", "2026-02-01T00:00:00"),
    ("0,30 8-17/3 * * *", "UTC", "2026-01-01T00:00:00"),
    ("  0   5  * * * ", "UTC", "2026-01-01T00:00:00"),
    ("@hourly", "UTC", "2026-01-01T00:00:00"),
    ("@daily", "UTC", "2026-01-01T00:00:00"),
    ("@midnight", "UTC", "2026-01-01T00:00:00"),
    ("@weekly", "UTC", "2026-01-01T00:00:00"),
    ("@monthly", "UTC", "2026-01-01T00:00:00"),
    ("@quarterly", "UTC", "2026-01-01T00:00:00"),
    ("@yearly", "UTC", "2026-01-01T00:00:00"),
    ("@annually", "UTC", "2026-01-01T00:00:00"),
    # what cannot be
    ("0 0 30 2 *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 LW * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 5L", "UTC", "2026-01-01T00:00:00"),
    ("60 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("0 24 * * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 0 * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 32 * *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * 13 *", "UTC", "2026-01-01T00:00:00"),
    ("0 0 * * 8", "UTC", "2026-01-01T00:00:00"),
    ("* * * *", "UTC", "2026-01-01T00:00:00"),
    ("*/0 * * * *", "UTC", "2026-01-01T00:00:00"),
    ("1- * * * *", "UTC", "2026-01-01T00:00:00"),
    ("@reboot", "UTC", "2026-01-01T00:00:00"),
    ("nonsense", "UTC", "2026-01-01T00:00:00"),
]


def firings(expression, zone, start, count=4):
    """The next firings after a start, in local time; `refused` where Airflow takes no such schedule."""
    try:
        table = CronTriggerTimetable(expression, timezone=zone)
        table.validate()
        at, found = pendulum.parse(start, tz="UTC"), []
        for _ in range(count):
            last = DataInterval.exact(at)
            after = TimeRestriction(earliest=None, latest=None, catchup=True)
            at = table.next_dagrun_info(last_automated_data_interval=last, restriction=after).run_after
            found.append(at.in_timezone(zone).strftime("%Y-%m-%d %H:%M:%S%z"))
        return found
    except Exception:
        return ["refused"]


def cron_table():
    for expression, zone, start in CRON:
        yield "\t".join([expression, zone, start + "Z", *firings(expression, zone, start)])


for path, kind, lines in [(sys.argv[1], "TriggerRuleDep", trigger_table()), (sys.argv[2], "CronTriggerTimetable", cron_table())]:
    with open(path, "w") as file:
        file.write(f"# Written by scripts/airflow-tables.py: what Airflow {version}'s {kind} decides.\n")
        file.writelines(line + "\n" for line in lines)
