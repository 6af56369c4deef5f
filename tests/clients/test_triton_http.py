"""tritonclient over HTTP: every call that needs no GPU, and requests that it would never send."""

import base64
import contextlib
import gzip
import json
import os
import re
import struct
import zlib

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from conftest import Server
from serving_support import assert_same, laid_out, models_on, serve, shared, taken_out
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def models(server, tmp_path_factory):
    return models_on(server, tmp_path_factory.mktemp("models"), "http")


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.http_url.removeprefix("http://"), network_timeout=60.0) as connected:
        word = base64.b64encode(":".join(server.auth).encode()).decode()
        connected.register_plugin(Signed(f"Basic {word}"))
        yield connected


class Signed(triton.InferenceServerClientPlugin):
    """tritonclient's own way to send a header with every call."""

    def __init__(self, word):
        self.word = word

    def __call__(self, request):
        request.headers["Authorization"] = self.word


def inputs(model, count, binary=True):
    made = []
    for name, values in model.rows(count).items():
        tensor = triton.InferInput(name, values.shape, model.datatypes[name])
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
@pytest.mark.parametrize("back", [None, "gzip", "deflate"])
def test_answers_are_onnxruntimes_however_they_are_packed(client, models, kind, binary, sent, back):
    model = getattr(models, kind)
    wanted = model.wanted(40)
    result = client.infer(
        model.name,
        inputs(model, 40, binary),
        model_version=model.version,
        outputs=[triton.InferRequestedOutput(name, binary_data=binary) for name in wanted],
        request_compression_algorithm=sent,
        response_compression_algorithm=back,
    )
    for name, values in wanted.items():
        assert_same(result.as_numpy(name), values)


def test_an_answer_is_packed_for_who_asks_for_it_alone(server, models):
    body = {"inputs": [{"name": "X", "shape": [2, 6], "datatype": "FP32", "data": [0.5] * 12}]}
    url = f"{server.http_url}/v2/models/{models.numbers.name}/infer"
    for asked, packed in [("gzip", "gzip"), ("deflate", "deflate"), ("gzip, deflate", None), ("identity", None)]:
        with requests.post(url, json=body, auth=server.auth, headers={"Accept-Encoding": asked}, stream=True) as answer:
            assert answer.headers.get("content-encoding") == packed
            raw = answer.raw.read(decode_content=False)
        text = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[packed](raw)
        assert len(json.loads(text)["outputs"]) == 2


def test_many_calls_at_once(server, models):
    word = base64.b64encode(":".join(server.auth).encode()).decode()
    with triton.InferenceServerClient(server.http_url.removeprefix("http://"), concurrency=8) as client:
        client.register_plugin(Signed(f"Basic {word}"))
        asked = [client.async_infer(models.numbers.name, inputs(models.numbers, 3)) for _ in range(40)]
        for one in asked:
            assert_same(one.get_result().as_numpy("label"), models.numbers.wanted(3)["label"])


def test_the_largest_classes(client, models):
    asked = [triton.InferRequestedOutput("probabilities", class_count=2)]
    got = client.infer(models.numbers.name, inputs(models.numbers, 4), outputs=asked).as_numpy("probabilities")
    scores = models.numbers.wanted(4)["probabilities"]
    assert got.shape == (4, 2)
    for row, texts in zip(scores, got):
        values, places = zip(*(text.decode().split(":") for text in texts))
        assert int(places[0]) == np.argmax(row)
        np.testing.assert_allclose([float(value) for value in values], np.sort(row)[::-1][:2], atol=2e-6)


def test_server_and_models_tell_of_themselves(client, models):
    model = models.mixed
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(model.name) and client.is_model_ready(model.name, model.version)
    assert not client.is_model_ready("nobody") and not client.is_model_ready(model.name, "99")
    told = client.get_server_metadata()
    assert told["name"] == "crannog" and {"binary_tensor_data", "system_shared_memory"} <= set(told["extensions"])
    metadata = client.get_model_metadata(model.name, model.version)
    assert {i["name"]: i["datatype"] for i in metadata["inputs"]} == model.datatypes
    assert metadata["versions"] == [model.version]
    config = client.get_model_config(model.name)
    assert config["output"] == [
        {"name": "label", "data_type": "TYPE_INT64", "dims": [-1]},
        {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [-1, 2]},
    ]
    index = {found["name"]: found for found in client.get_model_repository_index()}
    assert (index[model.name]["state"], index[model.name]["version"]) == ("READY", model.version)


