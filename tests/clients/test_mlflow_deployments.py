"""MLflow's clients of served models: `mlflow.deployments`, its scoring client, and refusals as its own server words them."""

import io
import json
import socket
from types import SimpleNamespace
from urllib.parse import urlsplit

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
import requests
from click.testing import CliRunner
from conftest import Server, pointed_at
from mlflow.deployments import BaseDeploymentClient, get_deploy_client
from mlflow.deployments.cli import commands as mlflow_commands
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from serving_support import MODELS, Model, serve

# One number a row: MLflow's own server cannot answer what has several.
FILE = "zoo/forest_regressor"
COLUMNS = list("abcdefgh")


@pytest.fixture(scope="module")
def only(tmp_path_factory):
    """A server with one endpoint, and the same model as MLflow's own scoring server would hold it."""
    own = Server(tmp_path_factory.mktemp("scoring")).start()
    rows = Model("scoring", FILE, "1").inputs["X"]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    with pointed_at(own), own.api() as api:
        with mlflow.start_run():
            logged = mlflow.onnx.log_model(
                onnx.load(MODELS / f"{FILE}.onnx"),
                name="model",
                signature=infer_signature(frame, pd.DataFrame({"variable": [1.5]})),
                registered_model_name="scoring",
                pip_requirements=["onnxruntime"],
            )
        serve(api, "scoring", f"models:/scoring/{logged.registered_model_version}")
        peer = mlflow.pyfunc.load_model(logged.model_uri)
        yield SimpleNamespace(server=own, frame=frame, peer=peer)
    own.stop()


def assert_alike(ours, peers):
    assert [list(row) for row in ours] == [list(row) for row in peers] == [["variable"]] * len(ours)
    np.testing.assert_allclose([row["variable"] for row in ours], [row["variable"] for row in peers], rtol=1e-5)


def of_peer(peer, body, kind="application/json"):
    """Status and body of MLflow's scoring server."""
    try:
        answer = scoring_server.invocations(body, kind, peer, peer.metadata.get_input_schema())
        return answer.status, answer.response
    except MlflowException as error:
        return error.get_http_status_code(), error.serialize_as_json()


def of_ours(server, body, kind="application/json"):
    url = f"{server.http_url}/endpoints/scoring/invocations"
    answer = requests.post(url, data=body, headers={"Content-Type": kind}, auth=server.auth, timeout=60)
    return answer.status_code, answer.text


def parquet(frame):
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def test_the_deployments_client_lists_and_asks(only, monkeypatch):
    for key, value in only.server.env().items():
        monkeypatch.setenv(key, value)
    client = get_deploy_client(only.server.http_url)
    [listed] = client.list_endpoints()
    assert (listed.name, listed.model.name, listed.model.provider) == ("scoring", "models:/scoring/1", "crannog")
    assert listed.endpoint_url == f"{only.server.http_url}/endpoints/scoring/invocations"
    assert client.get_endpoint("scoring") == listed
    asked = {"dataframe_split": only.frame.head(3).to_dict(orient="split")}
    answer = client.predict(endpoint="scoring", inputs=asked)
    wanted = json.loads(of_peer(only.peer, json.dumps(asked))[1])
    assert_alike(answer["predictions"], wanted["predictions"])
    with pytest.raises(requests.HTTPError, match="nobody"):
        client.get_endpoint("nobody")


@pytest.fixture
def deployments(only, monkeypatch):
    """The client as MLflow ships it: of all that are built in, the one for `http` asks a server of the caller's."""
    for key, value in only.server.env().items():
        monkeypatch.setenv(key, value)
    return get_deploy_client(only.server.http_url)


