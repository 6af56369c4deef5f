"""The servers `make bench-s3` loads side by side: Crannog, and the peers installed on this machine.

A peer that is not installed is named as missing. Each server gets a fresh folder on the same disk, listens on
loopback only, and ends with the run.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import tomllib
import uuid
from contextlib import suppress
from pathlib import Path

import boto3
from botocore.config import Config

ACCESS, SECRET = "BENCHACCESSKEY000001", "benchsecretbenchsecretbenchsecretbench00"


class Server:
    """A running server: where it listens, how to sign, and which processes it is made of."""

    def __init__(self, name: str, note: str):
        self.name, self.note = name, note
        self.endpoint, self.access, self.secret, self.region = "", ACCESS, SECRET, "us-east-1"
        self.children: list[subprocess.Popen] = []

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self.children]

    def spawn(self, log: Path, *command, **options):
        with log.open("ab") as output:
            child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
            )
        self.children.append(child)
        return child

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            region_name=self.region,
            aws_access_key_id=self.access,
            aws_secret_access_key=self.secret,
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, connect_timeout=5),
        )

    def wait(self, seconds: float = 60):
        """Returns once the server lists its buckets."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.client().list_buckets()
                return
            except Exception as error:
                ended = [child for child in self.children if child.poll() is not None]
                if ended or time.monotonic() > end:
                    raise RuntimeError(f"{self.name} did not become ready: {error}") from error
                time.sleep(0.05)

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def crannog(binary: Path, folder: Path) -> Server:
    server = Server("crannog", "full durability: every write is synced before its answer")
    data = folder / "data"
    command = [binary, "serve", "--data-dir", data, "--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"]
    child = server.spawn(folder / "log", *command)
    end = time.monotonic() + 60
    while True:
        with suppress(OSError, ValueError, KeyError):
            lock = json.loads((data / "lock").read_text())
            if lock["pid"] == child.pid and (data / "secrets" / "admin.toml").exists():
                break
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"crannog did not start; see {folder / 'log'}")
        time.sleep(0.02)
    admin = tomllib.loads((data / "secrets" / "admin.toml").read_text())
    server.endpoint = lock["s3_url"].removeprefix("http://").rstrip("/")
    server.access, server.secret = admin["access_key_id"], admin["secret_access_key"]
    server.wait()
    return server


def s3s_fs(folder: Path) -> Server | None:
    binary = shutil.which("s3s-fs")
    if binary is None:
        return None
    server = Server("s3s-fs", "no durability: nothing is ever synced")
    data, port = folder / "data", free_port()
    data.mkdir()
    server.endpoint = f"127.0.0.1:{port}"
    keys = ["--access-key", ACCESS, "--secret-key", SECRET]
    server.spawn(folder / "log", binary, "--host", "127.0.0.1", "--port", port, *keys, data, env=quiet())
    server.wait()
    return server


def quiet() -> dict:
    """s3s-fs logs every request by default, which would be measured too."""
    return os.environ | {"RUST_LOG": "error"}


CEPH = ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "monmaptool", "ceph", "ceph-authtool", "radosgw-admin"]


def radosgw(folder: Path) -> Server | None:
    """A cluster of one node without replicas: monitor, manager, one BlueStore OSD in a file, gateway."""
    if any(shutil.which(tool) is None for tool in CEPH):
        return None
    server = Server("radosgw", "durable: one BlueStore OSD, no replica; CPU and memory of all four daemons")
    cluster, port = str(uuid.uuid4()), free_port()
    conf = folder / "ceph.conf"
    conf.write_text(ceph_conf(folder, cluster, free_port(), free_port(), port))
    base = ["-c", conf]

    def run(*command):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-400:]}")

    try:
        addresses = next(line for line in conf.read_text().splitlines() if "mon host" in line).split("=", 1)[1].strip()
        # No secret is asked for, but the gateway does not start without a file of its own.
        run("ceph-authtool", "--create-keyring", folder / "rgw" / "keyring", "--gen-key", "-n", "client.rgw")
        run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", addresses, folder / "monmap")
        run("ceph-mon", *base, "--mkfs", "-i", "a", "--monmap", folder / "monmap")
        server.spawn(folder / "log", "ceph-mon", *base, "-i", "a", "-f")
        server.spawn(folder / "log", "ceph-mgr", *base, "-i", "x", "-f")
        osd = str(uuid.uuid4())
        run("ceph", *base, "--connect-timeout", "60", "osd", "new", osd)
        run("ceph-osd", *base, "-i", "0", "--mkfs", "--osd-uuid", osd)
        server.spawn(folder / "log", "ceph-osd", *base, "-i", "0", "-f")
        user = ["user", "create", "--uid", "bench", "--display-name", "bench"]
        run("radosgw-admin", *base, *user, "--access-key", ACCESS, "--secret-key", SECRET)
        server.spawn(folder / "log", "radosgw", *base, "-n", "client.rgw", "-f")
        server.endpoint = f"127.0.0.1:{port}"
        server.wait(90)
    except Exception:
        server.stop()
        raise
    return server


def ceph_conf(folder: Path, cluster: str, second: int, first: int, port: int) -> str:
    for name in ("mon", "mgr", "osd", "rgw"):
        (folder / name).mkdir()
    return f"""[global]
fsid = {cluster}
mon host = [v2:127.0.0.1:{second},v1:127.0.0.1:{first}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {folder}
admin socket = {folder}/$cluster-$name.asok
log file = {folder}/$name.log
pid file = {folder}/$name.pid
keyring = {folder}/rgw/keyring
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
rgw data = {folder}/rgw
crash dir = {folder}
mon allow pool delete = true
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = {24 << 30}
bluestore block create = true
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable usage log = false
"""
