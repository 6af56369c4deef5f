"""tritonclient over gRPC, on the port that also speaks HTTP: every call that needs no GPU."""

import base64
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from serving_support import assert_same, laid_out, models_on, shared, taken_out
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


def basic(server, user=None, password=None):
    word = base64.b64encode(f"{user or server.user}:{password or server.password}".encode()).decode()
    return {"authorization": f"Basic {word}"}


@pytest.fixture(scope="module")
def models(server, tmp_path_factory):
    return models_on(server, tmp_path_factory.mktemp("models"), "grpc")


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.http_url.removeprefix("http://")) as connected:
        yield connected


@pytest.fixture
def headers(server):
    return basic(server)


def inputs(model, count):
    made = []
    for name, values in model.rows(count).items():
        tensor = triton.InferInput(name, values.shape, model.datatypes[name])
        tensor.set_data_from_numpy(values)
        made.append(tensor)
    return made


def typed(model, count):
    """A request whose values are in the inputs' own contents."""
    request = service_pb2.ModelInferRequest(model_name=model.name, id="typed")
    for name, values in model.rows(count).items():
        tensor = request.inputs.add(name=name, datatype=model.datatypes[name], shape=values.shape)
        flat = values.flatten().tolist()
        match model.datatypes[name]:
            case "FP32":
                tensor.contents.fp32_contents.extend(flat)
            case "INT64":
                tensor.contents.int64_contents.extend(flat)
            case "BYTES":
                tensor.contents.bytes_contents.extend(text.encode() for text in flat)
    return request


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.http_url.removeprefix("http://")) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_answers_are_onnxruntimes(client, headers, models, kind, compression):
    model = getattr(models, kind)
    for count in (1, 7, 40):
        result = client.infer(
            model.name, inputs(model, count), headers=headers, request_id="r-1", compression_algorithm=compression
        )
        answer = result.get_response()
        assert (answer.id, answer.model_name, answer.model_version) == ("r-1", model.name, model.version)
        wanted = model.wanted(count)
        assert [output.name for output in answer.outputs] == list(wanted)
        for name, values in wanted.items():
            assert_same(result.as_numpy(name), values)


def test_one_output_of_one_version(client, headers, models):
    model = models.numbers
    asked = [triton.InferRequestedOutput("probabilities")]
    result = client.infer(model.name, inputs(model, 3), model_version=model.version, outputs=asked, headers=headers)
    assert result.as_numpy("label") is None
    assert_same(result.as_numpy("probabilities"), model.wanted(3)["probabilities"])


def test_the_largest_classes(client, headers, models):
    asked = [triton.InferRequestedOutput("probabilities", class_count=2)]
    result = client.infer(models.numbers.name, inputs(models.numbers, 4), outputs=asked, headers=headers)
    scores = models.numbers.wanted(4)["probabilities"]
    got = result.as_numpy("probabilities")
    assert got.shape == (4, 2)
    for row, texts in zip(scores, got):
        values, places = zip(*(text.decode().split(":") for text in texts))
        assert int(places[0]) == np.argmax(row)
        np.testing.assert_allclose([float(value) for value in values], np.sort(row)[::-1][:2], atol=2e-6)


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_values_by_their_kind_are_answered_by_their_kind(stub, server, models, kind):
    model = getattr(models, kind)
    answer = stub.ModelInfer(typed(model, 5), metadata=list(basic(server).items()))
    assert answer.id == "typed" and not answer.raw_output_contents
    wanted = model.wanted(5)
    for output in answer.outputs:
        contents = output.contents.int64_contents or output.contents.fp32_contents
        values = np.array(contents, dtype=wanted[output.name].dtype).reshape(output.shape)
        assert_same(values, wanted[output.name])


