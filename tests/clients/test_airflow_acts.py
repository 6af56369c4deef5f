"""Airflow's REST API where it changes what was: clearing, marking, deleting, mapped tasks, pools."""

import json
import uuid
from datetime import datetime, timezone

from airflow_support import (  # noqa: F401
    CHAIN,
    FAILS,
    SLEEPS,
    apis,
    door,
    finished,
    make,
    models,
    raw,
    refused,
    trigger,
)
from conftest import eventually

MAPPED = """
name: {name}
tasks:
  - {{id: list, run: "echo 'names=[\\"a\\", \\"b\\", \\"c\\"]' > $CRANNOG_OUTPUT"}}
  - {{id: each, needs: [list], for_each: outputs.list.names, run: "echo item {{{{ item }}}}; test {{{{ item }}}} != b"}}
  - {{id: after, needs: [each], run: "true"}}
"""
GROUP = """
name: {name}
tasks:
  - {{id: one, group: both, run: "exit 1"}}
  - {{id: two, group: both, run: "exit 1"}}
  - {{id: after, needs: [both], run: "true"}}
"""


def states(door, run):
    found = apis.TaskInstanceApi(door).get_task_instances(run.dag_id, run.dag_run_id).task_instances
    return {(one.task_id, one.map_index): one.state and one.state.value for one in found}


def clear(door, dag, task_ids=None, **body):
    if task_ids is not None:
        body["task_ids"] = [{"actual_instance": one} for one in task_ids]
    found = apis.TaskInstanceApi(door).post_clear_task_instances(dag, models.ClearTaskInstancesBody(**body))
    return [(one.task_id, one.map_index) for one in found.task_instances]


def tries(door, run, task):
    return apis.TaskInstanceApi(door).get_task_instance(run.dag_id, run.dag_run_id, task).try_number


# clearing


def test_task_instances_are_cleared_as_their_options_say(door, make):
    dag = make(FAILS)
    run = finished(door, trigger(door, dag))
    of = dict(dag_run_id=run.dag_run_id)
    # A dry run, of the failed ones alone, is what a body without words asks for.
    assert clear(door, dag, **of) == [("bad", -1), ("after", -1)]
    assert clear(door, dag, **of, task_ids=["after"]) == [("after", -1)]
    assert clear(door, dag, **of, task_ids=["after"], include_upstream=True) == [("bad", -1), ("after", -1)]
    assert clear(door, dag, **of, task_ids=["bad"], include_downstream=True) == [("bad", -1), ("after", -1)]
    assert clear(door, dag, **of, only_running=True, only_failed=False) == []
    assert tries(door, run, "bad") == 2
    refused(404, clear, door, dag, **of, task_ids=["nothere"])
    refused(404, clear, door, dag, dag_run_id="nothere")
    assert "reset_dag_runs" in refused(409, clear, door, dag, **of, dry_run=False, reset_dag_runs=False)
    again = clear(door, dag, **of, task_ids=["bad"], include_downstream=True, dry_run=False, note="once more")
    assert again == [("bad", -1), ("after", -1)]
    assert finished(door, run).state == "failed"
    assert tries(door, run, "bad") == 4
    assert apis.TaskInstanceApi(door).get_task_instance(dag, run.dag_run_id, "bad").note == "once more"


def test_clearing_reaches_into_the_past_and_the_future(door, make):
    dag = make(CHAIN)
    days = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in (1, 2, 3)]
    runs = [finished(door, trigger(door, dag, logical_date=at, dag_run_id=f"day-{at.day}")) for at in days]
    body = dict(task_ids=["last"], only_failed=False, dag_run_id="day-2")
    assert len(clear(door, dag, **body)) == 1
    assert len(clear(door, dag, **body, include_past=True)) == 2
    assert len(clear(door, dag, **body, include_past=True, include_future=True)) == 3
    spans = dict(task_ids=["last"], only_failed=False, start_date=days[1])
    assert len(clear(door, dag, **spans)) == 2
    assert len(clear(door, dag, **spans, end_date=days[1])) == 1
    clear(door, dag, **body, include_future=True, dry_run=False)
    assert [finished(door, run).state for run in runs] == ["success"] * 3
    assert [tries(door, run, "last") for run in runs] == [1, 2, 2]


