"""ONNX's own node tests against the engine: how many pass, and whether any answer is wrong.

    python scripts/onnx_node_tests.py ENGINE_ANSWERS [-v] [NAME ...]

ENGINE_ANSWERS is the example of that name: `cargo build --example engine-answers`. The tests come with
the onnx package up to 1.19.1 (onnx/backend/test/data); ONNX_TEST_DATA names another folder of theirs. A test passes when the model loads and every output is near the
expected one; a model that is refused at load, or an input the engine cannot take, is counted apart from an
answer that differs. A model refused because an input would have to be known is tried again with all inputs
but the first as constants, as exporters write them, and counted apart. Where one differs onnxruntime is asked: what answers as it does is counted as such. Tests
whose answers are drawn at random are held against their shape only.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

DATA = pathlib.Path(os.environ.get("ONNX_TEST_DATA") or pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data")
SUITES = ("node", "simple", "pytorch-converted", "pytorch-operator")
DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP32", "float32": "FP32", "float64": "FP64",
}
DTYPES = {name: np.dtype(kind) for kind, name in DATATYPES.items() if kind != "float16"}
VERDICTS = ("passed", "as constants", "as onnxruntime", "flawed test", "refused", "unsendable", "failed", "wrong", "crashed")
# The expected data wraps around where the standard saturates, as onnxruntime and the engine do; onnxruntime
# does not load these two, so that it cannot be asked.
FLAWED = ("test_qlinearmatmul_2D_int8_float16", "test_qlinearmatmul_3D_int8_float16")
RANDOM = ("bernoulli", "dropout", "random", "training_dropout")


class Engine:
    """The example, started anew when a model brings it down."""

    def __init__(self, path):
        self.path, self.process = path, None

    def ask(self, request):
        if self.process is None:
            self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code, self.process = self.process.wait(), None
            return {"stage": "crash", "error": f"the process ended with {code}"}
        return json.loads(line)


class Unsendable(Exception):
    """An input that the protocols have no tensor for."""


def read(path):
    """The value of a test's file; what is no tensor cannot be sent."""
    proto = onnx.TensorProto()
    try:
        proto.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(proto)
    except Exception as error:
        raise Unsendable(str(error)) from error


def encode(name, array):
    shape = list(array.shape)
    if array.dtype.kind in "OUS":
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel()]
        return {"name": name, "datatype": "BYTES", "shape": shape, "data": texts}
    datatype = DATATYPES.get(str(array.dtype))
    if datatype is None:
        raise Unsendable(f"{array.dtype} has no name on the wire")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return {"name": name, "datatype": datatype, "shape": shape, "data": np.ascontiguousarray(array).tobytes().hex()}


def decode(tensor):
    if tensor["datatype"] == "BYTES":
        return np.array(tensor["data"], dtype=object).reshape(tensor["shape"])
    values = np.frombuffer(bytes.fromhex(tensor["data"]), dtype=DTYPES[tensor["datatype"]])
    return values.reshape(tensor["shape"])


def differs(got, wanted, name):
    if got.shape != wanted.shape:
        return f"shape {got.shape}, not {wanted.shape}"
    if any(word in name for word in RANDOM):
        return None
    if wanted.dtype.kind in "OUS":
        texts = np.array([v.decode() if isinstance(v, bytes) else v for v in wanted.ravel()], dtype=object)
        return None if (got.ravel() == texts).all() else f"{got.ravel()[:4]}, not {texts[:4]}"
    loose = 1e-2 if wanted.dtype == np.float16 else 1e-3
    near = np.isclose(got.astype(np.float64), wanted.astype(np.float64), rtol=loose, atol=1e-5 if loose < 0.01 else 1e-2, equal_nan=True)
    return None if near.all() else f"{got[~near].ravel()[:3]}, not {wanted[~near].ravel()[:3]}"


