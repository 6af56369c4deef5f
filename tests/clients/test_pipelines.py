"""Pipelines through the real binary: outputs, mapping, conditions, retries, clearing, backfill, pools."""

import json
import time

import pytest
from conftest import eventually


def put(api, name, yaml):
    answer = api.put(f"/pipelines/{name}", data=yaml.encode())
    assert answer.status_code == 200, answer.text
    return answer.json()


def begin(api, name, yaml, **params):
    put(api, name, yaml)
    answer = api.post(f"/pipelines/{name}/runs", json={"params": params})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def run_of(api, run):
    answer = api.get(f"/pipeline-runs/{run}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def finished(api, run):
    def over():
        found = run_of(api, run)
        return found if found["state"] not in ("queued", "running") else None

    return eventually(over, timeout=90, what=f"the end of run {run}")


def states(run):
    return {task["id"]: task["state"] for task in run["tasks"]}


def test_the_example_runs_with_outputs_mapping_and_conditions(server):
    api = server.api()
    example = server.cli("pipeline", "example").stdout
    run = finished(api, begin(api, "example", example, pieces=2, mode="full"))
    assert run["state"] == "success", run
    assert states(run) == {
        "settle": "success",
        "cut": "success",
        "work": "success",
        "work[0]": "success",
        "work[1]": "success",
        "deep-check": "success",
        "digest": "success",
        "report": "success",
        "alarm": "skipped",
    }
    log = api.get(f"/pipeline-runs/{run['id']}/tasks/work[1]/log").json()
    assert log["text"] == "piece 2 of 2\n"
    cut = next(task for task in run["tasks"] if task["id"] == "cut")
    assert cut["output"] == {"list": [1, 2], "count": "2"}

    fast = finished(api, begin(api, "example", example))
    assert states(fast)["deep-check"] == "skipped" and states(fast)["report"] == "success"


def test_a_wrong_parameter_is_named_and_nothing_runs(server):
    api = server.api()
    put(api, "typed", "name: typed\nparams:\n  n: {type: integer, default: 1, maximum: 9}\ntasks: [{id: a, run: 'true'}]\n")
    for value, why in [("many", "cannot be \"many\""), (10, "the most is 9"), (1.5, "whole number")]:
        answer = api.post("/pipelines/typed/runs", json={"params": {"n": value}})
        assert answer.status_code == 400 and why in answer.json()["detail"], answer.text
    assert api.get("/pipelines/typed/runs").json()["runs"] == []


def test_a_failed_task_is_mended_and_run_again_from_there(server, tmp_path):
    api = server.api()
    flag = tmp_path / "mended"
    yaml = f"""
name: mend
tasks:
  - {{id: first, run: 'echo one'}}
  - {{id: second, needs: [first], run: 'test -e {flag}'}}
  - {{id: third, needs: [second], run: 'echo three'}}
"""
    run = finished(api, begin(api, "mend", yaml))
    assert run["state"] == "failed" and states(run)["third"] == "upstream_failed"
    dry = server.cli("pipeline", "clear", run["id"], "second", "--dry-run").stdout.split()
    assert dry == ["second", "third"] and run_of(api, run["id"])["state"] == "failed"
    flag.touch()
    server.cli("pipeline", "clear", run["id"], "second")
    again = finished(api, run["id"])
    assert again["state"] == "success", again
    attempts = {task["id"]: task["attempt"] for task in again["tasks"]}
    assert attempts == {"first": 1, "second": 2, "third": 1}
    tries = api.get(f"/pipeline-runs/{run['id']}/tasks/second/attempts").json()["attempts"]
    assert [one["state"] for one in tries] == ["failed", "success"]


def test_marking_a_running_task_ends_it_and_what_follows_runs(server):
    api = server.api()
    yaml = "name: marked\ntasks:\n  - {id: long, run: sleep 600}\n  - {id: after, needs: [long], run: 'true'}\n"
    run = begin(api, "marked", yaml)
    eventually(lambda: states(run_of(api, run))["long"] == "running", what="the start")
    server.cli("pipeline", "mark", run, "long", "--as", "success")
    assert finished(api, run)["state"] == "success"

    def ended():
        tries = api.get(f"/pipeline-runs/{run}/tasks/long/attempts").json()["attempts"]
        return tries[0]["state"] == "cancelled"

    eventually(ended, what="the end of the attempt")


def test_a_pool_holds_tasks_back_and_says_so(server):
    api = server.api()
    yaml = "name: pooled\ntasks:\n  - {id: a, run: 'true', pool: narrow}\n"
    run = begin(api, "pooled", yaml)
    waits = eventually(lambda: run_of(api, run)["tasks"][0]["waiting_for"], what="a reason")
    assert "narrow" in waits
    server.cli("pipeline", "pool", "set", "narrow", "1")
    assert finished(api, run)["state"] == "success"
    assert "narrow" in server.cli("pipeline", "pool", "list").stdout


def test_a_backfill_makes_the_runs_it_promised(server):
    api = server.api()
    put(api, "past", "name: past\nschedule: '@daily'\nmax_active_runs: 2\ntasks: [{id: a, run: 'echo {{ logical_date }}'}]\n")
    span = ["past", "--from", "2026-01-01", "--until", "2026-01-03"]
    dry = server.cli("pipeline", "backfill", *span, "--dry-run").stdout.splitlines()
    assert len(dry) == 3 and api.get("/pipelines/past/runs").json()["runs"] == []
    server.cli("pipeline", "backfill", *span)
    runs = api.get("/pipelines/past/runs").json()["runs"]
    ended = [finished(api, run["id"]) for run in runs]
    assert {run["state"] for run in ended} == {"success"}
    assert sorted(run["logical_at"][:10] for run in ended) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert {run["trigger"] for run in ended} == {"backfill"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: p\ntasks:\n  - {id: a, run: x, needs: [b]}\n  - {id: b, run: x, needs: [a]}\n", "line 3, column 10: the tasks need each other in a circle"),
        ("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: a, run: x}\n", "line 4, column 10: task id \"a\" is used twice"),
        ("name: p\ntasks:\n  - {id: a, run: x, trigger_rul: always}\n", "did you mean \"trigger_rule\"?"),
    ],
)
def test_a_bad_definition_is_told_with_line_and_column(server, tmp_path, text, problem):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    done = server.cli("pipeline", "validate", file, check=False)
    assert done.returncode == 1 and problem in done.stdout, done.stdout


