"""The tracker through the real mlflow client: experiments, runs, metrics, search, artifacts, models."""

import json
import math
import os
import threading

import mlflow
import pandas as pd
import pytest
import requests
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


def name_of(request, suffix=""):
    """A name no other test uses."""
    return f"{request.node.name}{suffix}-{os.urandom(4).hex()}"


@pytest.fixture
def experiment(mlflow_client, request):
    return mlflow_client.create_experiment(name_of(request))


@pytest.fixture
def run_id(mlflow_client, experiment):
    return mlflow_client.create_run(experiment, run_name="one").info.run_id


def refused(call, code, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
    assert words in str(caught.value), caught.value


# --- experiments


def test_the_default_experiment_exists(mlflow_client):
    default = mlflow_client.get_experiment("0")
    assert (default.name, default.lifecycle_stage) == ("Default", "active")
    assert default.artifact_location == "mlflow-artifacts:/0"


def test_an_experiments_life(mlflow_client, request):
    name = name_of(request)
    made = mlflow_client.create_experiment(name, tags={"team": "lake"})
    found = mlflow_client.get_experiment_by_name(name)
    assert (found.experiment_id, found.tags) == (made, {"team": "lake"})
    assert found.creation_time == found.last_update_time > 0
    refused(lambda: mlflow_client.create_experiment(name), "RESOURCE_ALREADY_EXISTS", name)

    mlflow_client.rename_experiment(made, name + "-new")
    mlflow_client.set_experiment_tag(made, "team", "shore")
    mlflow_client.delete_experiment_tag(made, "team")
    renamed = mlflow_client.get_experiment(made)
    assert (renamed.name, renamed.tags) == (name + "-new", {})

    mlflow_client.delete_experiment(made)
    assert mlflow_client.get_experiment(made).lifecycle_stage == "deleted"
    refused(lambda: mlflow_client.create_run(made), "INVALID_PARAMETER_VALUE", "must be in the 'active' state")
    mlflow_client.restore_experiment(made)
    assert mlflow_client.get_experiment(made).lifecycle_stage == "active"
    assert mlflow_client.get_experiment_by_name("no such experiment") is None


def test_experiments_are_searched_in_pages(mlflow_client, request):
    prefix = name_of(request)
    made = [mlflow_client.create_experiment(f"{prefix}-{i}", tags={"n": str(i)}) for i in range(5)]
    mlflow_client.delete_experiment(made[0])
    mine = f"name LIKE '{prefix}%'"

    first = mlflow_client.search_experiments(filter_string=mine, max_results=3)
    rest = mlflow_client.search_experiments(filter_string=mine, max_results=3, page_token=first.token)
    assert [e.experiment_id for e in [*first, *rest]] == made[:0:-1]
    assert rest.token is None

    everything = mlflow_client.search_experiments(ViewType.ALL, filter_string=mine, order_by=["name ASC"])
    assert [e.experiment_id for e in everything] == made
    tagged = mlflow_client.search_experiments(filter_string=f"{mine} AND tags.n = '2'")
    assert [e.experiment_id for e in tagged] == [made[2]]
    by_id = mlflow_client.search_experiments(filter_string=f"experiment_id IN ('{made[1]}', '{made[3]}')")
    assert {e.experiment_id for e in by_id} == {made[1], made[3]}


# --- runs


def test_a_runs_life(mlflow_client, experiment):
    run = mlflow_client.create_run(experiment, start_time=1234, run_name="first", tags={"k": "v"})
    run_id = run.info.run_id
    assert (run.info.status, run.info.start_time, run.info.run_name) == ("RUNNING", 1234, "first")
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
    assert run.data.tags == {"k": "v", "mlflow.runName": "first"}

    mlflow_client.update_run(run_id, status="SCHEDULED", name="second")
    mlflow_client.set_terminated(run_id, end_time=5678)
    run = mlflow_client.get_run(run_id)
    assert (run.info.status, run.info.end_time, run.info.run_name) == ("FINISHED", 5678, "second")
    assert run.data.tags["mlflow.runName"] == "second"

    mlflow_client.set_tag(run_id, "k2", 5)
    mlflow_client.delete_tag(run_id, "k")
    assert mlflow_client.get_run(run_id).data.tags == {"k2": "5", "mlflow.runName": "second"}

    mlflow_client.delete_run(run_id)
    assert mlflow_client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert mlflow_client.search_runs([experiment]) == []
    assert len(mlflow_client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    mlflow_client.restore_run(run_id)
    assert mlflow_client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_run_without_a_name_gets_one(mlflow_client, experiment):
    run = mlflow_client.create_run(experiment)
    assert run.info.run_name
    assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_nested_runs_through_the_fluent_api(mlflow_client, request):
    mlflow.set_experiment(name_of(request))
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_param("depth", 3)
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metrics({"loss": 0.5, "acc": 0.9}, step=1)
    child = mlflow_client.get_run(child.info.run_id)
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics == {"loss": 0.5, "acc": 0.9}
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert list(children["tags.mlflow.runName"]) == ["child"]
    with pytest.raises(RuntimeError), mlflow.start_run() as failed:
        raise RuntimeError("on purpose")
    assert mlflow_client.get_run(failed.info.run_id).info.status == "FAILED"


# --- metrics, params, tags


def test_metrics_keep_their_history(mlflow_client, run_id):
    for step in range(20):
        mlflow_client.log_metric(run_id, "loss", 1 / (step + 1), timestamp=1000 + step, step=step)
    mlflow_client.log_metric(run_id, "loss", 99.0, timestamp=5000, step=3)
    history = mlflow_client.get_metric_history(run_id, "loss")
    assert [(m.step, m.value) for m in history[:2]] == [(0, 1.0), (1, 0.5)]
    assert len(history) == 21
    # The latest value is that of the highest step, not of the latest call.
    assert mlflow_client.get_run(run_id).data.metrics["loss"] == 1 / 20
    assert mlflow_client.get_metric_history(run_id, "none such") == []


def test_nan_and_infinity_are_values(mlflow_client, run_id, experiment):
    values = {"nan": math.nan, "up": math.inf, "down": -math.inf, "huge": 1.7976931348623157e308, "tiny": 5e-324}
    for key, value in values.items():
        mlflow_client.log_metric(run_id, key, value)
    metrics = mlflow_client.get_run(run_id).data.metrics
    assert math.isnan(metrics.pop("nan"))
    assert metrics == {key: value for key, value in values.items() if key != "nan"}
    assert math.isnan(mlflow_client.get_metric_history(run_id, "nan")[0].value)
    assert len(mlflow_client.search_runs([experiment], "metrics.nan != 5")) == 1
    assert mlflow_client.search_runs([experiment], "metrics.nan < 5") == []
    assert len(mlflow_client.search_runs([experiment], "metrics.up > 1e300")) == 1


def test_python_writes_nan_and_infinity_as_bare_words(server, mlflow_client, run_id):
    points = [
        {"key": "bare", "value": value, "timestamp": 1, "step": step}
        for step, value in enumerate([math.inf, -math.inf, math.nan])
    ]
    for route, body in [
        ("log-batch", {"run_id": run_id, "metrics": points, "tags": [{"key": "said", "value": "NaN, \"Infinity\""}]}),
        ("log-metric", {"run_id": run_id, "key": "alone", "value": math.nan, "timestamp": 1}),
    ]:
        url = f"{server.http_url}/api/2.0/mlflow/runs/{route}"
        sent = requests.post(url, data=json.dumps(body), auth=server.auth, headers={"Content-Type": "application/json"})
        assert sent.status_code == 200, sent.text
    history = mlflow_client.get_metric_history(run_id, "bare")
    most, least, none = [point.value for point in sorted(history, key=lambda one: one.step)]
    assert (most, least, math.isnan(none)) == (math.inf, -math.inf, True)
    run = mlflow_client.get_run(run_id)
    assert math.isnan(run.data.metrics["alone"])
    assert run.data.tags["said"] == 'NaN, "Infinity"'


def test_params_are_written_once(mlflow_client, run_id):
    mlflow_client.log_param(run_id, "depth", 3)
    mlflow_client.log_param(run_id, "depth", 3)
    refused(
        lambda: mlflow_client.log_param(run_id, "depth", 5), "INVALID_PARAMETER_VALUE", "Changing param values"
    )
    assert mlflow_client.get_run(run_id).data.params == {"depth": "3"}


def test_a_batch_holds_as_a_whole(mlflow_client, run_id):
    metrics = [Metric("m", float(i), 1000 + i, i) for i in range(800)]
    params = [Param(f"p{i}", "x" * 100) for i in range(100)]
    tags = [RunTag(f"t{i}", "é") for i in range(100)]
    for _ in range(2):  # a client that heard no answer sends it again
        mlflow_client.log_batch(run_id, metrics, params, tags)
    run = mlflow_client.get_run(run_id)
    assert (len(run.data.params), run.data.metrics["m"]) == (100, 799.0)
    assert len(mlflow_client.get_metric_history(run_id, "m")) == 800

    refused(
        lambda: mlflow_client.log_batch(run_id, [Metric("new", 1, 1, 1)], [Param("p0", "other")]),
        "INVALID_PARAMETER_VALUE",
        "Changing param values",
    )
    assert "new" not in mlflow_client.get_run(run_id).data.metrics


def test_more_than_a_batch_is_split_by_the_client(mlflow_client, request):
    mlflow.set_experiment(name_of(request))
    with mlflow.start_run() as run:
        mlflow.log_params({f"p{i}": i for i in range(250)})
        mlflow.set_tags({f"t{i}": i for i in range(150)})
    data = mlflow_client.get_run(run.info.run_id).data
    assert len(data.params) == 250
    assert sum(key.startswith("t") for key in data.tags) == 150


def test_sixteen_clients_at_once_lose_nothing(mlflow_client, run_id):
    def work(worker):
        for step in range(20):
            mlflow_client.log_batch(run_id, metrics=[Metric(f"w{worker}", step, step, step)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mlflow_client.get_run(run_id).data.metrics == {f"w{n}": 19.0 for n in range(16)}
    assert all(len(mlflow_client.get_metric_history(run_id, f"w{n}")) == 20 for n in range(16))


def test_histories_for_charts(server, mlflow_client, experiment):
    runs = [mlflow_client.create_run(experiment).info.run_id for _ in range(2)]
    for run_id in runs:
        points = [Metric("loss", float(step), 1000 + step, step) for step in range(1000)]
        mlflow_client.log_batch(run_id, points)
    base = f"{server.http_url}/ajax-api/2.0/mlflow/metrics"

    def ask(path, **params):
        answer = requests.get(f"{base}/{path}", params=params, auth=server.auth, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["metrics"]

    sampled = ask("get-history-bulk-interval", run_ids=runs, metric_key="loss", max_results=100)
    for run_id in runs:
        steps = [point["step"] for point in sampled if point["run_id"] == run_id]
        # As MLflow: so many evenly spaced ones, and the last beside them.
        assert (len(steps), steps[0], steps[-1]) == (101, 0, 999)
    part = ask("get-history-bulk-interval", run_ids=runs[:1], metric_key="loss", start_step=10, end_step=20)
    assert [point["step"] for point in part] == list(range(10, 21))
    assert len(ask("get-history-bulk", run_id=runs, metric_key="loss", max_results=1500)) == 1500
    page = requests.get(
        f"{base}/get-history",
        params={"run_id": runs[0], "metric_key": "loss", "max_results": 600},
        auth=server.auth,
        timeout=30,
    ).json()
    assert len(page["metrics"]) == 600
    assert page["next_page_token"]


# --- search


@pytest.fixture
def zoo(mlflow_client, experiment):
    """Five runs, `r0` to `r4`, that differ in everything one can search by."""
    runs = {}
    for i in range(5):
        run = mlflow_client.create_run(experiment, start_time=1000 + i, run_name=f"r{i}")
        run_id = runs[f"r{i}"] = run.info.run_id
        mlflow_client.log_metric(run_id, "acc", i / 10)
        mlflow_client.log_metric(run_id, "val/loss 1", 5 - i)
        mlflow_client.log_param(run_id, "kind", "Tree" if i % 2 else "linear")
        mlflow_client.set_tag(run_id, "owner.name", f"it's {i}")
        if i > 2:
            mlflow_client.log_param(run_id, "late", "yes")
            mlflow_client.set_terminated(run_id, end_time=9000 + i)
    return experiment, runs


FILTERS = [
    ("metrics.acc > 0.15", "r2 r3 r4"),
    ("metrics.acc >= 0.2 AND metrics.acc < 0.4", "r2 r3"),
    ("metric.acc = 0.1", "r1"),
    ("metrics.acc != 0.1", "r0 r2 r3 r4"),
    ("metrics.`val/loss 1` <= 2", "r3 r4"),
    ('metrics."val/loss 1" > 4.5e0', "r0"),
    ("metrics.nope > 0", ""),
    ("params.kind = 'Tree'", "r1 r3"),
    ("params.kind != 'Tree'", "r0 r2 r4"),
    ("params.kind LIKE 't%'", ""),
    ("params.kind ILIKE 't%'", "r1 r3"),
    ("params.kind LIKE 'l_near'", "r0 r2 r4"),
    ("params.late IS NULL", "r0 r1 r2"),
    ("params.late IS NOT NULL and params.kind = 'Tree'", "r3"),
    ('tags.`owner.name` = "it\'s 2"', "r2"),
    ("tags.mlflow.runName = 'r4'", "r4"),
    ("attributes.status = 'FINISHED'", "r3 r4"),
    ("status != 'FINISHED'", "r0 r1 r2"),
    ("run_name LIKE 'r%' AND start_time > 1002", "r3 r4"),
    ("attributes.`Run name` = 'r0'", "r0"),
    ("end_time > 0", "r3 r4"),
    ("artifact_uri LIKE 'mlflow-artifacts:/%'", "r0 r1 r2 r3 r4"),
    ("", "r0 r1 r2 r3 r4"),
]


@pytest.mark.parametrize(("filter_string", "expected"), FILTERS)
def test_search_runs(mlflow_client, zoo, filter_string, expected):
    experiment, _ = zoo
    found = mlflow_client.search_runs([experiment], filter_string)
    assert sorted(run.info.run_name for run in found) == expected.split()


def test_search_runs_by_id_and_in_order(mlflow_client, zoo):
    experiment, runs = zoo

    def names(filter_string="", order_by=None):
        found = mlflow_client.search_runs([experiment], filter_string, order_by=order_by)
        return " ".join(run.info.run_name for run in found)

    assert names(f"run_id IN ('{runs['r1']}', '{runs['r2']}')") == "r2 r1"
    assert names(f"run_id NOT IN ('{runs['r1']}', '{runs['r2']}')") == "r4 r3 r0"
    assert names() == "r4 r3 r2 r1 r0"
    assert names(order_by=["metrics.acc ASC"]) == "r0 r1 r2 r3 r4"
    assert names(order_by=["metrics.`val/loss 1` DESC"]) == "r0 r1 r2 r3 r4"
    assert names(order_by=["params.kind DESC", "start_time ASC"]) == "r0 r2 r4 r1 r3"
    # A run without the field comes last, whichever way.
    assert names(order_by=["params.late"]) == "r4 r3 r2 r1 r0"
    assert names(order_by=["attribute.end_time DESC"]) == "r4 r3 r2 r1 r0"
    assert names(order_by=["run_name"]) == "r0 r1 r2 r3 r4"


def test_search_runs_in_pages(mlflow_client, zoo):
    experiment, runs = zoo
    seen, token = [], None
    while True:
        page = mlflow_client.search_runs([experiment], max_results=2, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert seen == [runs[f"r{i}"] for i in range(4, -1, -1)]
    table = mlflow.search_runs([experiment], max_results=3)
    assert len(table) == 3


@pytest.mark.parametrize(
    ("filter_string", "words"),
    [
        ("metrics.acc > 'high'", "Expected numeric value type for metric"),
        ("metrics.acc LIKE 'x'", "Expected numeric value type for metric"),
        ("params.kind = Tree", "Parameter value is either not quoted"),
        ("params.kind > 'a'", "Invalid comparator '>' not one of"),
        ("colour.kind = 'a'", "Invalid entity type 'colour'"),
        ("attribute.colour = 'a'", "Invalid attribute key 'colour' specified"),
        ("dataset.colour = 'a'", "Invalid dataset key 'colour' specified"),
        ("metrics.acc > 1 OR metrics.acc < 0", "Invalid clause(s) in filter string: 'OR'"),
        ("run_id IN ()", "empty list"),
        ("status IN ('FINISHED')", "Only ['run_id'] attributes"),
        ("metrics.acc IS NULL", "only supported for tags and params"),
        ("metrics.acc > 1; DROP TABLE runs", "multiple expression"),
        ("   ", "Invalid filter '   '. Could not be parsed."),
        ("metrics.acc", "Invalid clause(s) in filter string: 'metrics.acc'"),
        ("metrics.acc >", "Invalid clause(s) in filter string: 'metrics.acc', '>'"),
        ("metrics.acc == 1", "Invalid comparator '==' not one of"),
        ("metrics.acc <> 1", "Invalid comparator '<>' not one of"),
        ("1 = metrics.acc", "Expected 'Identifier' found '1'"),
        ("params.kind = 1", "Expected a quoted string value"),
        ("params.kind = 'a", "Invalid clause(s) in filter string"),
        ("params.kind IN ('a')", "Expected a quoted string value for parameter"),
        ("tags.a = 'x' OR tags.b = 'y'", "Invalid clause(s) in filter string: 'OR'"),
        ("start_time > abc", "Expected numeric value type for numeric attribute: start_time"),
        ("run_id IN ('a', 7)", "got different type in list: ('a', 7)"),
        ("run_id IN (a)", "ill-formed list"),
    ],
)
def test_wrong_filters_say_what_is_wrong(mlflow_client, experiment, filter_string, words):
    refused(lambda: mlflow_client.search_runs([experiment], filter_string), "INVALID_PARAMETER_VALUE", words)


# --- datasets


def test_datasets_go_into_runs(server, mlflow_client, request):
    experiment = mlflow.set_experiment(name_of(request)).experiment_id
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    dataset = mlflow.data.from_pandas(frame, name="lake", source="levels.csv")
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"season": "spring"})
        mlflow.log_input(dataset, context="training")
    with mlflow.start_run():
        mlflow.log_input(dataset, context="testing")

    (logged,) = mlflow_client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("lake", dataset.digest)
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training", "season": "spring"}
    assert "levels.csv" in logged.dataset.source
    assert logged.dataset.schema

    def count(filter_string):
        return len(mlflow_client.search_runs([experiment], filter_string))

    assert count("dataset.name = 'lake'") == 2
    assert count("datasets.context = 'testing' AND dataset.name LIKE 'la%'") == 1
    assert count(f"dataset.digest IN ('{dataset.digest}')") == 2
    assert count("dataset.name = 'sea'") == 0

    summaries = requests.post(
        f"{server.http_url}/ajax-api/2.0/mlflow/experiments/search-datasets",
        json={"experiment_ids": [experiment]},
        auth=server.auth,
        timeout=30,
    ).json()["dataset_summaries"]
    assert {(s["name"], s["context"]) for s in summaries} == {("lake", "training"), ("lake", "testing")}


# --- artifacts


def test_artifacts_go_both_ways(mlflow_client, run_id, tmp_path):
    folder = tmp_path / "out"
    (folder / "a b").mkdir(parents=True)
    (folder / "a b/é.txt").write_text("grüße")
    (folder / "empty").write_bytes(b"")
    (folder / "big.bin").write_bytes(os.urandom(3_000_000))
    mlflow_client.log_artifacts(run_id, str(folder), "results")
    mlflow_client.log_text(run_id, "hello", "note.txt")
    mlflow_client.log_dict(run_id, {"a": 1}, "deep/er/data.json")

    def listing(path=None):
        return [(f.path, f.is_dir, f.file_size) for f in mlflow_client.list_artifacts(run_id, path)]

    assert listing() == [("deep", True, None), ("note.txt", False, 5), ("results", True, None)]
    assert listing("results") == [
        ("results/a b", True, None),
        ("results/big.bin", False, 3_000_000),
        ("results/empty", False, 0),
    ]
    assert listing("note.txt") == []
    back = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="results", dst_path=str(tmp_path))
    for path in ["a b/é.txt", "empty", "big.bin"]:
        assert open(f"{back}/{path}", "rb").read() == (folder / path).read_bytes()
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/deep/er/data.json") == {"a": 1}


def test_artifacts_are_objects_of_an_ordinary_bucket(mlflow_client, experiment, run_id, s3):
    mlflow_client.log_text(run_id, "seen from both doors", "note.txt")
    key = f"{experiment}/{run_id}/artifacts/note.txt"
    found = s3.get_object(Bucket="mlflow", Key=key)
    assert found["Body"].read() == b"seen from both doors"
    assert found["ContentType"].startswith("text/plain")
    s3.put_object(Bucket="mlflow", Key=f"{experiment}/{run_id}/artifacts/put.txt", Body=b"by s3")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/put.txt") == "by s3"


def test_an_artifact_is_sent_as_a_download(server, mlflow_client, run_id):
    mlflow_client.log_text(run_id, "<script>alert(1)</script>0123456789", "page.html")
    url = f"{server.http_url}/get-artifact"
    params = {"run_id": run_id, "path": "page.html"}
    whole = requests.get(url, params=params, auth=server.auth, timeout=30)
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Type"].startswith("text/html")
    part = requests.get(url, params=params, auth=server.auth, headers={"Range": "bytes=-10"}, timeout=30)
    assert (part.status_code, part.text) == (206, "0123456789")
    assert part.headers["Content-Range"] == "bytes 25-34/35"
    gone = requests.get(url, params=params | {"path": "none"}, auth=server.auth, timeout=30)
    assert (gone.status_code, gone.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "%2e%2e/x", "/etc/passwd", "a#b", "..\\x"])
def test_no_artifact_path_leads_out(server, run_id, path):
    listing = requests.get(
        f"{server.http_url}/api/2.0/mlflow/artifacts/list",
        params={"run_id": run_id, "path": path},
        auth=server.auth,
        timeout=30,
    )
    assert (listing.status_code, listing.json()["message"]) == (400, "Invalid path")
    quoted = requests.utils.quote(path, safe="")
    proxy = f"{server.http_url}/api/2.0/mlflow-artifacts/artifacts/{quoted}"
    put = requests.put(proxy, data=b"x", auth=server.auth, timeout=30)
    assert (put.status_code, put.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_large_file_falls_back_from_parts_to_one_stream(mlflow_client, run_id, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(200_000))
    mlflow_client.log_artifact(run_id, str(path))
    back = mlflow_client.download_artifacts(run_id, "model.bin", str(tmp_path / ".."))
    assert open(back, "rb").read() == path.read_bytes()


def test_an_upload_that_breaks_off_leaves_nothing(server, mlflow_client, experiment, run_id):
    def half():
        yield b"x" * 100_000
        raise ConnectionError("on purpose")

    path = f"{experiment}/{run_id}/artifacts/half.bin"
    with pytest.raises(Exception):  # noqa: B017 - requests wraps it as it likes
        requests.put(
            f"{server.http_url}/api/2.0/mlflow-artifacts/artifacts/{path}",
            data=half(),
            auth=server.auth,
            timeout=30,
        )
    assert mlflow_client.list_artifacts(run_id) == []


# --- logged models


@pytest.fixture(scope="module")
def fitted():
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    return LogisticRegression().fit(frame, [0, 0, 1, 1]), frame


def test_a_model_is_logged_and_loaded_back(mlflow_client, request, fitted):
    model, frame = fitted
    experiment = mlflow.set_experiment(name_of(request)).experiment_id
    dataset = mlflow.data.from_pandas(frame, name="points")
    signature = mlflow.models.infer_signature(frame, model.predict(frame))
    with mlflow.start_run() as run:
        mlflow.log_param("C", 1.0)
        info = mlflow.sklearn.log_model(
            model, name="classifier", signature=signature, input_example=frame[:2], tags={"made": "here"}
        )
        mlflow.log_metric("auc", 0.75, model_id=info.model_id, dataset=dataset)

    assert (mlflow.sklearn.load_model(info.model_uri).predict(frame) == model.predict(frame)).all()
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/classifier")
    assert (loaded.predict(frame) == model.predict(frame)).all()
    assert loaded.metadata.signature == signature
    assert mlflow.models.Model.load(info.model_uri).load_input_example() is not None

    logged = mlflow.get_logged_model(info.model_id)
    assert (logged.name, str(logged.status), logged.source_run_id) == ("classifier", "READY", run.info.run_id)
    assert logged.params["C"] == "1.0"
    assert logged.tags["made"] == "here"
    (metric,) = logged.metrics
    assert (metric.key, metric.value, metric.dataset_name) == ("auc", 0.75, "points")
    outputs = mlflow_client.get_run(run.info.run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [info.model_id]

    def search(**kwargs):
        found = mlflow.search_logged_models([experiment], output_format="list", **kwargs)
        return [model.model_id for model in found]

    assert search(filter_string="metrics.auc > 0.5 AND params.C = '1.0' AND name = 'classifier'") == [info.model_id]
    assert search(filter_string="metrics.auc > 0.8") == []
    assert search(datasets=[{"dataset_name": "points"}]) == [info.model_id]
    assert search(datasets=[{"dataset_name": "other"}]) == []
    assert search(filter_string="tags.made = 'here'") == [info.model_id]

    mlflow.set_logged_model_tags(info.model_id, {"more": "tags"})
    mlflow.delete_logged_model_tag(info.model_id, "made")
    tags = mlflow.get_logged_model(info.model_id).tags
    assert tags["more"] == "tags"
    assert "made" not in tags


def test_autologging_of_scikit_learn(mlflow_client, request, fitted):
    from sklearn.tree import DecisionTreeClassifier

    experiment = mlflow.set_experiment(name_of(request)).experiment_id
    _, frame = fitted
    mlflow.sklearn.autolog(log_datasets=True, silent=True)
    try:
        with mlflow.start_run() as run:
            DecisionTreeClassifier(max_depth=2).fit(frame, [0, 0, 1, 1])
    finally:
        mlflow.sklearn.autolog(disable=True)
    logged = mlflow_client.get_run(run.info.run_id)
    assert logged.data.params["max_depth"] == "2"
    assert logged.data.metrics["training_accuracy_score"] == 1.0
    assert logged.inputs.dataset_inputs
    assert len(mlflow_client.search_logged_models([experiment])) == 1


def test_a_model_made_by_hand(mlflow_client, experiment):
    model = mlflow_client.create_logged_model(experiment, name="bare", params={f"p{i}": str(i) for i in range(150)})
    assert str(model.status) == "PENDING"
    assert len(mlflow_client.get_logged_model(model.model_id).params) == 150
    assert str(mlflow_client.finalize_logged_model(model.model_id, "FAILED").status) == "FAILED"
    mlflow_client.delete_logged_model(model.model_id)
    refused(
        lambda: mlflow_client.get_logged_model(model.model_id), "RESOURCE_DOES_NOT_EXIST", "Logged model with ID"
    )
    assert mlflow_client.search_logged_models([experiment]) == []


def test_models_are_ordered_and_paged(mlflow_client, experiment):
    made = []
    run_id = mlflow_client.create_run(experiment).info.run_id
    for i in range(4):
        made.append(mlflow_client.create_logged_model(experiment, name=f"m{i}").model_id)
        if i < 3:
            mlflow_client.log_metric(run_id, "auc", [0.3, 0.9, 0.6][i], model_id=made[i])

    order = [{"field_name": "metrics.auc", "ascending": False}]
    first = mlflow_client.search_logged_models([experiment], order_by=order, max_results=2)
    rest = mlflow_client.search_logged_models(
        [experiment], order_by=order, max_results=2, page_token=first.token
    )
    assert [model.name for model in [*first, *rest]] == ["m1", "m2", "m0", "m3"]
    refused(
        lambda: mlflow_client.search_logged_models([experiment], max_results=2, page_token=first.token),
        "INVALID_PARAMETER_VALUE",
        "in the page token does not match",
    )


# --- the server itself, and what it refuses


def test_the_server_says_what_it_is(server):
    info = requests.get(f"{server.http_url}/api/3.0/mlflow/server-info", auth=server.auth, timeout=30).json()
    assert info["workspaces_enabled"] is False
    assert requests.get(f"{server.http_url}/version", auth=server.auth, timeout=30).text == "3.17.2"
    assert requests.get(f"{server.http_url}/health", auth=server.auth, timeout=30).text == "OK"
    assert requests.get(f"{server.http_url}/api/3.0/mlflow/server-info", timeout=30).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("runs/log-metric", {"run_id": 7}, "Invalid value 7 for parameter 'run_id' supplied"),
        ("runs/log-metric", {"run_id": "RUN", "key": "m"}, "Missing value for required parameter 'value'"),
        ("runs/log-metric", {"run_id": "RUN", "key": "m", "value": "x", "timestamp": 1}, "'value' supplied"),
        ("runs/log-metric", {"run_id": "RUN", "key": "../m", "value": 1, "timestamp": 1}, "resolve to '../m'"),
        ("runs/log-metric", {"run_id": "RUN", "key": "m", "value": 1, "timestamp": -1}, "nonnegative long"),
        ("runs/log-parameter", {"run_id": "RUN", "key": "k" * 251, "value": ""}, "maximum length of 250"),
        ("runs/set-tag", {"run_id": "RUN", "key": "", "value": "v"}, "required parameter 'key'"),
        ("runs/log-batch", {"run_id": "RUN", "metrics": "many"}, "'metrics' supplied"),
        ("runs/update", {"run_id": "RUN", "end_time": "soon"}, "'end_time' supplied"),
        ("experiments/create", {"name": ["a"]}, "Hint: Value was of type 'list'"),
        ("experiments/create", {"name": "n" * 501}, "maximum length of 500"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 50001}, "'max_results' supplied"),
        ("runs/search", {"experiment_ids": ["0"], "page_token": "@@"}, "Invalid page token"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 0}, "It must be a positive integer"),
        ("runs/search", {"experiment_ids": ["abc"]}, "must be a valid integer"),
        ("runs/search", {"experiment_ids": ["0"], "order_by": ["metrics.m ASCC"]}, "Invalid ordering key"),
        ("runs/update", {"run_id": "RUN", "status": "DONE"}, "'status' supplied"),
        ("runs/log-metric", {"run_id": "RUN", "key": "m", "value": 1, "timestamp": 2**63}, "'timestamp' supplied"),
        ("experiments/search", {"max_results": 5, "filter": "name"}, "in filter string: name"),
        ("experiments/search", {"max_results": 5, "filter": "name = 'a' OR name = 'b'"}, "in filter string: OR"),
        ("experiments/search", {"max_results": 5, "filter": "name > 'a'"}, "Invalid comparator '>' not one of"),
        ("experiments/search", {"max_results": 5, "filter": "name IN ('a')"}, "Only ['experiment_id'] attributes"),
        ("experiments/search", {"max_results": 50001}, "'max_results' supplied"),
        ("experiments/search", {"max_results": 5, "page_token": "zz"}, "Invalid page token"),
        ("logged-models/search", {"experiment_ids": ["0"], "filter": "name > 'a'"}, "operator for attributes.name: '>'"),
        ("logged-models/search", {"experiment_ids": ["0"], "order_by": [{"field_name": "colour"}]}, "order by field"),
    ],
)
def test_bad_requests_get_mlflows_answer(server, mlflow_client, run_id, path, body, words):
    body = {key: run_id if value == "RUN" else value for key, value in body.items()}
    answer = requests.post(f"{server.http_url}/api/2.0/mlflow/{path}", json=body, auth=server.auth, timeout=30)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
    assert words in answer.json()["message"]
    data = mlflow_client.get_run(run_id).data
    assert (data.metrics, data.params) == ({}, {})