def test_what_runs_is_spared_or_begun_again(door, make):
    dag = make(SLEEPS)
    run = trigger(door, dag)
    eventually(lambda: states(door, run)[("long", -1)] == "running", what="it runs")
    of = dict(dag_run_id=run.dag_run_id, only_failed=False, task_ids=["long"])
    assert clear(door, dag, **of, only_running=True) == [("long", -1)]
    assert "runs" in refused(409, clear, door, dag, **of, dry_run=False, prevent_running_task=True)
    clear(door, dag, **of, dry_run=False)
    eventually(lambda: tries(door, run, "long") == 2, what="it runs again")


def test_runs_are_cleared_whole(door, raw, make):
    dag = make(FAILS)
    run = finished(door, trigger(door, dag))
    # The client's own model of a dry run's answer takes no task instance, Airflow's included: of the two shapes an
    # entry may have it wants exactly one to fit, and a whole instance fits both. Each fits the model it is of.
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/clear"
    dry = raw("POST", path, json={}).json()
    assert dry["total_entries"] == 2
    shapes = [models.TaskInstanceResponse.from_dict(one) for one in dry["task_instances"]]
    assert [one.task_id for one in shapes] == ["bad", "after"]
    body = raw("POST", path, json={"dry_run": False, "only_failed": True, "note": "again"}).json()
    assert body["dag_run_id"] == run.dag_run_id and body["note"] == "again"
    assert finished(door, run).state == "failed" and tries(door, run, "bad") == 4
    assert raw("POST", path, json={"only_new": True, "only_failed": True}).status_code == 422
    assert raw("POST", f"/dags/{dag}/dagRuns/nothere/clear", json={}).status_code == 404
    many = f"/dags/{dag}/clearDagRuns"
    both = [{"dag_run_id": run.dag_run_id}, {"dag_run_id": run.dag_run_id, "dag_id": dag}]
    assert raw("POST", many, json={"dag_runs": both}).json()["total_entries"] == 2
    answer = raw("POST", many, json={"dag_runs": both, "dry_run": False}).json()
    assert [one["dag_run_id"] for one in answer["dag_runs"]] == [run.dag_run_id]
    assert finished(door, run).state == "failed" and tries(door, run, "bad") == 6
    assert raw("POST", "/dags/~/clearDagRuns", json={"dag_runs": both}).status_code == 400
    # No run is of a partition: what Airflow answers of a dag that has none.
    assert raw("POST", many, json={"partition_key": "x"}).json()["total_entries"] == 0
    assert raw("POST", many, json={}).status_code == 422
    assert raw("POST", many, json={"partition_key": "x", "dag_runs": both}).status_code == 422
    assert raw("POST", "/dags/~/clearDagRuns", json={"partition_key": "x"}).status_code == 400
    parts = f"/dags/{dag}/clearPartitions"
    assert raw("POST", parts, json={"partition_key": "x"}).json() == {
        "dag_runs_cleared": 0, "task_instances_cleared": 0, "dry_run": True,
    }
    named = {"run_id": run.dag_run_id, "clear_task_instances": True}
    assert raw("POST", parts, json=named).json()["task_instances_cleared"] == 2
    assert raw("POST", parts, json=named | {"dry_run": False}).json()["task_instances_cleared"] == 2
    assert finished(door, run).state == "failed" and tries(door, run, "bad") == 8
    assert raw("POST", parts, json={}).status_code == 422


MENDED = """
name: {name}
tasks:
  - {{id: good, run: "true"}}
  - {{id: after, needs: [good, new], run: "echo the later text"}}
  - {{id: new, run: "true"}}
"""


def put(api, dag, text):
    answer = api.put(f"/pipelines/{dag}", data=text.format(name=dag))
    assert answer.ok, answer.text


