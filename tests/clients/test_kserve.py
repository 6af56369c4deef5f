"""KServe's own client, REST and gRPC, both versions of the protocol. It runs in an environment of its own."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import requests
from serving_support import assert_same, models_on

# `scripts/setup.sh kserve` puts it here.
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv/kserve/bin"

# What each script finds ready: the client, the address, the headers that sign in, and the models' rows.
BEFORE = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig
told = json.loads(sys.stdin.read())
base, signed, models = told["base"], {"authorization": told["word"]}, told["models"]
KINDS = {"FP32": np.float32, "INT64": np.int64, "BYTES": object}

def request(kind, binary):
    inputs = []
    for tensor in models[kind]["inputs"]:
        one = InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
        values = np.array(tensor["data"], dtype=KINDS[tensor["datatype"]]).reshape(tensor["shape"])
        one.set_data_from_numpy(values, binary_data=binary)
        inputs.append(one)
    return InferRequest(model_name=models[kind]["name"], infer_inputs=inputs, request_id="r-1")

def told_of(answer):
    return {
        "model": answer.model_name, "version": answer.model_version, "id": answer.id,
        "outputs": {o.name: o.as_numpy().tolist() for o in answer.outputs},
    }
"""


@pytest.fixture(scope="module")
def python():
    """The interpreter that has the client."""
    program = shutil.which("python", path=str(ENVIRONMENT))
    if program is None:
        pytest.skip("kserve is not installed: scripts/setup.sh kserve, which `make test` does by itself")
    return program


@pytest.fixture(scope="module")
def models(server, tmp_path_factory):
    return models_on(server, tmp_path_factory.mktemp("models"), "kserve")


@pytest.fixture
def run(server, models, python):
    """Runs a script with the client; answers the JSON it prints."""

    def rows(model):
        tensors = [
            {"name": name, "shape": values.shape, "datatype": model.datatypes[name], "data": values.flatten().tolist()}
            for name, values in model.rows(5).items()
        ]
        return {"name": model.name, "inputs": tensors}

    told = {
        "base": server.http_url,
        "word": "Basic " + base64.b64encode(":".join(server.auth).encode()).decode(),
        "models": {"numbers": rows(models.numbers), "mixed": rows(models.mixed)},
    }

    def call(script):
        done = subprocess.run(
            [python, "-c", BEFORE + script], input=json.dumps(told), capture_output=True, text=True, timeout=120,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    return call


def check(answer, model, version):
    assert (answer["model"], answer["version"], answer["id"]) == (model.name, version, "r-1")
    for name, values in model.wanted(5).items():
        assert_same(np.array(answer["outputs"][name], dtype=values.dtype), values)


def test_rest_of_the_second_protocol(run, models):
    told = run("""
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    told = {"live": await client.is_server_live(base, headers=signed), "ready": await client.is_server_ready(base, headers=signed)}
    name = models["numbers"]["name"]
    told["model"] = await client.is_model_ready(base, name, headers=signed)
    told["nobody"] = await client.is_model_ready(base, "nobody", headers=signed)
    for kind in models:
        for binary in (True, False):
            answer = await client.infer(base, request(kind, binary), model_name=models[kind]["name"], headers=dict(signed))
            told[f"{kind}-{binary}"] = told_of(answer)
    try:
        await client.infer(base, {"inputs": []}, model_name=name, headers=signed)
    except Exception as error:
        told["refused"] = str(error)
    await client.close()
    print(json.dumps(told))
asyncio.run(main())
""")
    assert (told["live"], told["ready"], told["model"], told["nobody"]) == (True, True, True, False)
    for kind in ("numbers", "mixed"):
        for binary in (True, False):
            # This client does not read the version of an answer.
            check(told[f"{kind}-{binary}"], getattr(models, kind), None)
    assert "is missing" in told["refused"] and "400" in told["refused"]


def test_grpc(run, models):
    told = run("""
async def main():
    client = InferenceGRPCClient(base.removeprefix("http://"))
    sign = tuple(signed.items())
    told = {"live": await client.is_server_live(headers=sign), "ready": await client.is_server_ready(headers=sign)}
    told["model"] = await client.is_model_ready(models["numbers"]["name"], headers=sign)
    told["nobody"] = await client.is_model_ready("nobody", headers=sign)
    for kind in models:
        for binary in (True, False):
            told[f"{kind}-{binary}"] = told_of(await client.infer(request(kind, binary), headers=sign))
    await client.close()
    print(json.dumps(told))
asyncio.run(main())
""")
    assert (told["live"], told["ready"], told["model"], told["nobody"]) == (True, True, True, False)
    for kind in ("numbers", "mixed"):
        for binary in (True, False):
            check(told[f"{kind}-{binary}"], getattr(models, kind), getattr(models, kind).version)


def test_rest_of_the_first_protocol(run, models):
    told = run("""
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    told = {}
    for kind in models:
        name, inputs = models[kind]["name"], models[kind]["inputs"]
        told[f"{kind} ready"] = await client.is_model_ready(base, name, headers=signed)
        columns = {t["name"]: np.array(t["data"], dtype=object).reshape(t["shape"]) for t in inputs}
        whole = np.concatenate(list(columns.values()), axis=1)
        bodies = [{"instances": whole.tolist()}, {"inputs": whole.tolist()}]
        if kind == "mixed":
            flat = {name: values.flatten().tolist() for name, values in columns.items()}
            records = [dict(zip(flat, row)) for row in zip(*flat.values())]
            bodies += [{"instances": records}, {"instances": [flat]}, {"inputs": flat}, {"inputs": records}]
        told[kind] = [await client.infer(base, body, model_name=name, headers=signed) for body in bodies]
    await client.close()
    print(json.dumps(told))
asyncio.run(main())
""")
    for kind, bodies in (("numbers", 2), ("mixed", 6)):
        wanted = getattr(models, kind).wanted(5)
        assert told[f"{kind} ready"] is True and len(told[kind]) == bodies
        for answer in told[kind]:
            assert [record["label"] for record in answer["predictions"]] == wanted["label"].tolist()
            scores = np.array([record["probabilities"] for record in answer["predictions"]], dtype=np.float32)
            assert_same(scores, wanted["probabilities"])


def test_the_first_protocol_refuses_in_plain_words(server, models):
    def ask(method, path, **body):
        return requests.request(method, server.http_url + path, auth=server.auth, timeout=60, **body)

    name = models.numbers.name
    assert name in ask("GET", "/v1/models").json()["models"]
    assert ask("GET", f"/v1/models/{name}").json() == {"name": name, "ready": True}
    assert ask("GET", "/v1/models/nobody").status_code == 404
    for body, word in [
        ({}, "instances"), ([], "instances"), ({"instances": []}, "at least one row"), ({"instances": "x"}, "list of rows"),
        ({"instances": [[1, 2]]}, "shape"), ({"instances": [[1, 2, 3, 4, 5, "x"]]}, "must be a number"),
        ({"instances": [[1, 2], [3]]}, "ragged"),
    ]:
        answer = ask("POST", f"/v1/models/{name}:predict", json=body)
        assert answer.status_code == 400 and word in answer.json()["error"], (body, answer.text)
    assert ask("POST", "/v1/models/nobody:predict", json={"instances": [[1]]}).status_code == 404
    assert ask("POST", f"/v1/models/{name}:odd", json={}).status_code == 404
    assert requests.post(f"{server.http_url}/v1/models/{name}:predict", json={}, timeout=60).status_code == 401