def test_the_target_may_be_set_beforehand(only, deployments, monkeypatch):
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", only.server.http_url)
    assert [found.name for found in get_deploy_client().list_endpoints()] == ["scoring"]
    monkeypatch.delenv("MLFLOW_DEPLOYMENTS_TARGET")
    monkeypatch.setattr("mlflow.deployments.utils._deployments_target", None)
    mlflow.deployments.set_deployments_target(f"{only.server.http_url}/")
    found = get_deploy_client().get_endpoint("scoring")
    assert found.endpoint_url == f"{only.server.http_url}/endpoints/scoring/invocations"
    asked = {"inputs": only.frame.head(1).to_dict(orient="list")}
    assert requests.post(found.endpoint_url, json=asked, auth=only.server.auth, timeout=60).json() == deployments.predict(
        endpoint="scoring", inputs=asked
    )


def test_every_form_of_inputs_goes_by_the_deployments_client(only, deployments):
    head = only.frame.head(5)
    wanted = only.peer.predict(head)["variable"]
    for asked in (
        {"dataframe_split": head.to_dict(orient="split")},
        {"dataframe_records": head.to_dict(orient="records")},
        {"instances": head.to_dict(orient="records")},
        {"instances": head.to_numpy().tolist()},
        {"inputs": head.to_dict(orient="list")},
    ):
        for answer in (deployments.predict(inputs=asked, endpoint="scoring"), deployments.predict("unused", asked, "scoring")):
            np.testing.assert_allclose([row["variable"] for row in answer["predictions"]], wanted, rtol=1e-5)


def test_the_deployments_client_hears_why_it_was_refused(only, deployments, monkeypatch):
    record = {name: 1.0 for name in COLUMNS}
    for endpoint, inputs, status, word in [
        ("nobody", {"dataframe_records": [record]}, 404, "nobody"),
        ("scoring", {"dataframe_records": [{"a": 1.0}]}, 400, "Model is missing inputs"),
        ("scoring", {"odd": []}, 400, "exactly one of the input fields"),
        ("scoring", None, 400, "JSON"),
    ]:
        with pytest.raises(requests.HTTPError, match=word) as refused:
            deployments.predict(endpoint=endpoint, inputs=inputs)
        assert refused.value.response.status_code == status
    with only.server.api() as api:
        vera = {"name": "deploy-vera", "password": "a long enough password", "role": "viewer"}
        assert api.post("/users", json=vera).status_code in (200, 201)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", vera["name"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", vera["password"])
    assert len(deployments.predict(endpoint="scoring", inputs={"dataframe_records": [record]})["predictions"]) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    for call in (deployments.list_endpoints, lambda: deployments.get_endpoint("scoring")):
        with pytest.raises(requests.HTTPError) as refused:
            call()
        assert refused.value.response.status_code == 401


def test_endpoints_come_and_go_for_the_deployments_client(only, deployments):
    """It makes none itself; what `crannog endpoint` and the API make it sees at once."""
    with only.server.api() as api:
        serve(api, "scoring-b", "models:/scoring/1")
        # It may be named as a word of the gateway's own routes.
        serve(api, "limits", "models:/scoring/1")
        assert {found.name for found in deployments.list_endpoints()} == {"limits", "scoring", "scoring-b"}
        assert deployments.get_endpoint("limits").name == "limits"
        record = {name: 1.0 for name in COLUMNS}
        assert deployments.predict(endpoint="scoring-b", inputs={"dataframe_records": [record]})["predictions"]
        for name in ("scoring-b", "limits"):
            assert api.delete(f"/endpoints/{name}").status_code in (200, 204)
    assert [found.name for found in deployments.list_endpoints()] == ["scoring"]


