"""Models of the zoo (tests/fixtures/onnx/zoo) through one endpoint, and `crannog model check` on files.

Some of each kind; MODEL_ZOO names folders, as `make zoo` does, whose models are all taken.
"""

import json
import os
import pathlib

import numpy as np
import onnx
import pytest
from conftest import eventually, pointed_at
from test_serving import log_bytes, wait

ZOO = pathlib.Path(__file__).parent.parent / "fixtures" / "onnx" / "zoo"
CHOSEN = [
    "boosting_three", "forest_double", "hand_maps", "hand_texts", "records", "histogram_gaps", "lightgbm_words", "logistic_zipmap", "mixed_svc",
    "svc_three_likely", "text_pairs", "tree_v5", "tree_two_targets", "xgboost_gaps", "torch_cnn_script", "torch_encoder_script",
    "torch_lstm_script", "torch_words_script",
]
FOLDERS = [pathlib.Path(folder) for folder in os.environ.get("MODEL_ZOO", "").split(":") if folder]
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
    name = f"{file.parent.name}-{file.stem}"
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


@pytest.fixture
def of_maps(server, tracked, tmp_path):
    """Serves a model, made of nodes of ai.onnx.ml over one input `m`, a map."""
    made = []

    def serve(key, value, nodes, outputs):
        graph = onnx.helper.make_graph(nodes, "maps", [], [onnx.helper.make_tensor_value_info(*output) for output in outputs])
        held = onnx.helper.make_tensor_type_proto(value, [])
        graph.input.append(onnx.helper.make_value_info("m", onnx.helper.make_map_type_proto(key, held)))
        opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
        proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
        name = f"maps-{tmp_path.name}-{len(made)}".replace("_", "-")
        made.append(name)
        tracked.create_registered_model(name)
        version = log_bytes(tracked, tmp_path, name, proto.SerializeToString())
        with server.api() as api:
            assert api.put(f"/endpoints/{name}", json={"model": f"models:/{name}/{version}"}).status_code == 200
            return name, eventually(lambda: settled(api, name), what=f"{name} is loaded or refused")

    yield serve
    with server.api() as api:
        for name in made:
            api.delete(f"/endpoints/{name}")


def settled(api, name):
    found = api.get(f"/endpoints/{name}").json()
    return found if found["state"] == "ready" or found["error"] else None


def asked(api, server, name, *texts):
    tensor = {"name": "m", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)}
    answer = api.post(f"{server.http_url}/v2/models/{name}/infer", json={"inputs": [tensor]})
    if answer.status_code != 200:
        return answer.json()["error"]
    return {output["name"]: (output["datatype"], output["shape"], output["data"]) for output in answer.json()["outputs"]}


ML = {"domain": "ai.onnx.ml"}


