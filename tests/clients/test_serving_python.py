"""Models that are not ONNX, served by a Python worker: right, contained, and there again after it died."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
import tritonclient.http as triton
from conftest import eventually, pointed_at
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from test_serving import endpoint, split, wait

# A model that says what it sees, waits when asked to, and dies when told to.
ODD = '''
import os
import time

import mlflow
import pandas as pd


class Odd(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        word = model_input["word"].iloc[0]
        if word == "die":
            os._exit(7)
        if word == "wait":
            time.sleep(3600)
        if word == "fail":
            raise ValueError("no such word")
        print("asked with", word)
        names = " ".join(sorted(os.environ))
        return pd.DataFrame({"word": model_input["word"].str.upper(), "twice": model_input["number"] * 2, "env": names})


mlflow.models.set_model(Odd())
'''


# A model with settings: how often a word is said, in what case, and words put before it.
LOUD = """
import time

import mlflow


class Loud(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        time.sleep(params["pause"])
        text = " ".join([*params["before"], *[params["word"]] * params["times"]])
        return model_input.assign(said=text)[["said"]]


mlflow.models.set_model(Loud())
"""


@pytest.fixture
def loud(lab, tmp_path):
    """Endpoint `loud`, and the model at home to hold it against."""
    (tmp_path / "loud.py").write_text(LOUD)
    columns = pd.DataFrame({"x": [1.5]})
    params = {"times": 2, "word": "hi", "pause": 0.0, "before": ["a"]}
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(tmp_path / "loud.py"),
            signature=infer_signature(columns, pd.DataFrame({"said": ["hi"]}), params),
            registered_model_name="loud",
            pip_requirements=["mlflow"],
        )
    with lab.api() as api:
        endpoint(api, "loud", "models:/loud/1")
    return mlflow.pyfunc.load_model(logged.model_uri)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    code = tmp_path_factory.mktemp("odd") / "odd.py"
    code.write_text(ODD)
    return code


def frame():
    draws = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "distance": draws.normal(700, 300, 400),
            "hour": draws.integers(0, 24, 400),
            "carrier": draws.choice(["AA", "UA", "WN"], 400),
        }
    )


def pipeline(rows):
    delay = rows["distance"] / 100 + (rows["carrier"] == "UA") * 7 + rows["hour"]
    words = ColumnTransformer([("words", OneHotEncoder(), ["carrier"])], remainder="passthrough")
    return make_pipeline(words, GradientBoostingRegressor(n_estimators=20, random_state=0)).fit(rows, delay)


@pytest.fixture
def lab(private_server):
    """A server whose workers live in this test's own environment, with a client set to it."""
    server = private_server(env={"CRANNOG_SERVING_VENV": sys.prefix, "CRANNOG_SERVING_PYTHON_TIMEOUT": "5s"})
    with pointed_at(server):
        yield server


def log_odd(odd):
    columns = pd.DataFrame({"word": ["a"], "number": [1.5]})
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(odd),
            signature=infer_signature(columns),
            registered_model_name="odd",
            pip_requirements=["mlflow"],
        )


def ask(server, name, body):
    url = f"{server.http_url}/endpoints/{name}/invocations"
    return requests.post(url, json=body, auth=server.auth, timeout=60)