def test_only_what_is_ready_is_listed_when_asked(server, api, models):
    assert api.put("/endpoints/http-empty", json={"model": "models:/nobody@nothing"}).status_code == 200
    listed = lambda **body: {m["name"] for m in api.post(f"{server.http_url}/v2/repository/index", **body).json()}
    assert "http-empty" in listed() and "http-empty" in listed(json={})
    assert "http-empty" not in listed(json={"ready": True}) and models.mixed.name in listed(json={"ready": True})
    api.delete("/endpoints/http-empty")


def test_a_model_is_unloaded_and_loaded_again(client, models, server):
    name = models.mixed.name
    assert client.is_model_ready(name)
    client.unload_model(name)
    assert not client.is_model_ready(name) and client.is_server_ready()
    [found] = [found for found in client.get_model_repository_index() if found["name"] == name]
    assert found["state"] == "UNAVAILABLE" and "unloaded" in found["reason"]
    with pytest.raises(InferenceServerException, match="unloaded"):
        client.infer(name, inputs(models.mixed, 1))
    client.load_model(name)
    assert client.is_model_ready(name)
    assert_same(client.infer(name, inputs(models.mixed, 3)).as_numpy("label"), models.mixed.wanted(3)["label"])
    with pytest.raises(InferenceServerException, match="nobody"):
        client.load_model("nobody")
    with pytest.raises(InferenceServerException, match="config"):
        client.load_model(name, config="{}")
    assert client.is_model_ready(name)


def test_an_endpoint_defined_anew_is_loaded(client, api, models):
    name = models.numbers.name
    client.unload_model(name)
    assert not client.is_model_ready(name)
    serve(api, name, f"models:/{name}/{models.numbers.version}")
    assert client.is_model_ready(name)


def test_what_cannot_be_loaded_says_why(client, api):
    assert api.put("/endpoints/http-nothing", json={"model": "models:/nobody@nothing"}).status_code == 200
    with pytest.raises(InferenceServerException, match="did not load.*nobody"):
        client.load_model("http-nothing")
    api.delete("/endpoints/http-nothing")


def test_a_viewer_neither_loads_nor_unloads(server, api, models):
    viewer = {"name": "http-viewer", "password": "a long enough password", "role": "viewer"}
    assert api.post("/users", json=viewer).status_code in (200, 201, 409)
    signed = (viewer["name"], viewer["password"])
    for act in ("load", "unload"):
        answer = requests.post(f"{server.http_url}/v2/repository/models/{models.numbers.name}/{act}", auth=signed, timeout=60)
        assert answer.status_code == 403 and "editor" in answer.json()["error"]
    ready = requests.get(f"{server.http_url}/v2/models/{models.numbers.name}/ready", auth=signed, timeout=60)
    assert ready.json() == {"name": models.numbers.name, "ready": True}


def test_statistics_count_what_was_asked(client, models):
    model = models.numbers

    def counted(version=""):
        [found] = client.get_inference_statistics(model.name, version)["model_stats"]
        return found

    before = counted()
    for rows in (1, 3, 3):
        client.infer(model.name, inputs(model, rows))
    with pytest.raises(InferenceServerException):
        client.infer(model.name, inputs(models.mixed, 1))
    after = counted(model.version)
    assert (after["name"], after["version"]) == (model.name, model.version)
    assert after["inference_count"] - before["inference_count"] == 7
    assert after["execution_count"] - before["execution_count"] == 3
    gained = {key: after["inference_stats"][key]["count"] - before["inference_stats"][key]["count"] for key in ("success", "fail")}
    assert gained == {"success": 3, "fail": 1}
    assert after["inference_stats"]["compute_infer"]["ns"] > 0 and after["last_inference"] > 1_700_000_000_000
    batches = {batch["batch_size"]: batch["compute_infer"]["count"] for batch in after["batch_stats"]}
    assert batches[1] >= 1 and batches[3] >= 2
    everything = {found["name"] for found in client.get_inference_statistics()["model_stats"]}
    assert {models.numbers.name, models.mixed.name} <= everything
    with pytest.raises(InferenceServerException, match="99"):
        client.get_inference_statistics(model.name, "99")


