"""Tasks of other kinds than a command: Python, HTTP, evaluate, promote; callbacks; through the real binary."""

import base64
import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
import pytest
from conftest import answering, eventually
from test_pipelines import begin, finished, states


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is told, and answers what its server says."""

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.server.heard.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.server.says(self)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.heard, server.says = [], lambda request: (200, b"{}")
    server.url = f"http://127.0.0.1:{server.server_port}"
    with answering(server):
        yield server


def log_of(api, run, task):
    return api.get(f"/pipeline-runs/{run}/tasks/{task}/log").json()["text"]


def task_of(run, name):
    return next(task for task in run["tasks"] if task["id"] == name)


def secret(server, name, text):
    server.cli("pipeline", "variable", "set", name, input=text)


def test_python_runs_in_a_named_environment_and_a_missing_one_is_named(server, tmp_path):
    api = server.api()
    venv = server.data_dir / "venvs" / "real"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(sys.executable)
    script = tmp_path / "it's here.py"
    script.write_text("import os, sys; print(sys.argv[1:], os.environ['VIRTUAL_ENV'])")
    yaml = f"""
name: snake
params: {{word: "a 'b' $HOME"}}
tasks:
  - id: file
    python: {{script: "{script}", venv: real, args: ["{{{{ params.word }}}}", 7]}}
  - id: code
    python:
      code: |
        import json, os
        json.dump({{"sum": sum(range(5)), "braces": "{{{{ kept }}}}"}}, open(os.environ["CRANNOG_OUTPUT"], "w"))
  - {{id: lacking, python: {{code: "pass", venv: forecast}}}}
  - {{id: nowhere, python: {{script: /no/such/script.py}}}}
  - {{id: after, needs: [code], run: "echo {{{{ outputs.code.sum }}}}"}}
"""
    run = finished(api, begin(api, "snake", yaml))
    found = states(run)
    assert found == {"file": "success", "code": "success", "lacking": "failed", "nowhere": "failed", "after": "success"}
    assert log_of(api, run["id"], "file") == f"[\"a 'b' $HOME\", '7'] {venv}\n"
    assert log_of(api, run["id"], "after") == "10\n" and task_of(run, "code")["output"]["braces"] == "{{ kept }}"
    why = task_of(run, "lacking")["reason"]
    assert 'there is no virtual environment "forecast"' in why and "python3 -m venv" in why
    assert task_of(run, "nowhere")["reason"] == "there is no script /no/such/script.py"


def test_a_request_carries_secrets_and_shows_none(server, receiver):
    api = server.api()
    secret(server, "kinds_key", "hush-hush-4711")
    receiver.says = lambda request: (201, json.dumps({"id": 5, "echo": request.headers["Authorization"]}).encode())
    yaml = f"""
name: call
params: {{n: 3}}
tasks:
  - id: ask
    http:
      url: "{receiver.url}/things?key={{{{ secrets.kinds_key }}}}"
      headers: {{Authorization: "Bearer {{{{ secrets.kinds_key }}}}"}}
      json: {{count: "{{{{ params.n }}}}", list: ["run {{{{ run_id }}}}"], deep: {{flag: true}}}}
      status: [201]
  - {{id: use, needs: [ask], run: "echo {{{{ outputs.ask.json.id }}}} $KEY", env: {{KEY: "{{{{ secrets.kinds_key }}}}"}}}}
"""
    run = finished(api, begin(api, "call", yaml))
    assert run["state"] == "success", run
    method, path, headers, body = receiver.heard[0]
    assert (method, path) == ("POST", "/things?key=hush-hush-4711") and len(receiver.heard) == 1
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["authorization"] == "Bearer hush-hush-4711" and headers["content-type"] == "application/json"
    assert json.loads(body) == {"count": "3", "list": [f"run {run['id']}"], "deep": {"flag": True}}
    assert log_of(api, run["id"], "use") == "5 hush-hush-4711\n"
    assert task_of(run, "ask")["output"] == {"status": 201, "json": {"id": 5, "echo": "Bearer ***"}}
    told = json.dumps(run) + log_of(api, run["id"], "ask") + server.log_path.read_text()
    assert "hush" not in told and "key=***" in told


def test_a_request_that_fails_says_why_and_is_retried(server, receiver):
    api = server.api()
    receiver.says = lambda request: (503, b"busy") if len(receiver.heard) < 3 else (200, b"fine")
    yaml = f"""