def test_what_is_cleared_runs_from_the_latest_definition_if_asked_to(door, raw, api, make):
    dag = make(FAILS)
    run = finished(door, trigger(door, dag))
    put(api, dag, MENDED)
    of = dict(dag_run_id=run.dag_run_id, dry_run=False, task_ids=["after"])
    clear(door, dag, **of)
    assert finished(door, run).state == "failed"
    clear(door, dag, **of, run_on_latest_version=True)
    assert finished(door, run).state == "success"
    # What is no longer in it counts no more, and has not run again.
    expected = {"after": "success", "good": "success", "new": "success"}
    assert {task: state for (task, _), state in states(door, run).items()} == expected
    log = apis.TaskInstanceApi(door).get_log(dag, run.dag_run_id, "after", tries(door, run, "after"))
    assert "the later text" in str(log.content)
    # The same where it is the house's own clients that ask.
    put(api, dag, FAILS)
    assert api.post(f"/pipeline-runs/{run.dag_run_id}/clear", json={"latest": True}).ok
    assert finished(door, run).state == "failed"
    assert set(states(door, run)) == {("bad", -1), ("after", -1)}


def test_new_tasks_join_a_run_that_is_over(door, raw, api, make):
    dag = make("name: {name}\ntasks: [{{id: good, run: 'true'}}]\n")
    run = finished(door, trigger(door, dag))
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/clear"
    assert raw("POST", path, json={"only_new": True}).json()["total_entries"] == 0
    put(api, dag, MENDED)
    dry = raw("POST", path, json={"only_new": True}).json()["task_instances"]
    assert dry == [{"task_id": task, "task_display_name": task} for task in ("after", "new")]
    # In the client's own model, too.
    body = models.DAGRunClearBody(only_new=True, dry_run=True)
    dry = apis.DagRunApi(door).clear_dag_run(dag, run.dag_run_id, body).actual_instance.task_instances
    assert [one.actual_instance.task_id for one in dry] == ["after", "new"]
    assert raw("POST", path, json={"only_new": True, "dry_run": False}).json()["dag_run_id"] == run.dag_run_id
    assert finished(door, run).state == "success"
    assert [tries(door, run, task) for task in ("good", "after", "new")] == [1, 1, 1]


# marking


def test_a_task_instance_is_said_to_have_ended(door, raw, make):
    dag, tasks = make(FAILS), apis.TaskInstanceApi(door)
    run = finished(door, trigger(door, dag))
    good = models.PatchTaskInstanceBody(new_state="success")
    dry = tasks.patch_task_instance_dry_run(dag, run.dag_run_id, "bad", good)
    assert [one.task_id for one in dry.task_instances] == ["bad"]
    assert states(door, run)[("bad", -1)] == "failed"
    wide = models.PatchTaskInstanceBody(new_state="skipped", include_downstream=True)
    dry = tasks.patch_task_instance_dry_run_by_map_index(dag, run.dag_run_id, "bad", -1, wide)
    assert [one.task_id for one in dry.task_instances] == ["bad", "after"]
    marked = tasks.patch_task_instance(dag, run.dag_run_id, "bad", good)
    assert [one.state for one in marked.task_instances] == ["success"]
    # What could not run because of it runs now.
    assert finished(door, run).state == "success"
    assert states(door, run) == {("bad", -1): "success", ("after", -1): "success"}
    assert "already in success" in refused(409, tasks.patch_task_instance, dag, run.dag_run_id, "bad", good)
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/bad"
    assert raw("PATCH", path, json={"new_state": "running"}).status_code == 422
    assert raw("PATCH", path, json={"new_state": "failed"}, params={"update_mask": "note"}).ok
    assert states(door, run)[("bad", -1)] == "success"