def test_what_the_client_itself_has_not_for_any_server(only, deployments):
    """These raise before they ask anybody; a release of MLflow that asks must find an answer here."""
    for call, arguments in [
        (deployments.create_deployment, ("a", "models:/scoring/1")),
        (deployments.update_deployment, ("a",)),
        (deployments.delete_deployment, ("a",)),
        (deployments.list_deployments, ()),
        (deployments.get_deployment, ("a",)),
        (deployments.create_endpoint, ("a",)),
        (deployments.update_endpoint, ("a",)),
        (deployments.delete_endpoint, ("scoring",)),
        (deployments.predict_stream, ("scoring", {})),
    ]:
        with pytest.raises(NotImplementedError):
            call(*arguments)
    with pytest.raises(MlflowException, match="not yet supported for this deployment target"):
        deployments.explain("scoring", only.frame.head(1))
    assert mlflow.deployments.run_local("http", "a", "models:/scoring/1") is None
    offered = {name for name in dir(BaseDeploymentClient) if not name.startswith("_")}
    assert offered == {
        "create_deployment", "create_endpoint", "delete_deployment", "delete_endpoint", "explain", "get_deployment",
        "get_endpoint", "list_deployments", "list_endpoints", "predict", "predict_stream", "update_deployment", "update_endpoint",
    }  # fmt: skip


def test_the_command_line_of_deployments(only, deployments, tmp_path):
    asked = lambda *words: CliRunner().invoke(mlflow_commands, [*words, "--target", only.server.http_url])
    listed = asked("list-endpoints")
    assert listed.exit_code == 0 and "name='scoring'" in listed.output, listed.output
    # These two fail in MLflow's own hands, after the answer and before the question.
    assert isinstance(asked("get-endpoint", "--endpoint", "scoring").exception, AttributeError)
    (tmp_path / "rows.json").write_text(only.frame.head(1).to_json(orient="records"))
    failed = asked("predict", "--endpoint", "scoring", "--input-path", str(tmp_path / "rows.json"))
    assert "not JSON serializable" in str(failed.exception)


def test_the_deployments_client_over_tls(tmp_path, monkeypatch):
    own = Server(tmp_path, args=["--tls-loopback", "true"]).start()
    try:
        for key, value in own.env().items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", own.authority)
        assert own.http_url.startswith("https://")
        client = get_deploy_client(own.http_url)
        assert client.list_endpoints() == []
        with pytest.raises(requests.HTTPError, match="nobody"):
            client.get_endpoint("nobody")
    finally:
        own.stop()


def test_the_scoring_client_of_mlflow(only):
    """It knows no credential but the one in its address."""
    address = urlsplit(only.server.http_url)
    client = ScoringServerClient(f"{only.server.user}:{only.server.password}@{address.hostname}", address.port)
    client.wait_server_ready(timeout=10)
    assert client.get_version()
    got = client.invoke(only.frame.head(4)).get_predictions()
    wanted = only.peer.predict(only.frame.head(4))
    np.testing.assert_allclose(got["variable"], wanted["variable"], rtol=1e-5)
    got = client.invoke(only.frame.head(4).to_numpy()).get_predictions()
    np.testing.assert_allclose(got["variable"], wanted["variable"], rtol=1e-5)


def bodies(frame):
    """Requests that are right, by their content type."""
    head = frame.head(6)
    yield json.dumps({"dataframe_split": head.to_dict(orient="split")}), "application/json"
    yield json.dumps({"dataframe_records": head.to_dict(orient="records"), "params": None}), "application/json; charset=UTF-8"
    yield json.dumps({"instances": head.to_dict(orient="records")}), "application/json"
    yield json.dumps({"inputs": head.to_dict(orient="list")}), "application/json"
    yield head.to_csv(index=False), "text/csv"
    yield head.assign(extra=1).to_csv(index=False), "text/csv; charset=utf-8"
    yield parquet(head), "application/vnd.apache.parquet"
    yield parquet(head[reversed(COLUMNS)].assign(extra="x")), "application/vnd.apache.parquet"


def test_every_form_is_answered_as_mlflow_answers_it(only):
    for body, kind in bodies(only.frame):
        status, text = of_ours(only.server, body, kind)
        peer_status, peer_text = of_peer(only.peer, body, kind)
        assert (status, peer_status) == (200, 200), (kind, text, peer_text)
        assert_alike(json.loads(text)["predictions"], json.loads(peer_text)["predictions"])


