#!/usr/bin/env python3
"""Runs MLflow's own REST tests against Crannog, and says which pass, file by file.

    mlflow_tests.py --suite DIR [--binary FILE] [-k EXPRESSION] [--out DIR] [--save FILE] [--peer]

DIR is a checkout of https://github.com/mlflow/mlflow at the tag of VERSION; its `tests` folder is copied
into OUT (target/mlflow-tests unless said otherwise), since beside `mlflow/` it would import that instead
of the released package, and the copy is not edited: `mlflow_tests_plugin.py` has Crannog started wherever
the suite would start `mlflow server`. --peer leaves that out, so that MLflow's own server is asked.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from suites import REPOSITORY, clean_env, environment

VERSION = "3.11.1"
SUITE = "https://github.com/mlflow/mlflow"
TEST_SECONDS = 180
FILES = [
    "tests/tracking/test_rest_tracking.py",
    "tests/tracking/test_model_registry.py",
    "tests/tracking/test_mlflow_artifacts.py",
    "tests/tracking/test_client_webhooks.py",
    "tests/webhooks/test_e2e.py",
    "tests/tracing/test_otel_logging.py",
    "tests/server/auth/test_auth.py",
    "tests/server/auth/test_client.py",
]
PACKAGES = [
    f"mlflow[auth]=={VERSION}",
    "pytest==9.0.2",
    "pytest-asyncio",
    "pytest-timeout",
    "psutil",
    "PyJWT",
    "httpx",
    "opentelemetry-exporter-otlp-proto-http",
]
OUTCOMES = ["passed", "failed", "elsewhere", "no request", "skipped"]
IN_PROCESS = "replaces a function of the server it runs in its own process"
ON_DISK = "looks for the artifacts in the server's folder"
# What a server that is not MLflow, or is only known by its URL, cannot pass: counted as "elsewhere".
ELSEWHERE = {
    "test_artifacts[sqlalchemy]": ON_DISK,
    "test_log_artifact": ON_DISK,
    "test_mlflow_artifacts_rest_apis": ON_DISK,
    "test_rest_get_model_version_artifact_api_proxied_artifact_root": "writes into the server's folder and database",
    "test_create_model_version_with_file_uri[sqlalchemy]": "a run's artifacts must be a path of the server's",
    "test_create_model_version_with_path_source[sqlalchemy]": "a run's artifacts must be a path of the server's",
    "test_mlflow_artifacts_example": "runs docker compose",
    "test_error_logging_spans": IN_PROCESS,
    "test_otel_trace_received_telemetry_from_external_client": IN_PROCESS,
    "test_authenticate_jwt[client0]": "signs in with a Python function that the server would import",
}


def main():
    options = arguments()
    suite = find_suite(options.suite)
    if options.check:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    python = environment(options.out / "venv", PACKAGES)
    results = run(options, copy(suite, options.out / "suite"), python)
    if not results:
        sys.exit(f"no test ran: see {options.out}/pytest.log")
    text = report(results)
    print(text, flush=True)
    if options.save:
        options.save.write_text(text + "\n")
    if options.strict and any(result["outcome"] == "failed" for result in results):
        sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="", help="a checkout of mlflow/mlflow")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/debug/crannog")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "target/mlflow-tests")
    parser.add_argument("-k", dest="keyword", default="", help="pytest's -k: only tests whose name fits")
    parser.add_argument("--peer", action="store_true", help="ask MLflow's own server instead")
    parser.add_argument("--save", type=Path, help="a file that gets the report too")
    parser.add_argument("--check", action="store_true", help="only see whether the suite is there")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a test failed")
    return parser.parse_args()


def find_suite(given: str) -> Path:
    suite = Path(given).expanduser().resolve() if given else None
    if suite is None or not (suite / FILES[0]).exists():
        where = f"no {FILES[0]} in {suite}" if suite else "no suite was named"
        sys.exit(
            f"missing: mlflow/mlflow ({where})\n"
            f"  hint: git clone --depth 1 -b v{VERSION} {SUITE} somewhere, then: make mlflow-tests MLFLOW=/path/to/mlflow"
        )
    return suite


def copy(suite: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(suite / "tests", to / "tests", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(suite / "pyproject.toml", to)
    return to


def run(options, suite: Path, python: Path) -> list:
    """Plays the suite, and answers what came of each test."""
    with tempfile.TemporaryDirectory(prefix="crannog-mlflow-tests-") as folder:
        home = Path(folder)
        env = clean_env("AWS_", "MLFLOW_") | {
            "MLFLOW_TESTS_BINARY": "" if options.peer else str(options.binary.resolve()),
            "MLFLOW_TESTS_HOME": folder,
            "MLFLOW_TESTS_RESULTS": str(home / "results"),
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{REPOSITORY / 'scripts'}:{suite}",
            "PYTHONDONTWRITEBYTECODE": "1",
            # The client would ask again and again, for minutes, what the server answered with 500.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        }
        # Beside the folder of the suite, so that what a test leaves in its own folder is left there.
        command = [python, "-m", "pytest", "-p", "mlflow_tests_plugin", "-p", "no:cacheprovider"]
        command += ["--rootdir", suite, "--basetemp", home / "tmp", "--timeout", TEST_SECONDS, "--tb=short", "--color=no"]
        command += ["-k", options.keyword] if options.keyword else []
        command += FILES
        with (options.out / "pytest.log").open("wb") as log:
            subprocess.run(list(map(str, command)), env=env, cwd=suite, stdout=log, stderr=subprocess.STDOUT)
        for name in ("results", "server.log"):
            if (home / name).exists():
                shutil.copy(home / name, options.out)
        lines = (home / "results").read_text().splitlines() if (home / "results").exists() else []
        return [judged(json.loads(line)) for line in lines]


def judged(result: dict) -> dict:
    why = ELSEWHERE.get(result["name"])
    return result | {"outcome": "elsewhere", "reason": why} if why and result["outcome"] == "failed" else result


def report(results: list) -> str:
    counts = {file: Counter(r["outcome"] for r in results if r["file"] == file) for file in FILES}
    counts["total"] = sum(counts.values(), Counter())
    lines = [f"{'file':<42} {'tests':>6}" + "".join(f" {outcome:>10}" for outcome in OUTCOMES)]
    for file, row in counts.items():
        if row:
            cells = "".join(f" {row[outcome]:>10}" for outcome in OUTCOMES)
            lines.append(f"{file.removeprefix('tests/'):<42} {row.total():>6}{cells}")
    lines.append(f"time in tests: {sum(result['seconds'] for result in results):.0f} s")
    for outcome in OUTCOMES[1:]:
        some = [result for result in results if result["outcome"] == outcome]
        lines += ["", f"{outcome}:"] if some else []
        for result in some:
            lines.append(f"  {Path(result['file']).name}::{result['name']}: {result['reason']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
