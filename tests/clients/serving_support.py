"""Endpoints for the tests of the serving clients: models that are files of the repository, and what onnxruntime says."""

import contextlib
import json
import pathlib
import uuid
from types import SimpleNamespace

import mlflow
import numpy as np
import onnxruntime
from conftest import eventually, pointed_at
from tritonclient.utils import serialize_byte_tensor, shared_memory

MODELS = pathlib.Path(__file__).parent.parent / "fixtures" / "onnx"
KINDS = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BYTES": object}


def register(client, folder, name, content: bytes, mlmodel="flavors:\n  onnx:\n    data: model.onnx\n"):
    """Registers bytes as an ONNX model; answers the version."""
    (folder / "model.onnx").write_bytes(content)
    with mlflow.start_run() as run:
        mlflow.log_text(mlmodel, "model/MLmodel")
        mlflow.log_artifact(str(folder / "model.onnx"), "model")
    try:
        client.create_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
    return client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id).version


def serve(api, name, uri):
    """Makes an endpoint and waits until it answers."""
    answer = api.put(f"/endpoints/{name}", json={"model": uri})
    assert answer.status_code == 200, answer.text

    def ready():
        found = api.get(f"/endpoints/{name}").json()
        return found if found["state"] == "ready" else None

    return eventually(ready, what=f"endpoint {name} is ready")


class Model:
    """An endpoint, the rows its model was exported with, and onnxruntime beside it."""

    def __init__(self, name, file, version):
        case = json.loads((MODELS / f"{file}.json").read_text())
        self.name, self.version = name, str(version)
        self.session = onnxruntime.InferenceSession(str(MODELS / f"{file}.onnx"))
        self.inputs = {i["name"]: np.array(i["data"], dtype=KINDS[i["datatype"]]).reshape(i["shape"]) for i in case["inputs"]}
        self.datatypes = {i["name"]: i["datatype"] for i in case["inputs"]}

    def rows(self, count):
        return {name: values[:count] for name, values in self.inputs.items()}

    def wanted(self, count):
        """onnxruntime's outputs by their names."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, self.rows(count))))


def models_on(server, folder, prefix):
    """Two endpoints: `numbers` takes one matrix of floats, `mixed` a column of texts or numbers each."""
    made = SimpleNamespace()
    with pointed_at(server) as client, server.api() as api:
        for kind, file in [("numbers", "forest_three"), ("mixed", "logistic_mixed")]:
            name = f"{prefix}-{kind}"
            version = register(client, folder, name, (MODELS / f"{file}.onnx").read_bytes())
            serve(api, name, f"models:/{name}/{version}")
            setattr(made, kind, Model(name, file, version))
    return made


def assert_same(got, wanted):
    """Labels exactly, numbers within 1e-5."""
    assert got.shape == wanted.shape
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)
    else:
        np.testing.assert_array_equal(got, wanted)


@contextlib.contextmanager
def shared(size):
    """Shared memory as tritonclient makes it: its handle, its key and the file that it is."""
    key = f"/crannog-{uuid.uuid4().hex}"
    handle = shared_memory.create_shared_memory_region("region", key, size)
    try:
        yield SimpleNamespace(handle=handle, key=key, file=pathlib.Path("/dev/shm") / key[1:])
    finally:
        shared_memory.destroy_shared_memory_region(handle)


def laid_out(memory, tensors, start):
    """Puts tensors one behind the other into shared memory; answers where each is and how many bytes it has."""
    places = {}
    for name, values in tensors.items():
        values = serialize_byte_tensor(values) if values.dtype == object else values
        size = len(values.item()) if values.dtype == object else values.nbytes
        shared_memory.set_shared_memory_region(memory.handle, [values], offset=start)
        places[name] = (start, size)
        start += size
    return places


def taken_out(memory, values, start):
    """A tensor like these values, from shared memory."""
    return shared_memory.get_contents_as_numpy(memory.handle, values.dtype, values.shape, start).copy()