def wrong(frame):
    """Requests that both servers refuse."""
    record = frame.head(1).to_dict(orient="records")[0]
    cut = {name: value for name, value in record.items() if name != "d"}
    whole = parquet(frame.head(3))
    yield json.dumps({"dataframe_records": [cut]}), "application/json"
    yield json.dumps({"dataframe_records": [cut | {"odd": 1}]}), "application/json"
    yield json.dumps({"inputs": {name: [value] for name, value in cut.items()}}), "application/json"
    yield json.dumps({"dataframe_records": []}), "application/json"
    yield json.dumps({"dataframe_records": [record | {"a": "word"}]}), "application/json"
    yield json.dumps({"dataframe_records": {}}), "application/json"
    yield json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [[1]]}}), "application/json"
    yield json.dumps({"dataframe_split": {"columns": COLUMNS, "data": [[1] * 8], "odd": 1}}), "application/json"
    yield json.dumps({"dataframe_records": [record], "inputs": [record]}), "application/json"
    yield json.dumps({"odd": [record]}), "application/json"
    yield json.dumps([record]), "application/json"
    yield "3", "application/json"
    yield "{", "application/json"
    yield b"\xff\xfe{}", "application/json"
    yield "x,y\n1,2\n", "text/csv"
    yield b"\xff\xfe", "text/csv"
    yield whole[:-5], "application/vnd.apache.parquet"
    yield b"", "application/vnd.apache.parquet"
    yield parquet(frame.head(3)[["a", "b"]]), "application/vnd.apache.parquet"
    yield "x", "text/csv; charset=latin-1"
    yield "x", "text/csv; odd=1"
    yield "x", "text/plain"


def test_every_refusal_has_mlflows_status_and_code(only):
    for body, kind in wrong(only.frame):
        status, text = of_ours(only.server, body, kind)
        peer_status, peer_text = of_peer(only.peer, body, kind)
        assert status == peer_status, (body, kind, text, peer_text)
        if status == 415:
            assert text.split(".")[0] == peer_text.split(".")[0]
            continue
        assert json.loads(text)["error_code"] == json.loads(peer_text)["error_code"], (body, kind, text, peer_text)
        assert json.loads(text)["message"]
    status, text = of_ours(only.server, json.dumps({"dataframe_records": [{"a": 1, "odd": 2}]}))
    assert "Model is missing inputs ['b', 'c', 'd', 'e', 'f', 'g', 'h']. Note that there were extra inputs: ['odd']." in text


def test_a_gap_is_nan_where_the_model_takes_floats(only):
    """null, NaN and an empty field of a CSV are one value."""
    rows = only.frame.head(2).copy()
    rows.loc[0, "c"] = np.nan
    nan = json.dumps({"dataframe_split": rows.to_dict(orient="split")})
    null = nan.replace("NaN", "null")
    assert "NaN" in nan
    answers = {of_ours(only.server, body, kind) for body, kind in [
        (nan, "application/json"), (null, "application/json"), (rows.to_csv(index=False), "text/csv"),
        (parquet(rows), "application/vnd.apache.parquet"),
    ]}
    assert len(answers) == 1
    [(status, text)] = answers
    assert status == 200 and len(json.loads(text)["predictions"]) == 2


def test_a_body_that_ends_early_is_refused_and_the_endpoint_goes_on(only):
    address = urlsplit(only.server.http_url)
    with socket.create_connection((address.hostname, address.port)) as raw:
        word = requests.auth._basic_auth_str(*only.server.auth)
        raw.sendall(
            f"POST /endpoints/scoring/invocations HTTP/1.1\r\nHost: x\r\nAuthorization: {word}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode()
        )
    status, _ = of_ours(only.server, json.dumps({"instances": only.frame.head(1).to_numpy().tolist()}))
    assert status == 200