def test_a_bad_file_is_shown_under_the_name_it_says_and_gives_way_to_a_good_one(private_server, tmp_path):
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "first.yaml").write_text("name: train\ntasks: [{id: a, run: x, neds: [b]}]\n")
    api = private_server(args=["--pipelines-dir", folder]).api()
    listed = lambda: {one["name"]: one["error"] for one in api.get("/pipelines").json()["pipelines"]}  # noqa: E731
    eventually(lambda: list(listed()) == ["train"], what="it is shown by its name")
    assert "neds" in listed()["train"]
    (folder / "second.yaml").write_text("name: train\ntasks: [{id: a, run: 'true'}]\n")
    eventually(lambda: listed().get("train", "none yet") is None, what="the good one has the name")
    assert "neds" in listed()["first"]


def test_the_schema_is_json(server):
    schema = json.loads(server.cli("pipeline", "schema").stdout)
    assert schema["properties"]["tasks"]["items"]["properties"]["trigger_rule"]["enum"][0] == "all_success"


def test_a_large_output_goes_to_a_bucket_and_is_read_back(server, s3):
    api = server.api()
    yaml = """
name: large
tasks:
  - id: make
    run: |
      python3 -c 'import json; print(json.dumps({"text": "x" * 400000 + "end", "list": ["a", "b"], "rows": 7, "tail": "aside"}))' > "$CRANNOG_OUTPUT"
  - {id: each, needs: [make], for_each: outputs.make.list, run: 'echo {{ item }}'}
  - {id: only, needs: [make], when: outputs.make.rows > 5, run: 'true'}
  - id: read
    needs: [make]
    python: {code: "import sys; print(sys.argv[1:])", args: ["{{ outputs.make.tail }}", "{{ outputs.make.rows }}"]}
  - id: long
    needs: [make]
    run: |
      text="{{ outputs.make.text }}"; echo ${#text}; printf %s "$text" | tail -c 5
      cat <<END | wc -c
      {{ outputs.make.text }}
      END
  - {id: longer, needs: [make], env: {TEXT: "{{ outputs.make.text }}"}, run: 'true'}
  - {id: huge, run: 'head -c 70000000 /dev/zero > "$CRANNOG_OUTPUT"'}
"""
    run = finished(api, begin(api, "large", yaml))
    found = states(run)
    assert found["huge"] == "failed" and found["each[1]"] == "success" and found["only"] == "success", run
    tasks = {task["id"]: task for task in run["tasks"]}
    assert "larger than 64 MiB" in tasks["huge"]["reason"]
    assert api.get(f"/pipeline-runs/{run['id']}/tasks/long/log").json()["text"] == "400003\nxxend400004\n"
    assert "variable TEXT would hold 400003 bytes" in tasks["longer"]["reason"], tasks["longer"]
    assert api.get(f"/pipeline-runs/{run['id']}/tasks/read/log").json()["text"] == "['aside', '7']\n"
    note = tasks["make"]["output"]
    assert note["list"] == ["a", "b"] and note["rows"] == 7 and "text" not in note
    whole = json.loads(s3.get_object(Bucket=note["$stored"]["bucket"], Key=note["$stored"]["key"])["Body"].read())
    assert len(whole["text"]) == 400003