def test_many_calls_at_once(client, headers, models):
    answers = queue.Queue()
    for _ in range(30):
        client.async_infer(
            models.numbers.name,
            inputs(models.numbers, 2),
            callback=lambda result, error: answers.put((result, error)),
            headers=headers,
        )
    for _ in range(30):
        result, error = answers.get(timeout=30)
        assert error is None, error
        assert_same(result.as_numpy("label"), models.numbers.wanted(2)["label"])


def test_a_stream_answers_in_order_and_survives_a_refusal(client, headers, models):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
    for index in range(20):
        name = "nobody" if index == 7 else models.mixed.name
        client.async_stream_infer(name, inputs(models.mixed, 1 + index % 3), request_id=str(index))
    for index in range(20):
        result, error = answers.get(timeout=30)
        if index == 7:
            assert result is None and "nobody" in str(error)
            continue
        assert error is None, error
        assert result.get_response().id == str(index)
        assert_same(result.as_numpy("probabilities"), models.mixed.wanted(1 + index % 3)["probabilities"])
    client.stop_stream()


def test_server_and_models_tell_of_themselves(client, headers, models):
    model = models.mixed
    assert client.is_server_live(headers=headers) and client.is_server_ready(headers=headers)
    assert client.is_model_ready(model.name, headers=headers)
    assert client.is_model_ready(model.name, model.version, headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    assert not client.is_model_ready(model.name, "99", headers=headers)
    assert client.get_server_metadata(headers=headers).name == "crannog"
    told = client.get_model_metadata(model.name, headers=headers)
    assert {i.name: i.datatype for i in told.inputs} == model.datatypes
    assert [list(o.shape) for o in told.outputs] == [[-1], [-1, 2]] and list(told.versions) == [model.version]
    config = client.get_model_config(model.name, headers=headers, as_json=True)["config"]
    assert {i["name"]: i["data_type"] for i in config["input"]}["carrier"] == "TYPE_STRING"
    index = {found.name: found for found in client.get_model_repository_index(headers=headers).models}
    assert (index[model.name].state, index[model.name].version) == ("READY", model.version)


def test_a_model_is_unloaded_and_loaded_again(client, headers, models):
    name = models.mixed.name
    client.unload_model(name, headers=headers)
    assert not client.is_model_ready(name, headers=headers)
    with pytest.raises(InferenceServerException, match="unloaded") as refused:
        client.infer(name, inputs(models.mixed, 1), headers=headers)
    assert refused.value.status() == "StatusCode.UNAVAILABLE"
    client.load_model(name, headers=headers)
    assert_same(client.infer(name, inputs(models.mixed, 1), headers=headers).as_numpy("label"), models.mixed.wanted(1)["label"])
    with pytest.raises(InferenceServerException, match="nobody") as refused:
        client.load_model("nobody", headers=headers)
    assert refused.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match="config"):
        client.load_model(name, config="{}", headers=headers)


def test_a_viewer_asks_but_does_not_unload(server, client, api, models):
    viewer = {"name": "grpc-viewer", "password": "a long enough password", "role": "viewer"}
    assert api.post("/users", json=viewer).status_code in (200, 201, 409)
    signed = basic(server, viewer["name"], viewer["password"])
    assert client.infer(models.numbers.name, inputs(models.numbers, 1), headers=signed).as_numpy("label").shape == (1,)
    with pytest.raises(InferenceServerException, match="editor") as refused:
        client.unload_model(models.numbers.name, headers=signed)
    assert refused.value.status() == "StatusCode.PERMISSION_DENIED"


def test_statistics_count_what_was_asked(client, headers, models):
    model = models.numbers

    def counted():
        [found] = client.get_inference_statistics(model.name, model.version, headers=headers).model_stats
        return found

    before = counted()
    for rows in (1, 3):
        client.infer(model.name, inputs(model, rows), headers=headers)
    after = counted()
    assert after.inference_count - before.inference_count == 4
    assert after.inference_stats.success.count - before.inference_stats.success.count == 2
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    everything = {found.name for found in client.get_inference_statistics(headers=headers).model_stats}
    assert {models.numbers.name, models.mixed.name} <= everything


