"""The flight-delay example on the real server, with fewer flights: trained, served, switched under load."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY, eventually

EXAMPLE = REPOSITORY / "examples/flight-delays"
SHARE = os.environ.get("FLIGHTS_SHARE", "0.1")
OVER = {"success", "failed", "cancelled"}

sys.path.insert(0, str(EXAMPLE))


def task_logs(api, run) -> str:
    said = []
    for task in run["tasks"]:
        if task["state"] not in ("success", "upstream_failed", "waiting"):
            log = api.get(f"/pipeline-runs/{run['id']}/tasks/{task['id']}/log", params={"attempt": task["attempt"]})
            said.append(f"--- {task['id']} {task['state']} ({task['reason']}):\n{log.text[-3000:]}")
    return "\n".join(said)


@pytest.fixture(scope="module")
def flights(server):
    """The finished run of the example's pipeline."""
    api = server.api()
    applied = api.put("/pipelines/flight-delays", data=(EXAMPLE / "pipeline.yaml").read_bytes())
    assert applied.ok, applied.text
    params = {"python": sys.executable, "code": str(EXAMPLE), "share": SHARE}
    started = api.post("/pipelines/flight-delays/runs", json={"params": params})
    assert started.ok, started.text

    def finished():
        run = api.get(f"/pipeline-runs/{started.json()['id']}").json()
        return run if run["state"] in OVER else None

    run = eventually(finished, timeout=600, interval=0.5, what="the end of the pipeline")
    assert run["state"] == "success", task_logs(api, run)
    return run


def test_every_task_ran_once_and_after_what_it_needs(flights):
    tasks = {task["id"]: task for task in flights["tasks"]}
    assert {task["attempt"] for task in tasks.values()} == {1}
    for task in tasks.values():
        assert all(tasks[need]["ended_at"] <= task["started_at"] for need in task["needs"])


def test_the_table_is_an_object_and_the_log_is_readable(flights, s3, api):
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="datasets", Prefix="flights/")["Contents"]]
    assert keys == ["flights/2013.parquet", "flights/heldout.parquet", "flights/train.parquet"]
    log = api.get(f"/pipeline-runs/{flights['id']}/tasks/smoke/log", params={"attempt": 1}).json()
    assert "labels equal onnxruntime's" in log["text"] and log["done"]


def test_mlflow_reads_back_both_models(flights, mlflow_client):
    experiment = mlflow_client.get_experiment_by_name("flight-delays")
    runs = mlflow_client.search_runs([experiment.experiment_id], f"tags.pipeline_run = '{flights['id']}'")
    assert sorted(run.info.run_name for run in runs) == ["forest", "logistic"]
    for run in runs:
        assert run.data.metrics["auc"] > 0.6
        curve = mlflow_client.get_metric_history(run.info.run_id, "train_logloss")
        assert [point.step for point in curve] == list(range(1, 9))
    best = max(runs, key=lambda run: run.data.metrics["auc"])
    assert mlflow_client.get_model_version_by_alias("flight-delay", "production").run_id == best.info.run_id
    assert mlflow_client.get_model_version_by_alias("flight-delay", "challenger").run_id != best.info.run_id


def rows_of(server, monkeypatch, count):
    import flights as example

    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    table = example.read_table("flights/heldout.parquet")[example.NUMBERS + example.WORDS]
    return table.sample(count, replace=len(table) < count, random_state=1)


@pytest.mark.parametrize("alias", ["production", "challenger"])
def test_served_answers_equal_onnxruntime(flights, server, mlflow_client, monkeypatch, alias):
    import flights as example
    import mlflow
    from onnxruntime import InferenceSession

    rows = rows_of(server, monkeypatch, 10_000)
    with server.api() as api:
        assert api.put(f"/endpoints/check-{alias}", json={"model": f"models:/flight-delay@{alias}"}).ok
        ready = lambda: api.get(f"/endpoints/check-{alias}").json()["state"] == "ready"
        eventually(ready, what="the endpoint's readiness")
    served = []
    for start in range(0, len(rows), 2_000):
        answer = example.crannog().post(
            f"{server.http_url}/endpoints/check-{alias}/invocations", json=example.as_json(rows[start : start + 2_000])
        )
        assert answer.ok, answer.text
        served += answer.json()["predictions"]

    model = mlflow.onnx.load_model(f"models:/flight-delay@{alias}")
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    label, probabilities = session.run(["label", "probabilities"], example.as_onnx(rows))
    assert [row["label"] for row in served] == label.tolist()
    np.testing.assert_allclose([row["probabilities"] for row in served], probabilities, rtol=0, atol=1e-5)


def test_moving_the_alias_under_load_fails_no_request(flights, server, mlflow_client):
    before = mlflow_client.get_model_version_by_alias("flight-delay", "production").version
    after = mlflow_client.get_model_version_by_alias("flight-delay", "challenger").version
    done = subprocess.run(
        [sys.executable, EXAMPLE / "switch.py"], env=os.environ | server.env(), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"version {before} answered" in done.stdout
    assert f"version {after} answered" in done.stdout
    assert "\n0 failed" in done.stdout
    assert mlflow_client.get_model_version_by_alias("flight-delay", "production").version == after


def test_a_prediction_from_the_command_line_of_any_http_client(flights, server, monkeypatch):
    import flights as example

    body = json.dumps(example.as_json(rows_of(server, monkeypatch, 1)))
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-u", f"{server.user}:{server.password}"]
        + ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        + [f"{server.http_url}/endpoints/flight-delay/invocations"],
        input=body, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout)["predictions"]
    assert row["label"] in (0, 1) and abs(sum(row["probabilities"]) - 1) < 1e-4
