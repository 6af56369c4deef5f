"""The model registry, as the mlflow client uses it."""

import uuid

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository


@pytest.fixture
def name():
    return f"model-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(mlflow_client):
    """A finished run with a file under `model/`."""
    with mlflow.start_run() as active:
        mlflow.log_text("weights", "model/weights.txt")
    return active.info


def source_of(run):
    return f"{run.artifact_uri}/model"


def refused(code, call, *args, **kwargs):
    with pytest.raises(MlflowException) as caught:
        call(*args, **kwargs)
    assert caught.value.error_code == code, caught.value
    return str(caught.value)


def test_a_model_is_made_found_described_renamed_and_deleted(mlflow_client, name):
    made = mlflow_client.create_registered_model(name, tags={"team": "ops"}, description="first")
    assert (made.name, made.description, made.tags) == (name, "first", {"team": "ops"})
    assert "already exists" in refused("RESOURCE_ALREADY_EXISTS", mlflow_client.create_registered_model, name)

    assert mlflow_client.update_registered_model(name, "second").description == "second"
    mlflow_client.set_registered_model_tag(name, "stage", "lab")
    mlflow_client.delete_registered_model_tag(name, "team")
    assert mlflow_client.get_registered_model(name).tags == {"stage": "lab"}

    mlflow_client.rename_registered_model(name, name + "-2")
    assert mlflow_client.get_registered_model(name + "-2").tags == {"stage": "lab"}
    assert f"name={name} not found" in refused("RESOURCE_DOES_NOT_EXIST", mlflow_client.get_registered_model, name)
    mlflow_client.delete_registered_model(name + "-2")
    refused("RESOURCE_DOES_NOT_EXIST", mlflow_client.delete_registered_model, name + "-2")


