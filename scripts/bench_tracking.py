"""`make bench-tracking`: Crannog's tracker beside `mlflow server` on SQLite with one worker, in one run.

Each server in turn gets the same requests on loopback; CPU is the server's own (all its processes),
so that a busy machine and the client's own cost leave it nearly untouched. Rates are of a machine that is shared
with the client. MLflow's runs to search are written into its database, as making them by requests takes minutes.

With --generate it measures Crannog alone, over a database of that many runs and points that is written as
Crannog would have written it, by SQL: by requests it would take hours.

usage: bench_tracking.py CRANNOG PYTHON_WITH_MLFLOW [--runs N] [--calls N] [--seconds N] [--artifact-mib N]
       [--only crannog,mlflow] [--json FILE] [--generate RUNS POINTS]
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import random
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
import tomllib
from contextlib import closing, suppress
from pathlib import Path

API = "/api/2.0/mlflow/"
CLIENTS = 16
POINTS = 100_000
# Of a generated database. A block is as long as Crannog makes them.
PER_EXPERIMENT, METRICS, BLOCK, BEGAN = 10_000, 10, 256, 1_700_000_000_000
FILTER = "metrics.m1 > 0.5 and params.p1 = 'v3'"

# title, field, digits, goal
ROWS = [
    ("start to ready, s", "start_s", 2, ""),
    ("idle memory, MiB", "idle_mib", 1, ""),
    ("create run, CPU ms", "create_run", 3, "<= 0.14"),
    ("log metric, CPU ms", "log_metric", 3, "<= 0.10"),
    ("log-batch of 100 metrics, CPU ms", "log_batch", 3, "<= 0.30"),
    ("  a second, from 16 clients", "log_batch_rate", 0, ">= 2,000"),
    ("  CPU ms each", "log_batch_busy", 3, ""),
    ("search with filter, 100 a page, CPU ms", "search_filter", 2, "<= 2.6"),
    ("  ordered by a metric", "search_order", 2, "<= 6.4"),
    ("  1,000 a page", "search_page", 2, "<= 24"),
    ("read 100,000 points of history, CPU ms", "history", 1, "<= 25"),
    ("artifact up, MB/s", "up_mb_s", 0, ">= 500"),
    ("  the same bytes put at the S3 door, MB/s", "s3_mb_s", 0, ">= 80 %"),
    ("  CPU ms a MiB", "up_cpu", 2, ""),
    ("  at the S3 door, CPU ms a MiB", "s3_cpu", 2, ""),
    ("  the disk alone: written and synced, MB/s", "disk_mb_s", 0, ""),
    ("artifact down, MB/s", "down_mb_s", 0, ">= 500"),
    ("memory at the end, MiB", "end_mib", 1, ""),
]


class Server:
    """A running tracking server and the cost of it."""

    def __init__(self, name: str, command: list, log: Path, env: dict | None = None):
        self.name, self.auth = name, ""
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
            )

    def wait(self, port: int, path: str, seconds: int = 120):
        self.port, end = port, time.monotonic() + seconds
        while time.monotonic() < end and self.child.poll() is None:
            with suppress(OSError, ConnectionError), closing(Wire(self)) as wire:
                if wire.call("GET", path, check=False)[0] == 200:
                    return self
            time.sleep(0.02)
        self.stop()
        raise SystemExit(f"{self.name} did not become ready in {seconds} s")

    def pids(self) -> list[int]:
        """The process and everything it has started."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        found = [self.child.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_s(self) -> float:
        """By the clock that the kernel keeps of each process: /proc counts in steps of 10 ms."""
        used = 0.0
        for pid in self.pids():
            with suppress(OSError):
                used += time.clock_gettime((~pid << 3) | 2)
        return used

    def memory_mib(self) -> float:
        kib = 0
        for pid in self.pids():
            with suppress(OSError):
                kib += int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])
        return kib / 1024

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Wire:
    """One kept connection that asks for no delay and gives none: every segment is acknowledged at once."""

    def __init__(self, server: Server, port: int | None = None):
        self.auth, self.port = server.auth, port or server.port
        self.connect()

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left, self.used = b"", time.monotonic()

    def close(self):
        self.socket.close()

    def receive(self) -> bytes:
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        some = self.socket.recv(1 << 18)
        if not some:
            raise ConnectionError("the server closed the connection")
        return some

    def send(self, method: str, path: str, body: bytes, kind: str):
        # uvicorn closes a connection that was silent for five seconds.
        if time.monotonic() - self.used > 2:
            self.close()
            self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self.auth}Content-Type: {kind}\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def answer(self) -> tuple[int, bytes]:
        data = self.left
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, data = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        if headers.get("transfer-encoding") == "chunked":
            body = self.chunks(data)
        else:
            chunks, size = [data], len(data)
            while size < int(headers.get("content-length", 0)):
                chunks.append(self.receive())
                size += len(chunks[-1])
            data, length = b"".join(chunks), int(headers.get("content-length", 0))
            body, self.left = data[:length], data[length:]
        self.used = time.monotonic()
        return int(lines[0].split()[1]), body

    def chunks(self, data: bytes) -> bytes:
        body = []
        while True:
            while b"\r\n" not in data:
                data += self.receive()
            size, data = data.split(b"\r\n", 1)
            size = int(size.split(b";")[0], 16)
            while len(data) < size + 2:
                data += self.receive()
            body.append(data[:size])
            data = data[size + 2 :]
            if size == 0:
                self.left = data
                return b"".join(body)

    def call(self, method: str, path: str, body: dict | None = None, check: bool = True) -> tuple[int, bytes]:
        self.send(method, path, b"" if body is None else json.dumps(body).encode(), "application/json")
        status, text = self.answer()
        if check and status != 200:
            raise SystemExit(f"{method} {path} answered {status}: {text[:300]!r}")
        return status, text

    def post(self, path: str, body: dict) -> dict:
        return json.loads(self.call("POST", API + path, body)[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def crannog(options, folder: Path, *more) -> Server:
    data, port, s3_port = folder / "data", free_port(), free_port()
    listen = ["--http-listen", f"127.0.0.1:{port}", "--s3-listen", f"127.0.0.1:{s3_port}"]
    server = Server("crannog", [options.crannog, "serve", "--data-dir", data, *listen, *more], folder / "log")
    server.wait(port, "/readyz")
    admin = tomllib.loads((data / "secrets" / "admin.toml").read_text())
    secret = base64.b64encode(f"{admin['user']}:{admin['password']}".encode()).decode()
    server.auth = f"Authorization: Basic {secret}\r\n"
    server.s3_port, server.s3_key = s3_port, (admin["access_key_id"], admin["secret_access_key"])
    return server


def mlflow(options, folder: Path) -> Server:
    port = free_port()
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    command = [options.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    return Server("mlflow", [*command, *store], folder / "log", env).wait(port, "/health")


def cost(server: Server, calls: int, call) -> float:
    """CPU of the server in ms for each of `calls` calls, after a few that are not counted."""
    for _ in range(3):
        call()
    before = server.cpu_s()
    for _ in range(calls):
        call()
    return (server.cpu_s() - before) / calls * 1000


def batch(run: str, step: int, count: int = 100) -> dict:
    now = int(time.time() * 1000)
    metrics = [{"key": f"m{n}", "value": random.random(), "timestamp": now, "step": step} for n in range(count)]
    return {"run_id": run, "metrics": metrics}


def new_run(wire: Wire, experiment: str) -> str:
    made = wire.post("runs/create", {"experiment_id": experiment, "start_time": int(time.time() * 1000)})
    return made["run"]["info"]["run_id"]


def writes(options, server: Server, wire: Wire, result: dict):
    experiment = wire.post("experiments/create", {"name": "writes"})["experiment_id"]
    run, steps = new_run(wire, experiment), iter(range(1 << 30))

    def metric():
        now = int(time.time() * 1000)
        wire.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": now, "step": next(steps)})

    result["create_run"] = cost(server, options.calls, lambda: new_run(wire, experiment))
    result["log_metric"] = cost(server, options.calls, metric)
    result["log_batch"] = cost(server, options.calls, lambda: wire.post("runs/log-batch", batch(run, next(steps))))
    many_writers(options, server, experiment, result)


def many_writers(options, server: Server, experiment: str, result: dict):
    counts, end = [0] * CLIENTS, time.monotonic() + options.seconds

    def work(who: int):
        with closing(Wire(server)) as wire:
            # The body is made once: what is measured is the server. Its points differ by their step alone.
            body = json.dumps(batch(new_run(wire, experiment), 10_000_000))
            while time.monotonic() < end:
                step = str(10_000_000 + counts[who])
                wire.send("POST", API + "runs/log-batch", body.replace("10000000", step).encode(), "application/json")
                status, text = wire.answer()
                if status != 200:
                    raise SystemExit(f"log-batch answered {status}: {text[:200]!r}")
                counts[who] += 1

    before, began = server.cpu_s(), time.monotonic()
    threads = [threading.Thread(target=work, args=(who,)) for who in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result["log_batch_rate"] = sum(counts) / (time.monotonic() - began)
    result["log_batch_busy"] = (server.cpu_s() - before) / max(1, sum(counts)) * 1000


def fill(options, server: Server, wire: Wire, folder: Path) -> str:
    """An experiment of many runs, each with ten metrics, five params and a tag."""
    experiment = wire.post("experiments/create", {"name": "search"})["experiment_id"]
    if server.name == "mlflow":
        fill_database(options, folder / "mlflow.db", experiment)
        return experiment
    for n in range(options.runs):
        run = new_run(wire, experiment)
        params = [{"key": f"p{p}", "value": f"v{(n + p) % 10}"} for p in range(5)]
        wire.post("runs/log-batch", batch(run, 0, 10) | {"params": params, "tags": [{"key": "t", "value": "x"}]})
    return experiment


def fill_database(options, file: Path, experiment: str):
    with closing(sqlite3.connect(file, timeout=60)) as db, db:
        for n in range(options.runs):
            run, now = f"{n:032x}", 1_700_000_000_000 + n
            db.execute(
                "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage,"
                " artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', 'bench', 'RUNNING', ?, 'active', ?, ?)",
                (run, f"run-{n}", now, f"mlflow-artifacts:/{experiment}/{run}/artifacts", int(experiment)),
            )
            for m in range(10):
                point = (f"m{m}", random.random(), now, 0, False, run)
                columns = "(key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
                db.execute(f"INSERT INTO metrics {columns}", point)
                db.execute(f"INSERT INTO latest_metrics {columns}", point)
            params = [(f"p{p}", f"v{(n + p) % 10}", run) for p in range(5)]
            db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
            db.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('t', 'x', ?)", (run,))


def searches(options, server: Server, wire: Wire, folder: Path, result: dict):
    experiment = fill(options, server, wire, folder)
    calls = max(5, options.calls // 20)

    def search(found: int, **more):
        answer = wire.post("runs/search", {"experiment_ids": [experiment], "max_results": 100} | more)
        assert len(answer["runs"]) == found, len(answer["runs"])

    result["search_filter"] = cost(server, calls, lambda: search(100, filter=FILTER))
    result["search_order"] = cost(server, calls, lambda: search(100, filter=FILTER, order_by=["metrics.m2 DESC"]))
    result["search_page"] = cost(server, calls, lambda: search(min(1000, options.runs), max_results=1000))


def history(server: Server, wire: Wire, result: dict):
    experiment = wire.post("experiments/create", {"name": "history"})["experiment_id"]
    run, now = new_run(wire, experiment), int(time.time() * 1000)
    for start in range(0, POINTS, 1000):
        points = [{"key": "loss", "value": 1 / (n + 1), "timestamp": now + n, "step": n} for n in range(start, start + 1000)]
        wire.post("runs/log-batch", {"run_id": run, "metrics": points})

    def read():
        _, text = wire.call("GET", f"{API}metrics/get-history?run_id={run}&metric_key=loss")
        assert len(json.loads(text)["metrics"]) == POINTS

    result["history"] = cost(server, 3, read)


def disk(folder: Path, block: bytes, count: int) -> float:
    """What the disk takes when nothing stands in front of it."""
    began = time.perf_counter()
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(block)
        os.fsync(file.fileno())
    rate = (count << 20) / 1e6 / (time.perf_counter() - began)
    (folder / "disk").unlink()
    return rate


def put(options, server: Server, wire: Wire, head: str, block: bytes) -> tuple[float, float]:
    """Sends a file; answers the rate, and the server's CPU in ms for each MiB."""
    size, before, began = options.artifact_mib << 20, server.cpu_s(), time.perf_counter()
    wire.socket.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
    for _ in range(options.artifact_mib):
        wire.socket.sendall(block)
    status, text = wire.answer()
    assert status == 200, text
    rate = size / 1e6 / (time.perf_counter() - began)
    return rate, (server.cpu_s() - before) / options.artifact_mib * 1000


def s3_head(server: Server, path: str) -> str:
    """The head of a PUT with a signature over everything but the body, as clients send over TLS."""
    access, secret = server.s3_key
    host, now = f"127.0.0.1:{server.s3_port}", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/us-crannog-1/s3/aws4_request"
    signed = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
    lines, names = "".join(f"{name}:{value}\n" for name, value in signed.items()), ";".join(signed)
    request = f"PUT\n{path}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in [*scope.split("/"), to_sign]:
        key = hmac.digest(key, part.encode(), "sha256")
    by = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    return f"PUT {path} HTTP/1.1\r\n{headers}Authorization: {by}\r\n"


def artifacts(options, server: Server, wire: Wire, folder: Path, result: dict):
    experiment = wire.post("experiments/create", {"name": "artifacts"})["experiment_id"]
    run, size = new_run(wire, experiment), options.artifact_mib << 20
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/big.bin"
    block = os.urandom(1 << 20)
    result["disk_mb_s"] = disk(folder, block, options.artifact_mib)
    kind = "Content-Type: application/octet-stream\r\n"
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n{server.auth}{kind}"
    result["up_mb_s"], result["up_cpu"] = put(options, server, wire, head, block)
    if server.name == "crannog":
        with closing(Wire(server, server.s3_port)) as door:
            head = s3_head(server, f"/mlflow/{experiment}/{run}/again.bin")
            result["s3_mb_s"], result["s3_cpu"] = put(options, server, door, head, block)
    began = time.perf_counter()
    wire.send("GET", path, b"", "application/json")
    got, head = 0, b""
    while b"\r\n\r\n" not in head:
        head += wire.receive()
    got = len(head.split(b"\r\n\r\n", 1)[1])
    while got < size:
        got += len(wire.receive())
    result["down_mb_s"] = size / 1e6 / (time.perf_counter() - began)


def varint(value: int) -> bytes:
    """A signed number as Crannog packs it: zigzag, seven bits a byte."""
    value, packed = value << 1 if value >= 0 else (-value << 1) - 1, b""
    while value >= 0x80:
        packed, value = packed + bytes([value & 0x7F | 0x80]), value >> 7
    return packed + bytes([value])


def packed_block(first: int, count: int) -> bytes:
    """Points a second apart; each is its distance in time and step to the one before, and its value."""
    start, next_one = varint(BEGAN + first * 1000) + varint(first), varint(1000) + varint(1)
    values = [struct.pack("<d", random.random()) for _ in range(count)]
    return start + next_one.join(values)


def generate(file: Path, runs: int, points: int):
    """Experiments of 10,000 runs, each run with ten metrics, five params and a tag."""
    each = max(1, points // runs // METRICS)
    blocks = [(place, min(BLOCK, each - place * BLOCK)) for place in range(-(-each // BLOCK))]
    # A few hundred of each stand for all: what is in a block makes no difference to anything measured here.
    pool = [[packed_block(place * BLOCK, count) for _ in range(200)] for place, count in blocks]
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        keys = {}
        for m in range(METRICS):
            db.execute("INSERT OR IGNORE INTO metric_keys (key) VALUES (?)", (f"m{m}",))
            keys[m] = db.execute("SELECT id FROM metric_keys WHERE key = ?", (f"m{m}",)).fetchone()[0]
        for first in range(0, runs, PER_EXPERIMENT):
            db.execute("BEGIN")
            experiment = 1000 + first // PER_EXPERIMENT
            row = (experiment, f"generated-{experiment}", f"mlflow-artifacts:/{experiment}")
            db.execute("INSERT INTO experiments (id, name, artifact_location, created_at, updated_at) VALUES (?, ?, ?, 0, 0)", row)
            for n in range(first, min(runs, first + PER_EXPERIMENT)):
                generate_run(db, experiment, n, keys, each, pool)
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def generate_run(db, experiment: int, n: int, keys: dict, each: int, pool: list):
    run, rid, began = f"{n:032x}", 1_000_000 + n, BEGAN + n
    columns = "(rid, id, experiment_id, name, user_id, status, started_at, artifact_uri)"
    place = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    row = (rid, run, experiment, f"run-{n}", "bench", "FINISHED", began, place)
    db.execute(f"INSERT INTO runs {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    latest = [(rid, key, began, each, random.random()) for key in keys.values()]
    db.executemany("INSERT INTO metrics_latest (run, key, timestamp, step, value, nan) VALUES (?, ?, ?, ?, ?, 0)", latest)
    db.executemany("INSERT INTO params VALUES (?, ?, ?)", [(rid, f"p{p}", f"v{(n + p) % 10}") for p in range(5)])
    db.execute("INSERT INTO tags VALUES (?, 't', 'x')", (rid,))
    blocks = [(rid, key, place, random.choice(some)) for key in keys.values() for place, some in enumerate(pool)]
    db.executemany("INSERT INTO metric_blocks VALUES (?, ?, ?, ?)", blocks)


def at_scale(options, folder: Path):
    runs, points = options.generate
    server = crannog(options, folder)
    server.stop()
    began = time.perf_counter()
    database = folder / "data" / "control.db"
    generate(database, runs, points)
    size = database.stat().st_size / 1e6
    print(f"{runs:,} runs and {points:,} points in {size:,.0f} MB, written in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    server = crannog(options, folder)
    print(f"{'start to ready':<58}{time.perf_counter() - began:>8.2f} s")
    try:
        with closing(Wire(server)) as wire:
            scale_searches(server, wire, runs)
            print(f"{'memory':<58}{server.memory_mib():>8.1f} MiB   goal < 200")
    finally:
        server.stop()


def scale_searches(server: Server, wire: Wire, runs: int):
    everywhere = [str(1000 + n) for n in range(-(-runs // PER_EXPERIMENT))]
    one = [everywhere[len(everywhere) // 2]]

    def timed(what: str, path: str, body: dict | None = None):
        times, before = [], server.cpu_s()
        for _ in range(5):
            began = time.perf_counter()
            wire.call("GET" if body is None else "POST", API + path, body)
            times.append((time.perf_counter() - began) * 1000)
        cpu = (server.cpu_s() - before) / len(times) * 1000
        print(f"{what:<58}{sorted(times)[2]:>8.1f} ms   {cpu:>8.1f} CPU ms   goal <= 100 ms")

    def search(what: str, experiments: list, **more):
        timed(what, "runs/search", {"experiment_ids": experiments, "max_results": 100} | more)

    search("search one experiment, newest first", one)
    search("  with filter", one, filter=FILTER)
    search("  with a filter that nothing meets", one, filter="metrics.m1 > 2")
    search("  ordered by a metric", one, order_by=["metrics.m2 DESC"])
    search(f"search all {len(everywhere)} experiments, newest first", everywhere)
    search("  with filter", everywhere, filter=FILTER)
    search("  for a name", everywhere, filter=f"attributes.run_name = 'run-{runs // 3}'")
    timed("one run", f"runs/get?run_id={runs // 2:032x}")
    timed("one history", f"metrics/get-history?run_id={runs // 2:032x}&metric_key=m1")


def measure(options, name: str, folder: Path) -> dict:
    began = time.perf_counter()
    server = {"crannog": crannog, "mlflow": mlflow}[name](options, folder)
    result = {"start_s": time.perf_counter() - began, "idle_mib": server.memory_mib()}
    try:
        with closing(Wire(server)) as wire:
            writes(options, server, wire, result)
            searches(options, server, wire, folder, result)
            history(server, wire, result)
            artifacts(options, server, wire, folder, result)
        result["end_mib"] = server.memory_mib()
    finally:
        server.stop()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("crannog", type=Path)
    parser.add_argument("python", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--artifact-mib", type=int, default=1024)
    parser.add_argument("--only", default="crannog,mlflow")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--generate", type=int, nargs=2, metavar=("RUNS", "POINTS"))
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="crannog-bench-", dir=os.environ.get("BENCH_DIR")) as root:
        if options.generate:
            return at_scale(options, Path(root))
        for name in options.only.split(","):
            folder = Path(root) / name
            folder.mkdir()
            results[name] = measure(options, name, folder)
    show(options, results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def show(options, results: dict):
    print(f"{os.cpu_count()} cores shared with the client · load at the end {os.getloadavg()[0]:.1f} · ", end="")
    print(f"{options.runs:,} runs to search · an artifact of {options.artifact_mib:,} MiB")
    ratio = {"crannog", "mlflow"} <= results.keys()
    names = "".join(f"{name:>12}" for name in results) + ("       ratio" if ratio else "")
    print(f"{'':<42}{names}   goal")
    for title, field, digits, goal in ROWS:
        cells = "".join(
            f"{result[field]:>12,.{digits}f}" if field in result else " " * 12 for result in results.values()
        )
        if ratio and field in results["mlflow"]:
            ours, theirs = max(results["crannog"][field], 1e-9), max(results["mlflow"][field], 1e-9)
            cells += f"{max(ours, theirs) / min(ours, theirs):>11,.1f}x"
        print(f"{title:<42}{cells}   {goal}")


if __name__ == "__main__":
    main()
