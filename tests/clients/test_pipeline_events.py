"""Runs started by events, through the real binary: objects, models, aliases, other runs, webhooks; each once."""

import base64
import hmac
import sys
import time
import uuid

import pytest
import requests
from conftest import eventually
from test_pipelines import finished, put


def runs_of(api, name):
    return api.get(f"/pipelines/{name}/runs").json()["runs"]


def the_run(api, name):
    """The one run there is, once it is over."""
    found = eventually(lambda: runs_of(api, name), what=f"a run of {name}")
    assert len(found) == 1, found
    return finished(api, found[0]["id"])


def log_of(api, run, task="a"):
    return api.get(f"/pipeline-runs/{run['id']}/tasks/{task}/log").json()["text"]


def test_an_object_starts_one_run_with_its_facts(server, s3, bucket):
    api = server.api()
    put(
        api,
        "on-object",
        f"""
name: on-object
params: {{file: none, size: {{type: integer, default: 0}}}}
triggers:
  - object_created: {{bucket: {bucket}, prefix: in/, suffix: .csv}}
    params: {{file: "{{{{ event.key }}}}", size: "{{{{ event.size }}}}"}}
tasks:
  - {{id: a, run: 'echo {{{{ params.file }}}} {{{{ params.size }}}} {{{{ event.bucket }}}}; echo "$CRANNOG_EVENT"'}}
""",
    )
    s3.put_object(Bucket=bucket, Key="in/a b.txt", Body=b"no")
    s3.put_object(Bucket=bucket, Key="elsewhere/a.csv", Body=b"no")
    s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"1,2\n")
    run = the_run(api, "on-object")
    assert (run["state"], run["trigger"]) == ("success", "event")
    assert run["params"] == {"file": "in/a b.csv", "size": "4"}
    assert run["event"]["kind"] == "object_created" and run["event"]["etag"]
    lines = log_of(api, run).splitlines()
    assert lines[0] == f"in/a b.csv 4 {bucket}" and '"key":"in/a b.csv"' in lines[1]


def test_what_an_object_is_called_is_no_command(server, s3, bucket):
    api = server.api()
    put(
        api,
        "hostile",
        f"""
name: hostile
triggers:
  - object_created: {{bucket: {bucket}}}
tasks:
  - id: a
    run: |
      printf '%s\\n' "{{{{ event.key }}}}" '{{{{ event.key }}}}' # {{{{ event.key }}}}
      cat <<'END'
      {{{{ event.key }}}}
      END
""",
    )
    key = "$(echo ran)`echo ran`';echo ran;\"; echo ran #\nin.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    run = the_run(api, "hostile")
    assert run["state"] == "success", run
    assert log_of(api, run) == f"{key}\n{key}\n{key}\n"


def test_models_and_aliases_start_runs(server, mlflow_client):
    api, client = server.api(), mlflow_client
    put(api, "on-model", "name: on-model\ntriggers: [{model_version: {model: ev-churn}}]\ntasks: [{id: a, run: 'echo {{ event.uri }}'}]\n")
    put(
        api,
        "on-alias",
        "name: on-alias\ntriggers: [{alias_moved: {model: '*', alias: ev-champion}}]\n"
        "tasks: [{id: a, run: 'echo {{ event.model }} {{ event.version }}'}]\n",
    )
    client.create_registered_model("ev-churn")
    made = client.create_run("0").info
    client.create_model_version("ev-churn", f"{made.artifact_uri}/model", run_id=made.run_id)
    assert log_of(api, the_run(api, "on-model")) == "models:/ev-churn/1\n"
    client.set_registered_model_alias("ev-churn", "other", 1)
    client.set_registered_model_alias("ev-churn", "ev-champion", 1)
    assert log_of(api, the_run(api, "on-alias")) == "ev-churn 1\n"


