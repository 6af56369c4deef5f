"""Serves one MLflow model to the process that started it: frames come and go over the socket on file 0.

A frame is the length of a JSON head in four bytes and of a body in eight, both little-endian, then the two.
The body holds tensors as the head lists them: raw, little-endian, texts each behind their length.
"""

import importlib
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback

PARENT = os.getppid()
# The model's own code may read standard input; the frames are not for it.
DOOR = socket.socket(fileno=os.dup(0))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def leave_with_parent():
    while os.getppid() == PARENT:
        time.sleep(1)
    os._exit(0)


threading.Thread(target=leave_with_parent, daemon=True).start()

np = importlib.import_module("numpy")
pd = importlib.import_module("pandas")

TYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in TYPES.items()}


def exactly(count):
    parts = []
    while count:
        part = DOOR.recv(min(count, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def receive():
    head, body = struct.unpack("<IQ", exactly(12))
    return json.loads(exactly(head)), exactly(body)


def send(head, body=b""):
    text = json.dumps(head).encode()
    DOOR.sendall(struct.pack("<IQ", len(text), len(body)) + text)
    DOOR.sendall(body)


def texts(raw):
    values, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        values.append(raw[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return values


def array(tensor, raw):
    if tensor["datatype"] == "BYTES":
        values = np.array(texts(raw), dtype=object)
    else:
        # A copy: some libraries want to write where they read.
        values = np.frombuffer(raw, dtype=TYPES[tensor["datatype"]]).copy()
    return values.reshape(tensor["shape"])


def asked(tensors, body, frame, times, bare):
    """What the model is asked with: a table where its signature has columns, else arrays."""
    arrays, at = {}, 0
    for tensor in tensors:
        arrays[tensor["name"]] = array(tensor, body[at : at + tensor["bytes"]])
        at += tensor["bytes"]
    if not frame:
        return next(iter(arrays.values())) if bare else arrays
    columns = {name: list(values) if values[0:1].size > 1 else values.reshape(-1) for name, values in arrays.items()}
    table = pd.DataFrame(columns)
    for name in times:
        if name in table:
            table[name] = pd.to_datetime(table[name])
    return table


def tensor(name, values):
    values = np.asarray(values)
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values)
    if values.dtype.kind in "OUS":
        flat = values.reshape(-1)
        if values.dtype.kind == "O" and all(isinstance(value, (int, float, bool, np.number, np.bool_)) for value in flat):
            values = np.array(values.tolist())
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind in "OUS":
        encoded = [("" if value is None else value if isinstance(value, str) else str(value)).encode() for value in values.reshape(-1)]
        raw = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
        kind = "BYTES"
    else:
        kind = NAMES.get(values.dtype.newbyteorder("<")) or NAMES.get(values.dtype)
        if kind is None:
            raise TypeError(f"the model answered with values of type {values.dtype}, which cannot be sent")
        raw = np.ascontiguousarray(values).astype(TYPES[kind], copy=False).tobytes()
    return {"name": name, "datatype": kind, "shape": list(values.shape), "bytes": len(raw)}, raw


def answered(result):
    """The tensors of an answer, and whether the model gave a table or names rather than one array."""
    if isinstance(result, pd.DataFrame):
        parts = [(str(name), result[name].to_numpy()) for name in result.columns]
        named = True
    elif isinstance(result, dict):
        parts, named = list(result.items()), True
    else:
        values = result.to_numpy() if isinstance(result, pd.Series) else result
        parts, named = [("predictions", values)], False
    pairs = [tensor(name, values) for name, values in parts]
    return [head for head, _ in pairs], b"".join(raw for _, raw in pairs), named


def serve(folder, frame, times):
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc")
        model = pyfunc.load_model(folder)
        # A tensor without a name is asked for as an array, one with a name in a dictionary.
        bare = not model.metadata.get_input_schema().has_input_names()
        import mlflow

        send({"ok": {"python": sys.version.split()[0], "mlflow": mlflow.__version__}})
    except BaseException as error:  # noqa: BLE001: whatever it is, the server tells it
        traceback.print_exc()
        send({"error": {"kind": "load", "message": f"{type(error).__name__}: {error}"}})
        return
    while True:
        head, body = receive()
        try:
            data = asked(head["tensors"], body, frame, times, bare)
            settings = {"params": head["params"]} if "params" in head else {}
            tensors, raw, named = answered(model.predict(data, **settings))
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            wrong = "input" if type(error).__name__ == "MlflowException" else "model"
            send({"error": {"kind": wrong, "message": f"{type(error).__name__}: {error}"}})
        else:
            send({"ok": {"tensors": tensors, "named": named}}, raw)


if __name__ == "__main__":
    start = json.loads(sys.argv[1])
    serve(start["folder"], start["frame"], start["times"])