def test_versions_carry_what_they_were_made_with(mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    made = mlflow_client.create_model_version(
        name, source_of(run), run_id=run.run_id, tags={"a": "1"}, description="d", run_link="http://x"
    )
    assert (made.version, made.status, made.current_stage) == ("1", "READY", "None")
    assert (made.source, made.run_id, made.tags, made.description) == (source_of(run), run.run_id, {"a": "1"}, "d")
    assert mlflow_client.get_model_version_download_uri(name, "1") == source_of(run)

    mlflow_client.set_model_version_tag(name, "1", "b", "2")
    mlflow_client.delete_model_version_tag(name, "1", "a")
    mlflow_client.update_model_version(name, "1", "new")
    got = mlflow_client.get_model_version(name, "1")
    assert (got.tags, got.description) == ({"b": "2"}, "new")

    local = mlflow.artifacts.download_artifacts(f"models:/{name}/1")
    with open(f"{local}/weights.txt") as file:
        assert file.read() == "weights"


def test_a_version_number_is_never_given_twice(mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    for _ in range(2):
        mlflow_client.create_model_version(name, source_of(run), run_id=run.run_id)
    mlflow_client.delete_model_version(name, "2")
    message = refused("RESOURCE_DOES_NOT_EXIST", mlflow_client.get_model_version, name, "2")
    assert f"Model Version (name={name}, version=2) not found" in message
    assert mlflow_client.create_model_version(name, source_of(run), run_id=run.run_id).version == "3"


def test_aliases_move_and_go_with_their_version(mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    for _ in range(2):
        mlflow_client.create_model_version(name, source_of(run), run_id=run.run_id)
    mlflow_client.set_registered_model_alias(name, "champion", "1")
    mlflow_client.set_registered_model_alias(name, "champion", "2")
    mlflow_client.set_registered_model_alias(name, "old", "1")
    assert mlflow_client.get_model_version_by_alias(name, "champion").version == "2"
    assert mlflow_client.get_registered_model(name).aliases == {"champion": "2", "old": "1"}
    assert mlflow_client.get_model_version(name, "2").aliases == ["champion"]

    mlflow_client.delete_model_version(name, "2")
    assert "alias champion not found" in refused(
        "INVALID_PARAMETER_VALUE", mlflow_client.get_model_version_by_alias, name, "champion"
    )
    mlflow_client.delete_registered_model_alias(name, "old")
    mlflow_client.delete_registered_model_alias(name, "old")
    assert mlflow_client.get_registered_model(name).aliases == {}
    refused("RESOURCE_DOES_NOT_EXIST", mlflow_client.set_registered_model_alias, name, "x", "9")
    for alias in ["latest", "v1", "a b", "a/b"]:
        refused("INVALID_PARAMETER_VALUE", mlflow_client.set_registered_model_alias, name, alias, "1")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_stages_still_work(mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    for _ in range(3):
        mlflow_client.create_model_version(name, source_of(run), run_id=run.run_id)
    mlflow_client.transition_model_version_stage(name, "1", "Production")
    mlflow_client.transition_model_version_stage(name, "2", "production", archive_existing_versions=True)
    latest = {version.current_stage: version.version for version in mlflow_client.get_latest_versions(name)}
    assert latest == {"Production": "2", "Archived": "1", "None": "3"}
    assert [v.version for v in mlflow_client.get_latest_versions(name, ["Production"])] == ["2"]
    refused("INVALID_PARAMETER_VALUE", mlflow_client.transition_model_version_stage, name, "1", "gold")


def test_searches_filter_order_and_page(mlflow_client, run, name):
    for suffix, team in [("-a", "x"), ("-b", "y"), ("-c", "x")]:
        mlflow_client.create_registered_model(name + suffix, tags={"team": team})
        mlflow_client.create_model_version(name + suffix, source_of(run), run_id=run.run_id, tags={"k": suffix})

    def names(filter_string, **kwargs):
        return [m.name for m in mlflow_client.search_registered_models(filter_string, **kwargs)]

    prefix = f"name LIKE '{name}%'"
    assert names(prefix) == [name + "-a", name + "-b", name + "-c"]
    assert names(f"{prefix} AND tags.team = 'x'", order_by=["name DESC"]) == [name + "-c", name + "-a"]
    assert names(f"name ILIKE '{name.upper()}-B'") == [name + "-b"]

    page = mlflow_client.search_registered_models(prefix, max_results=2)
    assert len(page) == 2 and page.token
    rest = mlflow_client.search_registered_models(prefix, max_results=2, page_token=page.token)
    assert [m.name for m in rest] == [name + "-c"] and not rest.token

    versions = mlflow_client.search_model_versions(f"run_id = '{run.run_id}' AND tags.k != '-b'", order_by=["name"])
    assert [v.name for v in versions] == [name + "-a", name + "-c"]
    assert [v.version for v in mlflow_client.search_model_versions(f"name='{name}-a' and version_number >= 1")] == ["1"]
    for filter_string in ["name", "size > 3", "name = 'a' OR name = 'b'", "name > 'a'"]:
        refused("INVALID_PARAMETER_VALUE", mlflow_client.search_registered_models, filter_string)


def test_a_logged_model_becomes_a_version(mlflow_client, name):
    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    with mlflow.start_run() as active:
        logged = mlflow.pyfunc.log_model(
            name="echo", python_model=Echo(), registered_model_name=name, pip_requirements=["mlflow"]
        )
    version = mlflow_client.get_model_version(name, "1")
    assert version.source == f"models:/{logged.model_id}"
    assert version.run_id == active.info.run_id
    assert "mlflow.modelVersions" in mlflow_client.get_logged_model(logged.model_id).tags
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    assert loaded.predict([1, 2]) == [1, 2]

    # The same model again, through the run it belongs to.
    again = mlflow.register_model(f"runs:/{active.info.run_id}/echo", name)
    assert again.version == "2"
    underlying = RunsArtifactRepository.get_underlying_uri(f"runs:/{active.info.run_id}/echo")
    assert underlying
    copied = mlflow_client.copy_model_version(f"models:/{name}/1", name + "-copy")
    assert copied.version == "1"
    assert mlflow.pyfunc.load_model(f"models:/{name}-copy/1").predict([3]) == [3]


def test_a_source_must_be_the_runs_own(mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    for source in ["/etc", "file:///etc", f"{run.artifact_uri}/../x", "mlflow-artifacts:/0/other/artifacts"]:
        refused("INVALID_PARAMETER_VALUE", mlflow_client.create_model_version, name, source, run.run_id)
    assert mlflow_client.search_model_versions(f"name = '{name}'") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "registered-models/create", {"name": 7}),
        ("POST", "registered-models/create", {}),
        ("POST", "registered-models/create", {"name": "a/b"}),
        ("POST", "registered-models/create", {"name": "x", "tags": "no"}),
        ("POST", "registered-models/create", [1]),
        ("POST", "registered-models/alias", {"name": "x", "alias": "a"}),
        ("POST", "model-versions/create", {"name": "x", "source": {}}),
        ("POST", "model-versions/set-tag", {"name": "x", "version": "one", "key": "k", "value": "v"}),
    ],
)
def test_wrong_types_are_refused_in_mlflows_words(server, method, path, body):
    for prefix in ["api", "ajax-api"]:
        answer = requests.request(
            method, f"{server.http_url}/{prefix}/2.0/mlflow/{path}", json=body, auth=server.auth, timeout=30
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("searched", "asked", "words"),
    [
        ("registered-models", {"filter": "name"}, "Invalid clause(s) in filter string: name"),
        ("registered-models", {"filter": "name = x"}, "Parameter value is either not quoted"),
        ("registered-models", {"filter": "name > 'x'"}, "Invalid comparator for attribute: >"),
        ("registered-models", {"filter": "name LIKE 7"}, "Expected a quoted string value or a list"),
        ("registered-models", {"filter": "tags.t = 7"}, "Expected a quoted string value for tag"),
        ("registered-models", {"filter": "colour = 'x'"}, "Invalid attribute key 'colour' specified"),
        ("registered-models", {"filter": "metrics.m > 1"}, "Invalid entity type 'metrics'"),
        ("registered-models", {"filter": "name = 'a' OR name = 'b'"}, "in filter string: OR"),
        ("registered-models", {"order_by": "colour"}, "Invalid order by key 'colour' specified"),
        ("registered-models", {"order_by": "name ASC DESC"}, "Could not be parsed"),
        ("registered-models", {"max_results": "1001"}, "1001"),
        ("registered-models", {"page_token": "zz"}, "Invalid page token"),
        ("model-versions", {"filter": "run_id IN ()"}, "got empty list"),
        ("model-versions", {"filter": "version_number > 'x'"}, "numeric attribute 'version_number': 'x'"),
        ("model-versions", {"filter": "status = 'READY'"}, "Invalid attribute key 'status' specified"),
        ("model-versions", {"order_by": "colour"}, "Invalid attribute key 'colour' specified"),
        ("model-versions", {"max_results": "200001"}, "200001"),
    ],
)
def test_wrong_searches_say_what_is_wrong(server, searched, asked, words):
    url = f"{server.http_url}/api/2.0/mlflow/{searched}/search"
    answer = requests.get(url, params=asked, auth=server.auth, timeout=30)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("registered-models/set-tag", {"key": "k" * 250, "value": "v" * 100_000}, None),
        ("registered-models/set-tag", {"key": "k" * 251, "value": "v"}, "'key' exceeds the maximum length of 250"),
        ("registered-models/set-tag", {"key": "k", "value": "v" * 100_001}, "'value' exceeds the maximum length"),
        ("registered-models/alias", {"alias": "a" * 255, "version": "1"}, None),
        ("registered-models/alias", {"alias": "a" * 256, "version": "1"}, "exceeds the maximum length of 255"),
        ("registered-models/alias", {"alias": "v1", "version": "1"}, "is reserved"),
        ("registered-models/alias", {"alias": "latest", "version": "1"}, "is reserved"),
        ("registered-models/alias", {"alias": "a b", "version": "1"}, "Names may only contain"),
        ("model-versions/create", {"source": "models:/"}, "Invalid model version source: 'models:/'"),
    ],
)
def test_each_limit_holds_and_no_more(server, mlflow_client, name, path, body, words):
    mlflow_client.create_registered_model(name)
    mlflow_client.create_model_version(name, "s3://somewhere/else")
    url = f"{server.http_url}/api/2.0/mlflow/{path}"
    answer = requests.post(url, json={"name": name, **body}, auth=server.auth, timeout=30)
    if words is None:
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
        assert words in answer.json()["message"]


