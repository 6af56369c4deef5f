"""Artifacts past the proxy: uploads in parts and presigned URLs, as the mlflow client and plain HTTP use them."""

import hashlib
import os

import mlflow
import pytest
import requests

MIB = 1 << 20


@pytest.fixture
def run(mlflow_client, request):
    return mlflow_client.create_run(mlflow_client.create_experiment(f"{request.node.name}-{os.urandom(4).hex()}")).info


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large file.bin"
    path.write_bytes(os.urandom(17 * MIB + 5))
    return path


@pytest.fixture
def ask(server):
    """Posts to an MLflow route, signed in; answers the response."""

    def post(path, body, auth=server.auth):
        return requests.post(f"{server.http_url}/api/2.0/{path}", json=body, auth=auth)

    return post


def test_the_client_sends_a_large_file_in_parts(mlflow_client, run, large, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(4 * MIB))
    mlflow_client.log_artifact(run.run_id, str(large), "in parts")
    [listed] = mlflow_client.list_artifacts(run.run_id, "in parts")
    assert (listed.path, listed.file_size) == ("in parts/large file.bin", large.stat().st_size)
    there = mlflow_client.download_artifacts(run.run_id, listed.path, str(tmp_path))
    with open(there, "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(large.read_bytes()).digest()


def test_large_files_go_in_parts_by_themselves(server):
    info = requests.get(f"{server.http_url}/api/3.0/mlflow/server-info", auth=server.auth).json()
    assert info["multipart_uploads_enabled"] is True


def test_an_upload_can_be_given_up(server, ask, run, s3):
    folder = run.artifact_uri.removeprefix("mlflow-artifacts:/")
    begun = ask(f"mlflow-artifacts/mpu/create/{folder}", {"path": "/home/me/x.bin", "num_parts": 2}).json()
    assert [part["part_number"] for part in begun["credentials"]] == [1, 2]
    sent = requests.put(begun["credentials"][0]["url"], data=b"x" * 5 * MIB)
    assert sent.ok and sent.headers["ETag"], sent.text
    given_up = {"path": "x.bin", "upload_id": begun["upload_id"]}
    assert ask(f"mlflow-artifacts/mpu/abort/{folder}", given_up).ok
    late = requests.put(begun["credentials"][1]["url"], data=b"y")
    assert late.status_code == 404, late.text
    parts = [{"part_number": 1, "etag": sent.headers["ETag"]}]
    answer = ask(f"mlflow-artifacts/mpu/complete/{folder}", given_up | {"parts": parts})
    assert answer.status_code == 404 and answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST", answer.text


def test_links_read_and_write_one_file_without_a_password(ask, run):
    asked = {"run_id": run.run_id, "path": "a folder/ü.txt"}
    up = ask("mlflow/artifacts/presigned-upload-url", asked).json()
    assert requests.put(up["presigned_url"], data=b"by link", headers=up["headers"]).ok
    down = ask("mlflow/artifacts/presigned-download-url", asked | {"expiration": 60}).json()
    assert down["file_size"] == 7
    answer = requests.get(down["presigned_url"])
    assert answer.content == b"by link" and answer.headers["Content-Disposition"].startswith("attachment")
    assert requests.get(down["presigned_url"].replace("%C3%BC", "u")).status_code == 403
    assert requests.put(down["presigned_url"], data=b"no").status_code == 403


def test_a_logged_model_takes_files_by_link(mlflow_client, ask, run):
    model = mlflow_client.create_logged_model(run.experiment_id)
    up = ask("mlflow/artifacts/presigned-upload-url", {"model_id": model.model_id, "path": "MLmodel"}).json()
    assert requests.put(up["presigned_url"], data=b"flavors: {}", headers=up["headers"]).ok
    assert [file.path for file in mlflow.artifacts.list_artifacts(artifact_uri=model.artifact_location)] == ["artifacts/MLmodel"]


@pytest.mark.parametrize(
    "route, change, words",
    [
        ("mlflow/artifacts/presigned-upload-url", {"path": "../x"}, "Invalid path"),
        ("mlflow/artifacts/presigned-upload-url", {"path": ""}, "path"),
        ("mlflow/artifacts/presigned-upload-url", {"model_id": "m-1"}, "Exactly one of run_id and model_id"),
        ("mlflow/artifacts/presigned-upload-url", {"run_id": ""}, "Exactly one of run_id and model_id"),
        ("mlflow/artifacts/presigned-download-url", {"expiration": 0}, "between 1 and 604800"),
        ("mlflow/artifacts/presigned-download-url", {"expiration": 604801}, "between 1 and 604800"),
        ("mlflow/artifacts/presigned-download-url", {"path": "%2e%2e/x"}, "Invalid path"),
        ("mlflow-artifacts/mpu/create/0/x", {"num_parts": 10001}, "between 1 and 10000"),
        ("mlflow-artifacts/mpu/create/0/x", {"num_parts": 0}, "between 1 and 10000"),
        ("mlflow-artifacts/mpu/create/0/x", {"path": ".."}, "Invalid path"),
        ("mlflow-artifacts/mpu/create/0/%2e%2e/x", {}, "Invalid path"),
        ("mlflow-artifacts/mpu/complete/0/x", {"upload_id": "u"}, "Missing value for required parameter 'parts'"),
    ],
)
def test_what_no_link_is_made_for(ask, run, route, change, words):
    answer = ask(route, {"run_id": run.run_id, "path": "x"} | change)
    assert answer.status_code == 400 and words in answer.json()["message"], answer.text


def test_a_viewer_gets_no_link_to_write(server, ask, run):
    with server.api() as api:
        api.post("/users", json={"name": "reader", "password": "only reading here", "role": "viewer"})
    auth = ("reader", "only reading here")
    asked = {"run_id": run.run_id, "path": "x"}
    assert ask("mlflow/artifacts/presigned-upload-url", asked, auth).status_code == 403
    assert ask("mlflow-artifacts/mpu/create/0/x", {"path": "x", "num_parts": 1}, auth).status_code == 403
    assert ask("mlflow/artifacts/presigned-download-url", asked, auth).status_code == 404


def test_a_member_streams_instead(server, ask, tmp_path, large, point_at, monkeypatch):
    """What was granted over an experiment does not count at the S3 service, so there are no links to it."""
    with server.api() as api:
        api.post("/users", json={"name": "member", "password": "granted a little", "role": "member"})
    auth = ("member", "granted a little")
    experiment = ask("mlflow/experiments/create", {"name": f"of-a-member-{os.urandom(4).hex()}"}, auth).json()["experiment_id"]
    run = ask("mlflow/runs/create", {"experiment_id": experiment}, auth).json()["run"]["info"]
    folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    refused = ask(f"mlflow-artifacts/mpu/create/{folder}", {"path": "x", "num_parts": 1}, auth)
    assert refused.status_code == 501 and refused.json()["message"].startswith("Multipart upload is not supported")
    assert ask("mlflow/artifacts/presigned-upload-url", {"run_id": run["run_id"], "path": "x"}, auth).status_code == 501
    client = point_at(server)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", auth[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", auth[1])
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(MIB))
    client.log_artifact(run["run_id"], str(large))
    assert [file.file_size for file in client.list_artifacts(run["run_id"])] == [large.stat().st_size]