def test_maps_that_python_cannot_send_onnxruntime_are_read_by_its_rules(server, of_maps):
    """Values that are texts, whole numbers or doubles: its binding makes floats of all, its operators take these."""
    node, kinds = onnx.helper.make_node, onnx.TensorProto
    row = lambda kind: [("row", kind, [None, 2])]
    words = node("DictVectorizer", ["m"], ["row"], string_vocabulary=["a", "b"], **ML)
    places = node("DictVectorizer", ["m"], ["row"], int64_vocabulary=[7, -1], **ML)
    with server.api() as api:
        name, _ = of_maps(kinds.STRING, kinds.INT64, [words], row(kinds.INT64))
        assert asked(api, server, name, '{"b": 9007199254740993, "c": 1}', "{}") == {
            "row": ("INT64", [2, 2], [0, 9007199254740993, 0, 0])
        }
        assert '"b" must be a whole number, not 1.5' in asked(api, server, name, "{}", '{"b": 1.5}')
        name, _ = of_maps(kinds.STRING, kinds.DOUBLE, [words], row(kinds.DOUBLE))
        assert asked(api, server, name, '{"a": 0.1}') == {"row": ("FP64", [1, 2], [0.1, 0.0])}
        name, _ = of_maps(kinds.INT64, kinds.STRING, [places], row(kinds.STRING))
        assert asked(api, server, name, '{"-1": "ü", "7": "x"}') == {"row": ("BYTES", [1, 2], ["x", "ü"])}
        name, _ = of_maps(kinds.INT64, kinds.DOUBLE, [places], row(kinds.DOUBLE))
        assert asked(api, server, name, '{"-1": 2}') == {"row": ("FP64", [1, 2], [0.0, 2.0])}

        casts = [
            node("CastMap", ["m"], [f"{form}-{to}"], cast_to=to, map_form=form, max_map=3, **ML)
            for form in ("DENSE", "SPARSE")
            for to in ("TO_STRING", "TO_INT64", "TO_FLOAT")
        ]
        typed = {"TO_STRING": kinds.STRING, "TO_INT64": kinds.INT64, "TO_FLOAT": kinds.FLOAT}
        name, _ = of_maps(kinds.INT64, kinds.STRING, casts, [(n.output[0], typed[n.output[0].split("-")[1]], [None, None]) for n in casts])
        assert asked(api, server, name, '{"10": "5", "2": " 3 "}') == {
            "DENSE-TO_STRING": ("BYTES", [1, 2], [" 3 ", "5"]),
            "DENSE-TO_INT64": ("INT64", [1, 2], [3, 5]),
            "DENSE-TO_FLOAT": ("FP32", [1, 2], [3.0, 5.0]),
            "SPARSE-TO_STRING": ("BYTES", [1, 3], ["0.f", "0.f", " 3 "]),
            "SPARSE-TO_INT64": ("INT64", [1, 3], [0, 0, 3]),
            "SPARSE-TO_FLOAT": ("FP32", [1, 3], [0.0, 0.0, 3.0]),
        }
        assert '"x" is not the number' in asked(api, server, name, '{"1": "x"}')


def test_what_is_no_map_of_the_model_is_refused(server, of_maps):
    node, kinds = onnx.helper.make_node, onnx.TensorProto
    both = [
        node("DictVectorizer", ["m"], ["row"], int64_vocabulary=[0, 1], **ML),
        node("CastMap", ["m"], ["dense"], **ML),
        node("CastMap", ["m"], ["sparse"], map_form="SPARSE", max_map=2, **ML),
    ]
    outputs = [(n.output[0], kinds.FLOAT, [None, None]) for n in both]
    with server.api() as api:
        name, _ = of_maps(kinds.INT64, kinds.FLOAT, both, outputs)
        assert asked(api, server, name, '{"0": 1}', '{"1": true}')["row"] == ("FP32", [2, 2], [1.0, 0.0, 0.0, 1.0])
        for texts, word in [
            (["[1]"], "input `m`, row 0: a map is sent as the text of a JSON object"),
            (["{}", ""], "a map is sent as the text of a JSON object"),
            (['{"0": 1}', "{"], "row 1: a map is sent as"),
            (['{"a": 1}'], 'keys are whole numbers, and "a" is none'),
            (['{"1": 1, "01": 2}'], "a key is there twice"),
            (['{"0": "x"}'], '"0" must be a number'),
            (['{"0": null}'], '"0" must be a number'),
            (['{"0": {}}'], '"0" must be a number'),
            (['{"0": 1}', '{"0": 1, "1": 2}'], "2 entries where that of row 0 has 1"),
            (["{}"], "the map is empty"),
            (['{"-1": 1}'], "the key -1 is negative"),
        ]:
            assert word in asked(api, server, name, *texts), texts
        for key, value, nodes, word in [
            (kinds.INT64, kinds.FLOAT, [node("CastMap", ["m"], ["y"], map_form="SPARSE", max_map=0, **ML)], "max_map must be above zero"),
            (kinds.INT64, kinds.FLOAT, [node("CastMap", ["m"], ["y"], cast_to="TO_BOOL", **ML)], "cast_to TO_BOOL"),
            (kinds.STRING, kinds.FLOAT, [node("CastMap", ["m"], ["y"], **ML)], "CastMap takes maps from INT64"),
            (kinds.STRING, kinds.FLOAT, [node("DictVectorizer", ["m"], ["y"], int64_vocabulary=[1], **ML)], "no vocabulary"),
            (kinds.STRING, kinds.BOOL, [node("DictVectorizer", ["m"], ["y"], string_vocabulary=["a"], **ML)], "values of type BOOL"),
            (kinds.STRING, kinds.FLOAT, [node("Identity", ["m"], ["y"])], "only DictVectorizer and CastMap can"),
            (kinds.STRING, kinds.FLOAT, [
                node("DictVectorizer", ["m"], ["x"], string_vocabulary=["a"], **ML),
                node("ZipMap", ["x"], ["z"], classlabels_strings=["a"], **ML),
                node("DictVectorizer", ["z"], ["y"], string_vocabulary=["a"], **ML),
            ], "reads no map that is an input"),
        ]:  # fmt: skip
            _, found = of_maps(key, value, nodes, [("y", kinds.FLOAT, [None, None])])
            assert found["state"] != "ready" and word in found["error"], (word, found)