def test_a_run_is_said_to_have_ended(door, make):
    dag, runs = make(FAILS), apis.DagRunApi(door)

    def put(run, state):
        return runs.patch_dag_run(dag, run.dag_run_id, models.DAGRunPatchBody(state=state)).state.value

    run = finished(door, trigger(door, dag))
    assert put(run, "success") == "success"
    assert set(states(door, run).values()) == {"success"}
    assert put(run, "failed") == "failed"
    assert set(states(door, run).values()) == {"success"}
    # Back in the queue it ends as its tasks have.
    put(run, "queued")
    assert finished(door, run).state == "success"
    slow = make(SLEEPS)
    run = trigger(door, slow)
    eventually(lambda: states(door, run)[("long", -1)] == "running", what="it runs")
    body = models.DAGRunPatchBody(state="success")
    assert runs.patch_dag_run(slow, run.dag_run_id, body).state == "success"
    assert set(states(door, run).values()) == {"success"}


def test_a_group_is_said_to_have_ended(door, raw, make):
    dag = make(GROUP)
    run = finished(door, trigger(door, dag))
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskGroupInstances/both"
    dry = raw("PATCH", f"{path}/dry_run", json={"new_state": "success"}).json()
    assert [one["task_id"] for one in dry["task_instances"]] == ["one", "two"]
    assert raw("PATCH", path, json={"new_state": "success"}).ok
    assert finished(door, run).state == "success"
    assert raw("PATCH", path, json={"new_state": "success"}).status_code == 409
    assert raw("PATCH", path.replace("both", "none"), json={"new_state": "success"}).status_code == 404


# mapped tasks


def test_instances_of_a_mapped_task(door, raw, make):
    dag, tasks = make(MAPPED), apis.TaskInstanceApi(door)
    run = finished(door, trigger(door, dag))
    assert run.state == "failed"
    assert states(door, run) == {
        ("list", -1): "success",
        ("each", 0): "success",
        ("each", 1): "failed",
        ("each", 2): "success",
        ("after", -1): "upstream_failed",
    }
    mapped = tasks.get_mapped_task_instances(dag, run.dag_run_id, "each")
    assert [(one.map_index, one.rendered_map_index) for one in mapped.task_instances] == [(0, "a"), (1, "b"), (2, "c")]
    assert tasks.get_mapped_task_instances(dag, run.dag_run_id, "each", state=["failed"]).total_entries == 1
    assert tasks.get_task_instances(dag, run.dag_run_id, map_index=[2]).total_entries == 1
    one = tasks.get_mapped_task_instance(dag, run.dag_run_id, "each", 1)
    assert (one.task_id, one.map_index, one.state) == ("each", 1, "failed")
    assert "map_index" in refused(404, tasks.get_task_instance, dag, run.dag_run_id, "each")
    refused(404, tasks.get_mapped_task_instance, dag, run.dag_run_id, "each", 3)
    assert tasks.get_mapped_task_instance_tries(dag, run.dag_run_id, "each", 1).total_entries == 1
    log = tasks.get_log(dag, run.dag_run_id, "each", 1, map_index=1)
    assert [line.event for line in log.content.actual_instance] == ["item b"]
    assert apis.TaskApi(door).get_task(dag, "each").is_mapped
    again = clear(door, dag, dag_run_id=run.dag_run_id, task_ids=[["each", 1]], only_failed=False)
    assert again == [("each", 1)]
    again = clear(door, dag, dag_run_id=run.dag_run_id, dry_run=False)
    assert sorted(again) == [("after", -1), ("each", 1)]
    assert finished(door, run).state == "failed"
    assert tasks.get_mapped_task_instance(dag, run.dag_run_id, "each", 1).try_number == 2
    assert tasks.get_mapped_task_instance(dag, run.dag_run_id, "each", 0).try_number == 1
    good = models.PatchTaskInstanceBody(new_state="success")
    tasks.patch_task_instance_by_map_index(dag, run.dag_run_id, "each", 1, good)
    assert finished(door, run).state == "success"


# why it waits


def test_a_task_instance_says_what_it_waits_for(door, make):
    dag, tasks = make(SLEEPS), apis.TaskInstanceApi(door)
    run = trigger(door, dag)
    eventually(lambda: states(door, run)[("long", -1)] == "running", what="it runs")
    waits = tasks.get_task_instance_dependencies(dag, run.dag_run_id, "never").dependencies
    assert [(one.name, one.reason) for one in waits] == [("Trigger Rule", "waits for long")]
    assert tasks.get_task_instance_dependencies(dag, run.dag_run_id, "long").dependencies == []
    refused(404, tasks.get_task_instance_dependencies, dag, run.dag_run_id, "nothere")


