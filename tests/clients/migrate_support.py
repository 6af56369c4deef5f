"""A real `mlflow server` beside Crannog, filled with what a team has, and the comparison of two servers by the
mlflow client: for the tests that move from one to the other."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
import requests
from conftest import QUIET
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param
from mlflow.tracking import MlflowClient

POINTS = 1_000
# What escapes are for.
ODD = "a\ttab, a\nnew line, a \\ and \\N, 'quotes' \"twice\", --, ; and $$\r\n\\.\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Theirs:
    """One `mlflow server`, on SQLite unless another store is named."""

    def __init__(self, folder: Path, store: str | None = None):
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        self.database, self.artifacts = folder / "mlflow.db", folder / "mlartifacts"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
        command += ["--port", self.url.rsplit(":", 1)[1], "--backend-store-uri", store or f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self.artifacts)]
        env = os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (folder / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self):
        deadline = time.monotonic() + 240
        while True:
            try:
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return self
            except requests.RequestException:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("mlflow server did not start:\n" + (self.folder / "mlflow.log").read_text()[-2000:])
            time.sleep(0.2)

    @property
    def http_url(self):
        return self.url

    def env(self):
        return {"MLFLOW_TRACKING_URI": self.url}

    def stop(self):
        # Its own session: uvicorn's workers go with it.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)


def as_kept(value):
    """A value as something that can be compared: NaN equals NaN, and MLflow's database has no infinite ones."""
    largest = sys.float_info.max
    return "nan" if math.isnan(value) else min(max(value, -largest), largest)


def history(client, run_id, key):
    points = client.get_metric_history(run_id, key)
    return sorted((p.timestamp, p.step, as_kept(p.value)) for p in points)