POINT = {"key": "m", "value": 1, "timestamp": 1}


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"metrics": [POINT] * 1000}, None),
        ({"metrics": [POINT] * 1001}, "at most 1000 metrics. Got 1001"),
        ({"params": [{"key": f"p{i}", "value": "v"} for i in range(100)]}, None),
        ({"params": [{"key": f"p{i}", "value": "v"} for i in range(101)]}, "at most 100 params. Got 101"),
        ({"tags": [{"key": f"t{i}", "value": "v"} for i in range(100)]}, None),
        ({"tags": [{"key": f"t{i}", "value": "v"} for i in range(101)]}, "at most 100 tags. Got 101"),
        ({"metrics": [POINT] * 950, "tags": [{"key": f"t{i}", "value": "v"} for i in range(50)]}, None),
        (
            {"metrics": [POINT] * 950, "tags": [{"key": f"t{i}", "value": "v"} for i in range(51)]},
            "at most 1000 metrics, params, and tags. Got 1001",
        ),
        ({"params": [{"key": "k" * 250, "value": "v" * 6000}]}, None),
        ({"params": [{"key": "k" * 251, "value": "v"}]}, "exceeds the maximum length of 250 characters"),
        # Longer values of params and tags are cut, as MLflow cuts them.
        ({"params": [{"key": "k", "value": "v" * 6001}], "tags": [{"key": "k", "value": "v" * 8001}]}, None),
        ({"metrics": [POINT | {"key": "k" * 250}]}, None),
        ({"metrics": [POINT | {"key": "k" * 251}]}, "exceeds the maximum length of 250 characters"),
        ({"tags": [{"key": "k" * 250, "value": "v" * 8000}]}, None),
        ({"tags": [{"key": "k" * 251, "value": "v"}]}, "exceeds the maximum length of 250 characters"),
        ({"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "Duplicate parameter keys"),
        ({"metrics": [7]}, "'metrics' supplied"),
        ({"metrics": [POINT], "a_field_of_tomorrow": {"x": [1]}}, None),
    ],
)
def test_a_batch_is_held_to_each_limit_and_no_more(server, mlflow_client, run_id, batch, words):
    url = f"{server.http_url}/api/2.0/mlflow/runs/log-batch"
    answer = requests.post(url, json={"run_id": run_id, **batch}, auth=server.auth, timeout=30)
    data = mlflow_client.get_run(run_id).data
    kept = bool(data.metrics or data.params or data.tags.keys() - {"mlflow.runName"})
    if words is None:
        assert (answer.status_code, kept) == (200, True), answer.text
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
        assert words in answer.json()["message"]
        assert not kept