def test_settings_are_those_of_a_server_without_traces(client, models):
    assert client.get_trace_settings()["trace_level"] == ["OFF"]
    assert client.get_trace_settings(models.mixed.name)["trace_rate"] == "1000"
    client.update_trace_settings(settings={"trace_level": ["OFF"], "trace_rate": None})
    with pytest.raises(InferenceServerException, match="traces no inference requests"):
        client.update_trace_settings(models.mixed.name, {"trace_level": ["TIMESTAMPS"]})
    assert client.get_log_settings()["log_info"] is True
    assert client.update_log_settings({"log_info": True})["log_verbose_level"] == 0
    with pytest.raises(InferenceServerException, match="log_verbose_level"):
        client.update_log_settings({"log_verbose_level": 3})
    with pytest.raises(InferenceServerException, match="odd"):
        client.update_log_settings({"odd": 3})


@pytest.fixture
def signed(server):
    """A client that signs in as somebody else, who is made if need be."""
    with contextlib.ExitStack() as open_clients:

        def client(name, role):
            made = {"name": name, "password": "a long enough password", "role": role}
            with server.api() as api:
                assert api.post("/users", json=made).status_code in (200, 201, 409)
            other = triton.InferenceServerClient(server.http_url.removeprefix("http://"))
            word = base64.b64encode(f"{name}:{made['password']}".encode()).decode()
            other.register_plugin(Signed(f"Basic {word}"))
            return open_clients.enter_context(other)

        yield client


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_tensors_go_through_shared_memory(client, models, kind):
    model = getattr(models, kind)
    rows, wanted = model.rows(7), model.wanted(7)
    with shared(1 << 16) as memory:
        client.register_system_shared_memory("in", memory.key, (1 << 15) - 16, offset=16)
        client.register_system_shared_memory("out", memory.key, 1 << 15, offset=1 << 15)
        told = client.get_system_shared_memory_status()
        assert {"name": "in", "key": memory.key, "offset": 16, "byte_size": (1 << 15) - 16} in told and len(told) == 2
        assert client.get_system_shared_memory_status("out") == [found for found in told if found["name"] == "out"]
        with pytest.raises(InferenceServerException, match="'in' already in manager"):
            client.register_system_shared_memory("in", memory.key, 64)

        asked, results = [], []
        for name, (start, size) in laid_out(memory, rows, 48).items():
            asked.append(triton.InferInput(name, rows[name].shape, model.datatypes[name]))
            asked[-1].set_shared_memory("in", size, offset=start - 16)
        for at, name in enumerate(wanted):
            results.append(triton.InferRequestedOutput(name))
            results[-1].set_shared_memory("out", 4096, offset=4096 * at)
        answer = client.infer(model.name, asked, outputs=results)
        for at, (name, values) in enumerate(wanted.items()):
            output = answer.get_output(name)
            assert "data" not in output and tuple(output["shape"]) == values.shape
            assert_same(taken_out(memory, values, (1 << 15) + 4096 * at), values)

        # Inputs from memory and answers in the body; and the other way round, one output of two.
        mixed = client.infer(model.name, asked)
        for name, values in wanted.items():
            assert_same(mixed.as_numpy(name), values)
        first, second = wanted
        memory.handle._mpsm_handle.buf[1 << 15 : 1 << 16] = bytes(1 << 15)
        back = client.infer(model.name, inputs(model, 7), outputs=[results[0], triton.InferRequestedOutput(second)])
        assert_same(taken_out(memory, wanted[first], 1 << 15), wanted[first])
        assert_same(back.as_numpy(second), wanted[second])

        client.unregister_system_shared_memory("in")
        assert [found["name"] for found in client.get_system_shared_memory_status()] == ["out"]
        with pytest.raises(InferenceServerException, match="Unable to find shared memory region: 'in'"):
            client.infer(model.name, asked)
        client.unregister_system_shared_memory("in")
        client.unregister_system_shared_memory()
        assert client.get_system_shared_memory_status() == []


