"""Users and permissions, with MLflow's own AuthServiceClient: grants hold on every route, and nowhere more."""

import uuid
from contextlib import contextmanager

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

PASSWORD = "a long enough password"


class Person:
    """A user of the server and the clients that act for them."""

    def __init__(self, server, name, password=PASSWORD):
        self.server, self.name, self.password = server, name, password
        self.auth = (name, password)

    @contextmanager
    def acting(self):
        """MLflow's clients read who they are from the environment, at every call."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", self.name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", self.password)
            yield MlflowClient(self.server.http_url)

    def raw(self, method, path, **kwargs):
        session = requests.Session()
        session.trust_env = False
        return session.request(method, self.server.http_url + path, auth=self.auth, timeout=30, **kwargs)


@pytest.fixture(scope="module")
def admin(server):
    return Person(server, server.user, server.password)


@pytest.fixture
def grants(admin):
    """MLflow's client for users and permissions, as admin."""
    with admin.acting():
        yield AuthServiceClient(admin.server.http_url)


@pytest.fixture
def member(server, admin):
    """A function that makes a member by MLflow's API, and removes them afterwards."""
    client, made = AuthServiceClient(server.http_url), []

    def make(default=None):
        name = f"m-{uuid.uuid4().hex[:10]}"
        with admin.acting():
            client.create_user(name, PASSWORD)
        made.append(name)
        if default:
            answer = server.api().put(f"/users/{name}/default-permission", json={"permission": default})
            assert answer.status_code == 204, answer.text
        return Person(server, name)

    yield make
    with admin.acting():
        for name in made:
            client.delete_user(name)


def experiment_of(person):
    with person.acting() as client:
        return client.create_experiment(f"perm-{uuid.uuid4().hex}")


def run_in(person, experiment):
    with person.acting() as client:
        return client.create_run(experiment).info.run_id


@contextmanager
def denied():
    with pytest.raises(MlflowException, match="Permission denied") as caught:
        yield
    assert caught.value.error_code == "PERMISSION_DENIED"


def test_users_are_made_shown_changed_and_removed(server, admin):
    client, name = AuthServiceClient(server.http_url), f"m-{uuid.uuid4().hex[:10]}"
    with admin.acting():
        user = client.create_user(name, PASSWORD)
        assert (user.username, user.is_admin) == (name, False)
        assert client.get_user(name).id == user.id
        with pytest.raises(MlflowException, match="already exists"):
            client.create_user(name, PASSWORD)
    me = Person(server, name)
    with me.acting():
        with denied():
            client.create_user("another", PASSWORD)
        with denied():
            client.get_user(server.user)
        with denied():
            client.update_user_password(server.user, PASSWORD)
        with pytest.raises(MlflowException, match="Current password is required"):
            client.update_user_password(name, PASSWORD + "!")
        client.update_user_password(name, PASSWORD + "!", current_password=PASSWORD)
        with pytest.raises(MlflowException, match="You are not authenticated.") as caught:
            client.get_user(name)
        assert caught.value.error_code == "UNAUTHENTICATED"
    with admin.acting():
        client.update_user_admin(name, True)
        assert client.get_user(name).is_admin
        client.update_user_admin(name, False)
        client.delete_user(name)
        with pytest.raises(MlflowException, match=f"User with username={name} not found"):
            client.get_user(name)
        with pytest.raises(MlflowException, match="cannot delete their own account"):
            client.delete_user(server.user)


def test_a_member_reads_what_is_others_and_manages_what_is_their_own(member):
    ann, bob = member(), member()
    experiment = experiment_of(ann)
    run = run_in(ann, experiment)
    with ann.acting() as client:
        client.log_metric(run, "loss", 0.5)
        client.set_terminated(run)
        client.set_experiment_tag(experiment, "team", "a")
    with bob.acting() as client:
        assert client.get_run(run).data.metrics == {"loss": 0.5}
        for change in (
            lambda: client.log_metric(run, "loss", 0.1),
            lambda: client.set_tag(run, "k", "v"),
            lambda: client.delete_run(run),
            lambda: client.create_run(experiment),
            lambda: client.rename_experiment(experiment, "mine"),
            lambda: client.delete_experiment(experiment),
            lambda: client.create_logged_model(experiment),
        ):
            with denied():
                change()
    with ann.acting() as client:
        assert client.get_run(run).data.metrics == {"loss": 0.5}
        client.delete_run(run)
        client.delete_experiment(experiment)