# deleting, and many at once


def test_runs_and_task_instances_are_deleted(door, api, server, make):
    dag, runs, tasks = make(FAILS), apis.DagRunApi(door), apis.TaskInstanceApi(door)
    run = finished(door, trigger(door, dag, dag_run_id="once"))
    folder = server.data_dir / "tasks"
    own = api.get(f"/pipelines/{dag}/runs").json()["runs"][0]["id"]
    assert (folder / own / "bad").exists()
    tasks.delete_task_instance(dag, run.dag_run_id, "bad")
    assert not (folder / own / "bad").exists()
    refused(404, tasks.get_task_instance, dag, run.dag_run_id, "bad")
    assert states(door, run) == {("after", -1): "upstream_failed"}
    runs.delete_dag_run(dag, run.dag_run_id)
    refused(404, runs.get_dag_run, dag, run.dag_run_id)
    assert not (folder / own).exists()
    # The id is free again.
    finished(door, trigger(door, dag, dag_run_id="once"))
    slow = trigger(door, make(SLEEPS))
    eventually(lambda: states(door, slow)[("long", -1)] == "running", what="it runs")
    refused(409, runs.delete_dag_run, slow.dag_id, slow.dag_run_id)
    refused(409, tasks.delete_task_instance, slow.dag_id, slow.dag_run_id, "long")
    refused(404, runs.delete_dag_run, dag, "nothere")


def test_task_instances_and_runs_in_bulk(door, raw, make):
    dag = make(FAILS)
    first, second = (finished(door, trigger(door, dag)) for _ in range(2))
    path = f"/dags/{dag}/dagRuns/{first.dag_run_id}/taskInstances"
    entities = [{"task_id": "bad", "new_state": "skipped", "note": "seen"}, {"task_id": "nothere", "new_state": "failed"}]
    answer = raw("PATCH", path, json={"actions": [{"action": "update", "entities": entities}]}).json()["update"]
    assert answer["success"] == [f"{dag}.{first.dag_run_id}.bad[-1]"]
    assert [error["status_code"] for error in answer["errors"]] == [404]
    assert states(door, first)[("bad", -1)] == "skipped"
    elsewhere = {"dag_id": dag, "dag_run_id": second.dag_run_id, "task_id": "bad", "map_index": -1}
    actions = [{"action": "delete", "entities": [elsewhere]}, {"action": "create", "entities": [elsewhere]}]
    answer = raw("PATCH", "/dags/~/dagRuns/~/taskInstances", json={"actions": actions}).json()
    assert answer["delete"]["success"] == [f"{dag}.{second.dag_run_id}.bad[-1]"]
    assert answer["create"]["errors"][0]["status_code"] == 405
    wild = raw("PATCH", "/dags/~/dagRuns/~/taskInstances", json={"actions": [{"action": "delete", "entities": ["bad"]}]})
    assert wild.json()["delete"]["errors"][0]["status_code"] == 400
    update = {"action": "update", "entities": [{"dag_run_id": second.dag_run_id, "state": "success", "note": "fine"}]}
    gone = {"action": "delete", "entities": [first.dag_run_id, "nothere"], "action_on_non_existence": "skip"}
    answer = raw("PATCH", f"/dags/{dag}/dagRuns", json={"actions": [update, gone]}).json()
    assert answer["update"]["success"] == [f"{dag}.{second.dag_run_id}"]
    assert answer["delete"]["success"] == [f"{dag}.{first.dag_run_id}"]
    left = apis.DagRunApi(door).get_dag_runs(dag).dag_runs
    assert [(one.state.value, one.note) for one in left] == [("success", "fine")]


# pools


WAITS = """
name: {name}
tasks:
  - {{id: one, pool: POOL, wait_for: {{time: "2050-01-01T00:00:00Z"}}}}
  - {{id: two, pool: POOL, wait_for: {{time: "2050-01-01T00:00:00Z"}}}}
"""