def test_what_is_no_shared_memory_is_not_registered(client, tmp_path):
    with shared(4096) as memory, pytest.raises(InferenceServerException, match="Unable to find system shared"):
        client.register_system_shared_memory("r", memory.key, 4096)
        client.unregister_system_shared_memory()
        client.get_system_shared_memory_status("r")
    link, pipe = (memory.file.with_name(f"{memory.file.name}-{what}") for what in ("link", "pipe"))
    link.symlink_to("/etc/hostname")
    os.mkfifo(pipe)
    try:
        for key, word in [
            ("/../../etc/hostname", "invalid shm key"),
            ("/", "invalid shm key"),
            (str(tmp_path), "invalid shm key"),
            (memory.key, "there is no such file"),
            (f"/{link.name}", "it is a link"),
            (f"/{pipe.name}", "it is no plain file"),
        ]:
            with pytest.raises(InferenceServerException, match=word):
                client.register_system_shared_memory("r", key, 64)
    finally:
        link.unlink()
        pipe.unlink()
    with shared(4096) as memory:
        for size, offset in [(4097, 0), (1, 4096), (0, 0), (1 << 63, 1 << 63)]:
            with pytest.raises(InferenceServerException, match="invalid args"):
                client.register_system_shared_memory("r", memory.key, size, offset)
        with pytest.raises(InferenceServerException, match="1 to 255 bytes"):
            client.register_system_shared_memory("r" * 256, memory.key, 64)
    with pytest.raises(InferenceServerException, match="no GPU"):
        client.register_cuda_shared_memory("a", base64.b64encode(b"handle"), 0, 64)
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_cuda_shared_memory()


