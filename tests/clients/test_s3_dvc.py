"""DVC with a remote on the S3 door: versions of a data folder pushed, compared, pulled and collected."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from wire import MIB, keys

# `scripts/setup.sh dvc` puts it here.
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv/dvc/bin"


@pytest.fixture
def dvc(server, bucket, tmp_path):
    """The command, in a fresh project whose remote is the bucket."""
    program = shutil.which("dvc", path=f"{ENVIRONMENT}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("dvc is not installed: scripts/setup.sh dvc, which `make test` does by itself")
    (tmp_path / "aws").touch()
    env = os.environ | server.env() | {
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": str(tmp_path / "aws"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
    }

    def call(*args):
        done = subprocess.run([program, *args], env=env, cwd=tmp_path / "project", capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{args}\n{done.stdout}{done.stderr}"
        return done.stdout

    (tmp_path / "project").mkdir()
    call("init", "--quiet", "--no-scm")
    call("remote", "add", "--default", "house", f"s3://{bucket}/dvc")
    call("remote", "modify", "house", "endpointurl", server.s3_url)
    call("remote", "modify", "house", "region", "us-crannog-1")
    return call


def waiting(dvc) -> dict:
    """What the project has and the remote has not, or the other way round."""
    return json.loads(dvc("status", "--cloud", "--json"))


def test_versions_of_a_folder_are_pushed_and_pulled(dvc, s3, bucket, tmp_path):
    project, data = tmp_path / "project", tmp_path / "project/data"
    (data / "images").mkdir(parents=True)
    files = {f"images/{n}.bin": os.urandom(1000 + n) for n in range(40)} | {"ünïcode &.bin": os.urandom(20 * MIB)}
    for name, body in files.items():
        (data / name).write_bytes(body)
    dvc("add", "data")
    first = (project / "data.dvc").read_text()
    assert set(waiting(dvc).values()) == {"new"}
    dvc("push")
    assert waiting(dvc) == {}
    # Every file once, by its MD5, and the list of the folder.
    assert len(keys(s3, bucket, Prefix="dvc/files/md5/")) == len(files) + 1

    (data / "images/0.bin").write_bytes(b"changed")
    dvc("add", "data")
    dvc("push")
    assert len(keys(s3, bucket, Prefix="dvc/files/md5/")) == len(files) + 3

    shutil.rmtree(data)
    shutil.rmtree(project / ".dvc/cache")
    assert set(waiting(dvc).values()) == {"deleted"}
    (project / "data.dvc").write_text(first)
    dvc("pull")
    found = {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert found == files
    dvc("gc", "--workspace", "--cloud", "--force")
    assert len(keys(s3, bucket, Prefix="dvc/files/md5/")) == len(files) + 1