def test_a_pool_counts_the_tasks_that_wait_where_it_says_so(door, make):
    pools, name = apis.PoolApi(door), f"af-{uuid.uuid4().hex[:8]}"
    pools.post_pool(models.PoolBody(name=name, slots=1, include_deferred=True))
    run = trigger(door, make(WAITS.replace("POOL", name)))
    eventually(lambda: pools.get_pool(name).deferred_slots == 1, what="one of them waits")
    pool = pools.get_pool(name)
    assert (pool.occupied_slots, pool.running_slots, pool.open_slots) == (1, 0, 0)
    assert sorted(states(door, run).values()) == ["deferred", "queued"]
    pools.patch_pool(name, models.PoolPatchBody(include_deferred=False))
    eventually(lambda: list(states(door, run).values()) == ["deferred"] * 2, what="both wait")
    assert pools.get_pool(name).open_slots == 1
    apis.DagRunApi(door).patch_dag_run(run.dag_id, run.dag_run_id, models.DAGRunPatchBody(state="failed"))
    pools.delete_pool(name)


def test_pools_come_and_go(door, raw):
    pools, name = apis.PoolApi(door), f"af-{uuid.uuid4().hex[:8]}"
    made = pools.post_pool(models.PoolBody(name=name, slots=3, description="what for"))
    assert (made.name, made.slots, made.open_slots, made.description) == (name, 3, 3, "what for")
    assert name in refused(409, pools.post_pool, models.PoolBody(name=name, slots=1))
    changed = pools.patch_pool(name, models.PoolPatchBody(pool=name, slots=5))
    assert (changed.slots, changed.description) == (5, "what for")
    changed = pools.patch_pool(name, models.PoolPatchBody(slots=-1, description="new"), update_mask=["slots"])
    assert (changed.slots, changed.open_slots, changed.description) == (-1, -1, "what for")
    assert pools.get_pool(name).slots == -1
    assert pools.get_pools(pool_name_pattern=name).total_entries == 1
    assert pools.get_pool("default_pool").slots > 0
    refused(400, pools.delete_pool, "default_pool")
    refused(400, pools.patch_pool, name, models.PoolPatchBody(pool="other", slots=1))
    counts = pools.patch_pool(name, models.PoolPatchBody(include_deferred=True))
    assert counts.include_deferred and pools.get_pool(name).include_deferred
    assert raw("POST", "/pools", json={"name": "x", "slots": -2}).status_code == 422
    pools.delete_pool(name)
    refused(404, pools.get_pool, name)
    refused(404, pools.delete_pool, name)
    entities = [{"name": name, "slots": 2}]
    actions = [{"action": action, "entities": entities} for action in ("create", "update")]
    actions.append({"action": "delete", "entities": [name]})
    answer = raw("PATCH", "/pools", json={"actions": actions}).json()
    assert [answer[action]["success"] for action in ("create", "update", "delete")] == [[name]] * 3


# backfills

DAILY = """
name: {name}
schedule: "@daily"
catchup: none
tasks:
  - {{id: only, run: "test ! -e {flag} || sleep 600"}}
"""


def span(first, last, **more):
    days = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in (first, last)]
    return models.BackfillPostBody(from_date=days[0], to_date=days[1], **more)