def test_the_end_of_a_run_starts_the_next_and_a_circle_is_broken(server):
    api = server.api()
    chain = "name: {}\ntriggers: [{{run_finished: {{pipeline: {}}}}}]\ntasks: [{{id: a, run: 'echo {{{{ event.run_id }}}}'}}]\n"
    # ring-a -> ring-b -> ring-c -> ring-a
    put(api, "ring-a", chain.format("ring-a", "ring-c").replace("{{ event.run_id }}", "began"))
    put(api, "ring-b", chain.format("ring-b", "ring-a"))
    put(api, "ring-c", chain.format("ring-c", "ring-b"))
    put(api, "on-failure", "name: on-failure\ntriggers: [{run_finished: {pipeline: ring-a, state: failed}}]\ntasks: [{id: a, run: 'true'}]\n")
    first = api.post("/pipelines/ring-a/runs", json={}).json()["id"]
    assert finished(api, first)["state"] == "success"
    second = the_run(api, "ring-b")
    assert log_of(api, second) == first + "\n" and second["event"]["state"] == "success"
    the_run(api, "ring-c")
    note = eventually(lambda: api.get("/pipelines/ring-a").json()["trigger_note"], what="a note")
    assert "its own doing (ring-a -> ring-b -> ring-c -> ring-a)" in note
    assert len(runs_of(api, "ring-a")) == 1 and runs_of(api, "on-failure") == []


def test_a_pipeline_that_writes_what_starts_it_is_stopped_at_once(server, s3, bucket):
    api = server.api()
    put(
        api,
        "own-doing",
        f"""
name: own-doing
triggers: [{{object_created: {{bucket: {bucket}}}}}]
tasks:
  - id: a
    run: {sys.executable} -c 'import boto3; boto3.client("s3").put_object(Bucket="{bucket}", Key="again", Body=b"1")'
""",
    )
    s3.put_object(Bucket=bucket, Key="first", Body=b"1")
    run = the_run(api, "own-doing")
    assert run["state"] == "success", log_of(api, run)
    note = eventually(lambda: api.get("/pipelines/own-doing").json()["trigger_note"], what="a note")
    assert "its own doing (own-doing -> own-doing)" in note
    assert len(runs_of(api, "own-doing")) == 1


def hook(server, name, token=None, **kwargs):
    headers = {"X-Crannog-Token": token} if token else {}
    headers |= kwargs.pop("headers", {})
    return requests.post(f"{server.http_url}/hooks/pipelines/{name}", headers=headers, timeout=30, **kwargs)


def signed(secret, body):
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()}


def standard(secret, body, at=None):
    """As the Standard Webhooks specification signs."""
    id, at = uuid.uuid4().hex, int(at or time.time())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id}.{at}.".encode() + body, "sha256").digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": signature}


def test_a_webhook_may_be_signed_in_place_of_the_token(server):
    api, body = server.api(), b'{"ref": "dev"}'
    text = """
name: signed
params: {ref: main}
triggers:
  - webhook: SECRET
    params: {ref: "{{ event.body.ref }}"}
tasks: [{id: a, run: 'true'}]
"""
    put(api, "signed", text.replace("SECRET", "{}"))
    token = server.cli("pipeline", "token", "signed").stdout.strip()
    # As GitHub signs, the token being its secret.
    assert hook(server, "signed", data=body, headers=signed(token, body)).status_code == 202
    assert hook(server, "signed", data=body + b" ", headers=signed(token, body)).status_code == 401
    assert hook(server, "signed", data=body, headers=signed(token + "x", body)).status_code == 401
    # As the specification says, with a secret that somebody else chose.
    secret = "whsec_" + base64.b64encode(b"a key of twenty-four byte").decode()
    put(api, "signed", text.replace("SECRET", "{secret: hook_key}"))
    assert hook(server, "signed", data=body, headers=standard(secret, body)).status_code == 401
    server.cli("pipeline", "variable", "set", "hook_key", input=secret)
    headers = standard(secret, body)
    assert hook(server, "signed", data=body, headers=headers).status_code == 202
    assert hook(server, "signed", data=body, headers=headers).status_code == 200, "the delivery of before"
    assert hook(server, "signed", data=body, headers=standard(secret, body, time.time() - 600)).status_code == 401
    assert hook(server, "signed", token, data=body).status_code == 202
    eventually(lambda: len(runs_of(api, "signed")) == 3, what="a run for each delivery")


