"""What an endpoint does with a model as users log it: files beside it, its own example, requests that share a run."""

import json
import threading

import mlflow
import numpy as np
import onnx
import onnxruntime
import pytest
import requests
from conftest import eventually, pointed_at
from onnx import TensorProto, helper, numpy_helper
from serving_support import register, serve


@pytest.fixture(scope="module")
def tracked(server):
    with pointed_at(server) as client:
        yield client
    # Those that were made to fail keep the whole server from being ready, for the tests after these.
    with server.api() as api:
        for name in ("example", "damaged-cut", "damaged-circle"):
            api.delete(f"/endpoints/{name}")


def network(seed=0, columns=16, wide=64):
    """A network whose weights MLflow writes into a file beside the model, as it does by itself from 1,024 bytes on."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in ((columns, wide), (wide,), (wide, 3))]
    nodes = [
        helper.make_node("Gemm", ["x", "a", "b"], ["inner"]),
        helper.make_node("Relu", ["inner"], ["bent"]),
        helper.make_node("MatMul", ["bent", "c"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["y"], axis=-1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, columns])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
    given = [numpy_helper.from_array(array, name) for name, array in zip("abc", weights)]
    graph = helper.make_graph(nodes, "network", [x], [y], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def rows(count, columns=16, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (count, columns)).astype(np.float32)


def wanted(proto, x):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def log(proto, name, **options):
    # MLflow moves the tensors out of what it is given.
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    with mlflow.start_run():
        return mlflow.onnx.log_model(proto, name="model", registered_model_name=name, pip_requirements=["onnxruntime"], **options)


def infer(server, name, x, **options):
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    answer = requests.post(
        f"{server.http_url}/v2/models/{name}/infer", json={"inputs": [tensor]}, auth=server.auth, timeout=30, **options
    )
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    return np.array(output["data"], dtype=np.float32).reshape(output["shape"])


def test_a_model_with_its_tensors_in_a_file_beside_it(server, tracked, tmp_path):
    proto = network()
    info = log(proto, "beside")
    beside = [file.path for file in tracked.list_logged_model_artifacts(info.model_id) if file.path.endswith(".data")]
    assert beside, "MLflow writes tensors of this size into a file of their own"
    with server.api() as api:
        serve(api, "beside", "models:/beside/1")
    np.testing.assert_allclose(infer(server, "beside", rows(7)), wanted(proto, rows(7)), atol=1e-5)


def test_the_command_line_reads_that_file_too_and_names_it_where_it_is_missing(server, tmp_path):
    onnx.save(network(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=64)
    told = json.loads(server.cli("model", "check", str(tmp_path / "m.onnx"), "--json").stdout)
    assert told["runs"] and told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 16]}]
    (tmp_path / "m.data").rename(tmp_path / "elsewhere")
    done = server.cli("model", "check", str(tmp_path / "m.onnx"), check=False)
    assert done.returncode == 1 and "lies in a file of its own" in done.stderr
    (tmp_path / "m.data").write_bytes((tmp_path / "elsewhere").read_bytes()[:-1])
    done = server.cli("model", "check", str(tmp_path / "m.onnx"), check=False)
    assert done.returncode == 1 and "cut short" in done.stderr


def test_a_model_is_held_against_its_logged_example(server, tracked, tmp_path):
    proto, x = network(), rows(3)
    answer = tmp_path / "output_example.json"
    versions = []
    for y in (wanted(proto, x), wanted(network(seed=9), x)):
        info = log(proto, "example", input_example=x)
        answer.write_text(json.dumps({"predictions": {"y": y.tolist()}}))
        tracked.log_model_artifact(info.model_id, str(answer))
        versions.append(info.registered_model_version)
    with server.api() as api:
        serve(api, "example", f"models:/example/{versions[0]}")
        assert api.put("/endpoints/example", json={"model": f"models:/example/{versions[1]}"}).status_code == 200

        def refused():
            found = api.get("/endpoints/example").json()
            return found if found["state"] == "failed" else None

        found = eventually(refused, what="the second version is refused")
    assert "row 0 of output `y` has " in found["error"] and "output_example.json" in found["error"]
    # The version before it goes on.
    assert found["version"] == str(versions[0])
    np.testing.assert_allclose(infer(server, "example", x), wanted(proto, x), atol=1e-5)


def test_requests_that_come_together_get_the_answers_they_get_alone(server, tracked, tmp_path):
    proto = network(seed=3, wide=4096)
    register(tracked, tmp_path, "together", proto.SerializeToString())
    with server.api() as api:
        serve(api, "together", "models:/together/1")
    x = rows(160, seed=5)
    alone = wanted(proto, x)
    failures = []

    def ask(part):
        try:
            for at in part:
                got = infer(server, "together", x[at : at + 1])
                np.testing.assert_allclose(got, alone[at : at + 1], atol=1e-5)
        except BaseException as error:  # noqa: BLE001 - told where the test can see it
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(range(start, 160, 8),)) for start in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures, failures[0]
    stats = requests.get(f"{server.http_url}/v2/models/together/stats", auth=server.auth, timeout=30).json()["model_stats"][0]
    # Every row is counted, once, in the run that it was part of.
    assert sum(batch["batch_size"] * batch["compute_infer"]["count"] for batch in stats["batch_stats"]) == 160
    assert stats["inference_count"] == 160
    metrics = requests.get(f"{server.http_url}/metrics", auth=server.auth, timeout=30).text
    assert 'crannog_inference_batch_total{endpoint="together",model="together",version="1",rows="1"}' in metrics


def test_one_that_is_wrong_spoils_none_that_came_with_it(server, tracked, tmp_path):
    register(tracked, tmp_path, "mixed", network(seed=4, wide=4096).SerializeToString())
    with server.api() as api:
        serve(api, "mixed", "models:/mixed/1")
    good, url = rows(1), f"{server.http_url}/v2/models/mixed/infer"
    bodies = {
        200: {"name": "x", "shape": [1, 16], "datatype": "FP32", "data": good.ravel().tolist()},
        400: {"name": "x", "shape": [1, 15], "datatype": "FP32", "data": good.ravel().tolist()[:15]},
    }
    told = []

    def ask(status):
        for _ in range(20):
            answer = requests.post(url, json={"inputs": [bodies[status]]}, auth=server.auth, timeout=30)
            told.append(answer.status_code == status)

    threads = [threading.Thread(target=ask, args=(status,)) for status in (200, 400) * 4]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(told) == 160 and all(told)


def test_a_damaged_file_is_refused_in_words(server, tracked, tmp_path):
    whole = network().SerializeToString()
    circle = network()
    circle.graph.node[0].input[0] = "bent"
    damaged = {"cut": (whole[: len(whole) // 2], "not an ONNX model"), "circle": (circle.SerializeToString(), "no earlier node makes")}
    with server.api() as api:
        for name, (content, words) in damaged.items():
            register(tracked, tmp_path, f"damaged-{name}", content)
            assert api.put(f"/endpoints/damaged-{name}", json={"model": f"models:/damaged-{name}/1"}).status_code == 200

            def refused(name=name):
                found = api.get(f"/endpoints/damaged-{name}").json()
                return found if found["state"] == "failed" else None

            assert words in eventually(refused, what=f"{name} is refused")["error"]