def test_a_backfill_is_tried_out_made_paused_and_stopped(door, raw, make, tmp_path):
    flag = tmp_path / "wait"
    flag.touch()
    dag, fills, runs = make(DAILY.replace("{flag}", str(flag))), apis.BackfillApi(door), apis.DagRunApi(door)

    def of(state):
        found = runs.get_dag_runs(dag, state=[state], order_by=["logical_date"]).dag_runs
        return [run.logical_date.day for run in found]

    plan = span(1, 5, dag_id=dag, max_active_runs=1)
    dry = fills.create_backfill_dry_run(plan)
    assert [one.logical_date.day for one in dry.backfills] == [1, 2, 3, 4, 5] and dry.total_entries == 5
    assert of("queued") == [] and fills.list_backfills(dag).total_entries == 0
    made = fills.create_backfill(plan)
    assert (made.dag_id, made.max_active_runs, made.is_paused, made.completed_at) == (dag, 1, False, None)
    eventually(lambda: of("running") == [1], what="the first run")
    assert of("queued") == [2, 3, 4, 5]
    assert {run.run_type.value for run in runs.get_dag_runs(dag).dag_runs} == {"backfill"}
    assert dag in refused(409, fills.create_backfill, plan)
    assert fills.pause_backfill(made.id).is_paused
    flag.unlink()
    first = runs.get_dag_runs(dag, state=["running"]).dag_runs[0]
    runs.patch_dag_run(dag, first.dag_run_id, models.DAGRunPatchBody(state="success"))
    waits = apis.TaskInstanceApi(door).get_task_instance_dependencies
    second = runs.get_dag_runs(dag, state=["queued"], order_by=["logical_date"]).dag_runs[0]
    assert "paused" in waits(dag, second.dag_run_id, "only").dependencies[0].reason
    assert of("queued") == [2, 3, 4, 5]
    # airflowctl sends POST where the specification says PUT.
    flag.touch()
    assert raw("POST", f"/backfills/{made.id}/unpause").json()["is_paused"] is False
    eventually(lambda: of("running") == [2], what="the second run")
    assert fills.get_backfill(made.id).completed_at is None
    assert fills.cancel_backfill(made.id).completed_at is not None
    assert of("failed") == [3, 4, 5] and of("running") == [2]
    for act in (fills.pause_backfill, fills.unpause_backfill, fills.cancel_backfill):
        assert "completed" in refused(409, act, made.id)
    refused(404, fills.get_backfill, 10**9)


def test_a_backfill_runs_again_what_failed_or_all_and_backwards(door, make, tmp_path):
    dag, fills, runs = make(DAILY.replace("{flag}", str(tmp_path / "never"))), apis.BackfillApi(door), apis.DagRunApi(door)

    def over(plan):
        made = fills.create_backfill(plan)
        eventually(lambda: fills.get_backfill(made.id).completed_at, what="the backfill is over")
        return made

    over(span(1, 3, dag_id=dag))
    again = span(1, 4, dag_id=dag, reprocess_behavior="failed")
    assert [one.logical_date.day for one in fills.create_backfill_dry_run(again).backfills] == [4]
    second = runs.get_dag_runs(dag, order_by=["logical_date"]).dag_runs[1]
    runs.patch_dag_run(dag, second.dag_run_id, models.DAGRunPatchBody(state="failed"))
    assert [one.logical_date.day for one in fills.create_backfill_dry_run(again).backfills] == [2, 4]
    over(again)
    states_now = {run.logical_date.day: run.state.value for run in runs.get_dag_runs(dag).dag_runs}
    assert states_now == {1: "success", 2: "success", 3: "success", 4: "success"}
    everything = span(1, 4, dag_id=dag, reprocess_behavior="completed", run_backwards=True, max_active_runs=1)
    over(everything)
    last = runs.get_dag_runs(dag, order_by=["start_date"]).dag_runs
    tries_of = [tries(door, run, "only") for run in sorted(last, key=lambda run: run.logical_date)]
    assert tries_of == [2, 3, 2, 2]
    starts = {run.logical_date.day: apis.TaskInstanceApi(door).get_task_instance(dag, run.dag_run_id, "only").start_date for run in last}
    assert sorted(starts, key=starts.get) == [4, 3, 2, 1]
    refused(422, fills.create_backfill, span(5, 1, dag_id=dag))
    refused(404, fills.create_backfill, span(1, 2, dag_id="nothere"))
    refused(400, fills.create_backfill, span(1, 2, dag_id=make(CHAIN.replace('schedule: "30 2 * * *"\n', ""))))


# what tasks give