def test_settings_are_those_of_a_server_without_traces(client, headers):
    assert client.get_trace_settings(headers=headers).settings["trace_level"].value == ["OFF"]
    client.update_trace_settings(settings={"trace_level": ["OFF"]}, headers=headers)
    with pytest.raises(InferenceServerException, match="traces no inference requests"):
        client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}, headers=headers)
    assert client.get_log_settings(headers=headers).settings["log_info"].bool_param
    with pytest.raises(InferenceServerException, match="log_verbose_level"):
        client.update_log_settings({"log_verbose_level": 3}, headers=headers)


@pytest.mark.parametrize("kind", ["numbers", "mixed"])
def test_tensors_go_through_shared_memory(client, headers, models, kind):
    model = getattr(models, kind)
    rows, wanted = model.rows(7), model.wanted(7)
    with shared(1 << 16) as memory:
        client.register_system_shared_memory("g-in", memory.key, (1 << 15) - 16, offset=16, headers=headers)
        client.register_system_shared_memory("g-out", memory.key, 1 << 15, offset=1 << 15, headers=headers)
        told = client.get_system_shared_memory_status(headers=headers).regions
        assert set(told) == {"g-in", "g-out"}
        found = told["g-in"]
        assert (found.name, found.key, found.offset, found.byte_size) == ("g-in", memory.key, 16, (1 << 15) - 16)
        assert set(client.get_system_shared_memory_status("g-out", headers=headers).regions) == {"g-out"}
        with pytest.raises(InferenceServerException, match="'g-in' already in manager") as refused:
            client.register_system_shared_memory("g-in", memory.key, 64, headers=headers)
        assert refused.value.status() == "StatusCode.ALREADY_EXISTS"

        asked, results = [], []
        for name, (start, size) in laid_out(memory, rows, 48).items():
            asked.append(triton.InferInput(name, rows[name].shape, model.datatypes[name]))
            asked[-1].set_shared_memory("g-in", size, offset=start - 16)
        for at, name in enumerate(wanted):
            results.append(triton.InferRequestedOutput(name))
            results[-1].set_shared_memory("g-out", 4096, offset=4096 * at)
        answer = client.infer(model.name, asked, outputs=results, headers=headers)
        for at, (name, values) in enumerate(wanted.items()):
            assert tuple(answer.get_output(name).shape) == values.shape
            assert_same(taken_out(memory, values, (1 << 15) + 4096 * at), values)
        assert list(answer.get_response().raw_output_contents) == [b"", b""]

        # Inputs from memory with one that is sent, and the first output in memory alone.
        memory.handle._mpsm_handle.buf[1 << 15 : 1 << 16] = bytes(1 << 15)
        first, second = wanted
        asked[0] = inputs(model, 7)[0]
        outputs = [results[0], triton.InferRequestedOutput(second)]
        back = client.infer(model.name, asked, outputs=outputs, headers=headers)
        assert_same(taken_out(memory, wanted[first], 1 << 15), wanted[first])
        assert_same(back.as_numpy(second), wanted[second])

        client.unregister_system_shared_memory("g-in", headers=headers)
        assert set(client.get_system_shared_memory_status(headers=headers).regions) == {"g-out"}
        client.unregister_system_shared_memory(headers=headers)
        assert not client.get_system_shared_memory_status(headers=headers).regions
        with pytest.raises(InferenceServerException, match="Unable to find shared memory region: 'g-out'") as refused:
            client.infer(model.name, inputs(model, 7), outputs=results, headers=headers)
        assert refused.value.status() == "StatusCode.NOT_FOUND"


