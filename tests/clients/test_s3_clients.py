"""The S3 clients people already use, each doing what people do with it."""

import hashlib
import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests
import s3fs
from wire import MIB, keys

SMALL_FILES = 1000
# A body of several parts for every client: their thresholds are 8, 5 and 200 MiB.
LARGE = 64 * MIB


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder of a thousand small files in ten folders, some with names that need care."""
    folder = tmp_path_factory.mktemp("tree")
    for n in range(SMALL_FILES):
        place = folder / f"part {n % 10}"
        place.mkdir(exist_ok=True)
        name = f"ünïcode & +{n}.txt" if n % 100 == 0 else f"{n}.txt"
        (place / name).write_bytes(f"file {n}\n".encode() * (n % 50 + 1))
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    file = tmp_path_factory.mktemp("large") / "large.bin"
    file.write_bytes(os.urandom(MIB) * (LARGE // MIB))
    return file


def contents(folder: Path) -> dict:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(command, env, **kwargs) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, env=os.environ | env, capture_output=True, text=True, timeout=300, **kwargs)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


# --- aws


@pytest.fixture
def aws(server):
    program = Path(sys.executable).with_name("aws")

    def call(*args):
        return run([sys.executable, program, *args], server.env() | {"AWS_PAGER": ""})

    return call


def test_aws_syncs_a_folder_there_and_back(aws, bucket, tree, tmp_path):
    aws("s3", "sync", "--quiet", tree, f"s3://{bucket}/tree")
    assert aws("s3", "sync", tree, f"s3://{bucket}/tree") == ""  # nothing changed, so nothing is sent
    aws("s3", "sync", "--quiet", f"s3://{bucket}/tree", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)
    aws("s3", "rm", "--quiet", "--recursive", f"s3://{bucket}/tree/part 3")
    listed = aws("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}/tree/")
    assert f"Total Objects: {SMALL_FILES - 100}" in listed


def test_aws_copies_a_large_file_in_parts(aws, s3, bucket, large, tmp_path):
    aws("s3", "cp", "--quiet", large, f"s3://{bucket}/large.bin")
    assert s3.head_object(Bucket=bucket, Key="large.bin")["ETag"].endswith(f'-{LARGE // (8 * MIB)}"')
    aws("s3", "cp", "--quiet", f"s3://{bucket}/large.bin", f"s3://{bucket}/copy.bin")
    aws("s3", "mv", "--quiet", f"s3://{bucket}/copy.bin", tmp_path / "back.bin")
    assert contents(tmp_path)["back.bin"] == contents(large.parent)["large.bin"]
    assert keys(s3, bucket) == ["large.bin"]
    url = aws("s3", "presign", f"s3://{bucket}/large.bin").strip()
    assert int(requests.get(url, stream=True, timeout=30).headers["Content-Length"]) == LARGE


def test_aws_s3api_makes_and_removes_a_bucket(aws):
    aws("s3", "mb", "s3://made-by-aws")
    assert "made-by-aws" in aws("s3api", "list-buckets", "--query", "Buckets[].Name", "--output", "text")
    aws("s3api", "put-object", "--bucket", "made-by-aws", "--key", "k", "--checksum-algorithm", "SHA256")
    aws("s3", "rb", "--force", "s3://made-by-aws")


# --- rclone


def test_rclone_syncs_checks_and_moves(server, s3, bucket, tree, tmp_path):
    program = shutil.which("rclone")
    if program is None:
        pytest.fail("rclone is missing: scripts/setup.sh rclone installs it on Debian and Ubuntu")
    (tmp_path / "rclone.conf").touch()
    env = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_HOUSE_TYPE": "s3",
        "RCLONE_CONFIG_HOUSE_PROVIDER": "Other",
        "RCLONE_CONFIG_HOUSE_ENDPOINT": server.s3_url,
        "RCLONE_CONFIG_HOUSE_ACCESS_KEY_ID": server.access_key,
        "RCLONE_CONFIG_HOUSE_SECRET_ACCESS_KEY": server.secret_key,
        "RCLONE_CONFIG_HOUSE_REGION": "us-crannog-1",
    }

    def rclone(*args):
        return run([program, "--quiet", *args], env)

    there = f"house:{bucket}/tree"
    rclone("sync", "--transfers", "8", tree, there)
    rclone("check", tree, there)
    assert rclone("lsf", "--files-only", f"{there}/part 0").splitlines()[:1] == ["10.txt"]
    rclone("moveto", f"{there}/part 1/1.txt", f"{there}/part 1/one.txt")
    rclone("copy", f"{there}/part 1", tmp_path / "back")
    assert (tmp_path / "back/one.txt").read_bytes() == (tree / "part 1/1.txt").read_bytes()
    (tmp_path / "large").write_bytes(os.urandom(12 * MIB))
    rclone("copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", tmp_path / "large", f"house:{bucket}/large")
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    rclone("check", "--download", "--include", "large", tmp_path, f"house:{bucket}")
    rclone("purge", there)
    assert keys(s3, bucket) == ["large"]


# --- minio-py


def test_minio_py(server, bucket, large):
    from minio import Minio
    from minio.commonconfig import CopySource, Tags
    from minio.deleteobjects import DeleteObject

    client = Minio(
        urlsplit(server.s3_url).netloc,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region="us-crannog-1",
        secure=False,
    )
    assert client.bucket_exists(bucket) and not client.bucket_exists("no-such-bucket")
    client.put_object(bucket, "a/small", BytesIO(b"hello"), 5, metadata={"Colour": "blue"})
    client.put_object(bucket, "a/unknown length", BytesIO(os.urandom(11 * MIB)), -1, part_size=5 * MIB)
    client.fput_object(bucket, "large", str(large), part_size=16 * MIB)
    stat = client.stat_object(bucket, "a/small")
    assert (stat.size, stat.metadata["x-amz-meta-colour"]) == (5, "blue")
    assert client.stat_object(bucket, "large").size == LARGE
    with client.get_object(bucket, "a/small", offset=1, length=3) as answer:
        assert answer.read() == b"ell"
    client.copy_object(bucket, "b", CopySource(bucket, "a/small"))
    tags = Tags.new_object_tags()
    tags["kind"] = "test"
    client.set_object_tags(bucket, "b", tags)
    assert client.get_object_tags(bucket, "b") == {"kind": "test"}
    assert [item.object_name for item in client.list_objects(bucket, prefix="a/")] == ["a/small", "a/unknown length"]
    assert requests.get(client.presigned_get_object(bucket, "b"), timeout=30).content == b"hello"
    errors = client.remove_objects(bucket, [DeleteObject(item.object_name) for item in client.list_objects(bucket, recursive=True)])
    assert list(errors) == []
    assert list(client.list_objects(bucket, recursive=True)) == []


# --- s3fs and pandas


def test_s3fs_and_pandas(server, bucket):
    storage = {
        "key": server.access_key,
        "secret": server.secret_key,
        "client_kwargs": {"endpoint_url": server.s3_url, "region_name": "us-east-1"},
    }
    table = pd.DataFrame({"n": range(1000), "text": [f"row {n}" for n in range(1000)]})
    table.to_csv(f"s3://{bucket}/tables/a.csv", index=False, storage_options=storage)
    assert pd.read_csv(f"s3://{bucket}/tables/a.csv", storage_options=storage).equals(table)
    table.to_parquet(f"s3://{bucket}/tables/a.parquet", storage_options=storage)
    columns = pd.read_parquet(f"s3://{bucket}/tables/a.parquet", columns=["n"], storage_options=storage)
    assert columns.equals(table[["n"]])
    files = s3fs.S3FileSystem(**storage, skip_instance_cache=True)
    assert files.ls(f"{bucket}/tables") == [f"{bucket}/tables/a.csv", f"{bucket}/tables/a.parquet"]
    with files.open(f"{bucket}/tables/big", "wb") as big:
        for _ in range(12):
            big.write(os.urandom(MIB))
    assert files.info(f"{bucket}/tables/big")["size"] == 12 * MIB
    files.cp(f"{bucket}/tables/a.csv", f"{bucket}/tables/b.csv")
    files.rm(f"{bucket}/tables", recursive=True)
    assert not files.exists(f"{bucket}/tables/a.csv")


# --- mlflow's own S3 store, which talks to the bucket without the tracking server


def test_the_mlflow_s3_artifact_store(server, s3, bucket, tmp_path, monkeypatch):
    from mlflow.artifacts import download_artifacts
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", server.s3_url)
    store = S3ArtifactRepository(f"s3://{bucket}/runs/1/artifacts")
    (tmp_path / "model/data").mkdir(parents=True)
    (tmp_path / "model/MLmodel").write_text("flavors: {}\n")
    (tmp_path / "model/data/weights").write_bytes(os.urandom(3 * MIB))
    store.log_artifacts(str(tmp_path / "model"), "model")
    listed = {info.path: info.file_size for info in store.list_artifacts("model")}
    assert listed == {"model/MLmodel": 12, "model/data": None}
    back = download_artifacts(artifact_uri=f"s3://{bucket}/runs/1/artifacts/model", dst_path=str(tmp_path / "back"))
    assert contents(Path(back)) == contents(tmp_path / "model")
    store.delete_artifacts("model")
    assert keys(s3, bucket) == []