def test_outputs_are_xcom_entries(door, raw, make):
    dag, xcoms = make(MAPPED), apis.XComApi(door)
    run = finished(door, trigger(door, dag))
    of = dict(dag_id=dag, dag_run_id=run.dag_run_id, task_id="list")
    found = xcoms.get_xcom_entries(**of)
    assert [(one.key, one.task_id, one.map_index) for one in found.xcom_entries] == [("names", "list", -1)]
    assert raw("GET", f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/list/xcomEntries/names").json()["value"] == [
        "a",
        "b",
        "c",
    ]
    made = xcoms.create_xcom_entry(**of, x_com_create_body=models.XComCreateBody(key="more", value={"n": 1}))
    assert (made.key, made.value) == ("more", {"n": 1})
    refused(409, xcoms.create_xcom_entry, **of, x_com_create_body=models.XComCreateBody(key="more", value=2))
    assert xcoms.update_xcom_entry(**of, xcom_key="more", x_com_update_body=models.XComUpdateBody(value="text")).value == "text"
    refused(404, xcoms.update_xcom_entry, **of, xcom_key="nothere", x_com_update_body=models.XComUpdateBody(value=1))
    refused(400, xcoms.create_xcom_entry, **of, x_com_create_body=models.XComCreateBody(key="large", value="x" * (300 << 10)))
    each = of | {"task_id": "each"}
    xcoms.create_xcom_entry(**each, x_com_create_body=models.XComCreateBody(key="own", value=7, map_index=2))
    assert [(one.key, one.map_index) for one in xcoms.get_xcom_entries(**each).xcom_entries] == [("own", 2)]
    everywhere = xcoms.get_xcom_entries(dag, "~", "~")
    assert [one.key for one in everywhere.xcom_entries] == ["own", "more", "names"] and everywhere.total_entries == 3
    assert xcoms.get_xcom_entries(dag, "~", "~", xcom_key="own", map_index=2).total_entries == 1
    assert xcoms.get_xcom_entries(dag, "~", "~", xcom_key_pattern="m").total_entries == 2
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/each/xcomEntries/own"
    assert raw("GET", path, params={"map_index": 2}).json()["value"] == 7
    assert raw("GET", path, params={"map_index": 2, "stringify": "true"}).json()["value"] == "7"
    assert raw("DELETE", path, params={"map_index": 2}).status_code == 204
    assert raw("GET", path, params={"map_index": 2}).status_code == 404
    xcoms.delete_xcom_entry(**of, xcom_key="more")
    assert "more" in refused(404, xcoms.get_xcom_entry, **of, xcom_key="more")


# what tasks are given


def test_variables_and_connections_reach_tasks_and_no_log_of_the_server(door, raw, make, server):
    key, conn, secret = f"af_{uuid.uuid4().hex[:8]}", f"af_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    apis.VariableApi(door).post_variable(models.VariableBody(key=key, value=secret))
    apis.ConnectionApi(door).post_connection(
        models.ConnectionBody(connection_id=conn, conn_type="postgres", host="db", password="p" + secret, extra='{"a": 1}')
    )
    text = "name: {name}\ntasks:\n  - {{id: show, run: \"echo $AIRFLOW_VAR_KEY; echo $AIRFLOW_CONN_ID\"}}\n"
    dag = make(text.replace("KEY", key.upper()).replace("_ID", "_" + conn.upper()))
    run = finished(door, trigger(door, dag))
    log = raw("GET", f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/show/logs/1", headers={"Accept": "text/plain"})
    value, connection = log.text.splitlines()
    assert value == secret
    assert json.loads(connection) == {
        "conn_type": "postgres",
        "host": "db",
        "password": "p" + secret,
        "extra": {"a": 1},
    }
    attempt = server.data_dir / "tasks" / run.dag_run_id / "show" / "1"
    kept = [file for file in attempt.rglob("*") if file.is_file() and secret in file.read_text(errors="replace")]
    assert [file.name for file in kept] == ["log"], "the task printed it, and nothing else keeps it"
    database = [server.data_dir / "control.db", server.data_dir / "control.db-wal"]
    assert all(secret.encode() not in file.read_bytes() for file in database if file.exists())
    apis.VariableApi(door).delete_variable(key)
    apis.ConnectionApi(door).delete_connection(conn)
