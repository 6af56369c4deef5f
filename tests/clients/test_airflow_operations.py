"""Every operation that Airflow's client knows is answered: done, an empty list, or told why not."""

import inspect
import re

import pytest
from airflow_support import apis, raw  # noqa: F401

# What the server has no counterpart of: a fixed list, which docs/airflow.md gives in words.
NONE = """
GET /assets/{asset_id}
GET /assets/aliases/{asset_alias_id}
POST /assets/events
POST /assets/{asset_id}/materialize
GET /assets/{asset_id}/queuedEvents
DELETE /assets/{asset_id}/queuedEvents
GET /assets/{asset_id}/state-store
DELETE /assets/{asset_id}/state-store
GET /assets/{asset_id}/state-store/{key}
PUT /assets/{asset_id}/state-store/{key}
DELETE /assets/{asset_id}/state-store/{key}
GET /config
GET /config/section/{section}/option/{option}
POST /connections/defaults
GET /connections/enqueue-test
POST /connections/enqueue-test
POST /connections/test
GET /dags/{dag_id}/assets/queuedEvents
DELETE /dags/{dag_id}/assets/queuedEvents
GET /dags/{dag_id}/assets/{asset_id}/queuedEvents
DELETE /dags/{dag_id}/assets/{asset_id}/queuedEvents
GET /eventLogs/{event_log_id}
GET {task}/state-store
DELETE {task}/state-store
GET {task}/state-store/{key}
PUT {task}/state-store/{key}
PATCH {task}/state-store/{key}
DELETE {task}/state-store/{key}
GET {task}/{map_index}/hitlDetails
PATCH {task}/{map_index}/hitlDetails
GET {task}/{map_index}/hitlDetails/tries/{try_number}
"""
TASK = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
EMPTY = [
    "/assets",
    "/assets/aliases",
    "/assets/events",
    "/dagTags",
    "/dagWarnings",
    "/eventLogs",
    "/jobs",
    "/plugins",
    "/plugins/importErrors",
    "/providers",
]


def operations():
    """Method and path of all that the client can call, from its own code."""
    found = set()
    for _, api in inspect.getmembers(apis, inspect.isclass):
        text = inspect.getsource(api)
        found |= set(re.findall(r"method='(\w+)',\s+resource_path='/api/v2([^']+)'", text))
    return sorted(found)


def none_of_these():
    lines = [line for line in NONE.replace("{task}", TASK).splitlines() if line]
    return {tuple(line.split(" ", 1)) for line in lines}


def test_the_count_in_the_documentation_is_true():
    every, none = set(operations()), none_of_these()
    assert none <= every
    assert (len(every), len(none)) == (128, 31)


@pytest.mark.parametrize(("method", "path"), operations())
def test_each_is_answered(raw, method, path):  # noqa: F811
    numbers = "(map_index|try_number|task_try_number|version_number|backfill_id|import_error_id|event_log_id)"
    filled = re.sub("{[^}]+}", "nothere", re.sub(rf"{{{numbers}}}", "7", path))
    answer = raw(method, filled, json={} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status_code not in (405, 500), answer.text
    if not answer.ok:
        detail = answer.json()["detail"]
        assert "has no operation" not in str(detail), detail
    if (method, path) in none_of_these():
        assert answer.status_code in (403, 404, 501) and len(detail) > 20, answer.text
    else:
        assert answer.status_code not in (403, 501), answer.text
    if method == "GET" and path in EMPTY:
        assert answer.json()["total_entries"] == 0
