"""What no decent client sends: each is refused with S3's own code, costs no memory, and leaves nothing."""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import uuid
from datetime import datetime, timedelta, timezone
from unittest import mock
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from wire import MIB, keys, on_socket, outcome, refused, send, signed, signed_chunks

DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"


def resident_mib(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


@pytest.fixture(autouse=True)
def bounded(server):
    """No test here may cost the server memory worth mentioning."""
    before = resident_mib(server.pid)
    yield
    assert resident_mib(server.pid) - before < 96


# --- bodies


@pytest.mark.parametrize("body", [b"five!", os.urandom(300_000)], ids=["small", "large"])
def test_a_body_longer_than_announced_ends_where_it_was_announced(server, s3, bucket, body):
    path = f"/{bucket}/k"
    headers = signed(server, "PUT", path, body, sign_body=False) | {"Content-Length": str(len(body))}
    raw = on_socket(server, "PUT", path, headers, body + b"GARBAGE\r\n\r\n", shut=False)
    assert outcome(raw)[0] == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


@pytest.mark.parametrize(
    "length, expected", [(None, (411, "MissingContentLength")), ("-1", (400, None)), ("", (400, None)), ("x", (400, None))]
)
def test_a_length_that_is_none(server, s3, bucket, length, expected):
    assert send(server, "PUT", f"/{bucket}/k", b"x", replace={"Content-Length": length})[:2] == expected
    assert keys(s3, bucket) == []


def test_a_body_in_http_chunks_without_its_length(server, s3, bucket):
    path = f"/{bucket}/k"
    headers = signed(server, "PUT", path, sign_body=False) | {"Transfer-Encoding": "chunked", "Connection": "close"}
    raw = on_socket(server, "PUT", path, headers, b"5\r\nhello\r\n0\r\n\r\n", shut=False)
    assert outcome(raw)[0] == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    s3.delete_object(Bucket=bucket, Key="k")
    large = b"%x\r\n" % (2 * MIB) + bytes(2 * MIB) + b"\r\n0\r\n\r\n"
    assert outcome(on_socket(server, "PUT", path, headers, large, shut=False))[:2] == (411, "MissingContentLength")
    assert b"200 OK" not in on_socket(server, "PUT", path, headers, b"5\r\nhel")
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_chunk_signature_broken_in_the_middle(server, s3, bucket, broken):
    path, chunks = f"/{bucket}/k", [os.urandom(65536) for _ in range(3)]
    headers, pieces = signed_chunks(server, path, chunks, 3 * 65536)
    assert outcome(on_socket(server, "PUT", path, headers, b"".join(pieces), shut=False))[0] == 200
    s3.delete_object(Bucket=bucket, Key="k")
    at = pieces[broken].index(b"=") + 1
    pieces[broken] = pieces[broken][:at] + b"0" * 64 + pieces[broken][at + 64 :]
    status, code, _ = outcome(on_socket(server, "PUT", path, headers, b"".join(pieces), shut=False))
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("decoded", [65536, 65536 * 3])
def test_signed_chunks_that_are_not_as_long_as_announced(server, s3, bucket, decoded):
    path = f"/{bucket}/k"
    headers, pieces = signed_chunks(server, path, [os.urandom(65536)] * 2, decoded)
    status, code, _ = outcome(on_socket(server, "PUT", path, headers, b"".join(pieces), shut=False))
    assert (status, code) in [(400, "IncompleteBody"), (400, "InvalidRequest")]
    assert keys(s3, bucket) == []


def test_signed_chunks_without_their_length(server, s3, bucket):
    path = f"/{bucket}/k"
    headers, pieces = signed_chunks(server, path, [b"hello"], None)
    status, code, _ = outcome(on_socket(server, "PUT", path, headers, b"".join(pieces), shut=False))
    assert (status, code) == (411, "MissingContentLength")
    assert keys(s3, bucket) == []


# --- digests


@pytest.mark.parametrize(
    "header, value, code",
    [
        ("Content-MD5", "", "InvalidDigest"),
        ("Content-MD5", "YWJyYWNhZGFicmE=", "InvalidDigest"),
        ("Content-MD5", "rL0Y20xC+Fzt72VPzMSk2A==", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAA", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-sha256", "not base64", "BadDigest"),
    ],
)
def test_a_digest_that_is_none_or_another(server, s3, bucket, header, value, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    headers = {header: value}
    assert send(server, "PUT", f"/{bucket}/k", b"x", headers)[:2] == (400, code)
    assert send(server, "POST", f"/{bucket}?delete", DELETE, headers)[:2] == (400, code)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_two_checksums_at_once(server, s3, bucket):
    sha256 = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    headers = {"x-amz-checksum-sha256": sha256, "x-amz-checksum-crc32": "jNy2Yw=="}
    assert send(server, "PUT", f"/{bucket}/k", b"x", headers)[:2] == (400, "InvalidRequest")
    assert keys(s3, bucket) == []


def test_a_document_that_is_not_the_signed_one(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    path, other = f"/{bucket}?delete", DELETE.replace(b"k<", b"j<")
    headers = signed(server, "POST", path, other) | {"Content-Length": str(len(DELETE)), "Connection": "close"}
    status, code, _ = outcome(on_socket(server, "POST", path, headers, DELETE, shut=False))
    assert (status, code) == (400, "XAmzContentSHA256Mismatch")
    assert keys(s3, bucket) == ["k"]


# --- heads


def test_heads_of_a_megabyte(server, s3, bucket):
    long = {"x-amz-meta-long": "a" * MIB}
    assert send(server, "PUT", f"/{bucket}/k", b"x", replace=long)[0] == 431
    many = {f"x-amz-meta-{n}": "a" for n in range(1000)}
    assert send(server, "PUT", f"/{bucket}/k", b"x", replace=many)[0] == 431
    assert send(server, "GET", f"/{bucket}?prefix={'a' * 100_000}")[0] == 414
    assert send(server, "PUT", f"/{bucket}/k", b"x", {"x-amz-meta-a": "a" * 3000})[:2] == (400, "MetadataTooLarge")
    assert keys(s3, bucket) == []


@pytest.mark.parametrize(
    "authorization, expected",
    [
        ("", (403, "AccessDenied")),
        ("Basic YTpi", (400, "InvalidArgument")),
        ("AWS4-HMAC-SHA256 nonsense", (400, "AuthorizationHeaderMalformed")),
        ("AWS nonsense", (400, "InvalidArgument")),
        (None, (403, "AccessDenied")),
    ],
)
def test_an_authorization_that_is_none(server, s3, bucket, authorization, expected):
    answer = send(server, "PUT", f"/{bucket}/k", b"x", replace={"Authorization": authorization})
    assert answer[:2] == expected
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("date", [None, "", "yesterday", "20260231T000000Z"])
def test_a_date_that_is_none(server, bucket, date):
    assert send(server, "GET", f"/{bucket}", replace={"X-Amz-Date": date})[:2] == (403, "AccessDenied")


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_off(server, s3, bucket, minutes):
    then = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: then):
        answer = send(server, "PUT", f"/{bucket}/k", b"x")
    assert answer[:2] == (403, "RequestTimeTooSkewed")
    assert keys(s3, bucket) == []


# --- names


def test_keys_at_the_limit_and_beyond(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"x")
    for method in ("PUT", "GET", "DELETE"):
        assert send(server, method, f"/{bucket}/{'k' * 1025}")[:2] == (400, "KeyTooLongError")
    long = {"Bucket": bucket, "Key": "é" * 513}
    assert refused(s3.create_multipart_upload, **long) == ("KeyTooLongError", 400)
    assert keys(s3, bucket) == ["k" * 1024]


def test_keys_that_are_not_utf_8(server, s3, bucket):
    for key in ("%FF%FE", "a%C3", "%ED%A0%80"):
        assert send(server, "PUT", f"/{bucket}/{key}", b"x")[:2] == (400, "InvalidURI")
    assert keys(s3, bucket) == []


def test_keys_that_look_like_paths_are_keys(server, s3, bucket):
    odd = ["../../etc/passwd", "..", "a//b", "/", "a/../b", "./a"]
    for key in odd:
        assert send(server, "PUT", f"/{bucket}/{key}", key.encode())[0] == 200
    assert keys(s3, bucket) == sorted(odd)
    for key in odd:
        assert send(server, "GET", f"/{bucket}/{key}")[2] == key.encode()
        assert send(server, "DELETE", f"/{bucket}/{key}")[0] == 204


# --- parts


def test_part_numbers_have_a_range(server, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for number in (0, 10_001, -1, "x"):
        path = f"/{bucket}/k?partNumber={number}&uploadId={upload}"
        assert send(server, "PUT", path, b"x")[:2] == (400, "InvalidArgument"), number
    part = f'<Part><PartNumber>%d</PartNumber><ETag>"{"0" * 32}"</ETag></Part>'
    listed = "".join(part % number for number in range(1, 10_002))
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    status, code, _ = send(server, "POST", f"/{bucket}/k?uploadId={upload}", body)
    assert (status, code) == (400, "InvalidArgument")
    assert keys(s3, bucket) == []


def test_what_boto3_hears_at_the_last_part_and_beyond(s3, bucket):
    """Ten thousand is a number, ten thousand and one is none; a list of that many is refused before any part of
    it is looked for, and leaves the upload as it was."""
    at = {"Bucket": bucket, "Key": "k"}
    upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}

    def listed(*numbers, etag):
        return {"Parts": [{"PartNumber": number, "ETag": etag} for number in numbers]}

    first = s3.upload_part(**upload, PartNumber=1, Body=b"x" * 5 * MIB)["ETag"]
    last = s3.upload_part(**upload, PartNumber=10_000, Body=b"end")["ETag"]
    assert refused(s3.upload_part, **upload, PartNumber=10_001, Body=b"x") == ("InvalidArgument", 400)
    copied = {"CopySource": {"Bucket": bucket, "Key": "k"}, "PartNumber": 10_001}
    assert refused(s3.upload_part_copy, **upload, **copied) == ("InvalidArgument", 400)
    every = listed(*range(1, 10_002), etag=first)
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=every) == ("InvalidArgument", 400)
    absent = listed(*range(1, 10_001), etag=first)
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=absent) == ("InvalidPart", 400)
    assert [part["PartNumber"] for part in s3.list_parts(**upload)["Parts"]] == [1, 10_000]
    both = {"Parts": listed(1, etag=first)["Parts"] + listed(10_000, etag=last)["Parts"]}
    assert s3.complete_multipart_upload(**upload, MultipartUpload=both)["ETag"].endswith('-2"')
    head = s3.head_object(**at, PartNumber=2)
    assert (head["PartsCount"], head["ContentLength"]) == (2, 3)


