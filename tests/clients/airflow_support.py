"""What the tests of Airflow's door share: its official client, plain HTTP, pipelines to act on."""

import json
import uuid

import pytest
import requests
from conftest import eventually

airflow = pytest.importorskip("airflow_client.client")
from airflow_client.client import api as apis  # noqa: E402
from airflow_client.client import models  # noqa: E402
from airflow_client.client.exceptions import ApiException  # noqa: E402

CHAIN = """
name: {name}
description: a chain with a parameter
schedule: "30 2 * * *"
timezone: Europe/Berlin
params: {{word: hello}}
tasks:
  - {{id: first, run: "echo first {{{{ params.word }}}}; echo second line"}}
  - {{id: last, needs: [first], run: "true", retries: 2, timeout: 90m, retry_delay: 5s}}
"""
FAILS = """
name: {name}
tasks:
  - {{id: bad, run: "echo oh no; exit 3", retries: 1, retry_delay: 0s}}
  - {{id: after, needs: [bad], run: "true"}}
"""
SLEEPS = """
name: {name}
tasks:
  - {{id: long, run: "sleep 600"}}
  - {{id: never, needs: [long], run: "true"}}
"""


@pytest.fixture
def door(server):
    """The official client with a token it got as any client gets one."""
    answer = requests.post(
        server.http_url + "/auth/token", json={"username": server.user, "password": server.password}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    configuration = airflow.Configuration(host=server.http_url, access_token=answer.json()["access_token"])
    with airflow.ApiClient(configuration) as one:
        yield one


@pytest.fixture
def raw(server):
    """Plain HTTP below /api/v2, for what the client would not send."""

    def call(method, path, auth=server.auth, **kwargs):
        return requests.request(method, f"{server.http_url}/api/v2{path}", auth=auth, timeout=60, **kwargs)

    return call


@pytest.fixture
def make(api):
    """A function that makes a pipeline of a definition: `make(CHAIN)` -> its name."""
    made = []

    def put(text):
        name = f"af-{uuid.uuid4().hex[:10]}"
        answer = api.put(f"/pipelines/{name}", data=text.format(name=name))
        assert answer.ok, answer.text
        made.append(name)
        return name

    yield put
    for name in made:
        for run in api.get(f"/pipelines/{name}/runs").json().get("runs", []):
            if run["state"] in ("queued", "running"):
                api.post(f"/pipeline-runs/{run['id']}/cancel")
        eventually(lambda name=name: api.delete(f"/pipelines/{name}").status_code in (204, 404), what="deleted")


def trigger(door, dag, **body):
    return apis.DagRunApi(door).trigger_dag_run(dag, models.TriggerDAGRunPostBody(**body))


def finished(door, run):
    def over():
        now = apis.DagRunApi(door).get_dag_run(run.dag_id, run.dag_run_id)
        return now if now.state in ("success", "failed") else None

    return eventually(over, what=f"run {run.dag_run_id} is over")


def refused(status, call, *args, **kwargs):
    """That a call is refused with a status; answers the `detail` of its body."""
    with pytest.raises(ApiException) as caught:
        call(*args, **kwargs)
    assert caught.value.status == status, caught.value.body
    return json.loads(caught.value.body)["detail"]
