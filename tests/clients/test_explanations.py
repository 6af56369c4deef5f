"""Explanations of answers, by the protocols' routes and in the browser, against what the shap package says.

The models and shap's answers are made by tests/fixtures/shap/make.py.
"""

import json
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
import requests
import tritonclient.http as triton
from conftest import pointed_at
from mlflow.models import infer_signature
from test_browser import browser, page, stranger  # noqa: F401 (fixtures)
from test_serving import endpoint

FIXTURES = Path(__file__).parent.parent / "fixtures/shap"
COLUMNS = [f"x{at}" for at in range(7)]


def values(tensor):
    numbers = np.float32 if tensor["datatype"] == "FP32" else object
    data = [np.nan if v is None else v for v in tensor["data"]]
    return np.array(data, dtype=numbers).reshape(tensor["shape"])


class Case:
    """One model of the fixtures, its rows and background as tables, and shap's explanation."""

    def __init__(self, name):
        self.name = f"why-{name.replace('_', '-')}"
        self.onnx = onnx.load(FIXTURES / f"{name}.onnx")
        self.json = json.loads((FIXTURES / f"{name}.json").read_text())
        self.rows, self.background = (self.table(self.json[key]) if self.json[key] else None for key in ("rows", "background"))
        self.base = np.array(self.json["base"])
        self.attributions = np.array(self.json["attributions"]).reshape(self.json["shape"])

    @staticmethod
    def table(tensors):
        if len(tensors) == 1:
            return pd.DataFrame(values(tensors[0]), columns=COLUMNS)
        return pd.DataFrame({t["name"]: values(t)[:, 0] for t in tensors})

    def tensors(self, key="rows"):
        return [{k: t[k] for k in ("name", "datatype", "shape", "data")} for t in self.json[key]]


@pytest.fixture(scope="module")
def served(server):
    """Endpoints of four models; each was logged with its background as its input example."""
    with pointed_at(server), server.api() as api:
        made = {}
        for name in ("forest_three", "lightgbm_two", "pipeline", "svm_two"):
            case = Case(name)
            signature = infer_signature(case.background, pd.DataFrame({"y": [1.0]}))
            with mlflow.start_run():
                info = mlflow.onnx.log_model(
                    case.onnx,
                    name="model",
                    signature=signature,
                    input_example=case.background,
                    registered_model_name=case.name,
                    pip_requirements=["onnxruntime"],
                )
            case.version, case.model_id = str(info.registered_model_version), info.model_id
            endpoint(api, case.name, f"models:/{case.name}/{case.version}")
            made[name] = case
    return made


def ask(server, path, body, **kwargs):
    return requests.post(f"{server.http_url}{path}", json=body, auth=server.auth, timeout=120, **kwargs)


def v2(server, case, body, **kwargs):
    return ask(server, f"/v2/models/{case.name}/explain", body, **kwargs)


def v1(server, case, body, **kwargs):
    return ask(server, f"/v1/models/{case.name}:explain", body, **kwargs)


def arrays(answer):
    assert answer.status_code == 200, answer.text
    return {o["name"]: np.array(o["data"]).reshape(o["shape"]) for o in answer.json()["outputs"]}


def split(frame):
    # JSON has no NaN: a gap is null.
    return {"dataframe_split": json.loads(frame.to_json(orient="split", index=False, double_precision=15))}


def assert_as_shap(case, found):
    outputs = found["base_values"].shape[0]
    tolerance = 1e-6 * max(1, np.abs(found["values"]).max())
    np.testing.assert_allclose(found["base_values"], case.base[-outputs:], atol=tolerance)
    np.testing.assert_allclose(found["attributions"], case.attributions[:, :, -outputs:], atol=tolerance)
    total = found["base_values"] + found["attributions"].sum(axis=1)
    np.testing.assert_allclose(total, found["values"], atol=1e-9)


@pytest.mark.parametrize("name", ["forest_three", "lightgbm_two", "pipeline", "svm_two"])
def test_both_routes_and_every_form_of_rows_say_what_shap_says(server, served, name):
    case = served[name]
    found = arrays(v2(server, case, {"inputs": case.tensors()}))
    assert_as_shap(case, found)
    assert list(found["feature_names"]) == list(case.rows.columns)
    again = arrays(v2(server, case, split(case.rows)))
    records = json.loads(case.rows.to_json(orient="records", double_precision=15))
    answer = v1(server, case, {"instances": records})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    listed = np.array([list(row["attributions"].values()) for row in said["explanations"]])
    for other in (again["attributions"], listed):
        np.testing.assert_allclose(other, found["attributions"], atol=1e-12)
    assert said["output_names"] == list(found["output_names"])
    assert said["parameters"]["background"] == "input example"
    assert said["parameters"]["background_rows"] == len(case.background)
    assert said["parameters"]["method"] == ("kernel-exact" if name in ("pipeline", "svm_two") else "tree")


