"""The real binary on ports of its own, and the clients people already use pointed at it.

`server` is one Crannog for the whole session; a test that stops, kills or breaks a server takes a
`private_server`. The binary is target/debug/crannog unless CRANNOG_BIN names another.
"""

import json
import os
import re
import signal
import subprocess
import time
import tomllib
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import requests

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 30

# A test must not depend on the settings of whoever runs it, and must not call home.
FOREIGN = re.compile(r"^(CRANNOG|MLFLOW|AWS|AIRFLOW|S3)_|_proxy$", re.IGNORECASE)
QUIET = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


# Where pytest's own workers find the binary: what is named for a user's server is taken from the environment below.
UNDER_TEST = "BINARY_UNDER_TEST"


def binary() -> Path:
    named = os.environ.get(UNDER_TEST) or os.environ.get("CRANNOG_BIN")
    path = Path(named or REPOSITORY / "target/debug/crannog").absolute()
    if not path.exists():
        pytest.exit(f"{path} is missing: run `cargo build`, or set CRANNOG_BIN", returncode=2)
    return path


CRANNOG = binary()
for name in [name for name in os.environ if FOREIGN.search(name)]:
    del os.environ[name]
os.environ.update(QUIET | {UNDER_TEST: str(CRANNOG)})


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Lets a fixture know, on its way out, that its test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


def eventually(check, timeout=30.0, interval=0.05, what="the condition"):
    """Calls `check` until it answers something true, and returns that; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {timeout} s (last answer: {answer!r})")
        time.sleep(interval)


class Api(requests.Session):
    """Crannog's own JSON API: `api.get("/status")` asks /api/crannog/v1/status, signed in as admin."""

    def __init__(self, http_url, user, password, verify=True):
        super().__init__()
        self.verify = verify
        self.base = f"{http_url}/api/crannog/v1"
        self.auth = (user, password)
        self.trust_env = False

    def request(self, method, url, **kwargs):
        kwargs.setdefault("timeout", 60)
        return super().request(method, self.base + url if url.startswith("/") else url, **kwargs)