def test_a_setup_that_failed_needs_no_teardown(server):
    api = server.api()
    yaml = """
name: teardown
params: {setup: "true"}
tasks:
  - {id: up, setup: true, run: "{{ params.setup }}"}
  - {id: work, needs: [up], run: "false"}
  - {id: down, needs: [up, work], trigger_rule: all_done_setup_success, run: "true"}
"""
    assert states(finished(api, begin(api, "teardown", yaml)))["down"] == "success"
    assert states(finished(api, begin(api, "teardown", yaml, setup="false")))["down"] == "upstream_failed"


def test_a_whole_run_is_marked(server):
    api = server.api()
    yaml = "name: whole\ntasks:\n  - {id: long, run: sleep 600}\n  - {id: after, needs: [long], run: 'exit 1'}\n"
    run = begin(api, "whole", yaml)
    eventually(lambda: states(run_of(api, run))["long"] == "running", what="the start")
    server.cli("pipeline", "mark", run, "--as", "success")
    ended = finished(api, run)
    assert ended["state"] == "success" and states(ended) == {"long": "success", "after": "success"}
    refused = api.post(f"/pipeline-runs/{run}/mark", json={"state": "skipped"})
    assert refused.status_code == 400 and "success or failed" in refused.json()["detail"]
    server.cli("pipeline", "mark", run, "--as", "failed")
    assert run_of(api, run)["state"] == "failed"
def test_definitions_from_a_bucket_come_go_and_fail_alone(private_server):
    server = private_server(args=["--pipelines-bucket", "definitions/team/"])
    api, s3 = server.api(), server.s3()
    good = "name: {}\ntasks: [{{id: a, run: 'echo {}'}}]\n"

    def names():
        return {one["name"]: one["error"] for one in api.get("/pipelines").json()["pipelines"]}

    s3.create_bucket(Bucket="definitions")
    s3.put_object(Bucket="definitions", Key="team/one.yaml", Body=good.format("one", "first").encode())
    s3.put_object(Bucket="definitions", Key="elsewhere/two.yaml", Body=good.format("two", "x").encode())
    s3.put_object(Bucket="definitions", Key="team/notes.txt", Body=b"no pipeline")
    eventually(lambda: names() == {"one": None}, what="the pipeline from the bucket")
    answer = api.put("/pipelines/one", data=good.format("one", "other").encode())
    assert answer.status_code == 409 and "s3://definitions/team/one.yaml" in answer.json()["detail"], answer.text

    began = time.monotonic()
    s3.put_object(Bucket="definitions", Key="team/three.yaml", Body=good.format("three", "x").encode())
    eventually(lambda: "three" in names(), what="the new definition")
    assert time.monotonic() - began < 10, "an object that is written is noticed by its event"

    s3.put_object(Bucket="definitions", Key="team/one.yaml", Body=b"name: one\ntasks:\n  - {id: a, rnu: x}\n")
    eventually(lambda: names()["one"], what="the error")
    assert "line 3" in names()["one"] and names()["three"] is None
    run = finished(api, api.post("/pipelines/one/runs", json={}).json()["id"])
    assert run["state"] == "success", "the last good version stays"
    s3.delete_object(Bucket="definitions", Key="team/three.yaml")
    eventually(lambda: set(names()) == {"one"}, what="the end of the pipeline whose object is gone")


def test_a_log_is_found_in_its_bucket_when_the_run_is_over(server):
    api, s3 = server.api(), server.s3()
    yaml = "name: kept\ntasks:\n  - {id: a, run: 'echo first words'}\n  - {id: b, needs: [a], run: 'echo last words'}\n  - {id: mute, run: 'true'}\n"
    run = finished(api, begin(api, "kept", yaml))
    key = f"kept/{run['ended_at'][:10]}/{run['id']}.log"

    def archived():
        try:
            return s3.get_object(Bucket="pipeline-logs", Key=key)["Body"].read().decode()
        except s3.exceptions.ClientError:
            return None

    text = eventually(archived, timeout=90, what="the archived log")
    assert text == "==> a · attempt 1 <==\nfirst words\n\n==> b · attempt 1 <==\nlast words\n\n"
