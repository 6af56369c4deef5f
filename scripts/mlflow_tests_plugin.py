"""A pytest plugin for `mlflow_tests.py`: the suite's own ways to start an MLflow server start Crannog.

MLFLOW_TESTS_BINARY is Crannog, MLFLOW_TESTS_HOME a folder for its data, MLFLOW_TESTS_RESULTS a file that
gets one JSON line a test. Without a binary nothing is swapped, and the suite starts its own servers.

A server is started where the suite would start one, with an empty data directory. The tracking URI in
force is the newest server's. What a test asks without credentials is asked as the administrator, save in
the tests of authentication. A test that sent no request to a server has shown nothing, and is named so.
"""

import configparser
import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
from base64 import b64encode
from pathlib import Path

import mlflow
import pytest
import requests
from suites import Server, has_key, serve

BINARY = Path(os.environ["MLFLOW_TESTS_BINARY"]) if os.environ.get("MLFLOW_TESTS_BINARY") else None
HOME = Path(os.environ["MLFLOW_TESTS_HOME"])
# What MLflow's basic-auth app has without a configuration of its own.
ADMIN, PASSWORD = "admin", "password1234"
# Crannog keeps one store: the tests over MLflow's file store would ask it the same things once more.
OTHER_STORE = "file"
OUTCOMES = {}


class Now:
    """The test under way."""

    servers = {}
    requests = 0
    signs_in = True


def pytest_collection_modifyitems(config, items):
    twice = [item for item in items if store_of(item) == OTHER_STORE]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]


def store_of(item) -> str:
    call = getattr(item, "callspec", None)
    params = call.params if call else {}
    return params.get("store_type") or (params.get("client") if item.path.name == "test_model_registry.py" else "")


def pytest_sessionstart(session):
    count_requests()
    if BINARY is None:
        return
    from tests.tracking import integration_test_utils as suite

    suite.ServerThread = Crannog
    suite._init_server = init_server
    subprocess.Popen = Popen


def count_requests():
    send = requests.adapters.HTTPAdapter.send

    @functools.wraps(send)
    def counting(self, request, **options):
        url = urllib.parse.urlsplit(request.url)
        if url.hostname in ("localhost", "127.0.0.1") and (BINARY is None or url.port in Now.servers):
            # Looking whether the server is up is no use of it.
            Now.requests += url.path != "/health"
            if BINARY and Now.signs_in and "Authorization" not in request.headers:
                request.headers["Authorization"] = basic(ADMIN, PASSWORD)
        return send(self, request, **options)

    requests.adapters.HTTPAdapter.send = counting


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Crannog:
    """Stands in for the suite's thread with an MLflow server."""

    def __init__(self, app=None, port=None, extra_env=None):
        self.env = dict(os.environ) | (extra_env or {})

    def __enter__(self) -> str:
        data = fresh_folder()
        log = (HOME / "server.log").open("ab")
        self.server = Server(BINARY, data, log, settings(self.env))
        url = self.server.lock["http_url"]
        self.port = urllib.parse.urlsplit(url).port
        Now.servers[self.port] = url
        return url

    def __exit__(self, *_):
        Now.servers.pop(self.port, None)
        self.server.stop()
        self.server.log.close()
        shutil.rmtree(self.server.data, ignore_errors=True)


@contextlib.contextmanager
def init_server(backend_uri, root_artifact_uri, extra_env=None, app=None, server_type="fastapi"):
    mlflow.set_tracking_uri(None)
    with Crannog(extra_env=extra_env) as url:
        yield url


class Popen(subprocess.Popen):
    """Starts Crannog where `mlflow server` was asked for, and anything else as it is."""

    def __init__(self, args, *rest, **options):
        words = [str(word) for word in args] if isinstance(args, (list, tuple)) else []
        self.crannog_port = None
        if {"mlflow", "server"} <= set(words):
            self.crannog_port = int(option(words, "--port"))
            args = serve(BINARY, fresh_folder(), self.crannog_port)
            options["env"] = settings(dict(options.get("env") or os.environ))
            Now.servers[self.crannog_port] = f"http://localhost:{self.crannog_port}"
        super().__init__(args, *rest, **options)

    def wait(self, timeout=None):
        code = super().wait(timeout)
        Now.servers.pop(self.crannog_port, None)
        return code