def test_a_page_token_of_another_query_is_refused(server, experiment, mlflow_client):
    for _ in range(2):
        mlflow_client.create_logged_model(experiment, name="paged")
    url = f"{server.http_url}/api/2.0/mlflow/logged-models/search"
    asked = {"experiment_ids": [experiment], "max_results": 1}
    token = requests.post(url, json=asked, auth=server.auth, timeout=30).json()["next_page_token"]
    other = asked | {"filter": "name = 'other'", "page_token": token}
    answer = requests.post(url, json=other, auth=server.auth, timeout=30)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
    assert "in the page token does not match the requested" in answer.json()["message"]
    assert requests.post(url, json=asked | {"page_token": token}, auth=server.auth, timeout=30).ok


def test_bodies_that_are_not_json(server):
    url = f"{server.http_url}/api/2.0/mlflow/runs/create"
    for body, kind in [("{", "application/json"), ("[1]", "application/json"), ("{}", "text/plain")]:
        answer = requests.post(url, data=body, headers={"Content-Type": kind}, auth=server.auth, timeout=30)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), body


def test_what_does_not_exist(mlflow_client):
    nothing = "RESOURCE_DOES_NOT_EXIST"
    refused(lambda: mlflow_client.get_run("0" * 32), nothing, "Run with id=00000000000000000000000000000000 not found")
    refused(lambda: mlflow_client.get_experiment("987654"), nothing, "No Experiment with id=987654 exists")
    refused(lambda: mlflow_client.delete_run("nope"), nothing, "not found")
    refused(lambda: mlflow_client.log_metric("nope", "m", 1), nothing, "not found")
    refused(lambda: mlflow_client.get_experiment("abc"), "INVALID_PARAMETER_VALUE", "must be a valid integer")


def test_kill_minus_nine_loses_no_acknowledged_point(private_server, point_at):
    server = private_server()
    client = point_at(server)
    run_id = client.create_run("0").info.run_id
    logged = 0
    for step in range(50):
        client.log_batch(run_id, metrics=[Metric("m", float(step), step, step)], params=[Param(f"p{step}", "v")])
        logged += 1
    client.log_text(run_id, "kept", "note.txt")
    server.kill9()
    server.start()
    client = point_at(server)
    assert len(client.get_metric_history(run_id, "m")) == logged
    assert len(client.get_run(run_id).data.params) == logged
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/note.txt") == "kept"
