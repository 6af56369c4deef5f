"""kill -9 in the middle of work: what was acknowledged is there afterwards, and running tasks never noticed."""

import hashlib
import os
import sys
import threading
import time
from itertools import count

import mlflow
import pytest
import requests
from conftest import eventually

# Both tasks say that they began, then wait for a file: the test decides when they end.
TASK = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with open(folder / "began", "a") as began:
    began.write(f"{os.getpid()}\\n")
print("began", flush=True)
deadline = time.monotonic() + 300
while not (folder / "go").exists():
    if time.monotonic() > deadline:
        sys.exit("nobody said go")
    time.sleep(0.02)
with open(folder / "ended", "a") as ended:
    ended.write(f"{os.getpid()}\\n")
print("ended", flush=True)
"""

PIPELINE = """
name: patient
tasks:
  - id: first
    run: '"{python}" "{script}" "{folder}"'
    retries: 3
  - id: second
    needs: [first]
    run: echo after first
"""


class Ledger:
    """What the server acknowledged, written down only after its answer came."""

    def __init__(self):
        self.runs, self.metrics, self.params, self.objects, self.versions, self.traces = {}, [], [], {}, [], {}
        self.stop = threading.Event()

    def keep(self, write):
        """Calls `write(n)` again and again until the server is gone."""
        for n in count():
            if self.stop.is_set():
                return
            try:
                write(n)
            except Exception:
                # The answer did not come, so nothing is owed for this one.
                return

    def full(self, at_least) -> bool:
        kept = [self.runs, self.metrics, self.params, self.objects, self.versions, self.traces]
        return all(len(entries) >= at_least for entries in kept)


def mlflow_writer(client, experiment_id, ledger, who):
    run_id = client.create_run(experiment_id, run_name=f"writer-{who}").info.run_id

    def write(n):
        client.log_metric(run_id, "value", n / 7, step=n)
        ledger.metrics.append((run_id, n, n / 7))
        client.log_param(run_id, f"param{n}", f"{who}-{n}")
        ledger.params.append((run_id, f"param{n}", f"{who}-{n}"))
        if n % 10 == 0:
            made = client.create_run(experiment_id, run_name=f"made-{who}-{n}").info
            ledger.runs[made.run_id] = made.run_name

    return write


def object_writer(s3, ledger, who):
    def write(n):
        # Small ones ride in the database, large ones are files of their own.
        body = os.urandom(300_000 if n % 5 == 0 else 700)
        s3.put_object(Bucket="ledger", Key=f"{who}/{n}", Body=body)
        ledger.objects[f"{who}/{n}"] = hashlib.sha256(body).hexdigest()

    return write


def model_writer(client, ledger):
    client.create_registered_model("ledger")

    def write(n):
        version = client.create_model_version("ledger", f"s3://ledger/model-{n}", await_creation_for=0)
        ledger.versions.append((str(version.version), f"s3://ledger/model-{n}"))
        client.set_registered_model_alias("ledger", "newest", version.version)

    return write


def trace_writer(server, experiment_id, ledger):
    """Traces of two spans by OpenTelemetry's protocol, each then judged."""
    headers = {"x-mlflow-experiment-id": experiment_id}

    def span(trace, number, **more):
        times = {"startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"}
        return {"traceId": trace, "spanId": f"{number:016x}", "name": f"span-{number}"} | times | more

    def write(n):
        trace = f"{n + 1:032x}"
        spans = [span(trace, 1), span(trace, 2, parentSpanId=f"{1:016x}")]
        body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        answer = requests.post(
            f"{server.http_url}/v1/traces", json=body, headers=headers, auth=server.auth, timeout=20
        )
        assert answer.ok, answer.text
        ledger.traces[f"tr-{trace}"] = None
        mlflow.log_feedback(trace_id=f"tr-{trace}", name="good", value=n)
        ledger.traces[f"tr-{trace}"] = n

    return write