def test_requests_that_are_not_in_their_memory_are_refused(server, client, models):
    model = models.numbers
    url = f"{server.http_url}/v2/models/{model.name}/infer"
    values = model.rows(4)["X"]
    with shared(1024) as memory:
        client.register_system_shared_memory("r", memory.key, 1024)
        laid_out(memory, {"X": values}, 0)

        def asked(parameters, output=None, **more):
            tensor = {"name": "X", "shape": list(values.shape), "datatype": "FP32", "parameters": parameters}
            return {"inputs": [tensor | more], "outputs": [{"name": "label", "parameters": output or {}}]}

        place = {"shared_memory_region": "r", "shared_memory_byte_size": values.nbytes}
        small = {"shared_memory_region": "r", "shared_memory_byte_size": 31, "shared_memory_offset": 512}
        texts = dict(datatype="BYTES", shape=[2])
        for body, status, word in [
            (asked({"shared_memory_region": "r"}), 400, "both shared_memory_region and shared_memory_byte_size"),
            (asked({"shared_memory_byte_size": 8}), 400, "both shared_memory_region and shared_memory_byte_size"),
            (asked({"shared_memory_offset": 8}), 400, "both shared_memory_region and shared_memory_byte_size"),
            (asked(place | {"shared_memory_region": 7}), 400, "the name of a region"),
            (asked(place | {"shared_memory_byte_size": "96"}), 400, "a whole number"),
            (asked(place | {"shared_memory_offset": -1}), 400, "a whole number"),
            (asked(place | {"shared_memory_region": "odd"}), 404, "Unable to find shared memory region: 'odd'"),
            (asked(place | {"shared_memory_offset": 1024}), 400, "Invalid offset for shared memory region: 'r'"),
            (asked(place | {"shared_memory_offset": 1000}), 400, "Invalid offset \\+ byte size for shared memory region: 'r'"),
            (asked(place | {"shared_memory_byte_size": (1 << 64) - 1, "shared_memory_offset": 1}), 400, "Invalid offset \\+"),
            (asked(place | {"shared_memory_byte_size": values.nbytes - 4}), 400, "23 values"),
            (asked(place | {"shared_memory_byte_size": values.nbytes + 4}), 400, "25 values"),
            (asked(place | {"shared_memory_byte_size": values.nbytes - 1}), 400, "no multiple of 4"),
            (asked(place, **texts), 400, "end before their stated length|not UTF-8|must be FP32"),
            (asked(place, data=[0.0] * 24), 400, "in shared memory"),
            (asked(place | {"binary_data_size": 8}), 400, "in shared memory"),
            (asked(place, small), 400, r"output 'label' \(31 bytes\) should be at least 32 bytes"),
            (asked(place, place | {"classification": 1}), 400, "both 'shared_memory_region' and 'classification'"),
            (asked(place, place | {"binary_data": True}), 400, "both 'shared_memory_region' and 'binary_data'"),
            (asked(place, {"shared_memory_region": "odd", "shared_memory_byte_size": 8}), 404, "Unable to find"),
        ]:  # fmt: skip
            answer = requests.post(url, json=body, auth=server.auth, timeout=60)
            assert answer.status_code == status, (body, answer.text)
            assert re.search(word, answer.json()["error"]), (body, answer.text)
        explained = requests.post(url.replace("/infer", "/explain"), json=asked(place), auth=server.auth, timeout=60)
        assert explained.status_code == 400 and "shared memory is for predictions" in explained.json()["error"]

        assert requests.post(url, json=asked(place), auth=server.auth, timeout=60).status_code == 200
        os.truncate(memory.file, 32)
        for body in (asked(place), asked({"binary_data_size": 0}, place)):
            answer = requests.post(url, json=body, auth=server.auth, timeout=60)
            assert answer.status_code == 400, answer.text
        answer = requests.post(url, json=asked(place), auth=server.auth, timeout=60)
        assert "made shorter since" in answer.json()["error"]
        client.unregister_system_shared_memory()
    assert_same(client.infer(model.name, inputs(model, 2)).as_numpy("label"), model.wanted(2)["label"])


def test_texts_in_memory_are_as_many_as_their_shape_says(server, client, models):
    model = models.mixed
    rows = model.rows(3)
    name = next(name for name, kind in model.datatypes.items() if kind == "BYTES")
    with shared(1 << 14) as memory:
        client.register_system_shared_memory("r", memory.key, 1 << 14)
        places = laid_out(memory, rows, 0)
        for change, word in [(4, f"Input `{name}` holds 4 values"), (-1, "end before their stated length")]:
            asked = []
            # The text's tensor is read last, so that zeros lie behind it.
            laid_out(memory, {name: rows[name]}, 1 << 13)
            for other, (start, size) in (places | {name: (1 << 13, places[name][1] + change)}).items():
                asked.append(triton.InferInput(other, rows[other].shape, model.datatypes[other]))
                asked[-1].set_shared_memory("r", size, offset=start)
            with pytest.raises(InferenceServerException, match=word):
                client.infer(model.name, asked)
        client.unregister_system_shared_memory()


def test_a_region_is_its_registrars_alone(client, signed, models):
    vera, ed = signed("http-vera", "viewer"), signed("http-ed", "editor")
    model = models.numbers
    values = model.rows(2)["X"]
    asked = triton.InferInput("X", values.shape, "FP32")
    asked.set_shared_memory("r", values.nbytes)
    with shared(1024) as memory:
        laid_out(memory, {"X": values}, 0)
        with pytest.raises(InferenceServerException, match="needs editor"):
            vera.register_system_shared_memory("r", memory.key, 1024)
        with pytest.raises(InferenceServerException, match="needs editor"):
            vera.unregister_system_shared_memory()
        ed.register_system_shared_memory("r", memory.key, 1024)
        assert_same(ed.infer(model.name, [asked]).as_numpy("label"), model.wanted(2)["label"])
        assert vera.get_system_shared_memory_status() == []
        assert [found["name"] for found in client.get_system_shared_memory_status()] == ["r"]
        for other in (vera, client):
            with pytest.raises(InferenceServerException, match="Unable to find shared memory region: 'r'"):
                other.infer(model.name, [asked])
        client.unregister_system_shared_memory()
        assert ed.get_system_shared_memory_status() == []