name: stubborn
tasks:
  - {{id: again, http: {{url: "{receiver.url}/"}}, retries: 5, retry_delay: 100ms}}
  - {{id: refused, http: {{url: "http://127.0.0.1:1/"}}}}
  - {{id: unknown, http: {{url: "{receiver.url}/", headers: {{X: "{{{{ secrets.nobody }}}}"}}}}}}
"""
    run = finished(api, begin(api, "stubborn", yaml))
    assert states(run) == {"again": "success", "refused": "failed", "unknown": "failed"}
    tries = api.get(f"/pipeline-runs/{run['id']}/tasks/again/attempts").json()["attempts"]
    assert [one["state"] for one in tries] == ["failed", "failed", "success"] and "503: busy" in tries[0]["reason"]
    assert "no answer" in task_of(run, "refused")["reason"]
    assert 'no variable "nobody"' in task_of(run, "unknown")["reason"]


def test_a_request_under_way_when_the_server_is_killed_is_not_made_twice_unasked(private_server, receiver):
    server = private_server()
    api = server.api()
    hold = []

    def slow(request):
        while not hold:
            pass
        return 200, b"{}"

    receiver.says = slow
    yaml = f"""
name: cut
tasks:
  - {{id: post, http: {{url: "{receiver.url}/post", method: POST}}}}
  - {{id: get, http: {{url: "{receiver.url}/get"}}}}
"""
    run = begin(api, "cut", yaml)
    eventually(lambda: len(receiver.heard) == 2, what="both requests")
    server.kill9()
    hold.append(True)
    server.start()
    ended = finished(server.api(), run)
    assert states(ended) == {"post": "lost", "get": "success"}
    assert "not known whether it arrived" in task_of(ended, "post")["reason"]
    assert sorted(path for _, path, _, _ in receiver.heard) == ["/get", "/get", "/post"]


@pytest.fixture(scope="module")
def churn(server):
    """Two versions of a classifier, one better, and their dataset; with what scikit-learn says of them."""
    import mlflow
    import pandas
    from skl2onnx import to_onnx
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score

    x, y = make_classification(800, 6, n_informative=4, flip_y=0.1, random_state=3)
    x = x.astype(numpy.float32)
    frame = pandas.DataFrame(x[400:], columns=[f"f{n}" for n in range(6)])
    frame["left"] = y[400:]
    models, expected = [], []
    for columns in (1, 6):
        seen = x.copy()
        seen[:, columns:] = 0
        model = LogisticRegression().fit(seen[:400], y[:400])
        model.coef_[:, columns:] = 0
        models.append(to_onnx(model, x[:1], options={"zipmap": False}))
        probability = model.predict_proba(x[400:])
        label = model.predict(x[400:])
        expected.append(
            {
                "accuracy": accuracy_score(y[400:], label),
                "precision": precision_score(y[400:], label),
                "recall": recall_score(y[400:], label),
                "f1": f1_score(y[400:], label),
                "auc": roc_auc_score(y[400:], probability[:, 1]),
                "log_loss": log_loss(y[400:], probability),
            }
        )
    return models, expected, frame


def register(mlflow, model, name):
    with mlflow.start_run():
        return mlflow.onnx.log_model(model, name="model", registered_model_name=name).registered_model_version


def test_a_challenger_is_evaluated_and_promoted_only_if_it_is_better(server, mlflow_client, s3, bucket, churn):
    import mlflow

    api = server.api()
    models, expected, frame = churn
    s3.put_object(Bucket=bucket, Key="test.csv", Body=frame.to_csv(index=False).encode())
    s3.put_object(Bucket=bucket, Key="test.parquet", Body=frame.to_parquet())
    s3.put_object(Bucket=bucket, Key="test.jsonl", Body=frame.to_json(orient="records", lines=True).encode())
    yaml = f"""