@pytest.mark.parametrize(
    ("permission", "reads", "writes", "manages"),
    [
        ("READ", True, False, False),
        ("USE", True, False, False),
        ("EDIT", True, True, False),
        ("MANAGE", True, True, True),
        ("DENY", False, False, False),
    ],
)
def test_each_permission_allows_what_it_says_and_no_more(
    member, grants, permission, reads, writes, manages
):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    experiment = experiment_of(ann)
    run = run_in(ann, experiment)

    def allowed(change):
        with bob.acting() as client:
            try:
                change(client)
            except MlflowException as error:
                assert error.error_code == "PERMISSION_DENIED", error
                return False
        return True

    assert not allowed(lambda client: client.get_run(run)), "the default is no permission"
    grants.grant_user_permission(bob.name, "experiment", experiment, permission)
    assert allowed(lambda client: client.get_run(run)) == reads
    assert allowed(lambda client: client.search_runs([experiment])), "a search is narrowed, not refused"
    assert allowed(lambda client: client.log_param(run, "p", "1")) == writes
    assert allowed(lambda client: client.delete_run(run)) == manages
    result = grants.get_user_permission(bob.name, "experiment", experiment)
    assert (result.permission, result.allowed) == (permission, permission in ("USE", "EDIT", "MANAGE"))
    grants.revoke_user_permission(bob.name, "experiment", experiment)
    assert not allowed(lambda client: client.get_run(run)), "a revoked grant is gone with the next request"