def test_a_webhook_starts_one_run_for_each_delivery(server):
    api = server.api()
    put(
        api,
        "hooked",
        """
name: hooked
params: {ref: main}
triggers:
  - webhook: {}
    params: {ref: "{{ event.body.ref }}"}
tasks: [{id: a, run: 'echo {{ params.ref }}'}]
""",
    )
    assert hook(server, "hooked", "x", json={"ref": "dev"}).status_code == 401
    token = server.cli("pipeline", "token", "hooked").stdout.strip()
    assert hook(server, "hooked", json={"ref": "dev"}).status_code == 401
    assert hook(server, "hooked", token + "x", json={"ref": "dev"}).status_code == 401
    assert hook(server, "nothing", token, json={"ref": "dev"}).status_code == 401
    made = hook(server, "hooked", token, json={"ref": "dev"}, headers={"X-GitHub-Delivery": "d1"})
    assert made.status_code == 202, made.text
    again = hook(server, "hooked", token, json={"ref": "dev"}, headers={"X-GitHub-Delivery": "d1"})
    assert (again.status_code, again.json()["run_id"]) == (200, made.json()["run_id"])
    assert log_of(api, the_run(api, "hooked")) == "dev\n"
    bad = hook(server, "hooked", token, json={"branch": "dev"})
    assert bad.status_code == 400 and "event.body.ref" in bad.json()["detail"]
    assert hook(server, "hooked", token, data=b"x" * (300 << 10)).status_code == 413
    fresh = server.cli("pipeline", "token", "hooked").stdout.strip()
    assert hook(server, "hooked", token, json={"ref": "dev"}).status_code == 401
    bearer = {"Authorization": f"Bearer {fresh}"}
    assert hook(server, "hooked", json={"ref": "x"}, headers=bearer).status_code == 202
    api.post("/pipelines/hooked/pause")
    assert hook(server, "hooked", fresh, json={"ref": "x"}).status_code == 409
    for file in server.data_dir.rglob("*"):
        if file.is_file() and file.stat().st_size < 64 << 20:
            assert fresh.encode() not in file.read_bytes(), file


def test_events_make_one_run_each_though_the_server_is_killed(private_server):
    server = private_server()
    api, s3 = server.api(), server.s3()
    s3.create_bucket(Bucket="many")
    put(api, "each-once", "name: each-once\nmax_active_runs: 3\ntriggers: [{object_created: {bucket: many}}]\ntasks: [{id: a, run: 'true'}]\n")
    for number in range(40):
        s3.put_object(Bucket="many", Key=f"k{number}", Body=b"")
        if number % 10 == 9:
            server.kill9()
            server.start()
            api, s3 = server.api(), server.s3()

    def all_there():
        found = api.get("/pipelines/each-once/runs?limit=500").json()["runs"]
        done = [run for run in found if run["state"] == "success"]
        return found if len(found) >= 40 and len(done) == len(found) else None

    found = eventually(all_there, timeout=90, what="40 runs")
    assert sorted(run["event"]["key"] for run in found) == sorted(f"k{number}" for number in range(40))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("triggers: [{}]", "line 2, column 12: a trigger is one of object_created"),
        ("triggers: [{webhook: {}, model_version: {model: m}}]", "make each an item of the list"),
        ("triggers: [{run_finished: {pipeline: p}}]", "line 2, column 38: a run of \"p\" would start the next one"),
        ("triggers: [{run_finished: {pipeline: q, state: over}}]", "state \"over\" is not one of"),
        ("triggers: [{webhook: {}, params: {x: 1}}]", "the pipeline has no parameter \"x\""),
        ("params: {x: 1}\ntriggers: [{webhook: {}, params: {x: '{{ params.x }}'}}]", "a trigger knows event.NAME alone"),
        ("params: {x: {type: integer}}\ntriggers: [{webhook: {}}]", "parameter \"x\" has no default"),
        ("triggers: [{object_create: {bucket: b}}]", "did you mean \"object_created\"?"),
    ],
)
def test_a_bad_trigger_is_told_with_its_place(server, tmp_path, text, problem):
    file = tmp_path / "bad.yaml"
    file.write_text(f"name: p\n{text}\ntasks: [{{id: a, run: x}}]\n")
    done = server.cli("pipeline", "validate", file, check=False)
    assert done.returncode == 1 and problem in done.stdout, done.stdout
