"""`crannog backup`: one moment of everything, taken from a server that is being written to, and the way back."""

import fcntl
import hashlib
import json
import os
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from itertools import count

import mlflow
import pytest
import requests
from conftest import Server, eventually

WAITS = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "began").touch()
deadline = time.monotonic() + 120
while not (folder / "go").exists():
    if time.monotonic() > deadline:
        sys.exit("nobody said go")
    time.sleep(0.02)
"""


def create(server, *args):
    return json.loads(server.cli("backup", "create", *args, "--json").stdout)


@pytest.fixture
def restored(tmp_path_factory):
    """A function that restores a folder of backups and starts a server on it."""
    made = []

    def make(server, folder, *args, start=True):
        other = Server(tmp_path_factory.mktemp("restored"))
        other.cli("backup", "restore", folder, *args)
        made.append(other)
        return other.start() if start else other

    yield make
    for other in made:
        if other.process is not None:
            other.stop()


def metrics(server):
    return requests.get(server.http_url + "/metrics", auth=server.auth, timeout=30).text


def bodies(s3, bucket):
    """Every object there is, with the digest of its bytes."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            assert len(body) == entry["Size"]
            found[entry["Key"]] = hashlib.sha256(body).hexdigest()
    return found


def test_what_was_acknowledged_before_is_in_it_and_what_is_in_it_is_whole(private_server, restored, tmp_path):
    server = private_server()
    s3, folder = server.s3(), tmp_path / "backups"
    s3.create_bucket(Bucket="ledger")
    client = mlflow.MlflowClient(server.http_url)
    os.environ.update(server.env())
    experiment = client.create_experiment("ledger")
    objects, runs, stop = {}, [], threading.Event()
    # Keys that may be gone, and those that are.
    doomed, removed = set(), set()

    def put():
        for n in count():
            if stop.is_set():
                return
            # Small ones are rows, large ones files, every tenth comes in parts.
            body = os.urandom([100, 200_000, 6_000_000][n % 3 if n % 10 else 2])
            digest = hashlib.sha256(body).hexdigest()
            s3.put_object(Bucket="ledger", Key=f"key{n}", Body=body)
            objects[f"key{n}"] = digest
            if n % 7 == 3:
                doomed.add(f"key{n - 3}")
                s3.delete_object(Bucket="ledger", Key=f"key{n - 3}")
                removed.add(f"key{n - 3}")

    def log():
        for n in count():
            if stop.is_set():
                return
            run = client.create_run(experiment, run_name=f"run{n}")
            client.log_metric(run.info.run_id, "n", n)
            runs.append(run.info.run_id)

    writers = [threading.Thread(target=work) for work in (put, log)]
    for writer in writers:
        writer.start()
    try:
        owed, snapshots = [], []
        for at_least in (10, 25, 40):
            eventually(lambda: len(objects) >= at_least and len(runs) >= at_least, what="writes")
            owed.append((dict(objects), list(runs), set(removed)))
            snapshots.append(create(server, folder))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert snapshots[1]["new_files"] < snapshots[1]["files"], "what the folder had is not copied again"
    assert "no problems found" in server.cli("backup", "verify", folder).stdout

    for (there, logged, gone), snapshot in zip(owed, snapshots):
        other = restored(server, folder, "--snapshot", snapshot["name"])
        # The same credentials work, and every body that is listed is what was put.
        assert other.access_key == server.access_key
        found = bodies(other.s3(), "ledger")
        assert all(found[key] == digest for key, digest in there.items() if key not in doomed)
        assert all(digest == objects[key] for key, digest in found.items())
        assert not gone & found.keys()
        assert "no problems found" in other.cli("fsck", "--checksums").stdout
        mlflow_there = mlflow.MlflowClient(other.http_url)
        for number, run_id in enumerate(logged):
            run = mlflow_there.get_run(run_id)
            assert (run.data.metrics["n"], run.info.run_name) == (number, f"run{number}")
        other.stop()


