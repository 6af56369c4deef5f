"""kill -9 and power cuts while clients keep a ledger: what was acknowledged is there, whole, and nothing leaks.

ROUNDS=50 makes longer runs of it by hand.
"""

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from functools import partial

import pytest
from conftest import eventually

ROUNDS = int(os.environ.get("ROUNDS", "3"))
WRITERS = 4
MIB = 1 << 20


def digest(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


class Ledger:
    """For each key the states it may be in: one after an acknowledgement, two while a request is open.

    A state is the digest of the body, or None for no object. Each key has one writer.

    An answer that comes once the power is going is of a machine that would be dark: the file system
    goes down in steps, and while it does a sync may report what it could not do. Such an answer
    settles nothing, so the key may be in either state.
    """

    def __init__(self):
        self.states = {}
        self.acknowledged = Counter()
        self.settled = {}
        self.dark_from = None

    def attempt(self, kind, key, new, call):
        before = self.states.get(key, {None})
        self.states[key] = before | {new}
        call()
        now = time.monotonic()
        if self.dark_from is None:
            self.states[key] = {new}
            self.settled[key] = kind, now
            self.acknowledged[kind] += 1

    def light(self):
        self.dark_from = None

    def dark(self):
        self.dark_from = time.monotonic()

    def check(self, s3):
        listed = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="ledger"):
            listed |= {item["Key"]: item["Size"] for item in page.get("Contents", [])}
        assert listed.keys() <= self.states.keys()
        wrong = {}
        for key, allowed in self.states.items():
            found = None
            if key in listed:
                body = s3.get_object(Bucket="ledger", Key=key)["Body"].read()
                assert len(body) == listed[key], key
                found = digest(body)
            if found not in allowed:
                kind, when = self.settled.get(key, ("never", 0.0))
                before = f"{kind}, {self.dark_from - when:.3f} s before the cut" if self.dark_from else kind
                wrong[key] = found, allowed, before
            # What an open request left behind is settled now, one way or the other.
            self.states[key] = {found}
        assert not wrong


class Writer(threading.Thread):
    """Puts, overwrites, copies, deletes and uploads in parts, until its server is gone."""

    def __init__(self, server, ledger, who):
        super().__init__()
        self.s3 = server.s3(retries={"max_attempts": 0}, read_timeout=10, connect_timeout=5)
        self.ledger, self.who, self.chance = ledger, who, random.Random(f"{who}-{time.monotonic()}")
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                self.one()
            except Exception:
                # No answer, or a failure: nothing is owed.
                return

    def one(self):
        key = f"{self.who}/{self.chance.randrange(40)}"
        at = {"Bucket": "ledger", "Key": key}
        kind = self.chance.choices(["put", "file", "delete", "copy", "parts"], [10, 6, 4, 2, 1])[0]
        body = os.urandom({"put": 3_000, "file": 200_000}.get(kind, 0))
        match kind:
            case "put" | "file":
                self.ledger.attempt(kind, key, digest(body), partial(self.s3.put_object, **at, Body=body))
            case "delete":
                self.ledger.attempt(kind, key, None, partial(self.s3.delete_object, **at))
            case "copy":
                self.copy(at)
            case "parts":
                self.parts(at)

    def copy(self, at):
        mine = {key: states for key, states in self.ledger.states.items() if key.startswith(f"{self.who}/")}
        certain = [key for key, states in mine.items() if None not in states and len(states) == 1]
        if certain and (source := self.chance.choice(certain)) != at["Key"]:
            (new,) = mine[source]
            copy = partial(self.s3.copy_object, **at, CopySource={"Bucket": "ledger", "Key": source})
            self.ledger.attempt("copy", at["Key"], new, copy)

    def parts(self, at):
        bodies = [os.urandom(1024) * 5120, os.urandom(100_000)]
        upload = self.s3.create_multipart_upload(**at)["UploadId"]
        listed = []
        for number, body in enumerate(bodies, 1):
            part = self.s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)
            listed.append({"PartNumber": number, "ETag": part["ETag"]})
        listed = {"Parts": listed}
        complete = partial(self.s3.complete_multipart_upload, **at, UploadId=upload, MultipartUpload=listed)
        self.ledger.attempt("parts", at["Key"], digest(b"".join(bodies)), complete)