def test_tensors_go_and_come_as_bytes(server, served):
    case = served["forest_three"]
    tensor = triton.InferInput("X", list(case.rows.shape), "FP32")
    tensor.set_data_from_numpy(case.rows.to_numpy(), binary_data=True)
    wanted = triton.InferRequestedOutput("attributions", binary_data=True)
    body, length = triton.InferenceServerClient.generate_request_body([tensor], outputs=[wanted], request_id="a")
    headers = {"Inference-Header-Content-Length": str(length)}
    url = f"{server.http_url}/v2/models/{case.name}/versions/{case.version}/explain"
    answer = requests.post(url, data=body, headers=headers, auth=server.auth, timeout=60)
    assert answer.status_code == 200, answer.text
    size = int(answer.headers["Inference-Header-Content-Length"])
    said = json.loads(answer.content[:size])
    assert said["id"] == "a" and [o["name"] for o in said["outputs"]] == ["attributions"]
    found = np.frombuffer(answer.content[size:], dtype=np.float64).reshape(said["outputs"][0]["shape"])
    np.testing.assert_allclose(found, case.attributions, atol=1e-6)


def beside(s3, model_id):
    """Bucket and folder of a model's ONNX file."""
    for bucket in s3.list_buckets()["Buckets"]:
        for page_of in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page_of.get("Contents", []):
                if model_id in found["Key"] and found["Key"].endswith("/model.onnx"):
                    return bucket["Name"], found["Key"].rsplit("/", 1)[0]
    raise AssertionError(f"no bucket holds the file of {model_id}")


def test_a_background_comes_with_the_request_or_lies_beside_the_model(server, served, s3):
    case = served["forest_three"]
    one = case.background.head(1)
    sent = arrays(v2(server, case, split(case.rows) | {"parameters": {"background": split(one)}}))
    as_list = arrays(v2(server, case, split(case.rows) | {"parameters": {"background": one.to_numpy().tolist()}}))
    np.testing.assert_allclose(sent["attributions"], as_list["attributions"], atol=1e-6)
    own = arrays(v2(server, case, split(one) | {"parameters": {"background": split(one)}}))
    assert not own["attributions"].any()

    home, place = beside(s3, case.model_id)
    try:
        s3.put_object(Bucket=home, Key=f"{place}/background.json", Body=json.dumps(split(one)).encode())
        answer = v2(server, case, split(case.rows))
        assert answer.json()["parameters"] == {
            "method": "tree",
            "explained": "raw",
            "background": "background.json",
            "background_rows": 1,
        }
        np.testing.assert_allclose(arrays(answer)["attributions"], sent["attributions"], atol=1e-9)
        s3.put_object(Bucket=home, Key=f"{place}/background.json", Body=b'{"dataframe_split": {"columns"')
        broken = v2(server, case, split(case.rows))
        assert broken.status_code == 400 and "background.json" in broken.json()["error"]
    finally:
        s3.delete_object(Bucket=home, Key=f"{place}/background.json")


def test_trees_that_carry_their_counts_need_no_background(server):
    counted, bare = Case("covers_forest_three"), Case("forest_three")
    bare.name = "why-without-counts"
    with pointed_at(server), server.api() as api:
        for case in (counted, bare):
            with mlflow.start_run():
                info = mlflow.onnx.log_model(
                    case.onnx, name="model", registered_model_name=case.name, pip_requirements=["onnxruntime"]
                )
            endpoint(api, case.name, f"models:/{case.name}/{info.registered_model_version}")
    rows = {"inputs": counted.rows.to_numpy().tolist()}
    answer = v2(server, counted, rows)
    assert answer.json()["parameters"] == {"method": "tree-path-dependent", "explained": "raw"}
    assert_as_shap(counted, arrays(answer))
    listed = v1(server, counted, {"instances": rows["inputs"]}).json()
    shares = np.array([list(row["attributions"].values()) for row in listed["explanations"]])
    np.testing.assert_allclose(shares, counted.attributions, atol=1e-6)

    # A background that is sent is what is compared with, and another output than the raw score needs one.
    against = v2(server, counted, rows | {"parameters": {"background": bare.background.to_numpy().tolist()}})
    assert against.json()["parameters"]["method"] == "tree"
    assert_as_shap(bare, arrays(against))
    other = v2(server, counted, rows | {"parameters": {"output": "probabilities"}})
    assert other.status_code == 400 and "compares with a background" in other.json()["error"]
    refused = v2(server, bare, rows)
    assert refused.status_code == 400 and "compares with a background" in refused.json()["error"]
    narrow = v2(server, counted, {"inputs": [[1.0]]})
    assert narrow.status_code == 400