def test_old_clients_read_with_get_and_the_new_ones_with_post(server, mlflow_client, run, name):
    mlflow_client.create_registered_model(name)
    mlflow_client.create_model_version(name, source_of(run), run_id=run.run_id)
    url = f"{server.http_url}/ajax-api/2.0/mlflow/registered-models/get-latest-versions"
    by_get = requests.get(url, params={"name": name}, auth=server.auth, timeout=30).json()
    by_post = requests.post(url, json={"name": name}, auth=server.auth, timeout=30).json()
    assert by_get == by_post and by_get["model_versions"][0]["version"] == "1"


def test_versions_made_at_once_get_numbers_of_their_own(mlflow_client, run, name):
    from concurrent.futures import ThreadPoolExecutor

    mlflow_client.create_registered_model(name)
    with ThreadPoolExecutor(8) as pool:
        made = [
            pool.submit(mlflow_client.create_model_version, name, source_of(run), run.run_id) for _ in range(24)
        ]
    assert sorted(int(version.result().version) for version in made) == list(range(1, 25))


def test_what_was_acknowledged_survives_kill9(private_server, point_at, name):
    server = private_server()
    client = point_at(server)
    with mlflow.start_run() as active:
        mlflow.log_text("weights", "model/weights.txt")
    client.create_registered_model(name)
    version = client.create_model_version(name, f"{active.info.artifact_uri}/model", active.info.run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    server.kill9()
    server.start()
    assert client.get_model_version_by_alias(name, "champion").version == "1"