def write_until_cut(server, ledger, cut):
    """Lets writers work until something of each kind was acknowledged, then cuts."""
    enough = {kind: ledger.acknowledged[kind] + 3 for kind in ("put", "file", "delete", "copy", "parts")}
    ledger.light()
    writers = [Writer(server, ledger, who) for who in range(WRITERS)]
    for writer in writers:
        writer.start()

    def full():
        return all(ledger.acknowledged[kind] >= n for kind, n in enough.items())

    try:
        eventually(full, timeout=60, what="an acknowledgement of each kind")
    finally:
        cut()
        for writer in writers:
            writer.stop.set()
    for writer in writers:
        writer.join()


def check_nothing_leaks(server):
    """Lets two hours pass for the collector, then compares files, rows and references."""
    abort_uploads(server.s3())
    assert server.stop() == 0
    blobs, past = server.data_dir / "blobs", time.time() - 7200
    with closing(sqlite3.connect(server.data_dir / "objects.db")) as db, db:
        db.execute("UPDATE blob SET dead_ms = dead_ms - 7200000")
    for file in blobs.rglob("*"):
        os.utime(file, (past, past))
    server.start()

    def files() -> set:
        return {file.name for file in blobs.rglob("*") if file.is_file()}

    def look():
        return closing(sqlite3.connect(f"file:{server.data_dir}/objects.db?mode=ro", uri=True))

    def rows() -> set:
        with look() as db:
            return {row[0] for row in db.execute("SELECT id FROM blob WHERE data IS NULL")}

    eventually(lambda: files() == rows(), what="as many files as blobs in use")
    with look() as db:
        counted = dict(db.execute("SELECT id, refs FROM blob"))
        used = Counter()
        for (extents,) in db.execute("SELECT extents FROM object UNION ALL SELECT extents FROM part"):
            used.update({extent[0] for extent in json.loads(extents)})
        objects, size = db.execute("SELECT count(*), sum(size) FROM object WHERE bucket = 'ledger'").fetchone()
        totals = db.execute("SELECT objects, bytes FROM bucket WHERE name = 'ledger'").fetchone()
    assert counted == dict(used)
    assert totals == (objects, size)


def abort_uploads(s3):
    for upload in s3.list_multipart_uploads(Bucket="ledger").get("Uploads", []):
        s3.abort_multipart_upload(Bucket="ledger", Key=upload["Key"], UploadId=upload["UploadId"])


def test_kill_9_again_and_again(private_server):
    server, ledger = private_server(), Ledger()
    server.s3().create_bucket(Bucket="ledger")
    for _ in range(ROUNDS):
        write_until_cut(server, ledger, server.kill9)
        server.start()
        ledger.check(server.s3())
    check_nothing_leaks(server)
    ledger.check(server.s3())


class Disk:
    """An XFS of its own, whose power can be cut: what was not synced is gone, as after a real one."""

    def __init__(self, folder):
        self.image, self.place = folder / "disk.img", folder / "disk"
        self.place.mkdir()
        with self.image.open("wb") as file:
            # What was overwritten is collected an hour later, and a full server does not call itself ready.
            file.truncate((320 + 80 * ROUNDS) * MIB)
        subprocess.run(["mkfs.xfs", "-q", self.image], check=True)
        self.mounted = False

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.place], capture_output=True, text=True)
        self.mounted = done.returncode == 0
        return done.stderr.strip()

    def unmount(self):
        if self.mounted:
            # The process that had it open was killed, and its files may take a moment to close.
            eventually(lambda: subprocess.run(["umount", self.place], capture_output=True).returncode == 0)
        self.mounted = False

    def cut(self):
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", self.place], check=True)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0 or not (shutil.which("mkfs.xfs") and shutil.which("xfs_io")):
        pytest.skip("a power cut can only be tried as root, with xfsprogs: it needs a file system of its own")
    disk = Disk(tmp_path)
    if refusal := disk.mount():
        pytest.skip(f"a power cut cannot be tried here: {refusal}")
    yield disk
    disk.unmount()


def test_power_cuts_again_and_again(disk, private_server):
    server, ledger = private_server(start=False), Ledger()
    server.data_dir = disk.place / "data"
    server.start()
    server.s3().create_bucket(Bucket="ledger")

    def power_off():
        ledger.dark()
        disk.cut()

    for _ in range(ROUNDS):
        write_until_cut(server, ledger, power_off)
        server.kill9()
        disk.unmount()
        assert disk.mount() == ""
        server.start()
        ledger.check(server.s3())
    check_nothing_leaks(server)
    ledger.check(server.s3())
    assert server.stop() == 0