def as_onnxruntime(model, inputs, outputs, name):
    """Whether onnxruntime, too, answers otherwise than the test expects, and as the engine does."""
    onnxruntime.set_default_logger_severity(4)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        theirs = session.run(None, {key: decode(value) for key, value in inputs.items()})
    except Exception:
        return False
    return not any(differs(decode(got), wanted, name) for got, wanted in zip(outputs, theirs, strict=True))


def with_constants(model, inputs):
    """The model with all inputs but the first baked in, as exporters write axes, pads and shapes."""
    baked = onnx.ModelProto()
    baked.CopyFrom(model)
    for name, array in inputs.items():
        baked.graph.initializer.append(numpy_helper.from_array(array, name))
        declared = [info for info in baked.graph.input if info.name == name]
        baked.graph.input.remove(declared[0])
    return baked


def baked_answer(engine, model, names, inputs):
    constants = {name: decode(value) for name, value in zip(names[1:], inputs[1:])}
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(with_constants(model, constants).SerializeToString())
        file.flush()
        return engine.ask({"model": file.name, "inputs": inputs[:1]})


def run(engine, folder):
    """(verdict, words) of one test."""
    passed = "passed"
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    given = {tensor.name for tensor in model.graph.initializer}
    names = [info.name for info in model.graph.input if info.name not in given]
    for data in sorted(folder.glob("test_data_set_*")):
        try:
            inputs = [encode(name, read(data / f"input_{at}.pb")) for at, name in enumerate(names)]
            wanted = [read(data / f"output_{at}.pb") for at in range(len(model.graph.output))]
        except (Unsendable, FileNotFoundError) as error:
            probe = engine.ask({"model": str(folder / "model.onnx"), "inputs": []})
            return "refused" if probe.get("stage") == "load" else "unsendable", probe.get("error", str(error))
        answer = engine.ask({"model": str(folder / "model.onnx"), "inputs": inputs})
        if answer.get("stage") == "load" and len(inputs) > 1 and not any(i["datatype"] == "BYTES" for i in inputs):
            again = baked_answer(engine, model, names, inputs)
            answer, passed = (again, "as constants") if "error" not in again else (answer, passed)
        if "error" in answer:
            return {"load": "refused", "run": "failed"}.get(answer["stage"], "crashed"), answer["error"]
        for got, expected in zip(answer["outputs"], wanted, strict=True):
            words = differs(decode(got), expected, folder.name)
            if words and as_onnxruntime(model, dict(zip(names, inputs)), answer["outputs"], folder.name):
                return "as onnxruntime", f"{got['name']}: {words}"
            if words:
                return "flawed test" if folder.name in FLAWED else "wrong", f"{got['name']}: {words}"
    return passed, ""


def told(counts):
    each = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    return f"{each}, of {sum(counts.values())}"


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    if not (DATA / "node").is_dir():
        sys.exit(f"{DATA} holds no tests: unpack the wheel of onnx 1.19.1, and name its folder in ONNX_TEST_DATA")
    engine, chosen = Engine(arguments[0]), set(arguments[1:])
    counts, words = collections.Counter(), collections.defaultdict(list)
    for suite in SUITES:
        before = collections.Counter(counts)
        for folder in sorted((DATA / suite).iterdir()):
            if not (folder / "model.onnx").exists() or (chosen and folder.name not in chosen):
                continue
            verdict, said = run(engine, folder)
            counts[verdict] += 1
            words[verdict].append(f"{folder.name}: {said}")
        print(f"{suite}: {told(counts - before)}")
    for verdict in VERDICTS if "-v" in sys.argv else ("as onnxruntime", "flawed test", "wrong", "crashed"):
        for line in words[verdict]:
            if verdict not in ("passed", "as constants"):
                print(f"{verdict}  {line[:240]}")
    print(f"all: {told(counts)}")
    sys.exit(1 if counts["wrong"] + counts["crashed"] else 0)


if __name__ == "__main__":
    main()