name: promote-churn
params: {{data: test.csv}}
tasks:
  - id: measure
    evaluate: {{model: models:/kinds-churn@challenger, data: "s3://{bucket}/{{{{ params.data }}}}", target: left, experiment: kinds-churn}}
  - id: promote
    needs: [measure]
    promote: {{model: kinds-churn, alias: champion, candidate: "{{{{ outputs.measure.version }}}}", when: auc >= champion.auc + 0.001}}
  - {{id: tell, needs: [promote], when: outputs.promote.promoted, run: "echo {{{{ outputs.promote.why }}}}"}}
"""

    def challenge(version, **params):
        mlflow_client.set_registered_model_alias("kinds-churn", "challenger", version)
        run = finished(api, begin(api, "promote-churn", yaml, **params))
        assert run["state"] == "success", run
        return run, task_of(run, "measure")["output"], task_of(run, "promote")["output"]

    weak = register(mlflow, models[0], "kinds-churn")
    run, measured, promoted = challenge(weak)
    assert {name: measured[name] for name in expected[0]} == pytest.approx(expected[0], rel=1e-5)
    assert measured["rows"] == 400 and promoted["promoted"] and "nothing to beat" in promoted["why"]
    logged = mlflow_client.get_run(measured["run_id"])
    assert logged.data.metrics == pytest.approx(expected[0], rel=1e-5) and logged.info.status == "FINISHED"
    assert logged.data.params["data"] == f"s3://{bucket}/test.csv"
    assert mlflow_client.get_experiment_by_name("kinds-churn").experiment_id == logged.info.experiment_id

    strong = register(mlflow, models[1], "kinds-churn")
    run, measured, promoted = challenge(strong, data="test.jsonl")
    assert {name: measured[name] for name in expected[1]} == pytest.approx(expected[1], rel=1e-5)
    assert promoted["promoted"] and promoted["previous"] == int(weak)
    assert "holds, with auc = 0." in promoted["why"] and states(run)["tell"] == "success"
    assert mlflow_client.get_model_version_by_alias("kinds-churn", "champion").version == strong

    run, again, promoted = challenge(weak, data="test.parquet")
    assert {name: again[name] for name in expected[0]} == pytest.approx(expected[0], rel=1e-5)
    assert not promoted["promoted"] and "does not hold" in promoted["why"] and states(run)["tell"] == "skipped"
    assert "did not promote version" in log_of(api, run["id"], "promote")
    assert mlflow_client.get_model_version_by_alias("kinds-churn", "champion").version == strong
    _, _, promoted = challenge(strong)
    assert not promoted["promoted"] and "is champion already" in promoted["why"]


def test_what_cannot_be_evaluated_or_compared_is_told(server, mlflow_client, s3, bucket, churn):
    import mlflow

    api = server.api()
    models, _, frame = churn
    version = register(mlflow, models[1], "kinds-odd")
    mlflow_client.set_registered_model_alias("kinds-odd", "champion", register(mlflow, models[0], "kinds-odd"))
    s3.put_object(Bucket=bucket, Key="t.csv", Body=frame.to_csv(index=False).encode())
    s3.put_object(Bucket=bucket, Key="t.txt", Body=b"x")
    model = f"models:/kinds-odd/{version}"
    yaml = f"""
name: odd
tasks:
  - {{id: column, evaluate: {{model: "{model}", data: "s3://{bucket}/t.csv", target: gone}}}}
  - {{id: object, evaluate: {{model: "{model}", data: "s3://{bucket}/none.csv", target: left}}}}
  - {{id: format, evaluate: {{model: "{model}", data: "s3://{bucket}/t.txt", target: left}}}}
  - {{id: model, evaluate: {{model: "models:/kinds-odd/99", data: "s3://{bucket}/t.csv", target: left}}}}
  - {{id: metric, promote: {{model: kinds-odd, alias: champion, candidate: {version}, when: "auc > champion.auc"}}}}