def test_it_is_taken_without_a_server_too(private_server, restored, tmp_path):
    server = private_server()
    server.s3().create_bucket(Bucket="cold")
    server.s3().put_object(Bucket="cold", Key="model", Body=b"x" * 300_000)
    server.stop()
    assert create(server, tmp_path / "backups")["files"] == 1
    assert create(server, tmp_path / "backups")["new_files"] == 0
    assert bodies(restored(server, tmp_path / "backups").s3(), "cold").keys() == {"model"}


def test_old_snapshots_go_and_take_only_their_own_files(private_server, restored, tmp_path):
    server = private_server()
    s3, folder = server.s3(), tmp_path / "backups"
    s3.create_bucket(Bucket="turns")
    for n in range(4):
        s3.put_object(Bucket="turns", Key="stays" if n == 0 else "changes", Body=os.urandom(300_000))
        create(server, folder, *(["--keep", "2"] if n == 3 else []))
    names = [line.split()[0] for line in server.cli("backup", "list", folder).stdout.splitlines()[1:]]
    # "stays", and the two last bodies of "changes".
    assert len(names) == 2 and len(list((folder / "files").iterdir())) == 3
    assert "removed 1 snapshots and 1 files" in server.cli("backup", "prune", "--keep", "1", folder).stdout
    assert "2 files" in server.cli("backup", "verify", folder).stdout
    assert bodies(restored(server, folder).s3(), "turns") == bodies(s3, "turns")
    assert server.cli("backup", "prune", "--keep", "1", tmp_path / "nowhere", check=False).returncode == 4
    assert not (tmp_path / "nowhere").exists()


