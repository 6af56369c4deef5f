"""`make bench`: start time, idle memory, binary size, and the rates of a few simple requests.

A bounded load from four threads on loopback, by the Python clients people use; it shows orders of
magnitude, not limits.   usage: bench.py BINARY
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import boto3
import numpy as np
import requests
from botocore.config import Config

THREADS = 4
SECONDS = 3


def start(binary: Path, data: Path):
    command = [binary, "serve", "--data-dir", data, "--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"]
    began = time.perf_counter()
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            lock = json.loads((data / "lock").read_text())
            if lock["pid"] == server.pid and requests.get(lock["http_url"] + "/readyz", timeout=5).ok:
                return server, lock, time.perf_counter() - began
        except (OSError, ValueError, KeyError, requests.RequestException):
            pass
        if server.poll() is not None or time.perf_counter() - began > 30:
            sys.exit("crannog did not become ready")
        time.sleep(0.002)


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def rate(name: str, make_request):
    """Runs `make_request()` to get a function per thread, then calls each for SECONDS."""

    def worker(call):
        times, end = [], time.perf_counter() + SECONDS
        while (began := time.perf_counter()) < end:
            call()
            times.append(time.perf_counter() - began)
        return times

    calls = [make_request() for _ in range(THREADS)]
    for call in calls:
        call()
    with ThreadPoolExecutor(THREADS) as pool:
        times = np.concatenate(list(pool.map(worker, calls))) * 1000
    print(f"{name:<34} {len(times) / SECONDS:8,.0f}/s   p50 {np.median(times):6.2f} ms   p99 {np.quantile(times, 0.99):6.2f} ms")


def checked(answer: requests.Response) -> requests.Response:
    answer.raise_for_status()
    return answer


def objects(lock: dict, admin: dict):
    def client():
        return boto3.client(
            "s3",
            endpoint_url=lock["s3_url"],
            region_name="us-east-1",
            aws_access_key_id=admin["access_key_id"],
            aws_secret_access_key=admin["secret_access_key"],
            config=Config(retries={"max_attempts": 0}),
        )

    client().create_bucket(Bucket="bench")
    client().put_object(Bucket="bench", Key="read", Body=os.urandom(4096))
    numbers = count()

    def put():
        s3, body = client(), os.urandom(4096)
        return lambda: s3.put_object(Bucket="bench", Key=f"write/{next(numbers)}", Body=body)

    def get():
        s3 = client()
        return lambda: s3.get_object(Bucket="bench", Key="read")["Body"].read()

    rate("PUT 4 KiB, durable (boto3)", put)
    rate("GET 4 KiB (boto3)", get)


def runs(session, base: str):
    def post(path, body):
        return checked(session().post(f"{base}/api/2.0/mlflow/{path}", json=body)).json()

    experiment = post("experiments/create", {"name": "bench"})["experiment_id"]
    steps = count()

    def log_batch():
        run = post("runs/create", {"experiment_id": experiment, "start_time": 0})["run"]["info"]["run_id"]
        own = session()

        def call():
            now, step = int(time.time() * 1000), next(steps)
            metrics = [{"key": f"m{n}", "value": n, "timestamp": now, "step": step} for n in range(10)]
            checked(own.post(f"{base}/api/2.0/mlflow/runs/log-batch", json={"run_id": run, "metrics": metrics}))

        return call

    rate("log-batch of 10 metrics, durable", log_batch)


def inference(session, lock: dict, admin: dict):
    import mlflow
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    os.environ |= {"MLFLOW_TRACKING_USERNAME": admin["user"], "MLFLOW_TRACKING_PASSWORD": admin["password"]}
    mlflow.set_tracking_uri(lock["http_url"])
    x = np.random.default_rng(1).normal(size=(200, 8)).astype("float32")
    model = to_onnx(LogisticRegression().fit(x, x[:, 0] > 0), x[:1], options={"zipmap": False}, target_opset=18)
    with mlflow.start_run():
        mlflow.onnx.log_model(model, name="model", registered_model_name="bench", pip_requirements=["onnxruntime"])
    mlflow.MlflowClient().set_registered_model_alias("bench", "production", "1")

    endpoint = lock["http_url"] + "/api/crannog/v1/endpoints/bench"
    checked(session().put(endpoint, json={"model": "models:/bench@production"}))
    deadline = time.monotonic() + 30
    while session().get(endpoint).json()["state"] != "ready":
        if time.monotonic() > deadline:
            sys.exit("the endpoint did not become ready")
        time.sleep(0.05)
    body = {"inputs": [{"name": "X", "shape": [1, 8], "datatype": "FP32", "data": x[0].tolist()}]}

    def infer():
        own = session()
        return lambda: checked(own.post(lock["http_url"] + "/v2/models/bench/infer", json=body))

    rate("infer, logistic regression, 1 row", infer)


def main():
    binary = Path(sys.argv[1]).resolve()
    print(f"{'binary':<34} {binary.stat().st_size / 1e6:8.1f} MB   (`make release` strips it and makes it static)")
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        server, lock, first = start(binary, data)
        server.terminate()
        server.wait()
        server, lock, again = start(binary, data)
        try:
            print(f"{'start to ready':<34} {again * 1000:8.0f} ms   first start {first * 1000:.0f} ms")
            print(f"{'idle memory':<34} {resident_mb(server.pid):8.1f} MB")
            admin = tomllib.loads((data / "secrets/admin.toml").read_text())

            def session():
                made = requests.Session()
                made.auth = (admin["user"], admin["password"])
                return made

            objects(lock, admin)
            runs(session, lock["http_url"])
            inference(session, lock, admin)
            print(f"{'memory after that':<34} {resident_mb(server.pid):8.1f} MB")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