def test_parts_that_are_too_small_but_for_the_last(s3, bucket):
    at = {"Bucket": bucket, "Key": "k"}
    upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    tags = [s3.upload_part(**upload, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    parts = {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]}
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=parts) == ("EntityTooSmall", 400)
    assert keys(s3, bucket) == []
    s3.abort_multipart_upload(**upload)


@pytest.mark.parametrize("document", [b"", b"<CompleteMultipartUpload/>", b"<Other/>", b"<CompleteMultipartUpload>"])
def test_a_completion_that_lists_nothing(server, s3, bucket, document):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    status, code, _ = send(server, "POST", f"/{bucket}/k?uploadId={upload}", document)
    assert status == 400 and code in ("MalformedXML", "InvalidRequest", "MissingRequestBodyError"), code
    assert keys(s3, bucket) == []
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


# --- documents


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    return f'<!DOCTYPE x [<!ENTITY a "lol">{entities}]><Delete><Object><Key>&j;</Key></Object></Delete>'.encode()


DOCUMENTS = {
    "a bomb": laughs(),
    "a foreign entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    "open without end": b"<Delete>" * 100_000,
    "deep": b"<a>" * 50_000 + b"</a>" * 50_000,
    "no XML": b"hello",
    "no UTF-8": b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    "a thousand and one keys": b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_that_are_traps(server, bucket, name):
    assert send(server, "POST", f"/{bucket}?delete", DOCUMENTS[name])[:2] == (400, "MalformedXML")


def test_a_document_without_end_is_cut_off(server, bucket):
    """Sent until the server has had enough, not all of it first."""
    path = f"/{bucket}?delete"
    headers = signed(server, "POST", path, b"", sign_body=False) | {"Content-Length": str(1 << 30)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    address = urlsplit(server.s3_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
        sent = 0
        try:
            while sent < 256 * MIB:
                sent += connection.send(b"<a></a>\n" * 8192)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 64 * MIB


# --- a full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 160 MiB; only root can mount one."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("a full disk can only be tried as root, with mkfs.ext4: it needs a file system of its own")
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(160 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a full disk cannot be tried here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_refuses_and_loses_nothing(small_disk, private_server):
    server = private_server(start=False)
    server.data_dir = small_disk / "data"
    server.start()
    s3 = server.s3(retries={"max_attempts": 0})
    s3.create_bucket(Bucket="full")
    # A server does not call itself ready with less than 64 MiB, so the disk gets small once it runs.
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(110 * MIB))
    kept, code = {}, None
    for n in range(200):
        size = 2_000_000 if n % 3 else 20_000
        body = os.urandom(size)
        try:
            s3.put_object(Bucket="full", Key=f"{n:03}-{size}", Body=body)
            kept[f"{n:03}-{size}"] = hashlib.md5(body).hexdigest()
        except ClientError as error:
            answer = error.response
            code = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
            if size < 100_000:
                break  # not even a small one fits any more
    assert code == ("InsufficientStorage", 507)
    check(s3, kept)
    # Room again, and no restart is needed for it to be used.
    ballast.unlink()
    s3.put_object(Bucket="full", Key="new", Body=b"there is room")
    kept["new"] = hashlib.md5(b"there is room").hexdigest()
    check(s3, kept)
    server.kill9()
    server.start()
    check(server.s3(), kept)
    assert server.stop() == 0


def check(s3, kept):
    assert keys(s3, "full") == sorted(kept)
    for key, digest in kept.items():
        assert hashlib.md5(s3.get_object(Bucket="full", Key=key)["Body"].read()).hexdigest() == digest


def test_names_of_buckets_that_are_none(server):
    for name in ("..", "%2e%2e", "a", "A" * 10, "%00%00%00"):
        status, code, _ = send(server, "PUT", f"/{name}")
        assert (status, code) in [(400, "InvalidBucketName"), (400, "InvalidURI")], (name, status, code)
    assert send(server, "GET", f"/no-such-bucket-{uuid.uuid4().hex}/k")[:2] == (404, "NoSuchBucket")