def test_nobody_else_may_read_it(server, restored, tmp_path):
    server.s3().create_bucket(Bucket="modes")
    server.s3().put_object(Bucket="modes", Key="large", Body=os.urandom(300_000))
    create(server, tmp_path / "backups")
    assert len(list((tmp_path / "backups" / "files").iterdir())) >= 1
    for path in [tmp_path / "backups", *(tmp_path / "backups").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        # As on a medium that cannot be written, or has no modes.
        path.chmod(0o555 if path.is_dir() else 0o444)
    other = restored(server, tmp_path / "backups", start=False)
    for path in other.data_dir.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path


def test_what_is_wrong_with_one_snapshot_does_not_spoil_the_others(private_server, restored, tmp_path):
    server = private_server()
    s3, folder = server.s3(), tmp_path / "backups"
    s3.create_bucket(Bucket="one")
    s3.put_object(Bucket="one", Key="key", Body=os.urandom(300_000))
    first, second = create(server, folder)["name"], create(server, folder)["name"]
    # Things that are not Crannog's stay where they are.
    (folder / "files" / "@eaDir").mkdir()
    (folder / ".fuse_hidden0000000012345678").touch()
    sound = (folder / first / "manifest.json").read_text()
    (folder / first / "manifest.json").write_text(sound[:40])
    told = server.cli("backup", "create", folder, "--keep", "1", check=False)
    assert told.returncode == 1 and f"the snapshot {first} needs" in told.stderr
    assert "the snapshot itself is whole" in told.stderr
    listed = server.cli("backup", "list", folder)
    assert f"{first} cannot be read" in listed.stderr and len(listed.stdout.splitlines()) == 3
    told = server.cli("backup", "verify", folder, check=False)
    assert told.returncode == 1 and f"{first}: " in told.stdout
    told = Server(tmp_path).cli("backup", "restore", folder, check=False)
    assert told.returncode == 1 and "name the one that is meant" in told.stderr
    restored(server, folder, "--snapshot", second, start=False)
    (folder / first / "manifest.json").write_text(sound)
    assert "removed 2 snapshots and 0 files" in server.cli("backup", "prune", "--keep", "1", folder).stdout
    assert (folder / "files" / "@eaDir").exists() and (folder / ".fuse_hidden0000000012345678").exists()


def test_a_clock_that_was_ahead_costs_no_snapshot(server, tmp_path):
    folder = tmp_path / "backups"
    ahead = folder / create(server, folder)["name"] / "manifest.json"
    ahead.write_text(json.dumps(json.loads(ahead.read_text()) | {"taken_at": "2099-01-01T00:00:00.000Z"}))
    names = [create(server, folder, "--keep", "2")["name"] for _ in range(2)]
    assert sorted(path.name for path in folder.glob("2*")) == names
    # Neither is it taken for the newest one.
    other = Server(tmp_path)
    create(server, folder)
    ahead = folder / names[0] / "manifest.json"
    ahead.write_text(json.dumps(json.loads(ahead.read_text()) | {"taken_at": "2099-01-01T00:00:00.000Z"}))
    newest = sorted(path.name for path in folder.glob("2*"))[-1]
    assert f"restored {newest} into" in other.cli("backup", "restore", folder).stdout


def test_a_snapshot_of_another_users_server_is_refused(private_server, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    server = private_server()
    server.stop()
    os.chown(server.data_dir, 12345, -1)
    try:
        told = server.cli("backup", "create", tmp_path / "backups", check=False)
        assert told.returncode == 5 and "belongs to another user (uid 12345)" in told.stderr
    finally:
        os.chown(server.data_dir, 0, -1)


def test_a_snapshot_before_an_upgrade_is_of_the_old_schema(private_server, tmp_path):
    server = private_server()
    server.stop()

    def schema(path):
        with closing(sqlite3.connect(path)) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    with closing(sqlite3.connect(server.data_dir / "control.db")) as db:
        old = schema(server.data_dir / "control.db") - 1
        db.execute(f"PRAGMA user_version = {old}")
    name = create(server, tmp_path / "backups")["name"]
    assert schema(server.data_dir / "control.db") == schema(tmp_path / "backups" / name / "control.db") == old


def test_who_reads_in_the_folder_is_not_disturbed(private_server, tmp_path):
    folder = tmp_path / "backups"
    env = {"CRANNOG_BACKUP_DIR": str(folder), "CRANNOG_BACKUP_EVERY": "1s"}
    server = private_server(env=env)
    eventually(lambda: list(folder.glob("2*")), what="a snapshot")
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        before = sorted(folder.glob("2*"))
        told = server.cli("backup", "prune", "--keep", "1", folder, check=False)
        assert told.returncode != 0 and "is in use by another backup, verify or restore" in told.stderr
        assert sorted(folder.glob("2*")) == before
        assert before[-1].name in server.cli("backup", "list", folder).stdout
        eventually(lambda: "the backup comes later" in server.log_path.read_text(), what="the clock's patience")
        fcntl.flock(lock, fcntl.LOCK_UN)
    eventually(lambda: sorted(folder.glob("2*"))[-1] > before[-1], what="the next snapshot")
    assert 'crannog_backups_total{outcome="failed"} 0' in metrics(server)


def test_a_damaged_file_is_told_and_a_sound_copy_is_kept(private_server, restored, tmp_path):
    server = private_server()
    s3, folder = server.s3(), tmp_path / "backups"
    s3.create_bucket(Bucket="disk")
    s3.put_object(Bucket="disk", Key="saved", Body=b"s" * 300_000)
    create(server, folder)
    s3.put_object(Bucket="disk", Key="lost", Body=b"l" * 300_000)
    s3.put_object(Bucket="disk", Key="sound", Body=b"o" * 300_000)
    for blob in (server.data_dir / "blobs").iterdir():
        if blob.read_bytes()[0] in b"sl":
            blob.write_bytes(b"?" + blob.read_bytes()[1:])
    told = server.cli("backup", "create", folder, check=False)
    assert told.returncode == 1 and "its bytes are not those that were written" in told.stderr
    assert "1 files are damaged or missing" in told.stderr
    told = server.cli("backup", "verify", folder, check=False)
    assert told.returncode == 1 and "it is missing" in told.stdout

    other = Server(tmp_path)
    told = other.cli("backup", "restore", folder, check=False)
    assert told.returncode == 1 and "disk/lost: bytes of it are missing" in told.stderr
    other.start()
    try:
        assert other.s3().get_object(Bucket="disk", Key="saved")["Body"].read() == b"s" * 300_000
        assert other.s3().get_object(Bucket="disk", Key="sound")["Body"].read() == b"o" * 300_000
    finally:
        other.stop()


def test_a_flipped_bit_of_a_backup_is_found(server, tmp_path):
    s3, folder = server.s3(), tmp_path / "backups"
    s3.create_bucket(Bucket="bits")
    s3.put_object(Bucket="bits", Key="key", Body=os.urandom(300_000))
    name = create(server, folder)["name"]
    snapshot = folder / name
    for path in [next((folder / "files").iterdir()), snapshot / "control.db", snapshot / "secrets" / "master.key"]:
        sound = path.read_bytes()
        path.write_bytes(sound[:20] + bytes([sound[20] ^ 1]) + sound[21:])
        told = server.cli("backup", "verify", folder, check=False)
        assert told.returncode == 1 and name in told.stdout and path.name in told.stdout
        # A file is left out and told; a database or a key is refused.
        refused = Server(tmp_path / path.name)
        told = refused.cli("backup", "restore", folder, check=False)
        assert told.returncode == 1 and path.name in told.stderr
        path.write_bytes(sound)
    assert "no problems found" in server.cli("backup", "verify", folder).stdout
    s3.delete_object(Bucket="bits", Key="key")
    s3.delete_bucket(Bucket="bits")


def test_a_restore_that_broke_off_goes_on_and_no_server_starts_before(private_server, tmp_path):
    server = private_server()
    server.s3().create_bucket(Bucket="half")
    for n in range(3):
        server.s3().put_object(Bucket="half", Key=f"{n}", Body=os.urandom(300_000))
    name = create(server, tmp_path / "backups")["name"]
    other = Server(tmp_path)
    other.cli("backup", "restore", tmp_path / "backups")
    # As it is when the power goes: some files, a database that is cut, the mark.
    next((other.data_dir / "blobs").iterdir()).unlink()
    (other.data_dir / "objects.db").write_bytes(b"half")
    (other.data_dir / "restoring").write_text(name)
    with pytest.raises(RuntimeError, match="was not finished: run `crannog backup restore` again"):
        other.start()
    create(server, tmp_path / "backups")
    told = other.cli("backup", "restore", tmp_path / "backups", check=False)
    assert told.returncode == 1 and f"--snapshot {name}" in told.stderr
    other.cli("backup", "restore", tmp_path / "backups", "--snapshot", name)
    try:
        assert bodies(other.start().s3(), "half") == bodies(server.s3(), "half")
        told = other.cli("backup", "restore", tmp_path / "backups", check=False)
        assert told.returncode == 1 and "is in use by process" in told.stderr
    finally:
        other.stop()
    told = other.cli("backup", "restore", tmp_path / "backups", check=False)
    assert told.returncode == 1 and "is not empty" in told.stderr


def test_keys_go_along_or_are_left_out(private_server, restored, tmp_path):
    server = private_server()
    server.cli("kms", "create", "vault")
    s3 = server.s3()
    s3.create_bucket(Bucket="sealed")
    s3.put_object(
        Bucket="sealed", Key="key", Body=b"k" * 300_000, ServerSideEncryption="aws:kms", SSEKMSKeyId="vault"
    )
    create(server, tmp_path / "with")
    create(server, tmp_path / "without", "--without-secrets")
    digest = hashlib.sha256(b"k" * 300_000).hexdigest()
    assert bodies(restored(server, tmp_path / "with").s3(), "sealed") == {"key": digest}

    assert not list((tmp_path / "without").glob("*/secrets"))
    other = Server(tmp_path)
    assert "put the folder `secrets` back" in other.cli("backup", "restore", tmp_path / "without").stderr
    for secret in (server.data_dir / "secrets").iterdir():
        (other.data_dir / "secrets" / secret.name).write_bytes(secret.read_bytes())
    try:
        assert bodies(other.start().s3(), "sealed") == {"key": digest}
    finally:
        other.stop()


def test_the_server_takes_them_by_its_own_clock(private_server, tmp_path):
    folder = tmp_path / "backups"
    env = {"CRANNOG_BACKUP_DIR": str(folder), "CRANNOG_BACKUP_EVERY": "1s", "CRANNOG_BACKUP_KEEP": "2"}
    server = private_server(env=env)
    api = server.api()

    def names():
        return sorted(path.name for path in folder.glob("2*"))

    first = eventually(names, what="a first snapshot")
    eventually(lambda: first[0] not in names() and len(names()) == 2, what="old ones going")
    state = api.get("/backups").json()
    assert state["dir"] == str(folder) and state["keep"] == 2 and state["newest_at"]
    assert "crannog_backup_timestamp_seconds 1" in metrics(server)
    assert 'crannog_backups_total{outcome="failed"} 0' in metrics(server)
    # The newest one counts over a restart: an hour is not over.
    server.stop()
    before = names()
    server.extra_env["CRANNOG_BACKUP_EVERY"] = "1h"
    server.start()
    eventually(lambda: server.api().get("/backups").json()["newest_at"], what="the newest snapshot")
    assert names() == before
    # What `crannog backup create` takes without a folder is one of them.
    assert create(server)["name"] == names()[-1] and len(names()) == 2


def test_an_alert_does_not_fall_silent_where_there_never_was_one(private_server, tmp_path):
    (tmp_path / "file").touch()
    server = private_server(env={"CRANNOG_BACKUP_DIR": str(tmp_path / "file" / "backups")})
    eventually(lambda: 'crannog_backups_total{outcome="failed"} 1' in metrics(server), what="the failure")
    assert "crannog_backup_timestamp_seconds 0\n" in metrics(server)
    assert str(tmp_path / "file") in server.api().get("/backups").json()["last"]["error"]


def test_a_task_that_ran_runs_again_after_the_restore(private_server, restored, tmp_path):
    server = private_server()
    (tmp_path / "wait.py").write_text(WAITS)
    pipeline = tmp_path / "waits.yaml"
    run = f"'\"{sys.executable}\" \"{tmp_path}/wait.py\" \"{tmp_path}\"'"
    pipeline.write_text(f"name: waits\ntasks:\n  - id: only\n    retries: 1\n    run: {run}\n")
    server.cli("pipeline", "apply", pipeline)
    server.cli("pipeline", "run", "waits")
    eventually((tmp_path / "began").exists, what="the task's begin")
    create(server, tmp_path / "backups")
    (tmp_path / "go").touch()
    other = restored(server, tmp_path / "backups")

    def states():
        runs = other.api().get("/pipelines/waits/runs").json()["runs"]
        return [run["state"] for run in runs]

    eventually(lambda: states() == ["success"], what="the run's success", timeout=60)


def test_bad_input_is_told(server, private_server, tmp_path):
    api = server.api()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("no folder")

    def refused(*args):
        done = server.cli("backup", *args, check=False)
        assert done.returncode in (1, 4) and "error: " in done.stderr
        return done.stderr

    assert "neither empty nor a folder of Crannog's backups" in refused("create", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    assert "is in the data directory" in refused("create", server.data_dir / "blobs" / "backups")
    assert str(tmp_path / "file") in refused("create", tmp_path / "file" / "backups")
    assert "backup.dir" in refused("create")
    assert "has no crannog-backup.json" in refused("verify", tmp_path / "full")
    answer = api.post("/backups", json={"dir": "relative"})
    assert answer.status_code == 202
    eventually(lambda: "not an absolute path" in (api.get("/backups").json()["last"]["error"] or ""), what="the error")
    assert api.post("/backups", json={"folder": "/x"}).status_code in (400, 422)

    api.post("/users", json={"name": "backup-looker", "password": "looker-of-backups", "role": "editor"}).raise_for_status()
    answer = requests.post(api.base + "/backups", json={"dir": str(tmp_path)}, auth=("backup-looker", "looker-of-backups"), timeout=30)
    assert answer.status_code == 403
    api.delete("/users/backup-looker").raise_for_status()

    (tmp_path / "new").mkdir()
    create(server, tmp_path / "new")
    (tmp_path / "new" / "crannog-backup.json").write_text('{"format": 99}')
    assert "newer Crannog" in refused("list", tmp_path / "new")
    never = private_server(env={"CRANNOG_BACKUP_DIR": "relative"}, start=False)
    with pytest.raises(RuntimeError, match="backup.dir = .relative. is not an absolute path"):
        never.start()
