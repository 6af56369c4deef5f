"""Webhooks of the registry through the real mlflow client: who is told of what, signed how, and how often."""

import base64
import hashlib
import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from conftest import answering, eventually
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

SECRET = "a secret of the test"


class Receiver(ThreadingHTTPServer):
    """Keeps what it is told; answers with the statuses in `answers`, then 200."""

    def __init__(self):
        self.told, self.answers = [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.told.append((self.path, dict(self.headers.items()), body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def data(self):
        return [(json.loads(body)["entity"], json.loads(body)["action"], json.loads(body)["data"]) for _, _, body in self.told]


@pytest.fixture
def receiver():
    with answering(Receiver()) as server:
        yield server


@pytest.fixture
def name(request):
    return f"{request.node.name}-{os.urandom(4).hex()}"


@pytest.fixture
def hooked(mlflow_client, receiver):
    """Registers webhooks at the receiver, and removes them afterwards."""
    made = []

    def hook(*events, **more):
        events = [WebhookEvent.from_str(event) for event in events]
        webhook = mlflow_client.create_webhook("test", receiver.url, events, **more)
        made.append(webhook.webhook_id)
        return webhook

    yield hook
    for webhook in made:
        try:
            mlflow_client.delete_webhook(webhook)
        except MlflowException as gone:
            assert gone.error_code == "RESOURCE_DOES_NOT_EXIST"


def signature(headers, body, secret=SECRET):
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{body.decode()}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_the_life_of_a_model_is_told_in_order_and_signed(mlflow_client, receiver, hooked, name):
    hooked(
        "registered_model.created",
        "model_version.created",
        "model_version_tag.set",
        "model_version_tag.deleted",
        "model_version_alias.created",
        "model_version_alias.deleted",
        secret=SECRET,
    )
    mlflow_client.create_registered_model(name, tags={"team": "a"}, description="about")
    mlflow_client.create_model_version(name, "s3://bucket/model", tags={"k": "v"})
    mlflow_client.set_model_version_tag(name, "1", "stage", "gold")
    mlflow_client.delete_model_version_tag(name, "1", "stage")
    mlflow_client.set_registered_model_alias(name, "prod", "1")
    mlflow_client.delete_registered_model_alias(name, "prod")
    eventually(lambda: len(receiver.told) >= 6, what="six notices")
    version = {"name": name, "version": "1"}
    source = {"source": "s3://bucket/model", "run_id": None, "description": None, "tags": {"k": "v"}}
    assert receiver.data() == [
        ("registered_model", "created", {"name": name, "description": "about", "tags": {"team": "a"}}),
        ("model_version", "created", version | source),
        ("model_version_tag", "set", version | {"key": "stage", "value": "gold"}),
        ("model_version_tag", "deleted", version | {"key": "stage"}),
        ("model_version_alias", "created", version | {"alias": "prod"}),
        ("model_version_alias", "deleted", {"name": name, "alias": "prod"}),
    ]
    for _, headers, body in receiver.told:
        headers = {key.lower(): value for key, value in headers.items()}
        assert headers["x-mlflow-signature"] == signature(headers, body)
    assert len({headers["x-mlflow-delivery-id"] for _, headers, _ in receiver.told}) == 6


def test_prompts_are_told_as_prompts(mlflow_client, receiver, hooked, name):
    hooked("prompt.created", "prompt_version.created", "prompt_tag.set", "prompt_version_tag.set", "prompt_alias.created")
    hooked("registered_model.created", "model_version.created", "model_version_alias.created")
    mlflow_client.create_prompt(name, description="a prompt", tags={"team": "a"})
    mlflow_client.create_prompt_version(name, "Hello {{name}}", description="first", tags={"k": "v"})
    mlflow_client.set_prompt_tag(name, "owner", "me")
    mlflow_client.set_prompt_version_tag(name, "1", "quality", "good")
    mlflow_client.set_prompt_alias(name, "prod", 1)
    eventually(lambda: len(receiver.told) >= 5, what="five notices")
    told = receiver.data()
    assert told[0] == ("prompt", "created", {"name": name, "description": "a prompt", "tags": {"team": "a"}})
    entity, action, data = told[1]
    assert (entity, action, data["template"], data["tags"]) == ("prompt_version", "created", "Hello {{name}}", {"k": "v"})
    assert [entity for entity, _, _ in told[2:]] == ["prompt_tag", "prompt_version_tag", "prompt_alias"]


def test_one_that_is_busy_is_asked_again_with_the_same_delivery(mlflow_client, receiver, hooked, name):
    hooked("registered_model.created", secret=SECRET)
    receiver.answers = [(500, {}), (429, {"Retry-After": "1"})]
    mlflow_client.create_registered_model(name)
    eventually(lambda: len(receiver.told) >= 3, what="a third attempt")
    assert len({headers["x-mlflow-delivery-id"] for _, headers, _ in receiver.told}) == 1
    assert len({body for _, _, body in receiver.told}) == 1


def test_one_that_refuses_is_not_asked_again(mlflow_client, receiver, hooked, name):
    hooked("registered_model.created")
    receiver.answers = [(401, {})]
    mlflow_client.create_registered_model(name)
    mlflow_client.create_registered_model(name + "-2")
    eventually(lambda: len(receiver.told) >= 2, what="the second model's notice")
    assert [data["name"] for _, _, data in receiver.data()] == [name, name + "-2"]


def test_what_waits_survives_a_kill(private_server, point_at, receiver, name):
    server = private_server()
    client = point_at(server)
    client.create_webhook("test", receiver.url, [WebhookEvent.from_str("registered_model.created")], secret=SECRET)
    receiver.answers = [(503, {})] * 2
    client.create_registered_model(name)
    eventually(lambda: receiver.told, what="a first attempt")
    server.kill9()
    server.start()
    eventually(lambda: not receiver.answers and len(receiver.told) >= 3, what="the notice after the restart")
    _, headers, body = receiver.told[-1]
    headers = {key.lower(): value for key, value in headers.items()}
    assert headers["x-mlflow-signature"] == signature(headers, body)
    assert SECRET.encode() not in (server.data_dir / "control.db").read_bytes()


def test_a_disabled_webhook_is_told_nothing(mlflow_client, receiver, hooked, name):
    webhook = hooked("registered_model.created")
    quiet = mlflow_client.update_webhook(webhook.webhook_id, status=WebhookStatus.DISABLED)
    assert quiet.status == WebhookStatus.DISABLED and quiet.last_updated_timestamp > webhook.last_updated_timestamp
    mlflow_client.create_registered_model(name)
    mlflow_client.update_webhook(webhook.webhook_id, status=WebhookStatus.ACTIVE)
    mlflow_client.create_registered_model(name + "-2")
    eventually(lambda: receiver.told, what="a notice")
    assert [data["name"] for _, _, data in receiver.data()] == [name + "-2"]


def test_a_webhook_can_be_tried(mlflow_client, receiver, hooked):
    webhook = hooked("model_version.created", "registered_model.created")
    result = mlflow_client.test_webhook(webhook.webhook_id, event=WebhookEvent.from_str("registered_model.created"))
    assert (result.success, result.response_status, result.response_body) == (True, 200, "ok")
    assert receiver.data()[0][2]["name"] == "example_model"
    receiver.answers = [(404, {})]
    assert mlflow_client.test_webhook(webhook.webhook_id).response_status == 404
    gone = mlflow_client.update_webhook(webhook.webhook_id, url="http://127.0.0.1:9/closed")
    result = mlflow_client.test_webhook(gone.webhook_id)
    assert not result.success and "did not answer" in result.error_message


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "-x"}, "Webhook name '-x' is invalid"),
        ({"name": "a" * 64}, "be less than 63 characters long"),
        ({"url": "   "}, "cannot be empty or just whitespace"),
        ({"url": "ftp://example.com"}, "Invalid webhook URL scheme: 'ftp'"),
        ({"url": "http://[invalid"}, "Invalid webhook URL"),
        ({"url": "http://h/" + "x" * 492}, "maximum length of 500"),
        ({"secret": "x" * 1001}, "maximum length of 1000"),
        ({"description": "x" * 1001}, "maximum length of 1000"),
    ],
)
def test_what_is_no_webhook_is_refused(mlflow_client, change, words):
    wanted = {"name": "test", "url": "http://127.0.0.1:9/x", "events": [WebhookEvent.from_str("prompt.created")]}
    with pytest.raises(MlflowException) as caught:
        mlflow_client.create_webhook(**wanted | change)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE" and words in str(caught.value)


def test_events_that_do_not_exist_are_refused(server):
    url = f"{server.http_url}/api/2.0/mlflow/webhooks"
    body = {"name": "test", "url": "http://127.0.0.1:9/x"}
    for events, words in [
        (None, "Missing value for required parameter 'events'"),
        ([], "must be a non-empty list"),
        ([{"entity": "PROMPT", "action": "DELETED"}], "Invalid action 'deleted' for entity 'prompt'. Valid actions are: ['created']"),
        ([{"entity": "MOON", "action": "SET"}], "events[0].entity"),
        ("prompt.created", "events"),
    ]:
        answer = requests.post(url, json=body | ({} if events is None else {"events": events}), auth=server.auth)
        assert answer.status_code == 400 and words in answer.json()["message"], answer.text


def test_a_viewer_may_not_even_look(server):
    with server.api() as api:
        api.post("/users", json={"name": "looker", "password": "only looking here", "role": "editor"})
    answer = requests.get(f"{server.http_url}/api/2.0/mlflow/webhooks", auth=("looker", "only looking here"))
    assert answer.status_code == 403, answer.text