def option(words: list, name: str) -> str:
    """The value of `--name value` or `--name=value`."""
    for word, after in zip(words, words[1:] + [""]):
        if word == name:
            return after
        if word.startswith(name + "="):
            return word.removeprefix(name + "=")
    raise ValueError(f"no {name} in {words}")


NUMBERS = itertools.count()


def fresh_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{next(NUMBERS)}-", dir=HOME))


# MLflow's variable, and the configuration key that means the same to Crannog.
SETTINGS = {"MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "mlflow.version_source_pattern"}


def settings(env: dict) -> dict:
    """Crannog's environment, for a server that the suite would have given this one."""
    wanted = {key: env[name] for name, key in SETTINGS.items() if env.get(name)} | auth_settings(env)
    known = {f"CRANNOG_{key.replace('.', '_').upper()}": value for key, value in wanted.items() if knows(key)}
    return {"PATH": os.environ["PATH"], "CRANNOG_ADMIN_PASSWORD": PASSWORD} | known


def auth_settings(env: dict) -> dict:
    if not env.get("MLFLOW_AUTH_CONFIG_PATH"):
        return {}
    parser = configparser.ConfigParser()
    parser.read(env["MLFLOW_AUTH_CONFIG_PATH"])
    return {f"mlflow.{key}": parser["mlflow"][key] for key in ("default_permission",) if key in parser["mlflow"]}


@functools.cache
def knows(key: str) -> bool:
    return has_key(BINARY, key)


def pytest_runtest_setup(item):
    Now.requests = 0
    Now.signs_in = "tests/server/auth" not in item.path.as_posix()
    for name, value in (("USERNAME", ADMIN), ("PASSWORD", PASSWORD)):
        # For the commands a test runs in a process of its own.
        if Now.signs_in and BINARY:
            os.environ[f"MLFLOW_TRACKING_{name}"] = value
        else:
            os.environ.pop(f"MLFLOW_TRACKING_{name}", None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    if BINARY and Now.servers:
        mlflow.set_tracking_uri(list(Now.servers.values())[-1])
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    entry = OUTCOMES.setdefault(item.nodeid, first(item))
    entry["seconds"] += call.duration
    if report.when == "call":
        entry["requests"] = Now.requests
    # A failed set-up or clean-up fails the test; a skip is not a pass.
    if report.failed and entry["outcome"] != "failed":
        entry |= {"outcome": "failed", "reason": reason(report, call), "detail": report.longreprtext}
    elif report.skipped and entry["outcome"] == "passed":
        entry |= {"outcome": "skipped", "reason": str(call.excinfo.value) if call.excinfo else ""}
    if report.when == "teardown":
        if entry["outcome"] == "passed" and not entry["requests"]:
            entry |= {"outcome": "no request", "reason": "sent no request to a server"}
        with open(os.environ["MLFLOW_TESTS_RESULTS"], "a") as results:
            results.write(json.dumps(entry) + "\n")
    return report


def first(item) -> dict:
    return {
        "name": item.name,
        "file": item.path.relative_to(item.config.rootpath).as_posix(),
        "outcome": "passed",
        "reason": "",
        "detail": "",
        "requests": 0,
        "seconds": 0.0,
    }


def reason(report, call) -> str:
    """The error in one line, and the line of the suite it came from."""
    error = call.excinfo
    text = " ".join(str(error.value).split()) or "assertion failed"
    suite = [entry for entry in error.traceback if "tests" in entry.path.parts]
    line = f"{suite[-1].path.name}:{suite[-1].lineno + 1}" if suite else "outside the suite"
    when = "" if report.when == "call" else f"in {report.when}: "
    return f"{when}{error.typename}: {text[:300]} [{line}]"