def check(ledger, client, s3):
    for trace_id, judged in ledger.traces.items():
        trace = client.get_trace(trace_id)
        assert sorted(span.name for span in trace.data.spans) == ["span-1", "span-2"]
        if judged is not None:
            assert [it.value for it in trace.info.assessments] == [judged]
    for run_id, name in ledger.runs.items():
        assert client.get_run(run_id).info.run_name == name
    history = {}
    for run_id, step, value in ledger.metrics:
        if run_id not in history:
            history[run_id] = {point.step: point.value for point in client.get_metric_history(run_id, "value")}
        assert history[run_id][step] == value
    params = {}
    for run_id, name, value in ledger.params:
        params.setdefault(run_id, client.get_run(run_id).data.params)
        assert params[run_id][name] == value
    for key, digest in ledger.objects.items():
        body = s3.get_object(Bucket="ledger", Key=key)["Body"].read()
        assert hashlib.sha256(body).hexdigest() == digest, key
    for version, source in ledger.versions:
        assert client.get_model_version("ledger", version).source == source
    newest = int(client.get_model_version_by_alias("ledger", "newest").version)
    assert newest >= int(ledger.versions[-1][0]) - 1


@pytest.fixture
def patient(private_server, tmp_path):
    """A server, a running pipeline of which `first` waits for the file `go`, and that pipeline's folder."""
    server = private_server()
    (tmp_path / "task.py").write_text(TASK)
    text = PIPELINE.format(python=sys.executable, script=tmp_path / "task.py", folder=tmp_path)
    with server.api() as api:
        answer = api.put("/pipelines/patient", data=text.encode())
        assert answer.ok, answer.text
        answer = api.post("/pipelines/patient/runs", json={"params": {}})
        assert answer.ok, answer.text
    eventually((tmp_path / "began").exists, what="the start of the task")
    yield server, answer.json()["id"], tmp_path
    (tmp_path / "go").touch()


def finish(server, run_id, folder):
    (folder / "go").touch()

    def over():
        with server.api() as api:
            run = api.get(f"/pipeline-runs/{run_id}").json()
        return run if run["state"] in ("success", "failed", "cancelled") else None

    return eventually(over, timeout=60, what="the end of the run")


def pids(path) -> list:
    return path.read_text().split()


def test_kill_9_loses_nothing_acknowledged_and_spares_the_running_task(patient, point_at, monkeypatch):
    server, run_id, folder = patient
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    client, ledger = point_at(server), Ledger()
    server.s3().create_bucket(Bucket="ledger")
    experiment_id = client.create_experiment("ledger")

    writes = [mlflow_writer(client, experiment_id, ledger, who) for who in range(2)]
    writes += [object_writer(server.s3(), ledger, who) for who in range(2)]
    writes += [model_writer(client, ledger), trace_writer(server, experiment_id, ledger)]
    threads = [threading.Thread(target=ledger.keep, args=(write,)) for write in writes]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: ledger.full(at_least=5), timeout=60, what="a ledger with something of each kind")
    finally:
        server.kill9()
        ledger.stop.set()
    for thread in threads:
        thread.join()

    (task_pid,) = pids(folder / "began")
    os.kill(int(task_pid), 0)  # the task lives while no server does
    began = time.monotonic()
    server.restart()
    assert time.monotonic() - began < 10

    check(ledger, point_at(server), server.s3())
    with server.api() as api:
        run = api.get(f"/pipeline-runs/{run_id}").json()
    states = {task["id"]: task["state"] for task in run["tasks"]}
    assert states == {"first": "running", "second": "waiting"}

    run = finish(server, run_id, folder)
    assert run["state"] == "success"
    assert [task["attempt"] for task in run["tasks"]] == [1, 1]
    assert pids(folder / "began") == pids(folder / "ended") == [task_pid]


def test_a_task_that_ends_while_the_server_is_down_is_not_run_again(patient):
    server, run_id, folder = patient
    server.kill9()
    (folder / "go").touch()
    eventually((folder / "ended").exists, what="the end of the task")
    server.restart()
    run = finish(server, run_id, folder)
    assert run["state"] == "success"
    assert len(pids(folder / "began")) == 1
    with server.api() as api:
        log = api.get(f"/pipeline-runs/{run_id}/tasks/first/log", params={"attempt": 1}).json()["text"]
    assert log.count("began") == 1 and "ended" in log


def test_a_polite_restart_spares_the_running_task_too(patient):
    server, run_id, folder = patient
    assert server.stop() == 0
    (task_pid,) = pids(folder / "began")
    os.kill(int(task_pid), 0)
    server.start()
    assert finish(server, run_id, folder)["state"] == "success"
    assert pids(folder / "ended") == [task_pid]


def test_a_second_server_on_the_same_data_is_refused(server, private_server):
    second = private_server(start=False)
    second.data_dir = server.data_dir
    with pytest.raises(RuntimeError) as refusal:
        second.start()
    assert str(server.pid) in str(refusal.value)
