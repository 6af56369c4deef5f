"""Models of the zoo (tests/fixtures/onnx/zoo) through one endpoint, and `crannog model check` on files.

Some of each kind; CRANNOG_ZOO names folders, as `make zoo` does, whose models are all taken.
"""

import json
import os
import pathlib

import numpy as np
import pytest
from conftest import pointed_at
from test_serving import log_bytes, wait

ZOO = pathlib.Path(__file__).parent.parent / "fixtures" / "onnx" / "zoo"
CHOSEN = [
    "boosting_three", "forest_double", "hand_texts", "histogram_gaps", "lightgbm_words", "logistic_zipmap", "mixed_svc",
    "svc_three_likely", "text_pairs", "tree_v5", "tree_two_targets", "xgboost_gaps", "torch_cnn_script", "torch_encoder_script",
    "torch_lstm_script", "torch_words_script",
]
FOLDERS = [pathlib.Path(folder) for folder in os.environ.get("CRANNOG_ZOO", "").split(":") if folder]
FILES = [file for folder in FOLDERS for file in sorted(folder.glob("*.onnx"))] or [ZOO / f"{name}.onnx" for name in CHOSEN]


def rows(tensor, start, end):
    """Some rows of a tensor, as the Open Inference Protocol writes it."""
    width = int(np.prod(tensor["shape"][1:]))
    cut = tensor["data"][start * width : end * width]
    return tensor | {"shape": [end - start, *tensor["shape"][1:]], "data": cut}


def assert_same(got, wanted):
    assert (got["name"], got["shape"], got["datatype"]) == (wanted["name"], wanted["shape"], wanted["datatype"])
    if wanted["datatype"] in ("FP32", "FP64"):
        numbers = [np.array(tensor["data"], dtype=np.float64) for tensor in (got, wanted)]
        np.testing.assert_allclose(*numbers, rtol=1e-4, atol=1e-4)
    else:
        assert got["data"] == wanted["data"]


@pytest.fixture(scope="module")
def tracked(server):
    """mlflow's client, pointed at the server."""
    with pointed_at(server) as client:
        yield client


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_model_of_the_zoo_answers_as_onnxruntime(server, tracked, tmp_path, file):
    case = json.loads(file.with_suffix(".json").read_text())
    name = f"zoo-{file.stem}"
    tracked.create_registered_model(name)
    version = log_bytes(tracked, tmp_path, name, file.read_bytes())
    with server.api() as api:
        assert api.put("/endpoints/zoo", json={"model": f"models:/{name}/{version}"}).status_code == 200
        wait(api, "zoo", model_name=name)
        for batch in case["batches"]:
            inputs = [rows(tensor, *batch["rows"]) for tensor in case["inputs"]]
            answer = api.post(f"{server.http_url}/v2/models/zoo/infer", json={"inputs": inputs})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["outputs"]) == len(batch["outputs"])
            for got, wanted in zip(answer.json()["outputs"], batch["outputs"]):
                assert_same(got, wanted)


def test_model_check_says_what_a_model_needs(server):
    told = json.loads(server.cli("model", "check", str(ZOO / "svc_three_likely.onnx"), "--json").stdout)
    assert told["runs"] and told["refused"] is None
    assert {"domain": "ai.onnx.ml", "name": "SVMClassifier", "nodes": 1, "known": True} in told["operators"]
    assert told["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 8]}]
    text = server.cli("model", "check", str(ZOO / "text_tfidf.onnx")).stdout
    assert "TfIdfVectorizer" in text and "The model can be served" in text


def test_model_check_names_what_stands_against_it(server, tmp_path):
    whole = (ZOO / "scaled.onnx").read_bytes()
    (tmp_path / "odd.onnx").write_bytes(whole.replace(b"Scaler", b"Sqaler"))
    done = server.cli("model", "check", str(tmp_path / "odd.onnx"), check=False)
    assert done.returncode == 1
    assert "lacks it" in done.stdout and "operator Sqaler of domain ai.onnx.ml" in done.stderr
    (tmp_path / "none.onnx").write_bytes(b"not a model")
    done = server.cli("model", "check", str(tmp_path / "none.onnx"), check=False)
    assert done.returncode == 1 and "not an ONNX model" in done.stderr
