"""Airflow's REST API as its official client uses it: the same objects, from the house's pipelines."""

import json
import uuid
from datetime import datetime, timedelta, timezone

import requests
from airflow_support import (  # noqa: F401
    CHAIN,
    FAILS,
    SLEEPS,
    airflow,
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

# who may


def test_a_token_for_a_day_and_no_entry_without(server, raw):
    where = server.http_url + "/auth/token"
    wrong = requests.post(where, json={"username": server.user, "password": "no"}, timeout=30)
    assert wrong.status_code == 401 and isinstance(wrong.json()["detail"], str)
    missing = requests.post(where, json={"username": server.user}, timeout=30)
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "password"]
    assert requests.post(where, data="{", timeout=30).status_code == 422
    cli = requests.post(
        where + "/cli", json={"username": server.user, "password": server.password}, timeout=30
    )
    assert cli.status_code == 201
    token = cli.json()["access_token"]
    bearer = requests.get(
        server.http_url + "/api/v2/version", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert bearer.json()["version"] == "3.3.2"
    expires = next(t for t in server.api().get("/tokens").json()["tokens"] if t["label"] == "airflow client")
    lives = datetime.fromisoformat(expires["expires_at"]) - datetime.fromisoformat(expires["created_at"])
    assert lives == timedelta(days=1)
    assert raw("GET", "/dags", auth=None).status_code == 401
    assert raw("GET", "/dags", auth=("nobody", "x")).status_code == 401
    assert isinstance(raw("GET", "/dags", auth=None).json()["detail"], str)


def test_a_viewer_reads_and_an_editor_acts(api, server, raw, make):
    dag, viewer = make(CHAIN), f"v{uuid.uuid4().hex[:8]}"
    assert api.post("/users", json={"name": viewer, "password": "long enough 1", "role": "viewer"}).ok
    auth = (viewer, "long enough 1")
    assert raw("GET", f"/dags/{dag}", auth=auth).status_code == 200
    answer = raw("POST", f"/dags/{dag}/dagRuns", auth=auth, json={"logical_date": None})
    assert answer.status_code == 403 and "viewer" in answer.json()["detail"]
    assert raw("PATCH", f"/dags/{dag}", auth=auth, json={"is_paused": True}).status_code == 403
    api.delete(f"/users/{viewer}")


def test_health_says_who_is_alive(door):
    health = apis.MonitorApi(door).get_health()
    assert health.metadatabase.status == health.scheduler.status == "healthy"
    beat = datetime.fromisoformat(health.scheduler.latest_scheduler_heartbeat)
    assert abs(datetime.now(timezone.utc) - beat) < timedelta(minutes=1)
    assert health.triggerer.status is None
    # The client asks without a token: both are open.
    assert apis.VersionApi(door).get_version().version == "3.3.2"


# dags


def test_a_dag_with_its_details_and_tasks(door, make):
    dag = make(CHAIN)
    one = apis.DAGApi(door).get_dag(dag)
    assert (one.dag_id, one.is_paused, one.timetable_summary) == (dag, False, "30 2 * * *")
    assert one.description == "a chain with a parameter"
    assert one.next_dagrun_run_after > datetime.now(timezone.utc)
    details = apis.DAGApi(door).get_dag_details(dag)
    assert details.timezone == "Europe/Berlin"
    assert details.params["word"]["value"] == "hello"
    tasks = apis.TaskApi(door).get_tasks(dag)
    assert [task.task_id for task in tasks.tasks] == ["first", "last"] and tasks.total_entries == 2
    assert tasks.tasks[0].downstream_task_ids == ["last"]
    last = apis.TaskApi(door).get_task(dag, "last")
    assert (last.retries, last.retry_delay.seconds, last.execution_timeout.seconds) == (2, 5, 5400)
    assert "nothere" in refused(404, apis.TaskApi(door).get_task, dag, "nothere")
    assert "nothere" in refused(404, apis.DAGApi(door).get_dag, "nothere")
    refused(404, apis.DAGApi(door).get_dag_details, "nothere")
    refused(400, apis.TaskApi(door).get_tasks, dag, order_by="nothing")


def test_dags_are_filtered_ordered_and_paged(door, make):
    names = sorted(make(text) for text in (CHAIN, FAILS, SLEEPS))
    dags = apis.DAGApi(door)

    def listed(**filters):
        found = dags.get_dags(**filters)
        return [one.dag_id for one in found.dags if one.dag_id in names], found.total_entries

    assert listed(dag_id_pattern="af-")[0] == names
    assert listed(dag_id_pattern="|".join(names[:2])) == (names[:2], 2)
    assert listed(dag_id_prefix_pattern=names[0]) == ([names[0]], 1)
    assert listed(dag_id_pattern="|".join(names), order_by=["-dag_id"])[0] == names[::-1]
    assert listed(dag_id_pattern="|".join(names), limit=1, offset=1) == ([names[1]], 3)
    dags.patch_dag(names[1], models.DAGPatchBody(is_paused=True), update_mask=["is_paused"])
    assert listed(dag_id_pattern="|".join(names), paused=True) == ([names[1]], 1)
    assert listed(dag_id_pattern="|".join(names), paused=False)[1] == 2
    both = dags.patch_dags(models.DAGPatchBody(is_paused=True), dag_id_pattern="|".join(names))
    assert [one.is_paused for one in both.dags] == [True, True, True]
    assert listed(tags=["none has this"])[1] == 0
    refused(400, dags.get_dags, order_by=["nothing"])


def test_wrong_queries_and_bodies_are_told_where(raw, make):
    dag = make(CHAIN)
    for path, place in [
        ("/dags?limit=x", "limit"),
        ("/dags?offset=-1", "offset"),
        ("/dags?paused=perhaps", "paused"),
        (f"/dags/{dag}/dagRuns?logical_date_gte=yesterday", "logical_date_gte"),
        (f"/dags/{dag}/dagRuns?state=lost", "state"),
        (f"/dags/{dag}/dagRuns?duration_gt=long", "duration_gt"),
    ]:
        answer = raw("GET", path)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["detail"][0]["loc"] == ["query", place]
    for body, kind in [
        ({}, "missing"),
        ({"is_paused": True, "more": 1}, "extra_forbidden"),
        ({"is_paused": "perhaps"}, "value_error"),
        ([], "model_attributes_type"),
    ]:
        answer = raw("PATCH", f"/dags/{dag}", json=body)
        assert answer.status_code == 422 and answer.json()["detail"][0]["type"] == kind, answer.text
    assert raw("PATCH", f"/dags/{dag}?update_mask=name", json={"is_paused": True}).status_code == 400


def test_a_dag_is_deleted_but_not_while_it_runs(door, make):
    dag = make(SLEEPS)
    run = trigger(door, dag)
    assert "not over" in refused(409, apis.DAGApi(door).delete_dag, dag)
    apis.DagRunApi(door).patch_dag_run(dag, run.dag_run_id, models.DAGRunPatchBody(state="failed"))
    finished(door, run)
    apis.DAGApi(door).delete_dag(dag)
    refused(404, apis.DAGApi(door).get_dag, dag)


# runs


def test_a_run_is_triggered_with_its_own_id_and_date(door, server, make):
    dag, runs = make(CHAIN), apis.DagRunApi(door)
    at = datetime(2026, 1, 31, 8, 30, tzinfo=timezone.utc)
    run = trigger(
        door, dag, dag_run_id="manual__2026-01-31T08:30:00+00:00", logical_date=at, conf={"word": "hi"}, note="why"
    )
    assert (run.dag_run_id, run.logical_date, run.run_type) == ("manual__2026-01-31T08:30:00+00:00", at, "manual")
    assert (run.conf, run.note, run.triggering_user_name) == ({"word": "hi"}, "why", server.user)
    done = finished(door, run)
    assert done.state == "success" and done.duration > 0
    assert done.start_date <= done.end_date
    again = refused(409, trigger, door, dag, dag_run_id=run.dag_run_id)
    assert run.dag_run_id in again
    assert runs.get_dag_run(dag, run.dag_run_id).state == "success"
    refused(404, runs.get_dag_run, dag, "nothere")
    refused(404, runs.get_dag_run, "nothere", run.dag_run_id)


def test_a_trigger_that_cannot_be_is_refused(door, raw, make):
    dag = make(CHAIN)
    refused(404, trigger, door, "nothere")
    assert "nosuch" in refused(400, trigger, door, dag, conf={"nosuch": 1})
    assert refused(422, trigger, door, dag, dag_run_id="a/b")[0]["loc"] == ["body", "dag_run_id"]
    assert "not a partitioned Dag" in refused(400, trigger, door, dag, partition_key="2026-01")
    assert "not partitioned" in raw("GET", f"/dags/{dag}/dagRuns?partition_date_gte=2026-01-01").json()["detail"]
    for body in ({"logical_date": "soon"}, {"conf": "text"}, {"unknown": 1}, {"data_interval_start": "2026-01-01"}):
        assert raw("POST", f"/dags/{dag}/dagRuns", json=body).status_code == 422, body
    assert apis.DagRunApi(door).get_dag_runs(dag).total_entries == 0


def test_a_run_begins_no_earlier_than_it_is_asked_to(door, raw, make, api):
    dag, runs = make(CHAIN), apis.DagRunApi(door)
    far, near = (datetime.now(timezone.utc) + timedelta(seconds=seconds) for seconds in (86_400, 2))
    later, soon = trigger(door, dag, run_after=far), trigger(door, dag, run_after=near)
    assert (later.state, later.run_after) == ("queued", far.replace(microsecond=far.microsecond // 1000 * 1000))
    done = finished(door, soon)
    assert done.state == "success" and done.start_date >= near - timedelta(milliseconds=1)
    found = runs.get_dag_runs(dag, run_after_gte=far - timedelta(seconds=1))
    assert [one.dag_run_id for one in found.dag_runs] == [later.dag_run_id]
    assert runs.get_dag_run(dag, later.dag_run_id).state == "queued"
    shown = api.get(f"/pipeline-runs/{later.dag_run_id}").json()
    assert "is to begin at" in shown["waiting_for"] and shown["not_before"]
    runs.delete_dag_run(dag, later.dag_run_id)


def test_runs_are_searched_in_one_dag_and_all(door, raw, make):
    good, bad, runs = make(CHAIN), make(FAILS), apis.DagRunApi(door)
    dates = [datetime(2026, 3, day, tzinfo=timezone.utc) for day in (1, 2, 3)]
    ids = [finished(door, trigger(door, good, logical_date=at, dag_run_id=f"day-{at.day}")).dag_run_id for at in dates]
    failed = finished(door, trigger(door, bad))
    assert failed.state == "failed"

    def listed(dag=good, **filters):
        found = runs.get_dag_runs(dag, **filters)
        return [run.dag_run_id for run in found.dag_runs], found.total_entries

    assert listed(order_by=["logical_date"]) == (ids, 3)
    assert listed(order_by=["-logical_date"], limit=2, offset=1) == ([ids[1], ids[0]], 3)
    assert listed(logical_date_gte=dates[1], order_by=["run_id"]) == (ids[1:], 2)
    assert listed(logical_date_gt=dates[0], logical_date_lt=dates[2]) == ([ids[1]], 1)
    assert listed(state=["failed"]) == ([], 0)
    assert listed(run_type=["manual"])[1] == 3 and listed(run_type=["scheduled"])[1] == 0
    assert listed(run_id_pattern="day-2") == ([ids[1]], 1)
    assert listed(conf_contains="hello")[1] == 3
    assert listed("~", dag_id_pattern=f"{good}|{bad}")[1] == 4
    assert listed("~", dag_id_pattern=f"{good}|{bad}", state=["failed"]) == ([failed.dag_run_id], 1)
    batch = models.DAGRunsBatchBody(dag_ids=[good, bad], states=["success"], order_by="-logical_date", page_limit=2)
    found = runs.get_list_dag_runs_batch("~", batch)
    assert ([run.dag_run_id for run in found.dag_runs], found.total_entries) == (ids[:0:-1], 3)
    refused(404, runs.get_dag_runs, "nothere")
    refused(400, runs.get_dag_runs, good, order_by=["nothing"])
    assert raw("POST", f"/dags/{good}/dagRuns/list", json={}).status_code == 422
    assert raw("POST", "/dags/~/dagRuns/list", json={"dag_ids": [{}]}).status_code == 422


def test_a_run_is_given_a_note_and_ended(door, make):
    dag, runs = make(SLEEPS), apis.DagRunApi(door)
    run = trigger(door, dag)
    noted = runs.patch_dag_run(dag, run.dag_run_id, models.DAGRunPatchBody(note="look here"))
    assert noted.note == "look here" and noted.state in ("queued", "running")
    masked = models.DAGRunPatchBody(note="not this", state="failed")
    assert runs.patch_dag_run(dag, run.dag_run_id, masked, update_mask=["state"]).note == "look here"
    assert finished(door, run).state == "failed"
    tasks = apis.TaskInstanceApi(door).get_task_instances(dag, run.dag_run_id).task_instances
    # The one that began has failed, the one that never did was skipped.
    assert {task.task_id: task.state for task in tasks}["never"] == "skipped"
    refused(404, runs.patch_dag_run, dag, "nothere", models.DAGRunPatchBody(note="x"))


GIVES = """
name: {name}
tasks:
  - {{id: none, run: "true"}}
  - {{id: plain, run: "echo '{{\\"return_value\\": 7}}' > $CRANNOG_OUTPUT"}}
  - {{id: named, run: "echo '{{\\"rows\\": 3}}' > $CRANNOG_OUTPUT"}}
  - {{id: each, for_each: [1, 2], run: "echo '{{\\"return_value\\": {{{{ item }}}} }}' > $CRANNOG_OUTPUT"}}
"""


def test_waiting_ends_with_the_run(door, raw, make):
    dag = make(CHAIN)
    run = trigger(door, dag)
    answer = raw("GET", f"/dags/{dag}/dagRuns/{run.dag_run_id}/wait?interval=0.05")
    # Airflow names no type either: its client refuses the one that its documentation names.
    assert "content-type" not in answer.headers
    states = [json.loads(line)["state"] for line in answer.text.splitlines()]
    assert states[-1] == "success" and "success" not in states[:-1]
    for interval in ("", "?interval=0", "?interval=soon"):
        assert raw("GET", f"/dags/{dag}/dagRuns/{run.dag_run_id}/wait{interval}").status_code == 422
    assert raw("GET", f"/dags/{dag}/dagRuns/nothere/wait?interval=1").status_code == 404


def test_the_client_waits_and_is_told_what_tasks_gave(door, make):
    dag = make(GIVES)
    run = trigger(door, dag)
    wait = apis.DagRunApi(door).wait_dag_run_until_finished
    # Several lines are a text to the client, one line is an object.
    told = str(wait(dag, run.dag_run_id, interval=0.05))
    assert "success" in told and "results" not in told
    assert wait(dag, run.dag_run_id, interval=1) == {"state": "success"}
    told = wait(dag, run.dag_run_id, interval=1, result=["plain", "named", "each", "none"])
    assert told == {"state": "success", "results": {"plain": 7, "named": {"rows": 3}, "each": [1, 2]}}


# task instances and their logs


def test_task_instances_of_a_run(door, make):
    dag, tasks = make(FAILS), apis.TaskInstanceApi(door)
    run = finished(door, trigger(door, dag))
    listed = tasks.get_task_instances(dag, run.dag_run_id)
    assert {one.task_id: one.state for one in listed.task_instances} == {"bad": "failed", "after": "upstream_failed"}
    assert listed.total_entries == 2
    bad = tasks.get_task_instance(dag, run.dag_run_id, "bad")
    assert (bad.try_number, bad.max_tries, bad.map_index) == (2, 1, -1)
    assert bad.id == tasks.get_mapped_task_instance(dag, run.dag_run_id, "bad", -1).id
    tries = tasks.get_task_instance_tries(dag, run.dag_run_id, "bad").task_instances
    assert [(one.try_number, one.state) for one in tries] == [(1, "failed"), (2, "failed")]
    assert tasks.get_mapped_task_instance_tries(dag, run.dag_run_id, "bad", -1).total_entries == 2
    second = tasks.get_task_instance_try_details(dag, run.dag_run_id, "bad", 2)
    assert second.start_date >= tries[0].end_date
    assert tasks.get_mapped_task_instance_try_details(dag, run.dag_run_id, "bad", 2, -1).try_number == 2
    assert "not mapped" in refused(404, tasks.get_mapped_task_instances, dag, run.dag_run_id, "bad")
    refused(404, tasks.get_task_instance, dag, run.dag_run_id, "nothere")
    refused(404, tasks.get_task_instance, dag, "nothere", "bad")
    refused(404, tasks.get_mapped_task_instance, dag, run.dag_run_id, "bad", 7)
    refused(404, tasks.get_task_instance_try_details, dag, run.dag_run_id, "bad", 9)


def test_task_instances_are_searched_over_runs(door, raw, make):
    dag, other, tasks = make(CHAIN), make(FAILS), apis.TaskInstanceApi(door)
    runs = [finished(door, trigger(door, dag)) for _ in range(2)]
    finished(door, trigger(door, other))

    def listed(dag_id, run_id, **filters):
        found = tasks.get_task_instances(dag_id, run_id, **filters)
        return [one.task_id for one in found.task_instances], found.total_entries

    assert listed(dag, runs[0].dag_run_id, task_id="last") == (["last"], 1)
    assert listed(dag, "~", state=["success"])[1] == 4
    assert listed(dag, "~", order_by=["-start_date"], limit=1)[0] == ["last"]
    assert listed("~", "~", dag_id_pattern=f"{dag}|{other}", state=["failed"]) == (["bad"], 1)
    assert listed(dag, "~", start_date_gte=datetime(2100, 1, 1, tzinfo=timezone.utc))[1] == 0
    body = models.TaskInstancesBatchBody(dag_ids=[dag, other], task_ids=["first", "after"], state=["success"])
    assert tasks.get_task_instances_batch("~", "~", body).total_entries == 2
    assert raw("GET", f"/dags/~/dagRuns/{runs[0].dag_run_id}/taskInstances").status_code == 400
    assert raw("GET", f"/dags/{dag}/dagRuns/~/taskInstances?state=good").status_code == 422
    refused(404, tasks.get_task_instances, dag, "nothere")


def test_a_log_as_json_and_as_text(door, raw, make):
    dag = make(CHAIN)
    run = finished(door, trigger(door, dag, conf={"word": "grüße"}))
    log = apis.TaskInstanceApi(door).get_log(dag, run.dag_run_id, "first", 1)
    assert [line.event for line in log.content.actual_instance] == ["first grüße", "second line"]
    assert log.continuation_token is None
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/first/logs"
    text = raw("GET", f"{path}/1", headers={"Accept": "text/plain"})
    assert text.text == "first grüße\nsecond line\n" and text.headers["content-type"].startswith("text/plain")
    lines = raw("GET", f"{path}/1", headers={"Accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["first grüße", "second line"]
    assert raw("GET", f"{path}/7").status_code == 404
    assert raw("GET", f"{path}/1?token=2.5").status_code == 400
    assert raw("GET", f"{path}/1?token=rubbish").status_code == 400
    refused(400, apis.TaskInstanceApi(door).get_external_log_url, dag, run.dag_run_id, "first", 1)


def test_a_long_log_comes_in_pages_of_whole_lines(door, raw, make):
    dag = make("name: {name}\ntasks:\n  - {{id: long, run: \"seq 1 100000\"}}\n")
    run = finished(door, trigger(door, dag))
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/long/logs/1"
    lines, token, pages = [], None, 0
    while token or not pages:
        answer = raw("GET", path, params={"token": token} if token else {}).json()
        lines += [line["event"] for line in answer["content"]]
        token, pages = answer["continuation_token"], pages + 1
    assert lines == [str(n) for n in range(1, 100001)] and pages > 1
    whole = raw("GET", path, params={"full_content": "true"}).json()
    assert len(whole["content"]) == 100000 and whole["continuation_token"] is None
    assert raw("GET", path, headers={"Accept": "text/plain"}).text.split() == lines


def test_a_log_that_grows_has_a_token_to_follow_it(door, raw, make):
    dag = make("name: {name}\ntasks:\n  - {{id: long, run: \"echo early; sleep 600\"}}\n")
    run = trigger(door, dag)
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/long/logs/1"

    def early():
        answer = raw("GET", path)
        return answer.ok and answer.json()["content"] and answer.json()

    answer = eventually(early, what="the first line")
    assert [line["event"] for line in answer["content"]] == ["early"]
    more = raw("GET", path, params={"token": answer["continuation_token"]}).json()
    assert more["content"] == [] and more["continuation_token"] == answer["continuation_token"]


def test_a_task_instance_is_given_a_note(door, raw, make):
    dag, tasks = make(CHAIN), apis.TaskInstanceApi(door)
    run = finished(door, trigger(door, dag))
    body = models.PatchTaskInstanceBody(note="why it did")
    changed = tasks.patch_task_instance(dag, run.dag_run_id, "first", body)
    assert [one.note for one in changed.task_instances] == ["why it did"]
    assert tasks.get_task_instance(dag, run.dag_run_id, "first").note == "why it did"
    other = models.PatchTaskInstanceBody(note="and why not")
    changed = tasks.patch_task_instance_by_map_index(dag, run.dag_run_id, "first", -1, other)
    assert changed.task_instances[0].note == "and why not"
    path = f"/dags/{dag}/dagRuns/{run.dag_run_id}/taskInstances/first"
    assert raw("PATCH", path, json={"note": None}).ok
    assert tasks.get_task_instance(dag, run.dag_run_id, "first").note is None
    refused(404, tasks.patch_task_instance, dag, run.dag_run_id, "nothere", body)


# variables and connections


def test_variables_come_and_go(door, server, raw):
    variables, key = apis.VariableApi(door), f"af_{uuid.uuid4().hex[:8]}"
    made = variables.post_variable(models.VariableBody(key=key, value="plain", description="what for"))
    assert (made.key, made.value, made.description, made.is_encrypted) == (key, "plain", "what for", True)
    assert key in refused(409, variables.post_variable, models.VariableBody(key=key, value="x"))
    variables.patch_variable(key, models.VariableBody(key=key, value={"a": [1]}))
    one = variables.get_variable(key)
    assert json.loads(one.value) == {"a": [1]} and one.description == "what for"
    masked = models.VariableBody(key=key, value="not this", description="new")
    variables.patch_variable(key, masked, update_mask=["description"])
    one = variables.get_variable(key)
    assert (json.loads(one.value), one.description) == ({"a": [1]}, "new")
    assert variables.get_variables(variable_key_pattern=key).total_entries == 1
    refused(400, variables.patch_variable, key, models.VariableBody(key="other", value="x"))
    refused(400, variables.get_variables, order_by=["nothing"])
    assert raw("POST", "/variables", json={"key": "", "value": "x"}).status_code == 422
    assert raw("POST", "/variables", json={"value": "x"}).status_code == 422
    variables.delete_variable(key)
    refused(404, variables.get_variable, key)
    refused(404, variables.delete_variable, key)
    refused(404, variables.patch_variable, key, models.VariableBody(key=key, value="x"))


def test_a_secret_is_sealed_and_not_shown(door, server, raw):
    variables, key, secret = apis.VariableApi(door), f"token_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    assert variables.post_variable(models.VariableBody(key=key, value=secret)).value == "***"
    assert variables.get_variable(key).value == "***"
    files = [server.data_dir / "control.db", server.data_dir / "control.db-wal"]
    assert all(secret.encode() not in file.read_bytes() for file in files if file.exists())
    variables.delete_variable(key)


def test_variables_in_bulk(door):
    variables, keys = apis.VariableApi(door), [f"af_{uuid.uuid4().hex[:8]}" for _ in range(3)]
    entities = [models.VariableBody(key=key, value="1") for key in keys[:2]]

    def bulk(action):
        return variables.bulk_variables(models.BulkBodyVariableBody(actions=[{"actual_instance": action}]))

    create = models.BulkCreateActionVariableBody(action="create", entities=entities)
    assert bulk(create).create.success == keys[:2]
    again = models.BulkCreateActionVariableBody(
        action="create", entities=[models.VariableBody(key=key, value="2") for key in keys]
    )
    answer = bulk(again).create
    assert answer.success == keys[2:] and [error["status_code"] for error in answer.errors] == [409, 409]
    again.action_on_existence = models.BulkActionOnExistence.OVERWRITE
    assert bulk(again).create.success == keys
    assert variables.get_variable(keys[0]).value == "2"
    gone = models.BulkDeleteActionVariableBody(
        action="delete",
        entities=[{"actual_instance": key} for key in [*keys, "nothere"]],
        action_on_non_existence=models.BulkActionNotOnExistence.SKIP,
    )
    assert bulk(gone).delete.success == keys
    assert variables.get_variables(variable_key_pattern="|".join(keys)).total_entries == 0


def test_connections_come_and_go(door, raw):
    connections, name = apis.ConnectionApi(door), f"af_{uuid.uuid4().hex[:8]}"
    extra = json.dumps({"region": "eu", "secret_key": "hush"})
    body = models.ConnectionBody(
        connection_id=name, conn_type="postgres", host="db", port=5432, login="me", password="hush", extra=extra
    )
    made = connections.post_connection(body)
    assert (made.host, made.port, made.password) == ("db", 5432, "***")
    assert json.loads(made.extra) == {"region": "eu", "secret_key": "***"}
    assert name in refused(409, connections.post_connection, body)
    body.host, body.login = "other", "not this"
    changed = connections.patch_connection(name, body, update_mask=["host"])
    assert (changed.host, changed.login) == ("other", "me")
    assert connections.get_connections(connection_id_pattern=name).connections[0].host == "other"
    assert connections.get_connection(name).conn_type == "postgres"
    refused(403, connections.test_connection, body)
    for wrong in ({"connection_id": "a b", "conn_type": "x"}, {"connection_id": name}, {"extra": "{"} | {"conn_type": "x", "connection_id": "y"}):
        assert raw("POST", "/connections", json=wrong).status_code == 422, wrong
    refused(400, connections.patch_connection, "other", body)
    connections.delete_connection(name)
    refused(404, connections.get_connection, name)
    refused(404, connections.delete_connection, name)


def test_a_viewer_does_not_see_variables_and_connections(api, raw):
    viewer = f"v{uuid.uuid4().hex[:8]}"
    assert api.post("/users", json={"name": viewer, "password": "long enough 1", "role": "viewer"}).ok
    for path in ("/variables", "/connections"):
        assert raw("GET", path, auth=(viewer, "long enough 1")).status_code == 403
    api.delete(f"/users/{viewer}")


# where dags come from


def test_sources_and_versions(door, api, raw, make):
    dag = make(CHAIN)
    assert apis.DagVersionApi(door).get_dag_versions(dag).total_entries == 1
    finished(door, trigger(door, dag))
    first = api.get(f"/pipelines/{dag}").json()["definition"]
    assert api.put(f"/pipelines/{dag}", data=first + "# more").ok
    versions = apis.DagVersionApi(door).get_dag_versions(dag)
    assert [one.version_number for one in versions.dag_versions] == [1, 2]
    assert apis.DagVersionApi(door).get_dag_version(dag, 2).id == versions.dag_versions[1].id
    assert apis.DagSourceApi(door).get_dag_source(dag).content == first + "# more"
    assert apis.DagSourceApi(door).get_dag_source(dag, version_number=1).content == first
    text = raw("GET", f"/dagSources/{dag}?version_number=1", headers={"Accept": "text/plain"})
    assert text.text == first
    assert raw("GET", f"/dagSources/{dag}", headers={"Accept": "image/png"}).status_code == 406
    refused(404, apis.DagVersionApi(door).get_dag_version, dag, 3)
    refused(404, apis.DagSourceApi(door).get_dag_source, "nothere")


def test_a_bad_file_is_an_import_error_and_no_dag(private_server, tmp_path):
    (tmp_path / "bad.yaml").write_text("name: bad\ntasks: [{id: a, run: x, needs: [b]}]\n")
    server = private_server(env={"CRANNOG_PIPELINES_DIR": str(tmp_path)})
    configuration = airflow.Configuration(
        host=server.http_url,
        access_token=requests.post(
            server.http_url + "/auth/token", json={"username": server.user, "password": server.password}, timeout=30
        ).json()["access_token"],
    )
    with airflow.ApiClient(configuration) as door:
        errors = apis.ImportErrorApi(door)
        found = eventually(lambda: errors.get_import_errors().import_errors, what="the error")
        assert found[0].filename == "bad.yaml" and "line 2" in found[0].stack_trace
        one = errors.get_import_error(found[0].import_error_id)
        assert one.stack_trace == found[0].stack_trace
        assert errors.get_import_errors(filename_pattern="other").total_entries == 0
        assert apis.DAGApi(door).get_dags().total_entries == 0
        refused(404, apis.DAGApi(door).get_dag, "bad")
        refused(404, errors.get_import_error, 1)


def test_stats_count_the_runs_in_each_state(door, make):
    good, bad = make(CHAIN), make(FAILS)
    for dag in (good, good, bad):
        finished(door, trigger(door, dag))
    found = {one.dag_id: one for one in apis.DagStatsApi(door).get_dag_stats(dag_ids=[good, bad]).dags}
    counts = {dag: {one.state.value: one.count for one in found[dag].stats} for dag in found}
    assert counts[good] == {"queued": 0, "running": 0, "success": 2, "failed": 0}
    assert counts[bad]["failed"] == 1


# what belongs to the caller


def test_favourites_are_marked_found_and_unmarked(door, raw, make):
    one, other, dags = make(CHAIN), make(FAILS), apis.DAGApi(door)
    assert not dags.get_dag_details(one).is_favorite
    dags.favorite_dag(one)
    dags.favorite_dag(one)
    assert dags.get_dag_details(one).is_favorite and not dags.get_dag_details(other).is_favorite
    names = lambda wanted: {dag.dag_id for dag in dags.get_dags(is_favorite=wanted, limit=1000).dags}  # noqa: E731
    assert one in names(True) and other not in names(True)
    assert other in names(False) and one not in names(False)
    dags.unfavorite_dag(one)
    assert "not marked" in refused(409, dags.unfavorite_dag, one)
    refused(404, dags.favorite_dag, "nothere")


def test_files_are_read_again_and_who_signs_out_is_out(door, raw, server, make):
    dag = make(CHAIN)
    token = apis.DAGApi(door).get_dag(dag).file_token
    assert raw("PUT", f"/parseDagFile/{token}").status_code == 201
    assert raw("PUT", "/parseDagFile/nothere").status_code == 404
    answer = raw("GET", "/auth/login?next=/pipelines", allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/pipelines")
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert raw("GET", "/auth/login", params={"next": elsewhere}, allow_redirects=False).status_code == 400
    sign_in = {"username": server.user, "password": server.password}
    own = requests.post(server.http_url + "/auth/token", json=sign_in, timeout=30).json()["access_token"]
    bearer = {"Authorization": f"Bearer {own}"}
    assert raw("GET", "/dags", auth=None, headers=bearer).status_code == 200
    assert raw("GET", "/auth/logout", auth=None, headers=bearer, allow_redirects=False).status_code == 307
    assert raw("GET", "/dags", auth=None, headers=bearer).status_code == 401


# what the house has none of


def test_what_there_is_none_of_is_an_empty_list_or_said(door, raw, make):
    dag = make(CHAIN)
    assert apis.DAGApi(door).get_dag_tags().total_entries == 0
    assert apis.DagWarningApi(door).list_dag_warnings().total_entries == 0
    assert apis.EventLogApi(door).get_event_logs().total_entries == 0
    assert apis.JobApi(door).get_jobs().total_entries == 0
    assert apis.PluginApi(door).get_plugins().total_entries == 0
    assert apis.ProviderApi(door).get_providers().total_entries == 0
    assert apis.AssetApi(door).get_assets().total_entries == 0
    refused(404, apis.EventLogApi(door).get_event_log, 1)
    refused(403, apis.ConfigApi(door).get_config)
    assert raw("GET", "/nothing/of/the/kind").status_code == 404