def test_an_operator_can_forbid_shared_memory(tmp_path):
    own = Server(tmp_path, args=["--serving-shared-memory", "false"]).start()
    try:
        with triton.InferenceServerClient(own.http_url.removeprefix("http://")) as client, shared(64) as memory:
            client.register_plugin(Signed("Basic " + base64.b64encode(":".join(own.auth).encode()).decode()))
            assert "system_shared_memory" not in client.get_server_metadata()["extensions"]
            with pytest.raises(InferenceServerException, match="serving.shared_memory is false"):
                client.register_system_shared_memory("r", memory.key, 64)
            assert client.get_system_shared_memory_status() == []
    finally:
        own.stop()


def binary_body(header, tail=b"", length=None):
    text = json.dumps(header).encode()
    return text + tail, {"Inference-Header-Content-Length": str(len(text) if length is None else length)}


def wrong_bodies():
    """What each is, its body and headers, the status it is refused with and a word of the reason."""
    tensor = {"name": "X", "shape": [1, 6], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    raw = {"name": "X", "shape": [1, 6], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
    whole = struct.pack("<6f", *range(6))
    plain = lambda **change: (json.dumps({"inputs": [tensor | change]}).encode(), {})
    yield "no json", (b"{", {}), 400, "JSON"
    yield "no inputs", (b"{}", {}), 400, "inputs"
    yield "wrong shape", plain(shape=[1, 7]), 400, "shape"
    yield "huge shape", plain(shape=[1 << 62, 6]), 400, "values"
    yield "overflowing shape", plain(shape=[1 << 70, 6]), 400, "request"
    yield "negative shape", plain(shape=[-1, 6]), 400, "request"
    yield "no rows", plain(shape=[0, 6], data=[]), 400, "empty"
    yield "wrong datatype", plain(datatype="INT32"), 400, "must be FP32"
    yield "odd datatype", plain(datatype="FP99"), 400, "FP99"
    yield "text for number", plain(data=[1, 2, 3, 4, 5, "x"]), 400, "value 5"
    yield "too few values", plain(data=[1, 2]), 400, "values"
    yield "odd name", plain(name="Y"), 400, "is missing"
    yield "odd output", (json.dumps({"inputs": [tensor], "outputs": [{"name": "odd"}]}).encode(), {}), 400, "odd"
    yield "classes of text", (
        json.dumps({"inputs": [tensor], "outputs": [{"name": "label", "parameters": {"classification": "x"}}]}).encode(),
        {},
    ), 400, "classification"
    yield "deep json", (b'{"inputs": ' + b"[" * 100_000, {}), 400, "JSON"
    yield "not utf-8", (b'{"inputs": "\xff"}', {}), 400, "JSON"
    yield "header too long", binary_body({"inputs": [raw]}, whole, 10_000), 400, "but the body has"
    yield "header no number", binary_body({"inputs": [raw]}, whole, "x"), 400, "not a number"
    yield "header negative", binary_body({"inputs": [raw]}, whole, -1), 400, "not a number"
    yield "header too short", binary_body({"inputs": [raw]}, whole, 5), 400, "JSON"
    yield "tensor cut", binary_body({"inputs": [raw]}, whole[:-1]), 400, "binary_data_size"
    yield "tensor too long", binary_body({"inputs": [raw]}, whole + b"\0"), 400, "no input's"
    yield "tensor odd size", binary_body({"inputs": [raw | {"parameters": {"binary_data_size": 23}}]}, whole[:23]), 400, "multiple of 4"
    yield "tensor negative size", binary_body({"inputs": [raw | {"parameters": {"binary_data_size": -1}}]}, whole), 400, "binary_data_size"
    yield "tensor vast size", binary_body({"inputs": [raw | {"parameters": {"binary_data_size": 1 << 63}}]}, whole), 400, "binary_data_size"
    yield "both data", binary_body({"inputs": [raw | {"data": [1] * 6}]}, whole), 400, "both"
    yield "texts cut", binary_body(
        {"inputs": [raw | {"datatype": "BYTES", "parameters": {"binary_data_size": 8}}]}, struct.pack("<II", 100, 0)
    ), 400, "end before"
    yield "no gzip", (b"x", {"Content-Encoding": "gzip"}), 400, "unpacked"
    yield "gzip cut", (gzip.compress(b"{}" * 100)[:-4], {"Content-Encoding": "gzip"}), 400, "unpacked"
    yield "odd encoding", (b"x", {"Content-Encoding": "br"}), 400, "gzip or deflate"
    yield "bomb", (gzip.compress(b" " * (65 << 20)), {"Content-Encoding": "gzip"}), 413, "64 MiB"
    yield "too large", (b" " * (65 << 20), {}), 413, "64 MiB"


def test_bad_requests_are_refused_and_the_endpoint_goes_on(server, client, models):
    url = f"{server.http_url}/v2/models/{models.numbers.name}/infer"
    for what, (body, headers), status, word in wrong_bodies():
        answer = requests.post(url, data=body, headers=headers, auth=server.auth, timeout=60)
        assert answer.status_code == status, (what, answer.status_code, answer.text[:300])
        assert word in answer.json()["error"], (what, answer.text[:300])
    assert_same(client.infer(models.numbers.name, inputs(models.numbers, 2)).as_numpy("label"), models.numbers.wanted(2)["label"])


def memory(server):
    """The server's memory now, in MiB."""
    import psutil

    return psutil.Process(server.pid).memory_info().rss / (1 << 20)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A server whose memory nobody else uses, and its models."""
    own = Server(tmp_path_factory.mktemp("alone")).start()
    yield own, models_on(own, tmp_path_factory.mktemp("models"), "alone")
    own.stop()


@pytest.mark.parametrize(
    "door",
    [
        "/v2/models/{}/infer", "/v2/models/{}/versions/1/infer", "/v2/models/{}/explain", "/v1/models/{}:predict",
        "/v1/models/{}:explain", "/endpoints/{}/invocations", "/v2/repository/index", "/v2/repository/models/{}/load",
        "/v2/trace/setting", "/v2/logging", "/api/crannog/v1/endpoints/{}/canary", "/api/crannog/v1/endpoints/{}/rollback",
    ],
)  # fmt: skip
def test_a_body_of_a_gigabyte_is_refused_without_being_kept(alone, door):
    own, models = alone
    before = memory(own)

    def gigabyte():
        for _ in range(1 << 10):
            yield b"\0" * (1 << 20)

    try:
        url = own.http_url + door.format(models.numbers.name)
        headers = {"content-type": "application/json"}
        answer = requests.post(url, data=gigabyte(), auth=own.auth, headers=headers, timeout=120)
        assert answer.status_code == 413, answer.text
    except requests.exceptions.ConnectionError:
        pass  # it hung up before the client had sent all of it
    assert requests.get(f"{own.http_url}/v2/health/live", auth=own.auth, timeout=30).json() == {"live": True}
    assert memory(own) - before < 200


@pytest.mark.parametrize("small", ["[]", "{}", "0", '""'])
def test_small_values_by_the_million_stay_small(alone, small):
    """Two bytes of JSON can be a hundred in memory."""
    own, models = alone
    before = memory(own)
    many = ",".join([small] * (8 << 20))
    url = f"{own.http_url}/v2/models/{models.numbers.name}/infer"
    for body in [
        f'{{"inputs": [{many}]}}',
        f'{{"inputs": [{{"name": "X", "shape": [1, 6], "datatype": "FP32", "data": [{many}]}}]}}',
        f'{{"odd": [{many}], "inputs": []}}',
    ]:
        answer = requests.post(url, data=body, auth=own.auth, timeout=120)
        assert answer.status_code in (400, 413), answer.text
    assert memory(own) - before < 400
