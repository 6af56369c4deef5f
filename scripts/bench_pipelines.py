"""`make bench-pipelines`: Crannog's scheduler, beside `airflow standalone` where one is installed, in one run.

Each scheduler in turn gets the same pipelines of no-op shell tasks. CPU is that of all its processes, the tasks'
own included: what still runs by the kernel's clock of each process, what has ended by what its parent was charged
for it. A task says by the time of a file it makes when it ran, to within a tick of the kernel (4 ms).

usage: bench_pipelines.py CRANNOG [--airflow PATH] [--triggers N] [--wide N] [--json FILE]
"""

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from bench_tracking import Server, Wire, crannog, free_port

CHAIN, FAN, KEPT = 50, 100, 50
TICKS = os.sysconf("SC_CLK_TCK")

# title, field, digits, goal
ROWS = [
    ("trigger to first task running, p50, ms", "first_p50", 1, ""),
    ("  p95", "first_p95", 1, "<= 50"),
    (f"chain of {CHAIN}, tasks/s", "chain", 1, ">= 20"),
    (f"fan-out of {FAN}, tasks/s", "fan", 1, ">= 150"),
    ("  CPU ms a task", "fan_cpu", 2, "<= 5"),
    ("wide fan-out, tasks/s", "wide", 1, ">= 200"),
    ("  CPU ms a task", "wide_cpu", 2, "<= 5"),
    ("    of which the server", "wide_server_cpu", 2, ""),
    ("new definition visible, s", "visible", 2, "<= 2"),
    ("idle memory before any pipeline, MiB", "idle_mib", 1, ""),
    (f"  with {KEPT} pipelines, after all of these runs", "after_mib", 1, "<= 20 more"),
    ("idle CPU with them, ms a second", "idle_cpu", 2, ""),
]


class Crannog:
    """A server with a folder of definitions."""

    def __init__(self, options, folder: Path):
        self.definitions = folder / "pipelines"
        self.definitions.mkdir()
        self.server = crannog(options, folder, "--pipelines-dir", self.definitions, "--pipelines-max-tasks", options.slots)
        self.wire = Wire(self.server)

    def define(self, name: str, tasks: list[tuple[str, list, str]], schedule: str | None = None):
        body = {"name": name, "tasks": [{"id": task, "needs": needs, "run": run} for task, needs, run in tasks]}
        body |= {"schedule": schedule} if schedule else {}
        (self.definitions / f"{name}.yaml").write_text(json.dumps(body))

    def visible(self, name: str) -> bool:
        return self.wire.call("GET", f"/api/crannog/v1/pipelines/{name}", check=False)[0] == 200

    def trigger(self, name: str) -> str:
        _, text = self.wire.call("POST", f"/api/crannog/v1/pipelines/{name}/runs", {}, check=False)
        return json.loads(text)["id"]

    def state(self, name: str, run: str) -> str:
        runs = json.loads(self.wire.call("GET", f"/api/crannog/v1/pipelines/{name}/runs?limit=5")[1])["runs"]
        return next(one["state"] for one in runs if one["id"] == run)

    run_id = "$CRANNOG_RUN_ID"


class Family(Server):
    """A server of several processes, which do not all end with the first."""

    def stop(self):
        pids = self.pids()
        super().stop()
        for pid in pids[1:]:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


class Airflow:
    """`airflow standalone` as it comes, but for the number of tasks at once and the example DAGs."""

    def __init__(self, options, folder: Path):
        self.definitions, port = folder / "dags", free_port()
        self.definitions.mkdir()
        own = {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": options.slots,
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": options.slots,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PATH": f"{options.airflow.parent}:{os.environ['PATH']}",
        }
        env = os.environ | {name: str(value) for name, value in own.items()}
        self.server = Family("airflow", [options.airflow, "standalone"], folder / "log", env)
        self.server.wait(port, "/api/v2/version", 600)
        self.wire = Wire(self.server)
        passwords = json.loads((folder / "simple_auth_manager_passwords.json.generated").read_text())
        body = {"username": "admin", "password": passwords["admin"]}
        token = json.loads(self.wire.call("POST", "/auth/token", body, check=False)[1])["access_token"]
        self.server.auth = self.wire.auth = f"Authorization: Bearer {token}\r\n"

    def define(self, name: str, tasks: list[tuple[str, list, str]], schedule: str | None = None):
        lines = ["from airflow.sdk import DAG", "from airflow.providers.standard.operators.bash import BashOperator"]
        lines += ["import datetime", "made = {}", f"with DAG({name!r}, schedule={schedule!r}, catchup=False):"]
        for task, needs, run in tasks:
            lines.append(f"    made[{task!r}] = BashOperator(task_id={task!r}, bash_command={run!r})")
            lines += [f"    made[{need!r}] >> made[{task!r}]" for need in needs]
        (self.definitions / f"{name}.py").write_text("\n".join(lines) + "\n")

    def visible(self, name: str) -> bool:
        return self.wire.call("GET", f"/api/v2/dags/{name}", check=False)[0] == 200

    def trigger(self, name: str) -> str:
        _, text = self.wire.call("POST", f"/api/v2/dags/{name}/dagRuns", {"logical_date": None})
        return json.loads(text)["dag_run_id"]

    def state(self, name: str, run: str) -> str:
        status, text = self.wire.call("GET", f"/api/v2/dags/{name}/dagRuns/{run.replace('+', '%2B')}", check=False)
        # With a thousand tasks its SQLite is locked now and then, and it answers 500: it is asked again.
        return json.loads(text)["state"] if status < 500 else "unknown"

    run_id = "$AIRFLOW_CTX_DAG_RUN_ID"