def test_memory_that_is_not_there_is_refused(client, headers, models):
    model = models.numbers
    values = model.rows(4)["X"]

    def asked(size, offset=0, region="g-r"):
        tensor = triton.InferInput("X", values.shape, "FP32")
        return [tensor.set_shared_memory(region, size, offset)]

    with shared(1024) as memory:
        laid_out(memory, {"X": values}, 0)
        client.register_system_shared_memory("g-r", memory.key, 1024, headers=headers)
        with pytest.raises(InferenceServerException, match="Unable to find system shared memory region: 'odd'"):
            client.get_system_shared_memory_status("odd", headers=headers)
        for tensors, word in [
            (asked(96, region="odd"), "Unable to find shared memory region: 'odd'"),
            (asked(96, offset=1024), "Invalid offset for shared memory region"),
            (asked(96, offset=1000), "Invalid offset . byte size for shared memory region"),
            (asked(96, offset=-8), "a whole number of bytes"),
            (asked(92), "23 values"),
            (asked(95), "no multiple of 4"),
        ]:
            with pytest.raises(InferenceServerException, match=word):
                client.infer(model.name, tensors, headers=headers)
        small = triton.InferRequestedOutput("label")
        small.set_shared_memory("g-r", 31, offset=512)
        with pytest.raises(InferenceServerException, match="should be at least 32 bytes to hold the results"):
            client.infer(model.name, asked(96), outputs=[small], headers=headers)
        assert_same(client.infer(model.name, asked(96), headers=headers).as_numpy("label"), model.wanted(4)["label"])
        client.unregister_system_shared_memory(headers=headers)
    with pytest.raises(InferenceServerException, match="there is no such file"):
        client.register_system_shared_memory("g-r", memory.key, 1024, headers=headers)
    with pytest.raises(InferenceServerException, match="invalid shm key"):
        client.register_system_shared_memory("g-r", "/../etc/passwd", 8, headers=headers)
    assert not client.get_cuda_shared_memory_status(headers=headers).regions
    client.unregister_cuda_shared_memory(headers=headers)
    with pytest.raises(InferenceServerException, match="no GPU") as refused:
        client.register_cuda_shared_memory("a", b"aGFuZGxl", 0, 64, headers=headers)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_only_editors_register_memory(client, server, api):
    vera = {"name": "grpc-vera", "password": "a long enough password", "role": "viewer"}
    assert api.post("/users", json=vera).status_code in (200, 201, 409)
    theirs = basic(server, vera["name"], vera["password"])
    with shared(64) as memory, pytest.raises(InferenceServerException, match="needs editor") as refused:
        client.register_system_shared_memory("g-v", memory.key, 64, headers=theirs)
    assert refused.value.status() == "StatusCode.PERMISSION_DENIED"


