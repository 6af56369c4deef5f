"""Tasks that wait for something outside, through the real binary: objects, answers, times, other pipelines."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import answering, eventually
from test_pipelines import begin, finished, put, run_of, states


class Door(BaseHTTPRequestHandler):
    """Answers what its server says at the moment."""

    def do_GET(self):
        status, body = self.server.says
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def door():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.says = (503, b"starting")
    with answering(server):
        yield server


def waits(api, run, for_what, task=0):
    def look():
        found = run_of(api, run)["tasks"][task]
        return found["state"] == "deferred" and for_what in (found["waiting_for"] or "")

    eventually(look, what=f"a wait for {for_what}")


def test_an_object_that_arrives_ends_the_wait_at_once(server):
    api, s3 = server.api(), server.s3()
    s3.create_bucket(Bucket="wait-raw")
    yaml = """
name: landed
params: {day: monday}
tasks:
  - {id: exact, wait_for: {object: {bucket: wait-raw, key: "in/{{ params.day }}.csv"}, interval: 1h}}
  - {id: any, wait_for: {object: {bucket: wait-raw, prefix: more/}, interval: 1h}}
  - {id: use, needs: [exact, any], run: "echo {{ outputs.exact.key }} {{ outputs.exact.size }} {{ outputs.any.key }}"}
"""
    run = begin(api, "landed", yaml)
    waits(api, run, "waits for the object s3://wait-raw/in/monday.csv: there is none")
    waits(api, run, "an object below s3://wait-raw/more/", task=1)
    s3.put_object(Bucket="wait-raw", Key="in/monday.csv", Body=b"12345")
    s3.put_object(Bucket="wait-raw", Key="more/a", Body=b"")
    assert finished(api, run)["state"] == "success"
    log = api.get(f"/pipeline-runs/{run}/tasks/use/log").json()["text"]
    assert log == "in/monday.csv 5 more/a\n"
    told = api.get(f"/pipeline-runs/{run}/tasks/exact/log").json()
    assert "there is none" in told["text"] and "is there" in told["text"] and told["done"]


def test_an_answer_is_waited_for_with_its_status_and_body(server, door):
    api = server.api()
    url = f"http://127.0.0.1:{door.server_port}/health"
    yaml = f"name: answered\ntasks: [{{id: up, wait_for: {{http: {{url: '{url}', body: 'read.'}}, interval: 200ms}}}}]\n"
    run = begin(api, "answered", yaml)
    waits(api, run, "it answered 503")
    door.says = (200, b"nearly")
    waits(api, run, "it answered 200, but not with read.")
    door.says = (200, b"all ready")
    ended = finished(api, run)
    assert ended["state"] == "success" and ended["tasks"][0]["output"] == {"status": 200}


def test_a_wait_past_its_time_fails_or_is_skipped_and_says_for_what(server):
    api = server.api()
    bucket = "wait-nowhere"
    yaml = f"""
name: patience
tasks:
  - {{id: hard, wait_for: {{object: {{bucket: {bucket}, key: k}}, interval: 200ms}}, timeout: 1s}}
  - {{id: soft, wait_for: {{time: 1h, soft_fail: true}}, timeout: 1s}}
  - {{id: after, needs: [soft], run: 'true'}}
  - {{id: anyway, needs: [hard], trigger_rule: all_done, run: 'true'}}
"""
    run = finished(api, begin(api, "patience", yaml))
    assert states(run) == {"hard": "failed", "soft": "skipped", "after": "skipped", "anyway": "success"}
    assert run["tasks"][0]["reason"] == f"waited 1 s for the object s3://{bucket}/k: there is no such bucket"
    assert run["tasks"][1]["reason"].startswith("waited 1 s for the time 1h")


def test_a_wait_for_another_pipeline_sees_the_run_of_its_logical_date(server):
    api = server.api()
    day = "2026-03-05T00:00:00Z"
    put(api, "wait-first", "name: wait-first\nschedule: '@daily'\nstart_date: 2026-03-01\nend_date: 2026-03-06\ntasks: [{id: a, run: 'true'}]\n")
    put(
        api,
        "wait-second",
        "name: wait-second\nschedule: '@daily'\nstart_date: 2026-03-01\nend_date: 2026-03-06\n"
        "tasks: [{id: w, wait_for: {pipeline: {name: wait-first}, interval: 1h}}]\n",
    )
    span = {"from": day, "until": day}
    second = api.post("/pipelines/wait-second/backfill", json=span).json()["runs"][0]["run_id"]
    waits(api, second, "a success run of pipeline wait-first: there is no run of that logical date")
    first = api.post("/pipelines/wait-first/backfill", json=span).json()["runs"][0]["run_id"]
    ended = finished(api, second)
    assert ended["state"] == "success" and ended["tasks"][0]["output"] == {"run_id": first, "state": "success"}


def test_a_wait_outlives_a_kill_and_cancelling_ends_it(private_server):
    server = private_server()
    api = server.api()
    server.s3().create_bucket(Bucket="late")
    yaml = "name: outlives\ntasks: [{id: w, wait_for: {object: {bucket: late, key: k}, interval: 1h}}]\n"
    run = begin(api, "outlives", yaml)
    other = api.post("/pipelines/outlives/runs", json={}).json()["id"]
    waits(api, run, "s3://late/k")
    server.kill9()
    server.start()
    api = server.api()
    waits(api, run, "s3://late/k")
    assert api.post(f"/pipeline-runs/{other}/cancel").json()["state"] == "cancelled"
    server.s3().put_object(Bucket="late", Key="k", Body=b"x")
    ended = finished(api, run)
    assert ended["state"] == "success" and ended["tasks"][0]["attempt"] == 1