def fill(client, folder, count=POINTS, size=1 << 20):
    """What a team has after a year, small: a history of `count` points and a file of `size` bytes."""
    known = SimpleNamespace()
    known.experiment = client.create_experiment("flights", tags={"team": "ops"})
    parent = client.create_run(known.experiment, run_name="sweep", tags={"note": "ünï 'quoted'"})
    known.parent = parent.info.run_id
    child = client.create_run(known.experiment, tags={"mlflow.parentRunId": known.parent}, run_name="child")
    known.child = child.info.run_id
    values = [math.nan if step == 7 else math.inf if step == 8 else step / 3 for step in range(count)]
    start = 1_700_000_000_000
    points = [Metric("loss", value, start + step, step) for step, value in enumerate(values)]
    for at in range(0, count, 500):
        client.log_batch(known.child, metrics=points[at : at + 500])
    client.log_batch(known.parent, params=[Param("depth", "6"), Param("long", "x" * 5000)])
    client.set_tag(known.parent, "odd", ODD)
    client.log_metric(known.parent, "auc", 0.71, step=-3)
    (folder / "plots").mkdir()
    (folder / "plots" / "a b.txt").write_text("a plot")
    (folder / "big.bin").write_bytes(os.urandom(size))
    (folder / "empty").write_bytes(b"")
    client.log_artifacts(known.parent, str(folder))
    dataset = Dataset("flights", "abc123", "local", "{}", schema='{"a": 1}', profile=None)
    client.log_inputs(known.parent, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    model = client.create_logged_model(
        known.experiment, name="delay", source_run_id=known.child, params={"p": "1"}, tags={"t": "2"}
    )
    known.model = model.model_id
    client.log_model_artifact(known.model, str(folder / "plots" / "a b.txt"))
    client.finalize_logged_model(known.model, "READY")
    client.log_outputs(known.child, [LoggedModelOutput(known.model, step=5)])
    client.log_metric(
        known.parent, "f1", 0.9, step=2, model_id=known.model, dataset_name="flights", dataset_digest="abc123"
    )
    client.create_registered_model("delay", tags={"owner": "me"}, description="of flights")
    root = client.get_run(known.parent).info.artifact_uri
    client.create_model_version("delay", f"{root}/plots", known.parent, tags={"v": "1"}, description="first")
    client.create_model_version("delay", f"models:/{known.model}", model_id=known.model)
    client.set_registered_model_alias("delay", "production", 1)
    client.set_registered_model_alias("delay", "next", 2)
    client.set_terminated(known.child)
    client.set_terminated(known.parent, "FAILED")
    gone = client.create_run(known.experiment, run_name="gone")
    known.deleted = gone.info.run_id
    client.log_metric(known.deleted, "auc", 0.1)
    client.delete_run(known.deleted)
    known.closed = client.create_experiment("closed")
    known.inside = client.create_run(known.closed).info.run_id
    client.delete_experiment(known.closed)
    return known


def ours(server, point_at):
    point_at(server)
    return MlflowClient(server.http_url, server.http_url)


def one_run(client, run_id):
    run = client.get_run(run_id)
    info = {name: getattr(run.info, name) for name in ("run_name", "status", "start_time", "end_time", "user_id")}
    info["stage"] = run.info.lifecycle_stage
    datasets = [(d.dataset.to_dictionary(), [(t.key, t.value) for t in d.tags]) for d in run.inputs.dataset_inputs]
    latest = {key: as_kept(value) for key, value in run.data.metrics.items()}
    made = [(out.model_id, out.step) for out in run.outputs.model_outputs] if run.outputs else []
    return info, run.data.params, run.data.tags, latest, datasets, made


def files_of(client, run_id, path=None):
    """Paths and sizes; MLflow leaves the size of an empty file out."""
    found = {}
    for entry in client.list_artifacts(run_id, path):
        found |= files_of(client, run_id, entry.path) if entry.is_dir else {entry.path: entry.file_size or 0}
    return found


def assert_same(known, a, b, tmp_path):
    """Everything the client can see is alike on both sides."""
    for run_id in (known.parent, known.child, known.deleted, known.inside):
        assert one_run(a, run_id) == one_run(b, run_id), run_id
    assert history(a, known.child, "loss") == history(b, known.child, "loss")
    assert len(history(b, known.child, "loss")) == POINTS
    assert b.get_run(known.deleted).info.lifecycle_stage == "deleted"
    for name, stage in (("flights", "active"), ("closed", "deleted")):
        left, right = a.get_experiment_by_name(name), b.get_experiment_by_name(name)
        assert (left.tags, stage) == (right.tags, right.lifecycle_stage)
        assert left.creation_time == right.creation_time
    assert files_of(a, known.parent) == files_of(b, known.parent)
    for side, client in (("a", a), ("b", b)):
        (tmp_path / side).mkdir(exist_ok=True)
        client.download_artifacts(known.parent, "big.bin", str(tmp_path / side))
    assert (tmp_path / "a" / "big.bin").read_bytes() == (tmp_path / "b" / "big.bin").read_bytes()
    left, right = a.get_logged_model(known.model), b.get_logged_model(known.model)
    for field in ("name", "status", "source_run_id", "params", "creation_timestamp"):
        assert getattr(left, field) == getattr(right, field), field
    points = [
        [(m.key, m.value, m.timestamp, m.step, m.run_id, m.dataset_name, m.dataset_digest) for m in side.metrics]
        for side in (left, right)
    ]
    assert points[0] == points[1] and len(points[0]) == 1
    assert left.tags.items() <= right.tags.items()
    left, right = a.get_registered_model("delay"), b.get_registered_model("delay")
    assert (left.description, left.tags, left.aliases) == (right.description, right.tags, right.aliases)
    for number in ("1", "2"):
        left, right = a.get_model_version("delay", number), b.get_model_version("delay", number)
        for field in ("description", "run_id", "tags", "aliases", "creation_timestamp", "current_stage"):
            assert getattr(left, field) == getattr(right, field), (number, field)
    files = mlflow.artifacts.download_artifacts("models:/delay@production", dst_path=str(tmp_path / "version"))
    assert (Path(files) / "a b.txt").read_text() == "a plot"


def report_of(done) -> dict:
    return json.loads(done.stdout)


def all_alike(report) -> bool:
    return report["differences"] == [] and all(c["source"] == c["alike"] for c in report["counts"].values())