def test_searches_find_what_can_be_read_and_their_pages_are_full(member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    mark = uuid.uuid4().hex
    with ann.acting() as client:
        experiments = [client.create_experiment(f"{mark}-{index}") for index in range(8)]
        runs = {id: client.create_run(id).info.run_id for id in experiments}
        logged = {id: client.create_logged_model(id).model_id for id in experiments}
        models = [client.create_registered_model(f"{mark}-{index}").name for index in range(8)]
        for name in models:
            run = runs[experiments[0]]
            client.create_model_version(name, f"runs:/{run}/model", run)
    seen = [1, 4, 6]
    for index in seen:
        grants.grant_user_permission(bob.name, "experiment", experiments[index], "READ")
        grants.grant_user_permission(bob.name, "registered_model", models[index], "READ")
    with bob.acting() as client:
        found, token = [], None
        while True:
            page = client.search_experiments(
                filter_string=f"name LIKE '{mark}%'", max_results=2, page_token=token, order_by=["name"]
            )
            found.append([one.experiment_id for one in page])
            token = page.token
            if not token:
                break
        assert found == [[experiments[1], experiments[4]], [experiments[6]]]
        visible = [experiments[index] for index in seen]
        assert {run.info.run_id for run in client.search_runs(experiments)} == {runs[id] for id in visible}
        assert {model.model_id for model in client.search_logged_models(experiments)} == {
            logged[id] for id in visible
        }
        assert client.search_runs([experiments[0]]) == []
        names = [models[index] for index in seen]
        assert [one.name for one in client.search_registered_models(f"name LIKE '{mark}%'")] == names
        versions = client.search_model_versions(f"name LIKE '{mark}%'")
        assert sorted(one.name for one in versions) == names
    with ann.acting() as client:
        assert len(client.search_runs(experiments)) == 8
        for name in models:
            client.delete_registered_model(name)


def test_an_experiments_id_in_another_spelling_is_the_same_experiment(member, grants):
    ann, bob = member(), member()
    experiment = experiment_of(ann)
    grants.grant_user_permission(bob.name, "experiment", experiment, "DENY")
    for spelling in (experiment, f"0{experiment}", f"+{experiment}", f" {experiment} "):
        answer = bob.raw("GET", "/api/2.0/mlflow/experiments/get", params={"experiment_id": spelling})
        assert answer.status_code == 403, (spelling, answer.text)
        for name in ("experiment_ids", "experimentIds"):
            answer = bob.raw("POST", "/api/2.0/mlflow/runs/search", json={name: [spelling]})
            assert not answer.json().get("runs"), (spelling, answer.text)


def test_artifacts_go_by_their_experiment_and_no_way_leads_round(server, member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    experiment = experiment_of(ann)
    run = run_in(ann, experiment)
    proxy = "/api/2.0/mlflow-artifacts/artifacts"
    path = f"{experiment}/{run}/artifacts/secret.txt"
    assert ann.raw("PUT", f"{proxy}/{path}", data=b"secret").status_code == 200
    ways = [
        ("GET", f"{proxy}/{path}"),
        ("GET", f"{proxy}/{experiment}//{run}/artifacts//secret.txt"),
        ("GET", f"{proxy}/{experiment}%2F{run}/artifacts/secret.txt"),
        ("GET", f"{proxy}?path={experiment}/{run}"),
        ("GET", f"{proxy}?path="),
        ("GET", proxy),
        ("DELETE", f"{proxy}/{path}"),
        ("DELETE", f"{proxy}/{experiment}"),
        ("GET", f"/get-artifact?run_id={run}&path=secret.txt"),
        ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}"),
    ]
    for method, way in ways:
        answer = bob.raw(method, way)
        assert answer.status_code == 403, (method, way, answer.text)
    assert bob.raw("PUT", f"{proxy}/{path}", data=b"changed").status_code == 403
    made = {"name": uuid.uuid4().hex, "artifact_location": f"mlflow-artifacts:/{experiment}"}
    assert bob.raw("POST", "/api/2.0/mlflow/experiments/create", json=made).status_code == 403
    with bob.acting() as client:
        name = client.create_registered_model(uuid.uuid4().hex).name
    for source in (f"runs:/{run}/m", f"mlflow-artifacts:/{path}", f"s3://mlflow/{path}"):
        version = {"name": name, "source": source, "run_id": run}
        answer = bob.raw("POST", "/api/2.0/mlflow/model-versions/create", json=version)
        assert answer.status_code == 403, (source, answer.text)
    keys = requests.post(f"{server.http_url}/api/crannog/v1/s3-keys", json={}, auth=bob.auth, timeout=30).json()
    s3 = boto3.client(
        "s3",
        endpoint_url=server.s3_url,
        region_name="us-crannog-1",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    for call in (
        lambda: s3.get_object(Bucket="mlflow", Key=path),
        lambda: s3.put_object(Bucket="mlflow", Key=path, Body=b"changed"),
        lambda: s3.list_objects_v2(Bucket="mlflow"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    grants.grant_user_permission(bob.name, "experiment", experiment, "READ")
    assert bob.raw("GET", f"{proxy}/{path}").content == b"secret"
    assert bob.raw("PUT", f"{proxy}/{path}", data=b"changed").status_code == 403


def test_the_rest_of_the_house_is_closed_to_members(member):
    bob = member(default="MANAGE")
    for method, path in [
        ("GET", "/api/crannog/v1/buckets"),
        ("GET", "/api/crannog/v1/pipelines"),
        ("GET", "/api/crannog/v1/endpoints"),
        ("GET", "/api/crannog/v1/users"),
        ("GET", "/api/crannog/v1/status"),
        ("POST", "/v2/models/x/infer"),
        ("POST", "/endpoints/x/invocations"),
        ("GET", "/api/2.0/mlflow/users/list"),
        ("GET", "/api/3.0/mlflow/roles/list"),
    ]:
        assert bob.raw(method, path).status_code == 403, path
    assert bob.raw("GET", "/api/crannog/v1/me").json() == {"user": bob.name, "role": "member"}
    assert bob.raw("GET", "/api/2.0/mlflow/users/current").json()["user"]["username"] == bob.name


def test_who_manages_something_shares_it_and_nothing_else(member):
    ann, bob = member(), member()
    mine, other = experiment_of(ann), experiment_of(bob)
    client = AuthServiceClient(ann.server.http_url)
    with ann.acting():
        client.grant_user_permission(bob.name, "experiment", mine, "EDIT")
        with denied():
            client.grant_user_permission(ann.name, "experiment", other, "EDIT")
        with denied():
            client.grant_user_permission(ann.name, "experiment", "*", "EDIT")
        with denied():
            client.get_user_permission(bob.name, "experiment", mine)
    with bob.acting() as tracking:
        tracking.create_run(mine)
        with denied():
            client.grant_user_permission(bob.name, "experiment", mine, "MANAGE")


def test_a_models_grants_go_with_it_and_follow_its_name(member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    name, renamed = uuid.uuid4().hex, uuid.uuid4().hex
    with ann.acting() as client:
        client.create_registered_model(name)
    grants.grant_user_permission(bob.name, "registered_model", name, "READ")
    with bob.acting() as client:
        assert client.get_registered_model(name).name == name
        with denied():
            client.delete_registered_model(name)
    with ann.acting() as client:
        client.rename_registered_model(name, renamed)
    with bob.acting() as client:
        assert client.get_registered_model(renamed).name == renamed
    with ann.acting() as client:
        client.delete_registered_model(renamed)
        client.create_registered_model(renamed)
    with bob.acting() as client, denied():
        client.get_registered_model(renamed)
    with ann.acting() as client:
        client.delete_registered_model(renamed)


def test_a_role_grants_to_all_who_have_it(member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    experiment = experiment_of(ann)
    run = run_in(ann, experiment)
    role = grants.create_role("default", f"readers-{uuid.uuid4().hex}", "who reads")
    try:
        grant = grants.add_role_permission(role.id, "experiment", "*", "READ")
        assert [it.id for it in grants.list_role_permissions(role.id)] == [grant.id]
        assignment = grants.assign_role(bob.name, role.id)
        assert [it.id for it in grants.list_role_users(role.id)] == [assignment.id]
        assert [it.name for it in grants.list_user_roles(bob.name)] == [role.name]
        with bob.acting() as client:
            assert client.get_run(run).info.run_id == run
            with denied():
                client.log_metric(run, "m", 1)
        assert grants.update_role_permission(grant.id, "EDIT").permission == "EDIT"
        with bob.acting() as client:
            client.log_metric(run, "m", 1)
        rows = bob.raw("GET", "/api/3.0/mlflow/users/current/permissions").json()
        assert [row["role_name"] for row in rows["permissions"]] == [role.name]
        grants.unassign_role(bob.name, role.id)
        with bob.acting() as client, denied():
            client.get_run(run)
        assert grants.update_role(role.id, description="nobody").description == "nobody"
    finally:
        grants.delete_role(role.id)
    with pytest.raises(MlflowException, match="not found"):
        grants.get_role(role.id)


def test_a_user_made_anew_has_nothing_of_the_old_one(server, admin, grants, member):
    ann = member()
    experiment, name = experiment_of(ann), f"m-{uuid.uuid4().hex[:10]}"
    grants.create_user(name, PASSWORD)
    grants.grant_user_permission(name, "experiment", experiment, "MANAGE")
    bob = Person(server, name)
    run_in(bob, experiment)
    assert server.api().delete(f"/users/{name}").status_code == 204
    with admin.acting():
        grants.create_user(name, PASSWORD)
    with bob.acting() as client, denied():
        client.create_run(experiment)
    with admin.acting():
        grants.delete_user(name)


def test_a_viewer_may_be_given_more_and_an_editor_is_asked_nothing(server, admin, grants, member):
    ann, api = member(), server.api()
    experiment = experiment_of(ann)
    people = {}
    for role in ("viewer", "editor"):
        name = f"perm-{role}-{uuid.uuid4().hex[:6]}"
        assert api.post("/users", json={"name": name, "password": PASSWORD, "role": role}).status_code == 201
        people[role] = Person(server, name)
    viewer, editor = people["viewer"], people["editor"]
    run = run_in(editor, experiment)
    with viewer.acting() as client:
        assert client.get_run(run).info.run_id == run
        with pytest.raises(MlflowException, match="needs editor"):
            client.log_metric(run, "m", 1)
    grants.grant_user_permission(viewer.name, "experiment", experiment, "EDIT")
    with viewer.acting() as client:
        client.log_metric(run, "m", 1)
        with pytest.raises(MlflowException, match="needs editor"):
            client.create_experiment(uuid.uuid4().hex)
        with pytest.raises(MlflowException, match="needs editor"):
            client.delete_run(run)
    with pytest.raises(MlflowException, match="may read everything"):
        grants.grant_user_permission(viewer.name, "experiment", experiment, "DENY")
    for person in people.values():
        assert api.delete(f"/users/{person.name}").status_code == 204


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"resource_type": "castle"}, "Invalid resource type 'castle'"),
        ({"permission": "RULE"}, "Invalid permission 'RULE'"),
        ({"username": "nobody-of-this-name"}, "User with username=nobody-of-this-name not found"),
        ({"username": None}, "Missing value for required parameter 'username'"),
        ({"resource_id": 5}, "Invalid value 5 for parameter 'resource_id'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_mlflows_words(member, admin, body, words):
    bob = member()
    whole = {"username": bob.name, "resource_type": "experiment", "resource_id": "0", "permission": "READ"}
    answer = admin.raw("POST", "/api/3.0/mlflow/users/permissions/grant", json=whole | body)
    assert answer.status_code in (400, 404)
    assert words in answer.json()["message"]


def span_of(trace):
    """One span of OpenTelemetry's JSON, in the trace of this id."""
    span = {
        "traceId": trace,
        "spanId": uuid.uuid4().hex[:16],
        "name": "work",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def test_traces_go_by_their_experiment(member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    theirs, own, trace = experiment_of(ann), experiment_of(bob), uuid.uuid4().hex

    def export(person, experiment):
        headers = {"x-mlflow-experiment-id": experiment}
        return person.raw("POST", "/v1/traces", json=span_of(trace), headers=headers).status_code

    assert export(bob, theirs) == 403
    assert export(ann, theirs) == 200
    assert export(bob, own) == 403, "the trace there is lies in another experiment"
    known = f"tr-{trace}"
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": theirs}}
    mine = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": own}}
    new = {"trace": {"trace_info": {"trace_id": known, "trace_location": mine, "state": "OK"}}}
    calls = [
        ("GET", f"/api/3.0/mlflow/traces/{known}", None),
        ("GET", f"/api/3.0/mlflow/traces/get?trace_id={known}", None),
        ("GET", f"/api/3.0/mlflow/traces/batchGet?trace_ids={known}", None),
        ("GET", f"/api/2.0/mlflow/traces/{known}/info", None),
        ("GET", f"/api/2.0/mlflow/traces?experiment_ids={theirs}", None),
        ("GET", f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={known}", None),
        ("POST", "/api/3.0/mlflow/traces/search", {"locations": [mine, place]}),
        ("POST", "/api/3.0/mlflow/traces", new),
        ("POST", "/api/2.0/mlflow/traces", {"experiment_id": theirs, "trace": new["trace"]}),
        ("PATCH", f"/api/3.0/mlflow/traces/{known}/tags", {"key": "k", "value": "v"}),
        ("POST", "/api/3.0/mlflow/traces/delete-traces", {"experiment_id": theirs, "request_ids": [known]}),
    ]
    for method, path, body in calls:
        answer = bob.raw(method, path, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
    grants.grant_user_permission(bob.name, "experiment", theirs, "READ")
    for method, path, body in calls[:7]:
        answer = bob.raw(method, path, json=body)
        assert answer.status_code == 200, (method, path, answer.text)
    for method, path, body in calls[7:]:
        answer = bob.raw(method, path, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
    assert export(bob, own) == 403, "to read is not to write"


def test_graphql_answers_what_can_be_read(member, grants):
    ann, bob = member(), member(default="NO_PERMISSIONS")
    open_one, shut = experiment_of(ann), experiment_of(ann)
    run, hidden = run_in(ann, open_one), run_in(ann, shut)
    grants.grant_user_permission(bob.name, "experiment", open_one, "READ")

    def ask(query):
        answer = bob.raw("POST", "/graphql", json={"query": query})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    one = 'query { mlflowGetExperiment(input: {experimentId: "%s"}) { experiment { experimentId } } }'
    assert ask(one % open_one) == {"mlflowGetExperiment": {"experiment": {"experimentId": open_one}}}
    for spelling in (shut, f"0{shut}"):
        assert ask(one % spelling) == {"mlflowGetExperiment": None}
    info = 'query { mlflowGetRun(input: {runId: "%s"}) { run { info { runId } } } }'
    assert ask(info % run) == {"mlflowGetRun": {"run": {"info": {"runId": run}}}}
    assert ask(info % hidden) == {"mlflowGetRun": None}
    files = 'query { mlflowListArtifacts(input: {runId: "%s"}) { rootUri } }'
    assert ask(files % hidden) == {"mlflowListArtifacts": None}
    search = 'query { mlflowSearchRuns(input: {experimentIds: ["%s", "%s"]}) { runs { info { runId } } } }'
    assert ask(search % (open_one, shut)) == {"mlflowSearchRuns": {"runs": [{"info": {"runId": run}}]}}
    assert ask(search % (shut, shut)) == {"mlflowSearchRuns": None}


def test_no_link_to_the_s3_door_is_made_for_a_member(member):
    ann, bob = member(), member()
    experiment = experiment_of(ann)
    run = run_in(ann, experiment)
    path = f"/api/2.0/mlflow-artifacts/mpu/create/{experiment}/{run}/artifacts"
    parts = {"path": "big.bin", "num_parts": 1}
    assert bob.raw("POST", path, json=parts).status_code == 403
    answer = ann.raw("POST", path, json=parts)
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    wanted = {"run_id": run, "path": "a.txt"}
    for way in ("upload", "download"):
        answer = ann.raw("POST", f"/api/2.0/mlflow/artifacts/presigned-{way}-url", json=wanted)
        assert answer.status_code == 501, answer.text


def test_the_command_line_shares_one_experiment(server, member):
    ann = member()
    name, shut = f"shared {uuid.uuid4().hex}", experiment_of(ann)
    with ann.acting() as client:
        shared = client.create_experiment(name)
    user = f"m-{uuid.uuid4().hex[:10]}"
    password = server.cli("user", "create", user, "--role", "member").stdout.strip()
    bob = Person(server, user, password)
    server.cli("user", "default-permission", user, "NO_PERMISSIONS")
    server.cli("user", "grant", user, "READ", "--experiment", name)
    with bob.acting() as client:
        assert [one.experiment_id for one in client.search_experiments()] == [shared]
        with denied():
            client.create_run(shared)
        with denied():
            client.get_experiment(shut)
    server.cli("user", "grant", user, "EDIT", "--experiment", shared)
    with bob.acting() as client:
        client.create_run(shared)
    listed = server.cli("user", "grants", user).stdout
    assert "EDIT" in listed and "NO_PERMISSIONS" in listed and shared in listed
    server.cli("user", "revoke", user, "--experiment", name)
    with bob.acting() as client:
        assert client.search_experiments() == []
    assert server.cli("user", "grant", user, "READ", "--experiment", "no such", check=False).returncode == 4
    assert server.cli("user", "grant", user, "READ", check=False).returncode == 2
    server.cli("user", "delete", user)


def test_the_signup_page_makes_a_member_and_no_other_page_can(server, admin, grants):
    form = {"username": f"m-{uuid.uuid4().hex[:10]}", "password": PASSWORD}
    path = "/api/2.0/mlflow/users/create-ui"
    assert "The CSRF token is missing" in admin.raw("POST", path, data=form).text
    with requests.Session() as browser:
        browser.auth, browser.trust_env = admin.auth, False
        page = browser.get(server.http_url + "/signup", timeout=30).text
        token = page.split('name="csrf_token" value="')[1].split('"')[0]
        assert browser.post(server.http_url + path, data=form | {"csrf_token": "x"}, timeout=30).status_code == 400
        answer = browser.post(server.http_url + path, data=form | {"csrf_token": token}, timeout=30)
        assert "Successfully signed up user" in answer.text
    bob = Person(server, form["username"])
    assert bob.raw("GET", "/signup").status_code == 403
    grants.delete_user(bob.name)