def test_an_output_is_chosen_by_name(server, served):
    case = served["forest_three"]
    name = case.onnx.graph.output[1].name
    chosen = v2(server, case, split(case.rows.head(2)) | {"parameters": {"output": name}})
    assert chosen.json()["parameters"]["method"] == "kernel-exact"
    # A forest's raw score is its probability.
    np.testing.assert_allclose(arrays(chosen)["attributions"], case.attributions[:2], atol=1e-6)


def test_what_cannot_be_explained_is_refused_in_words(server, served):
    forest, network = served["forest_three"], served["pipeline"]
    rows = split(forest.rows.head(1))
    many = [[0.0] * 7] * 3000
    for case, body, words in [
        (forest, rows | {"parameters": {"output": "label?"}}, "cannot be explained"),
        (network, split(network.rows) | {"parameters": {"output": "raw"}}, "raw score"),
        (forest, rows | {"parameters": {"samples": "many"}}, "parameters"),
        (forest, rows | {"parameters": {"background": "?"}}, "background"),
        (forest, rows | {"parameters": {"background": []}}, "background"),
        (forest, {"inputs": many * 20, "parameters": {"background": many[:1000]}}, "more than"),
        (forest, {"inputs": [[1.0, 2.0]]}, "7"),
        (forest, {"inputs": []}, ""),
        (forest, {}, "input"),
        (network, split(network.rows.drop(columns="sky")), "sky"),
        (network, split(network.rows.assign(hour="noon")), "hour"),
    ]:
        answer = v2(server, case, body)
        assert answer.status_code == 400 and words in answer.json()["error"], (body, answer.text[:300])
        assert v1(server, case, body).status_code == 400
    assert ask(server, "/v2/models/nobody/explain", rows).status_code == 404
    assert ask(server, "/v1/models/nobody:explain", rows).status_code == 404
    assert ask(server, f"/v1/models/{forest.name}:explode", rows).status_code == 404
    of_version = f"/v1/models/{forest.name}/versions"
    assert ask(server, f"{of_version}/{forest.version}:explain", rows).json() == v1(server, forest, rows).json()
    assert ask(server, f"{of_version}/999:explain", rows).status_code == 404
    assert ask(server, f"{of_version}/{forest.version}", rows).status_code == 404
    url = f"{server.http_url}/v2/models/{forest.name}/explain"
    assert requests.post(url, data=b"{", auth=server.auth, timeout=30).status_code == 400
    assert requests.post(url, json=rows, timeout=30).status_code == 401
    late = v2(server, forest, rows, headers={"x-crannog-timeout-ms": "0"})
    assert late.status_code == 504, late.text


def test_the_form_predicts_and_explains(server, served, page):  # noqa: F811
    case = served["pipeline"]
    page.goto(f"/endpoints/{case.name}")
    sky = page.get_by_label("sky", exact=False)
    assert sky.input_value() == case.background["sky"].iloc[0]
    words = page.locator("datalist#words-sky option").evaluate_all("all => all.map(one => one.value)")
    assert words == sorted(set(case.background["sky"]))
    page.get_by_role("button", name="Predict and explain").click()
    table = page.locator("table.waterfall")
    table.wait_for()
    row = case.background.head(1)
    found = arrays(v2(server, case, split(row)))
    shares = found["attributions"][0, :, 0]
    # Three digits of the largest share, and as many decimals everywhere.
    decimals = max(2 - int(np.floor(np.log10(np.abs(shares).max()))), 0)
    last = [line.locator("td").last for line in table.locator("tr").all()]
    assert last[0].inner_text() == f"{found['base_values'][0]:.{decimals}f}"
    assert last[-1].inner_text() == f"{found['values'][0, 0]:.{decimals}f}"
    assert last[1].inner_text().lstrip("+−") == f"{np.abs(shares).max():.{decimals}f}"
    steps = table.locator("tr.up, tr.down")
    assert steps.count() == np.count_nonzero(found["attributions"])
    largest = int(np.abs(found["attributions"][0, :, 0]).argmax())
    assert case.background.columns[largest] in steps.first.locator("th").inner_text()