class Server:
    """One `crannog serve` on a data directory; it keeps its addresses over a restart."""

    def __init__(self, folder: Path, env=None, args=()):
        self.data_dir = folder / "data"
        self.log_path = folder / "server.log"
        self.extra_env = dict(env or {})
        self.args = list(args)
        self.binary = CRANNOG
        self.listen = {"http": "127.0.0.1:0", "s3": "127.0.0.1:0"}
        self.process = None

    def start(self):
        command = [self.binary, "serve", "--data-dir", self.data_dir]
        command += ["--http-listen", self.listen["http"], "--s3-listen", self.listen["s3"], *self.args]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.extra_env,
            )
        self._wait_ready()
        self.listen = {"http": urlsplit(self.http_url).netloc, "s3": urlsplit(self.s3_url).netloc}
        return self

    def _wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            code = self.process.poll()
            if code is not None:
                raise RuntimeError(f"crannog serve ended with {code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"crannog serve was not ready in {START_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.01)

    def _ready(self) -> bool:
        try:
            lock = json.loads((self.data_dir / "lock").read_text())
            # After kill -9 the file of the dead server is still there.
            if lock["pid"] != self.process.pid:
                return False
            ready = requests.get(lock["http_url"] + "/readyz", timeout=5, verify=self.authority).status_code == 200
            admin = tomllib.loads((self.data_dir / "secrets/admin.toml").read_text())
            # At a first start the file may be there before its lines are.
            self.user, self.password = admin["user"], admin["password"]
            self.access_key, self.secret_key = admin["access_key_id"], admin["secret_access_key"]
        except (OSError, ValueError, KeyError, requests.RequestException):
            return False
        self.http_url, self.s3_url = lock["http_url"], lock["s3_url"]
        return ready

    @property
    def authority(self):
        """What `requests` takes as `verify`: the server's own authority, where it speaks TLS."""
        own = self.data_dir / "ca.pem"
        return str(own) if own.exists() else True

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def auth(self):
        return (self.user, self.password)

    def log_tail(self, characters=4000) -> str:
        return self.log_path.read_text(errors="replace")[-characters:] if self.log_path.exists() else ""

    def kill9(self):
        """What a power cut does to the process. Its tasks live on."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=30) -> int:
        """Asks it to stop, and answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise RuntimeError(f"crannog did not stop in {timeout} s:\n{self.log_tail()}") from None

    def restart(self):
        """Stops it if it runs, and starts it again on the same data directory and ports."""
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def env(self) -> dict:
        """What `eval "$(crannog env)"` would set, plus what keeps the clients quiet."""
        return QUIET | {
            "MLFLOW_TRACKING_URI": self.http_url,
            "MLFLOW_TRACKING_USERNAME": self.user,
            "MLFLOW_TRACKING_PASSWORD": self.password,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.s3_url,
            "AWS_REGION": "us-crannog-1",
            "AWS_DEFAULT_REGION": "us-crannog-1",
            "CRANNOG_URL": self.http_url,
        }

    def api(self) -> Api:
        return Api(self.http_url, self.user, self.password, self.authority)

    def s3(self, **config):
        """A boto3 client; keyword arguments go into its botocore Config."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.s3_url,
            region_name="us-crannog-1",
            verify=self.authority,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(**({"retries": {"max_attempts": 1}} | config)),
        )

    def cli(self, *args, check=True, **kwargs) -> subprocess.CompletedProcess:
        """Runs `crannog --data-dir DIR ARGS`, so as the admin of this server."""
        command = [str(CRANNOG), "--data-dir", str(self.data_dir), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, **kwargs)
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


@pytest.fixture(scope="session")
def crannog() -> Path:
    """The binary under test."""
    return CRANNOG


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server most tests share."""
    running = Server(tmp_path_factory.mktemp("crannog")).start()
    yield running
    running.stop()


@pytest.fixture
def private_server(tmp_path_factory):
    """A function that makes a server of one's own: `private_server(env=..., args=..., start=False)`."""
    made = []

    def make(env=None, args=(), start=True) -> Server:
        made.append(Server(tmp_path_factory.mktemp("crannog"), env, args))
        return made[-1].start() if start else made[-1]

    yield make
    for running in made:
        if running.process is not None and running.process.poll() is None:
            running.stop()


@pytest.fixture
def s3(server):
    """boto3 on the shared server."""
    return server.s3()


@pytest.fixture
def bucket(s3):
    """A new bucket; it goes with all its versions."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


def empty_bucket(s3, name):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        wanted = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if wanted:
            s3.delete_objects(Bucket=name, Delete={"Objects": wanted, "Quiet": True})


@pytest.fixture
def api(server):
    """Crannog's own API on the shared server, signed in as admin."""
    with server.api() as session:
        yield session


@contextmanager
def pointed_at(target: Server):
    """This process, the fluent mlflow API included, speaks to a server for a while: `with pointed_at(server) as client`."""
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        for name, value in target.env().items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(target.http_url)
        mlflow.set_registry_uri(target.http_url)
        # The fluent API remembers an experiment by id, which another server may not have.
        mlflow.set_experiment(experiment_id="0")
        try:
            yield mlflow.MlflowClient()
        finally:
            while mlflow.active_run() is not None:
                mlflow.end_run("FAILED")
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
            # What `set_registry_uri` put there it does not take away again, and it may name a server that is gone.
            os.environ.pop("MLFLOW_REGISTRY_URI", None)


@contextmanager
def answering(door):
    """An `http.server` that answers from a thread of its own for a while: `with answering(ThreadingHTTPServer(...)) as door`."""
    thread = Thread(target=door.serve_forever)
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        thread.join()
        door.server_close()


@pytest.fixture
def point_at():
    """Points this process at a server until the test is over: `point_at(server)` -> MlflowClient."""
    with ExitStack() as pointed:
        yield lambda target: pointed.enter_context(pointed_at(target))


@pytest.fixture
def mlflow_client(server, point_at):
    """MlflowClient on the shared server; `import mlflow` and its fluent API work too."""
    return point_at(server)
