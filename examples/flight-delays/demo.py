"""`make demo`: starts Crannog, runs the pipeline, switches models under load, and says where to look.

usage: demo.py BINARY DATA_DIR [--once] [--share 1.0]
"""

import argparse
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
OVER = {"success", "failed", "cancelled", "skipped", "upstream_failed", "lost"}


def say(text: str):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def running(data_dir: Path) -> dict | None:
    """The lock of the server that serves `data_dir` now."""
    try:
        lock = json.loads((data_dir / "lock").read_text())
        os.kill(lock["pid"], 0)
        return lock if requests.get(lock["http_url"] + "/readyz", timeout=5).ok else None
    except (OSError, ValueError, KeyError, requests.RequestException):
        return None


def address(port: int) -> str:
    """127.0.0.1 at `port`, or at a free one when another program has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
        except OSError:
            print(f"port {port} is taken by another program; using a free one")
            return "127.0.0.1:0"


def start(binary: Path, data_dir: Path, log: Path) -> dict:
    command = [binary, "serve", "--data-dir", data_dir]
    command += ["--http-listen", address(5000), "--s3-listen", address(9000)]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (lock := running(data_dir)) or lock["pid"] != server.pid:
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"Crannog did not start; its log is {log}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)
    return lock


def client_environment(binary: Path, data_dir: Path) -> dict:
    """What `eval "$(crannog env)"` sets in a shell."""
    text = subprocess.run([binary, "--data-dir", data_dir, "env"], check=True, capture_output=True, text=True).stdout
    words = [word for word in shlex.split(text, comments=True) if "=" in word]
    return dict(word.split("=", 1) for word in words) | {"MLFLOW_DISABLE_TELEMETRY": "true"}


def run_pipeline(api: requests.Session, base: str, share: float):
    def call(method: str, path: str, **body):
        answer = api.request(method, base + path, timeout=60, **body)
        if not answer.ok:
            sys.exit(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    call("PUT", "/pipelines/flight-delays", data=(HERE / "pipeline.yaml").read_bytes())
    params = {"python": sys.executable, "code": str(HERE), "share": str(share)}
    run = call("POST", "/pipelines/flight-delays/runs", json={"params": params})
    began, seen = time.monotonic(), {}
    while True:
        run = call("GET", f"/pipeline-runs/{run['id']}")
        for task in run["tasks"]:
            if seen.get(task["id"]) != task["state"] and task["state"] in OVER | {"running", "up_for_retry"}:
                print(f"  {time.monotonic() - began:6.1f} s  {task['id']:<15} {task['state']}", flush=True)
            seen[task["id"]] = task["state"]
        if run["state"] in OVER:
            break
        time.sleep(0.2)
    for task in run["tasks"]:
        if run["state"] != "success" and task["state"] == "failed":
            log = call("GET", f"/pipeline-runs/{run['id']}/tasks/{task['id']}/log?attempt={task['attempt']}")
            print(f"\n{task['id']} said:\n{log['text'][-3000:]}")
    if run["state"] != "success":
        sys.exit(f"the pipeline run {run['id']} ended as {run['state']}")
    return run["id"]


def show_models():
    import mlflow

    from flights import MODEL

    client = mlflow.MlflowClient()
    aliases = client.get_registered_model(MODEL).aliases
    for alias in ("production", "challenger"):
        version = client.get_model_version_by_alias(MODEL, alias)
        run = client.get_run(version.run_id)
        print(f"  version {aliases[alias]}  {run.info.run_name:<9} {alias:<11} held-out AUC {run.data.metrics['auc']:.4f}")


def predict():
    from flights import ENDPOINT, NUMBERS, WORDS, as_json, crannog, read_table, url

    flight = read_table("flights/heldout.parquet")[NUMBERS + WORDS].head(1)
    answer = crannog().post(url(f"/endpoints/{ENDPOINT}/invocations"), json=as_json(flight))
    answer.raise_for_status()
    late = answer.json()["predictions"][0]["probabilities"][1]
    what = flight.iloc[0]
    print(f"  {what.carrier} from {what.origin} to {what.dest}: {late:.1%} likely to be more than 15 minutes late")


def goodbye(lock: dict, binary: Path, data_dir: Path, once: bool):
    if once:
        os.kill(lock["pid"], 15)
        deadline = time.monotonic() + 30
        while running(data_dir) and time.monotonic() < deadline:
            time.sleep(0.05)
        say("Done; the server is stopped. `make demo` starts it again on the same data.")
        return
    say(f"The server stays up at {lock['http_url']}")
    print(f"""  sign in       user and password are in {data_dir}/secrets/admin.toml
  your shell    eval "$({binary} --data-dir {data_dir} env)"
  try next      {sys.executable} {HERE}/switch.py      moves production back, under load
                move the alias in the browser: Models, {'flight-delay'}
                {binary} --data-dir {data_dir} status
  stop it       kill {lock['pid']}""")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=Path)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--once", action="store_true", help="stop the server at the end")
    parser.add_argument("--share", type=float, default=1.0, help="of the flights, from 0 to 1")
    options = parser.parse_args()
    binary, data_dir = options.binary.resolve(), options.data_dir.resolve()

    lock = running(data_dir)
    say("Crannog already runs on this data" if lock else "Starting Crannog")
    lock = lock or start(binary, data_dir, data_dir.with_name(data_dir.name + ".log"))
    print(f"  {lock['http_url']} (HTTP), {lock['s3_url']} (S3), data in {data_dir}")
    os.environ.update(client_environment(binary, data_dir))

    say("Running the pipeline flight-delays on the flights of 2013")
    from flights import crannog

    run_pipeline(crannog(), lock["http_url"] + "/api/crannog/v1", options.share)

    say("The two models, as the mlflow client reads them back")
    show_models()
    say("One prediction")
    predict()
    say("Moving alias production to the other model while requests flow")
    switched = subprocess.run([sys.executable, HERE / "switch.py"]).returncode
    goodbye(lock, options.binary, options.data_dir, options.once)
    sys.exit(switched)


if __name__ == "__main__":
    main()