def test_records_are_maps_in_every_form_of_rows(server, tracked, tmp_path):
    case = json.loads((ZOO / "records.json").read_text())
    records = [json.loads(text) for text in case["inputs"][0]["data"][1:8]]
    wanted = {output["name"]: output["data"] for output in case["batches"][1]["outputs"]}
    tracked.create_registered_model("records-forms")
    version = log_bytes(tracked, tmp_path, "records-forms", (ZOO / "records.onnx").read_bytes())
    names = sorted({key for record in records for key in record})
    table = [[record.get(name) for name in names] for record in records]
    with server.api() as api:
        assert api.put("/endpoints/records", json={"model": f"models:/records-forms/{version}"}).status_code == 200
        wait(api, "records", model_name="records-forms")
        url = f"{server.http_url}/endpoints/records/invocations"
        csv = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in [names, *table])
        for body in [
            {"dataframe_records": records},
            {"dataframe_split": {"columns": names, "data": table}},
            {"instances": records},
            {"inputs": records},
            {"inputs": {"X": records}},
            {"instances": [{"X": record} for record in records]},
            {"inputs": dict(zip(names, map(list, zip(*table))))},
            csv,
        ]:
            sent = {"data": body, "headers": {"content-type": "text/csv"}} if body is csv else {"json": body}
            answer = api.post(url, **sent)
            assert answer.status_code == 200, (body, answer.text)
            said = answer.json()["predictions"]
            # Rows that were sent as tensors by name are answered so.
            of = lambda name: said[name] if isinstance(said, dict) else [row[name] for row in said]
            assert of("label") == wanted["label"]
            np.testing.assert_allclose(np.ravel(of("probabilities")), wanted["probabilities"], atol=1e-5)
        kserve = api.post(f"{server.http_url}/v1/models/records:predict", json={"instances": records})
        assert [row["label"] for row in kserve.json()["predictions"]] == wanted["label"]
        one = api.post(url, json={"inputs": {"distance": 0.5, "month": 3}})
        assert len(one.json()["predictions"]["label"]) == 1, one.text
        for body, word in [
            ({"inputs": [[1.0, 2.0]]}, "must be a record of keys and values"),
            ({"dataframe_split": {"data": [[1.0]]}}, "the columns must have names"),
            ({"dataframe_records": [{"distance": "far"}]}, '"distance" must be a number'),
            ({"inputs": {"X": [5]}}, "must be a record of keys and values"),
        ]:
            refused = api.post(url, json=body)
            assert refused.status_code == 400 and word in refused.json()["message"], (body, refused.text)
        explained = api.post(f"{server.http_url}/v1/models/records:explain", json={
            "instances": records[:2], "parameters": {"background": records[2:], "output": "probabilities"},
        })  # fmt: skip
        assert explained.status_code == 200, explained.text
        assert list(explained.json()["explanations"][0]["attributions"]) == ["X"]
        api.delete("/endpoints/records")


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