"""
    run = finished(api, begin(api, "odd", yaml))
    assert set(states(run).values()) == {"failed"}
    reasons = {task["id"]: task["reason"] for task in run["tasks"]}
    assert 'no column "gone"' in reasons["column"] and "left" in reasons["column"]
    assert "none.csv" in reasons["object"] or "key" in reasons["object"]
    assert "must end in .csv" in reasons["format"] and "99" in reasons["model"]
    assert "there is no auc" in reasons["metric"] and "evaluate" in reasons["metric"]


def test_a_callback_is_signed_and_retried_over_a_restart(private_server, receiver):
    server = private_server()
    api = server.api()
    secret(server, "sign", "a shared secret")
    receiver.says = lambda request: (503, b"")
    yaml = f"""
name: told
callbacks:
  - {{url: "{receiver.url}/bad", on: [failure], secret: sign}}
  - {{url: "{receiver.url}/good", on: [success]}}
tasks: [{{id: a, run: "exit 3"}}]
"""
    run = finished(api, begin(api, "told", yaml))
    eventually(lambda: receiver.heard, what="a first try")
    server.kill9()
    first = len(receiver.heard)
    receiver.says = lambda request: (200, b"")
    server.start()
    eventually(lambda: len(receiver.heard) > first, what="a try of the next server")
    assert {path for _, path, _, _ in receiver.heard} == {"/bad"}
    _, _, headers, body = receiver.heard[-1]
    told = json.loads(body)
    assert (told["event"], told["pipeline"], told["run_id"], told["state"]) == ("failure", "told", run["id"], "failed")
    assert told["tasks"] == [{"id": "a", "state": "failed", "reason": "exit code 3"}]
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"a shared secret", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert len({dict(h)["Webhook-Id"] if "Webhook-Id" in h else dict(h)["webhook-id"] for _, _, h, _ in receiver.heard}) == 1


def test_a_run_past_its_deadline_is_told_once(server, receiver):
    api = server.api()
    yaml = f"""
name: slow
deadline: 1s
callbacks: [{{url: "{receiver.url}/late", on: [deadline, success]}}]
tasks: [{{id: w, wait_for: {{time: 3s}}}}]
"""
    run = finished(api, begin(api, "slow", yaml))
    assert run["state"] == "success" and run["deadline_missed"]
    eventually(lambda: len(receiver.heard) == 2, what="both callbacks")
    events = [json.loads(body) for _, _, _, body in receiver.heard]
    assert [told["event"] for told in events] == ["deadline", "success"]
    assert events[0]["state"] == "running" and [task["id"] for task in events[0]["tasks"]] == ["w"]


def test_variables_are_listed_without_their_values(server):
    secret(server, "kinds_listed", "not to be seen")
    listed = server.cli("pipeline", "variable", "list").stdout
    assert "kinds_listed" in listed and "not to be seen" not in listed
    server.cli("pipeline", "variable", "delete", "kinds_listed")
    assert "kinds_listed" not in server.cli("pipeline", "variable", "list").stdout


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ("http: {url: 'ftp://x/'}", "http: url begins with ftp:"),
        ("http: {url: 'http://x/', method: FETCH}", "method \"FETCH\" is not one of"),
        ("http: {url: 'http://x/', body: a, json: {}}", "either body or json"),
        ("http: {url: 'http://x/', headers: {'a b': c}}", "\"a b\" cannot be a header"),
        ("python: {}", "either script or code"),
        ("python: {script: '{{ secrets.x }}'}", "{{ secrets.x }} is not known here"),
        ("run: 'echo {{ secrets.x }}'", "{{ secrets.x }} is not known here"),
        ("evaluate: {model: m, data: d}", 'the key \"target\" is missing'),
        ("evaluate: {model: m, data: d, target: t, task: cluster}", "\"cluster\" is not one of"),
        ("promote: {model: m, alias: a, candidate: 1, when: 'auc >'}", "promote: when: the condition ends too early"),
        ("promote: {model: m, alias: a, candidate: 1, when: outputs.b.auc > 1}", "outputs.b.auc names no task"),
    ],
)
def test_a_bad_task_is_told_with_its_place(server, tmp_path, task, problem):
    file = tmp_path / "bad.yaml"
    file.write_text(f"name: p\ntasks:\n  - {{id: a, {task}}}\n")
    done = server.cli("pipeline", "validate", file, check=False)
    assert done.returncode == 1 and problem in done.stdout and "line 3, column" in done.stdout, done.stdout
