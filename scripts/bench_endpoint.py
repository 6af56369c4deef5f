"""One row at a time over HTTP, 16 connections: the server's CPU a request, Crannog's beside FastAPI with onnxruntime.

Called by `bench_serving.py`; as a program, `bench_endpoint.py --peer PORT MODEL.onnx` is the FastAPI server:
one process, async handlers, one thread for the model, as its users write it. Both get JSON of the same row from
the same client, and their CPU is what the kernel counted for their processes, so that the client, which shares
the machine, costs neither.
"""

import base64
import json
import pathlib
import selectors
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np

CONNECTIONS, WARM, SECONDS = 16, 1500, 4


def peer(port, path):
    """The app our users would have written."""
    import fastapi
    import onnxruntime
    import pydantic
    import uvicorn

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    app = fastapi.FastAPI()

    class Rows(pydantic.BaseModel):
        inputs: list[list[float]]

    @app.get("/ready")
    async def ready():
        return {}

    @app.post("/predict")
    async def predict(rows: Rows):
        label, scores = session.run(None, {name: np.asarray(rows.inputs, dtype=np.float32)})
        return {"label": label.tolist(), "probabilities": scores.tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def request(port, path, body, headers=()):
    text = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json", f"Content-Length: {len(text)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def answered(taken):
    """Whether a whole answer is there; one that is no 200 ends the run."""
    head, split, body = taken.partition(b"\r\n\r\n")
    if not split:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"a request was refused: {taken[:400]!r}")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return len(body) >= length


def cpu_s(pid):
    """By the clock that the kernel keeps of the process: /proc counts in steps of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


class Load:
    """Connections that each ask again as soon as they are answered."""

    def __init__(self, port, wire, connections):
        self.wire, self.selector = wire, selectors.DefaultSelector()
        for _ in range(connections):
            line = socket.create_connection(("127.0.0.1", port))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(line, selectors.EVENT_READ, [b"", 0.0])

    def run(self, requests=None, seconds=None):
        """The times of the answers, in seconds."""
        end, times, busy = time.perf_counter() + (seconds or 1e9), [], 0
        for key in list(self.selector.get_map().values()):
            key.data[:] = [b"", time.perf_counter()]
            key.fileobj.sendall(self.wire)
            busy += 1
        while busy:
            for key, _ in self.selector.select():
                key.data[0] += key.fileobj.recv(65536)
                if not answered(key.data[0]):
                    continue
                now = time.perf_counter()
                times.append(now - key.data[1])
                if now >= end or (requests and len(times) + busy > requests):
                    busy -= 1
                    continue
                key.data[:] = [b"", now]
                key.fileobj.sendall(self.wire)
        return times

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


def measure(pid, port, wire, connections=CONNECTIONS):
    """(CPU ms a request, requests a second, median and 99th percentile in ms)"""
    load = Load(port, wire, connections)
    load.run(requests=WARM)
    before, began = cpu_s(pid), time.perf_counter()
    times = load.run(seconds=SECONDS)
    spent, taken = cpu_s(pid) - before, time.perf_counter() - began
    load.close()
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1000
    return spent / len(times) * 1000, len(times) / taken, p50, p99


class Crannog:
    """A server with one endpoint for each model, logged and registered as users do."""

    def __init__(self, binary, folder):
        import os

        import mlflow
        import suites

        self.log = open(folder / "log", "wb")
        self.server = suites.Server(pathlib.Path(binary), folder / "data", self.log)
        admin = self.server.admin
        os.environ |= {"MLFLOW_TRACKING_USERNAME": admin["user"], "MLFLOW_TRACKING_PASSWORD": admin["password"]}
        self.word = base64.b64encode(f"{admin['user']}:{admin['password']}".encode()).decode()
        self.url = self.server.lock["http_url"]
        self.port, self.pid = int(self.url.rsplit(":", 1)[1]), self.server.process.pid
        mlflow.set_tracking_uri(self.url)
        self.mlflow = mlflow

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, {"Authorization": f"Basic {self.word}"}, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    def serve(self, name, proto):
        with self.mlflow.start_run():
            self.mlflow.onnx.log_model(proto, name="model", registered_model_name=name, pip_requirements=["onnxruntime"])
        endpoint = f"/api/crannog/v1/endpoints/{name}"
        self.call("PUT", endpoint, {"model": f"models:/{name}/1"})
        end = time.monotonic() + 20
        while (seen := self.call("GET", endpoint))["state"] != "ready":
            if time.monotonic() > end:
                sys.exit(f"endpoint {name} did not become ready: {seen['error']}")
            time.sleep(0.05)

    def wire(self, name, x):
        tensor = {"name": self.input, "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
        return request(self.port, f"/v2/models/{name}/infer", {"inputs": [tensor]}, [f"Authorization: Basic {self.word}"])

    def batches(self, name):
        """How many runs had how many rows."""
        stats = self.call("GET", f"/v2/models/{name}/stats")["model_stats"][0]
        return {batch["batch_size"]: batch["compute_infer"]["count"] for batch in stats["batch_stats"]}

    def stop(self):
        self.server.process.terminate()
        self.server.process.wait(30)
        self.log.close()


class Peer:
    def __init__(self, path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, __file__, "--peer", str(self.port), str(path)])
        self.pid = self.process.pid
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5)
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("the FastAPI server did not become ready")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def compare(binary, folder, forest, network):
    """Prints the table: a forest beside the peer, and what gathering requests does for a network."""
    print(f"\n{'over HTTP, one row a request':44}{'CPU ms':>9}{'a second':>10}{'p50 ms':>8}{'p99 ms':>8}")

    def tell(title, figures):
        print(f"{title:44}{figures[0]:>9.4f}{figures[1]:>10,.0f}{figures[2]:>8.2f}{figures[3]:>8.2f}", flush=True)

    path = folder / "forest.onnx"
    path.write_bytes(forest.SerializeToString())
    row = np.random.default_rng(1).uniform(-2, 2, (1, forest.graph.input[0].type.tensor_type.shape.dim[1].dim_value)).astype(np.float32)
    crannog = Crannog(binary, folder)
    try:
        for name, proto in (("forest", forest), ("network", network)):
            crannog.serve(name, proto)
            crannog.input = proto.graph.input[0].name
            x = row if name == "forest" else np.zeros((1, *[dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim[1:]]), np.float32)
            for connections in (1, CONNECTIONS):
                tell(f"Crannog, {name}, {connections} connections", measure(crannog.pid, crannog.port, crannog.wire(name, x), connections))
        print(f"  runs of the network by rows: {crannog.batches('network')}")
    finally:
        crannog.stop()
    fastapi = Peer(path)
    try:
        wire = request(fastapi.port, "/predict", {"inputs": row.tolist()})
        for connections in (1, CONNECTIONS):
            tell(f"FastAPI + onnxruntime, forest, {connections} connections", measure(fastapi.pid, fastapi.port, wire, connections))
    finally:
        fastapi.stop()


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] != "--peer":
        sys.exit(__doc__)
    peer(int(sys.argv[2]), sys.argv[3])