def children(pid):
    """The processes that process `pid` started and that are still there."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def workers(server):
    def is_worker(pid):
        try:
            return b"Serves one MLflow model" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [pid for pid in children(server.pid) if is_worker(pid)]


def test_a_pickled_pipeline_answers_as_it_does_at_home(lab):
    rows = frame()
    model = pipeline(rows)
    expected = model.predict(rows)
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(rows, expected),
            input_example=rows.head(2),
            registered_model_name="pickled",
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
    with lab.api() as api:
        info = endpoint(api, "pickled", "models:/pickled/1")
    assert [one["name"] for one in info["inputs"]] == ["distance", "hour", "carrier"]
    assert [one["datatype"] for one in info["inputs"]] == ["FP64", "INT64", "BYTES"]

    answer = ask(lab, "pickled", split(rows))
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-12)
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda at: ask(lab, "pickled", split(rows.iloc[at : at + 5])), range(40)))
    for at, one in enumerate(answers):
        np.testing.assert_allclose(one.json()["predictions"], expected[at : at + 5], rtol=1e-12)

    client = triton.InferenceServerClient(lab.http_url.removeprefix("http://"))
    inputs = []
    for name, kind in [("distance", "FP64"), ("hour", "INT64"), ("carrier", "BYTES")]:
        values = rows[name].to_numpy(dtype=object if kind == "BYTES" else None)
        inputs.append(triton.InferInput(name, [len(rows)], kind))
        inputs[-1].set_data_from_numpy(values)
    login = requests.Request("GET", lab.http_url, auth=lab.auth).prepare().headers["Authorization"]
    result = client.infer("pickled", inputs, headers={"Authorization": login})
    np.testing.assert_allclose(result.as_numpy("predictions"), expected, rtol=1e-12)

    wrong = ask(lab, "pickled", split(rows.drop(columns="hour")))
    assert wrong.status_code == 400 and "hour" in wrong.json()["message"]


def test_a_worker_sees_no_secret_and_its_failures_stay_its_own(lab, odd):
    log_odd(odd)
    with lab.api() as api:
        endpoint(api, "odd", "models:/odd/1")

    def word(text):
        return ask(lab, "odd", {"dataframe_records": [{"word": text, "number": 2.5}]})

    [row] = word("ring").json()["predictions"]
    assert (row["word"], row["twice"]) == ("RING", 5.0)
    names = row["env"].split()
    assert "VIRTUAL_ENV" in names and not [n for n in names if n.startswith(("CRANNOG", "AWS")) or "PASSWORD" in n]
    assert "asked with ring" in lab.log_path.read_text()

    failed = word("fail")
    assert failed.status_code == 400 and "no such word" in failed.json()["message"]
    assert word("again").status_code == 200

    [before] = workers(lab)
    died = word("die")
    assert died.status_code == 503 and "ended" in died.json()["message"]
    eventually(lambda: word("back").status_code == 200, what="the worker is started again")
    assert workers(lab) not in ([], [before])

    began = time.monotonic()
    late = word("wait")
    assert late.status_code == 503 and "5 s" in late.json()["message"], late.text
    assert time.monotonic() - began < 50
    eventually(lambda: word("back").status_code == 200, what="the worker is started again")

    [running] = workers(lab)
    os.kill(running, signal.SIGKILL)
    eventually(lambda: word("back").status_code == 200, what="the worker is started again")

    [running] = workers(lab)
    lab.kill9()
    eventually(lambda: not Path(f"/proc/{running}/stat").exists(), what="the worker ended with its server")
    lab.start()
    with lab.api() as api:
        wait(api, "odd")
    assert word("restart").status_code == 200
    [running] = workers(lab)
    with lab.api() as api:
        assert api.delete("/endpoints/odd").status_code == 204
    eventually(lambda: not Path(f"/proc/{running}/stat").exists(), what="the worker ended with its endpoint")
    eventually(lambda: not list((lab.data_dir / "python").iterdir()), what="its copy of the model is gone")


def test_without_an_environment_it_is_said_what_to_make(private_server, odd, monkeypatch):
    server = private_server()
    for key, value in server.env().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.http_url)
    log_odd(odd)
    with server.api() as api:
        info = endpoint(api, "odd", "models:/odd/1", "failed")
        assert "serving.venv" in info["error"] and "venvs/odd" in info["error"]
        # The environment is made, and the endpoint finds it.
        venvs = server.data_dir / "venvs"
        venvs.mkdir()
        (venvs / "odd").symlink_to(sys.prefix)
        wait(api, "odd")
    answer = ask(server, "odd", {"dataframe_records": [{"word": "ring", "number": 1.0}]})
    assert answer.json()["predictions"][0]["word"] == "RING"


def test_a_tensor_is_asked_for_by_its_name_where_it_has_one(lab, tmp_path):
    code = tmp_path / "twice.py"
    code.write_text(
        "import mlflow\n\n\nclass Twice(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        values = model_input['input'] if isinstance(model_input, dict) else model_input\n"
        "        return values * (2 if isinstance(model_input, dict) else 3)\n\n\nmlflow.models.set_model(Twice())\n"
    )
    array = np.array([[1.0, 2.0]])
    for name, example, factor in [("named", {"input": array}, 2), ("bare", array, 3)]:
        with mlflow.start_run():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code),
                signature=infer_signature(example),
                registered_model_name=name,
                pip_requirements=["mlflow"],
            )
        with lab.api() as api:
            endpoint(api, name, f"models:/{name}/1")
        answer = ask(lab, name, {"inputs": {"input": [[1.0, 2.0], [3.0, 4.0]]}})
        assert answer.json()["predictions"] == [[factor, 2 * factor], [3 * factor, 4 * factor]], answer.text


def test_parameters_reach_the_model_as_mlflow_would_pass_them(lab, loud):
    rows = pd.DataFrame({"x": [1.0, 2.0]})

    def said(params=None, **body):
        return ask(lab, "loud", split(rows) | ({} if params is None else {"params": params}) | body)

    given = [None, {}, {"times": 3}, {"word": "ho", "before": []}, {"times": 1, "before": ["b", "c"], "unheard of": 1}]
    for params in given:
        answer = said(params)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == loud.predict(rows, params=params).to_dict("records"), params
    for params in ({"times": "three"}, {"before": "b"}, {"word": ["a"]}):
        with pytest.raises(mlflow.exceptions.MlflowException):
            loud.predict(rows, params=params)
        refused = said(params)
        assert refused.status_code == 400 and "param" in refused.json()["message"], refused.text
    assert said(["times"]).status_code == 400

    headers = {"Authorization": requests.Request("GET", lab.http_url, auth=lab.auth).prepare().headers["Authorization"]}
    tensor = triton.InferInput("x", [2], "FP64")
    tensor.set_data_from_numpy(rows["x"].to_numpy())
    client = triton.InferenceServerClient(lab.http_url.removeprefix("http://"))
    result = client.infer("loud", [tensor], headers=headers, parameters={"times": 4, "nothing": True})
    assert result.as_numpy("said").tolist() == [b"a hi hi hi hi"] * 2
    with lab.api() as api:
        told = api.get("/models/loud/versions/1/serving").json()
    assert (told["runs_in"], told["venv"]) == ("python", sys.prefix)
    assert {param["name"]: param["default"] for param in told["signature"]["params"]}["times"] == 2


def test_who_waits_no_longer_is_answered_in_time(lab, loud):
    url = f"{lab.http_url}/endpoints/loud/invocations"
    body = split(pd.DataFrame({"x": [1.0]})) | {"params": {"pause": 2.0}}
    began = time.monotonic()
    late = requests.post(url, json=body, auth=lab.auth, headers={"x-crannog-timeout-ms": "300"}, timeout=60)
    assert late.status_code == 504 and late.json()["error_code"] == "DEADLINE_EXCEEDED", late.text
    assert time.monotonic() - began < 1.5
    # The model has not done with it; the next is answered when it has.
    assert ask(lab, "loud", split(pd.DataFrame({"x": [1.0]}))).status_code == 200
    with lab.api() as api:
        stats = api.get("/endpoints/loud/stats").json()
    [version] = stats["versions"]
    assert (version["requests"], version["refused"], version["errors"]) == (2, 1, 0)
    assert stats["failures"][0]["status"] == 504