def cpu_s(server: Server) -> tuple[float, float]:
    """CPU of all its processes with those that have ended, and of the first process alone."""
    whole, own = server.cpu_s(), 0.0
    for pid in server.pids():
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            whole += (int(fields[13]) + int(fields[14])) / TICKS
            if pid == server.child.pid:
                own = (int(fields[11]) + int(fields[12])) / TICKS
    return whole, own


def memory_mib(server: Server) -> float:
    """Of all its processes; what several of them have in common, as the program itself, counts once."""
    kib = 0
    for pid in server.pids():
        with suppress(OSError):
            kib += int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1].split()[0])
    return kib / 1024


def until(what: str, check, seconds: float = 1200, every: float = 0.02):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come in {seconds} s")
        time.sleep(every)


def defined(peer, name: str, tasks: list, schedule: str | None = None) -> float:
    """Seconds until a new definition can be run."""
    began = time.monotonic()
    peer.define(name, tasks, schedule)
    until(f"definition {name}", lambda: peer.visible(name))
    return time.monotonic() - began


def finished(peer, name: str, every: float) -> float:
    """Runs a pipeline to its end; answers the seconds it took."""
    began, run = time.monotonic(), peer.trigger(name)
    until(f"end of {name}", lambda: peer.state(name, run) in ("success", "failed"), every=every)
    took = time.monotonic() - began
    if peer.state(name, run) != "success":
        raise SystemExit(f"a run of {name} failed")
    return took


def first_task(peer, folder: Path, count: int) -> list[float]:
    """Milliseconds from asking for a run to its first task's first command."""
    times = []
    for _ in range(count):
        began, known = time.time_ns(), set(folder.iterdir())
        run = peer.trigger("first")
        until("first task", lambda: set(folder.iterdir()) - known, every=0.001)
        (made,) = set(folder.iterdir()) - known
        times.append(max(0, made.stat().st_mtime_ns - began) / 1e6)
        until("end of first", lambda: peer.state("first", run) == "success", every=0.01)
    return sorted(times)


def fan_out(peer, name: str, count: int, result: dict, field: str):
    defined(peer, name, [(f"t{n}", [], "true") for n in range(count)])
    (before, own), took = cpu_s(peer.server), finished(peer, name, 0.1)
    after, own_after = cpu_s(peer.server)
    result[field], result[f"{field}_cpu"] = count / took, (after - before) / count * 1000
    result[f"{field}_server_cpu"] = (own_after - own) / count * 1000


def measure(peer, options, folder: Path) -> dict:
    said = folder / "said"
    said.mkdir()
    result = {"idle_mib": memory_mib(peer.server)}
    task = ("a", [], f": > {said}/{peer.run_id}")
    defined(peer, "first", [task])
    first_task(peer, said, 2)
    times = first_task(peer, said, options.triggers)
    result["first_p50"], result["first_p95"] = statistics.median(times), times[max(0, -(-len(times) * 19 // 20) - 1)]
    defined(peer, "chain", [(f"t{n}", [f"t{n - 1}"] if n else [], "true") for n in range(CHAIN)])
    result["chain"] = CHAIN / finished(peer, "chain", 0.02)
    fan_out(peer, "fan", FAN, result, "fan")
    if options.wide:
        fan_out(peer, "wide", options.wide, result, "wide")
    result["visible"] = max(defined(peer, f"new{n}", [task]) for n in range(3 if peer.__class__ is Crannog else 1))
    for n in range(KEPT):
        peer.define(f"kept{n}", [task], f"{n} 3 * * *")
    until("the last definition", lambda: peer.visible(f"kept{KEPT - 1}"))
    # As long as it takes to come to rest after the work.
    time.sleep(30)
    before = peer.server.cpu_s()
    time.sleep(10)
    result["idle_cpu"] = (peer.server.cpu_s() - before) * 100
    result["after_mib"] = memory_mib(peer.server)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("crannog", type=Path)
    parser.add_argument("--airflow", type=Path, help="the airflow command of an installation")
    parser.add_argument("--triggers", type=int, default=40)
    parser.add_argument("--wide", type=int, default=1000, help="tasks of the wide fan-out; 0 leaves it out")
    parser.add_argument("--slots", type=int, default=16, help="tasks that run at once")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="crannog-bench-", dir=os.environ.get("BENCH_DIR")) as root:
        for name, make in [("crannog", Crannog)] + ([("airflow", Airflow)] if options.airflow else []):
            folder = Path(root) / name
            folder.mkdir()
            peer = make(options, folder)
            try:
                with closing(peer.wire):
                    results[name] = measure(peer, options, folder)
            finally:
                peer.server.stop()
    show(options, results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def show(options, results: dict):
    print(f"{os.cpu_count()} cores · load at the end {os.getloadavg()[0]:.1f} · the wide fan-out has {options.wide:,} tasks")
    print(f"{'':<52}{''.join(f'{name:>12}' for name in results)}   goal")
    for title, field, digits, goal in ROWS:
        cells = "".join(f"{result[field]:>12,.{digits}f}" if field in result else f"{'-':>12}" for result in results.values())
        print(f"{title:<52}{cells}   {goal}")


if __name__ == "__main__":
    main()