def refusal(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as refused:
        call(*args, **kwargs)
    return refused.value.code(), refused.value.details()


def test_who_may_not_ask_hears_it_in_grpcs_words(stub, server, api, models):
    live = service_pb2.ServerLiveRequest()
    code, words = refusal(stub.ServerLive, live)
    assert code == grpc.StatusCode.UNAUTHENTICATED and "crannog env" in words
    wrong = list(basic(server, password="wrong").items())
    assert refusal(stub.ServerLive, live, metadata=wrong)[0] == grpc.StatusCode.UNAUTHENTICATED
    token = api.post("/tokens", json={"label": "grpc"}).json()["token"]
    assert stub.ServerLive(live, metadata=[("authorization", f"Bearer {token}")]).live
    code, words = refusal(stub.ServerLive, live, metadata=[("authorization", "Bearer nonsense")])
    assert code == grpc.StatusCode.UNAUTHENTICATED and "bearer token" in words


def broken(model):
    """Requests that are wrong, the code each is refused with, and a word of the reason."""
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND

    def changed(**fields):
        request = typed(model, 2)
        for name, value in fields.items():
            setattr(request, name, value)
        return request

    def first(change):
        request = typed(model, 2)
        change(request)
        return request

    yield changed(model_name="nobody"), missing, "nobody"
    yield changed(model_version="99"), missing, "99"
    yield first(lambda r: r.inputs[0].shape.__setitem__(1, 7)), invalid, "shape"
    yield first(lambda r: r.inputs[0].shape.__setitem__(0, -2)), invalid, "-2"
    yield first(lambda r: r.inputs[0].shape.__setitem__(0, 1 << 62)), invalid, "values"
    yield first(lambda r: setattr(r.inputs[0], "datatype", "FP64")), invalid, "FP"
    yield first(lambda r: setattr(r.inputs[0], "datatype", "ODD")), invalid, "ODD"
    yield first(lambda r: setattr(r.inputs[0], "name", "odd")), invalid, "is missing"
    yield first(lambda r: r.inputs.add(name="odd", datatype="FP32", shape=[1])), invalid, "odd"
    yield first(lambda r: r.ClearField("inputs")), invalid, "is missing"
    yield first(lambda r: r.inputs[0].contents.Clear()), invalid, "values"
    yield first(lambda r: r.raw_input_contents.extend([b"", b""])), invalid, "raw_input_contents"
    yield first(lambda r: r.outputs.add(name="odd")), invalid, "odd"
    yield first(lambda r: r.inputs[0].parameters["shared_memory_region"].__setattr__("string_param", "a")), invalid, "shared_memory_byte_size"


def test_bad_requests_are_refused_and_the_endpoint_goes_on(stub, server, models):
    metadata = list(basic(server).items())
    for request, code, word in broken(models.numbers):
        got, words = refusal(stub.ModelInfer, request, metadata=metadata)
        assert got == code and word in words, (request, got, words)
    raw = typed(models.numbers, 1)
    raw.inputs[0].ClearField("contents")
    raw.raw_input_contents.append(b"\0" * 23)
    got, words = refusal(stub.ModelInfer, raw, metadata=metadata)
    assert got == grpc.StatusCode.INVALID_ARGUMENT and "no multiple of 4" in words
    assert stub.ModelInfer(typed(models.numbers, 1), metadata=metadata).outputs


def test_bytes_that_are_no_message_are_refused(server, models):
    metadata = list(basic(server).items())
    with grpc.insecure_channel(server.http_url.removeprefix("http://")) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        whole = typed(models.numbers, 2).SerializeToString()
        for bad in (whole[:-1], whole[: len(whole) // 2], b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f"):
            assert refusal(call, bad, metadata=metadata)[0] == grpc.StatusCode.INVALID_ARGUMENT
        # Two bytes a text on the wire, many times that in memory.
        many = b"\x42\x00" * (1 << 20)
        tensor = b"\x2a" + varint(len(many)) + many
        code, words = refusal(call, b"\x2a" + varint(len(tensor)) + tensor, metadata=metadata)
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "fields" in words
        large = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        code, words = refusal(large, b"\x3a" + varint(65 << 20) + b"\0" * (65 << 20), metadata=metadata)
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED, words
        odd = channel.unary_unary("/inference.GRPCInferenceService/Odd")
        assert refusal(odd, b"", metadata=metadata)[0] == grpc.StatusCode.UNIMPLEMENTED
        elsewhere = channel.unary_unary("/odd.Service/Odd")
        assert refusal(elsewhere, b"", metadata=metadata)[0] == grpc.StatusCode.UNIMPLEMENTED


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def test_a_deadline_that_is_over_is_told(stub, server, models):
    request = typed(models.numbers, 2)
    request.parameters["timeout"].int64_param = 1
    code, _ = refusal(stub.ModelInfer, request, metadata=list(basic(server).items()))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_grpc_over_tls(private_server, tmp_path):
    """HTTP/2 is agreed on in the handshake."""
    server = private_server(env={"CRANNOG_TLS_LOOPBACK": "true"})
    credentials = grpc.ssl_channel_credentials((server.data_dir / "ca.pem").read_bytes())
    with grpc.secure_channel(server.http_url.removeprefix("https://"), credentials) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(service_pb2.ServerLiveRequest(), metadata=list(basic(server).items())).live
