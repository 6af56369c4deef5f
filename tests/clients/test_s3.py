"""The object store as boto3 and a raw socket meet it."""

import base64
import hashlib
import hmac
import os
import socket
import uuid
import zlib
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from wire import MIB, client, keys, on_socket, refused, send_chunks, signed

# --- buckets


def test_buckets_come_and_go(s3):
    name = f"come-and-go-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "us-crannog-1"
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.create_bucket(Bucket=name)  # once more, just so: nothing changes
    assert refused(s3.create_bucket, Bucket=name, ACL="public-read") == ("BucketAlreadyExists", 409)
    assert refused(s3.delete_bucket, Bucket=name) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert refused(s3.head_bucket, Bucket=name) == ("404", 404)
    assert refused(s3.put_object, Bucket=name, Key="k", Body=b"x") == ("NoSuchBucket", 404)
    assert refused(s3.get_object, Bucket=name, Key="k") == ("NoSuchBucket", 404)


@pytest.mark.parametrize("name", ["ab", "Upper-case", "under_score", "192.168.0.1", "xn--abc"])
def test_bucket_names_follow_aws(server, name):
    headers = signed(server, "PUT", f"/{name}")
    answer = requests.put(f"{server.s3_url}/{name}", headers=headers, timeout=10)
    assert (answer.status_code, "InvalidBucketName" in answer.text) == (400, True)


# --- objects


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3 * MIB + 17])
def test_an_object_comes_back_as_it_went(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(
        Bucket=bucket,
        Key="dir/näme \U0001f600+&?#%.bin",
        Body=body,
        ContentType="application/x-thing",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="x"',
        ContentEncoding="identity",
        ContentLanguage="de",
        Expires=datetime(2031, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        Metadata={"colour": "blue", "empty": ""},
        Tagging="team=ml&stage=dev%20test",
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="dir/näme \U0001f600+&?#%.bin")
    assert got["Body"].read() == body
    head = s3.head_object(Bucket=bucket, Key="dir/näme \U0001f600+&?#%.bin")
    for answer in (got, head):
        assert answer["ContentLength"] == size
        assert answer["ETag"] == put["ETag"]
        assert answer["ContentType"] == "application/x-thing"
        assert answer["CacheControl"] == "max-age=60"
        assert answer["ContentDisposition"] == 'attachment; filename="x"'
        assert answer["ContentEncoding"] == "identity"
        assert answer["ContentLanguage"] == "de"
        assert answer["ExpiresString"] == "Thu, 02 Jan 2031 03:04:05 GMT"
        assert answer["Metadata"] == {"colour": "blue", "empty": ""}
        assert abs(answer["LastModified"] - datetime.now(timezone.utc)) < timedelta(minutes=1)
    tags = s3.get_object_tagging(Bucket=bucket, Key="dir/näme \U0001f600+&?#%.bin")["TagSet"]
    assert tags == [{"Key": "stage", "Value": "dev test"}, {"Key": "team", "Value": "ml"}]


def test_keys_are_text_and_never_paths(s3, bucket):
    names = ["../../etc/passwd", "..", ".", "a//b", "/lead", "a/", "a", "a/b", "%2e%2e", "trailing ", "x\ty", "é" * 512]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    for name in names:
        assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == name.encode()
    assert keys(s3, bucket) == sorted(names, key=lambda name: name.encode())
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)


def test_ranges(s3, bucket):
    for size in (1000, 2 * MIB + 5):
        body = os.urandom(size)
        s3.put_object(Bucket=bucket, Key="k", Body=body)

        def part(text):
            answer = s3.get_object(Bucket=bucket, Key="k", Range=text)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            return answer["ContentRange"], answer["Body"].read()

        assert part("bytes=0-0") == (f"bytes 0-0/{size}", body[:1])
        assert part("bytes=10-19") == (f"bytes 10-19/{size}", body[10:20])
        assert part(f"bytes={size - 7}-") == (f"bytes {size - 7}-{size - 1}/{size}", body[-7:])
        assert part("bytes=-5") == (f"bytes {size - 5}-{size - 1}/{size}", body[-5:])
        assert part(f"bytes=5-{size * 2}") == (f"bytes 5-{size - 1}/{size}", body[5:])
        assert refused(s3.get_object, Bucket=bucket, Key="k", Range=f"bytes={size}-") == ("InvalidRange", 416)


@pytest.mark.parametrize("text", ["bytes=0-1,4-5", "bytes=5-2", "lines=1-2", "all of it"])
def test_a_range_nobody_can_read_is_passed_over(s3, bucket, text):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    for ask in (s3.get_object, s3.head_object):
        answer = ask(Bucket=bucket, Key="k", Range=text)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ContentLength"] == 10 and "ContentRange" not in answer
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentType": "a/b"})
    answer = requests.get(url, headers={"Range": text}, timeout=30)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"0123456789", "a/b")
    # It lets nobody in.
    assert requests.get(url.split("?")[0], headers={"Range": text}, timeout=30).status_code == 403
    forged = url.replace("a%2Fb", "a%2Fc")
    assert requests.get(forged, headers={"Range": text}, timeout=30).status_code == 403
    assert refused(s3.get_object, Bucket=bucket, Key="gone", Range=text) == ("NoSuchKey", 404)


def test_conditional_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    past, future = datetime(2001, 1, 1), datetime.now(timezone.utc) + timedelta(hours=1)
    for read in (s3.get_object, s3.head_object):
        at = {"Bucket": bucket, "Key": "k"}
        read(**at, IfMatch=etag)
        read(**at, IfNoneMatch='"other"')
        read(**at, IfModifiedSince=past)
        read(**at, IfUnmodifiedSince=future)
        read(**at, IfMatch=etag, IfUnmodifiedSince=past)
        assert refused(read, **at, IfMatch='"other"')[1] == 412
        assert refused(read, **at, IfNoneMatch=etag)[1] == 304
        assert refused(read, **at, IfModifiedSince=future - timedelta(minutes=30))[1] == 304
        assert refused(read, **at, IfUnmodifiedSince=past)[1] == 412


def test_conditional_writes(s3, bucket):
    at = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**at, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, **at, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refused(s3.put_object, **at, Body=b"2", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    s3.put_object(**at, Body=b"3", IfMatch=etag)
    assert s3.get_object(**at)["Body"].read() == b"3"


def test_deleting(s3, bucket):
    for n in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="never-there")
    s3.delete_object(Bucket=bucket, Key="k0")
    assert refused(s3.get_object, Bucket=bucket, Key="k0") == ("NoSuchKey", 404)
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k1"}, {"Key": "k2"}, {"Key": "nothing"}]})
    assert [item["Key"] for item in gone["Deleted"]] == ["k1", "k2", "nothing"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k3"}], "Quiet": True})
    assert keys(s3, bucket) == ["k4"]
    kept = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k4", "ETag": '"other"'}]})
    assert [(e["Key"], e["Code"]) for e in kept["Errors"]] == [("k4", "PreconditionFailed")]
    assert refused(s3.delete_object, Bucket=bucket, Key="k4", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert keys(s3, bucket) == ["k4"]


def test_tags_can_be_changed(s3, bucket):
    at = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**at, Body=b"x")
    s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_object_tagging(**at)["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert s3.get_object(**at)["TagCount"] == 1
    s3.delete_object_tagging(**at)
    assert s3.get_object_tagging(**at)["TagSet"] == []
    many = [{"Key": str(n), "Value": ""} for n in range(11)]
    assert refused(s3.put_object_tagging, **at, Tagging={"TagSet": many}) == ("InvalidTag", 400)


# --- listing


def test_listing_pages_and_delimiters(s3, bucket):
    names = [f"{folder}/{n:02}" for folder in ("a", "b/c", "b/d") for n in range(7)] + ["a", "b", "top"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    names.sort()
    for version in ("list_objects_v2", "list_objects"):
        for size in (1, 2, 3, 1000):
            paged = s3.get_paginator(version).paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
            assert [item["Key"] for page in paged for item in page.get("Contents", [])] == names
            found, prefixes = [], []
            pages = s3.get_paginator(version).paginate(
                Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
            )
            for page in pages:
                assert len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) <= size
                found += [item["Key"] for item in page.get("Contents", [])]
                prefixes += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
            assert (found, prefixes) == (["a", "b", "top"], ["a/", "b/"])
    inner = s3.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [p["Prefix"] for p in inner["CommonPrefixes"]] == ["b/c/", "b/d/"]
    assert keys(s3, bucket, StartAfter="b/d/05") == ["b/d/06", "top"]
    assert keys(s3, bucket, Prefix="b/c/", StartAfter="a") == [f"b/c/{n:02}" for n in range(7)]
    empty = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="!") == ("InvalidArgument", 400)


# --- copies


def test_copies_share_content_and_outlive_the_source(s3, bucket):
    for size in (10, 200_000):
        body = os.urandom(size)
        s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"a": "1"}, ContentType="text/x")
        source = {"Bucket": bucket, "Key": "from"}
        s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
        s3.copy_object(
            Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}
        )
        assert refused(s3.copy_object, Bucket=bucket, Key="from", CopySource=source) == ("InvalidRequest", 400)
        failed = refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"other"')
        assert failed == ("PreconditionFailed", 412)
        s3.delete_object(Bucket=bucket, Key="from")
        kept, new = (s3.get_object(Bucket=bucket, Key=key) for key in ("kept", "new"))
        assert (kept["Body"].read(), new["Body"].read()) == (body, body)
        assert (kept["Metadata"], kept["ContentType"]) == ({"a": "1"}, "text/x")
        assert new["Metadata"] == {"b": "2"}
        assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=source) == ("NoSuchKey", 404)


# --- multipart


def test_a_multipart_upload_of_six_parts(s3, bucket):
    at = {"Bucket": bucket, "Key": "whole"}
    upload = s3.create_multipart_upload(**at, ContentType="x/y", Metadata={"a": "1"})["UploadId"]
    bodies = [os.urandom(5 * MIB + n) for n in range(5)] + [b"the end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        etag = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    listed = s3.list_parts(**at, UploadId=upload, MaxParts=4)
    assert ([p["Size"] for p in listed["Parts"]], listed["IsTruncated"]) == ([len(b) for b in bodies[:4]], True)
    rest = s3.list_parts(**at, UploadId=upload, PartNumberMarker=listed["NextPartNumberMarker"])
    assert [p["PartNumber"] for p in rest["Parts"]] == [5, 6]
    assert refused(s3.get_object, **at) == ("NoSuchKey", 404)

    def complete(parts):
        return s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})

    assert refused(complete, parts=parts[::-1]) == ("InvalidPartOrder", 400)
    assert refused(complete, parts=[{"PartNumber": 9, "ETag": '"0"'}]) == ("InvalidPart", 400)
    assert refused(complete, parts=[parts[5], {"PartNumber": 7, "ETag": '"0"'}])[1] == 400
    digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    assert complete(parts)["ETag"] == f'"{digest}-6"'
    whole = s3.get_object(**at)
    assert whole["Body"].read() == b"".join(bodies)
    assert (whole["ContentType"], whole["Metadata"]) == ("x/y", {"a": "1"})
    third = s3.get_object(**at, PartNumber=3)
    assert (third["Body"].read() == bodies[2], third["PartsCount"]) == (True, 6)
    assert refused(s3.get_object, **at, PartNumber=7) == ("InvalidPart", 400)
    across = f"bytes={5 * MIB - 3}-{5 * MIB + 2}"
    assert s3.get_object(**at, Range=across)["Body"].read() == b"".join(bodies)[5 * MIB - 3 : 5 * MIB + 3]
    # A client that lost the answer asks again, and hears the same.
    assert complete(parts)["ETag"] == f'"{digest}-6"'
    s3.delete_object(**at)
    assert refused(complete, parts=parts) == ("NoSuchUpload", 404)


def test_parts_copied_from_objects(s3, bucket):
    body = os.urandom(12 * MIB)
    s3.put_object(Bucket=bucket, Key="from", Body=body)
    at = {"Bucket": bucket, "Key": "to"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    parts = []
    for number, (first, last) in enumerate([(0, 5 * MIB - 1), (3 * MIB, 12 * MIB - 1)], 1):
        copied = s3.upload_part_copy(
            **at,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": "from"},
            CopySourceRange=f"bytes={first}-{last}",
        )
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
    s3.delete_object(Bucket=bucket, Key="from")
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**at)["Body"].read() == body[: 5 * MIB] + body[3 * MIB :]


def test_an_aborted_upload_is_gone(s3, bucket):
    at = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=b"x")
    too_high = refused(s3.upload_part, **at, UploadId=upload, PartNumber=10001, Body=b"x")
    assert too_high[1] == 400
    s3.abort_multipart_upload(**at, UploadId=upload)
    assert refused(s3.upload_part, **at, UploadId=upload, PartNumber=2, Body=b"x") == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("door", ["http_url", "s3_url"])
def test_an_expected_body_nobody_read_closes_the_connection(server, door):
    """Who expects 100 and hears a refusal sends no body: the next request must not lose a byte to it."""
    host, port = getattr(server, door).removeprefix("http://").split(":")
    head = f"Host: {host}:{port}\r\n"
    refused_put = f"PUT /b/k HTTP/1.1\r\n{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{refused_put}GET /livez HTTP/1.1\r\n{head}\r\n".encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"connection: close" in answer.lower()


def test_transfers_of_files(s3, bucket, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(20 * MIB + 3))
    s3.upload_file(str(source), bucket, "file")
    s3.download_file(bucket, "file", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert s3.head_object(Bucket=bucket, Key="file")["ETag"].endswith('-3"')


# --- checksums and broken bodies


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept(s3, bucket, algorithm):
    field = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello"
    assert put[field] == got[field]
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize", "ETag"]
    )
    assert (attributes["Checksum"][field], attributes["ObjectSize"]) == (put[field], 5)
    assert attributes["ETag"] == hashlib.md5(b"hello").hexdigest()


WRONG = {
    "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode(),
    "x-amz-checksum-crc32c": base64.b64encode(bytes(4)).decode(),
    "x-amz-checksum-crc64nvme": base64.b64encode(bytes(8)).decode(),
    "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(b"other").digest()).decode(),
    "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"other").digest()).decode(),
    "Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode(),
}


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize("header", WRONG)
def test_a_false_checksum_leaves_nothing(server, s3, bucket, header, size):
    path, body = f"/{bucket}/k", os.urandom(size)
    headers = signed(server, "PUT", path, body, {header: WRONG[header]})
    answer = requests.put(server.s3_url + path, data=body, headers=headers, timeout=10)
    assert (answer.status_code, "<Code>BadDigest</Code>" in answer.text) == (400, True), answer.text
    assert "<RequestId>" in answer.text and answer.headers["x-amz-request-id"] in answer.text
    assert keys(s3, bucket) == []


def test_a_malformed_content_md5_is_refused(server, s3, bucket):
    headers = signed(server, "PUT", f"/{bucket}/k", b"x", {"Content-MD5": "nonsense"})
    answer = requests.put(f"{server.s3_url}/{bucket}/k", data=b"x", headers=headers, timeout=10)
    assert (answer.status_code, "<Code>InvalidDigest</Code>" in answer.text) == (400, True)
    assert keys(s3, bucket) == []


def test_a_false_trailing_checksum_leaves_nothing(server, s3, bucket):
    body = b"hello"
    for sum_, status in ((zlib.crc32(body), 200), (zlib.crc32(b"other"), 400)):
        framed = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + base64.b64encode(sum_.to_bytes(4, "big")) + b"\r\n\r\n"
        answer = send_chunks(server, f"/{bucket}/{status}", framed, 5)
        assert answer.status_code == status, answer.text
    assert keys(s3, bucket) == ["200"]
    assert "ContentEncoding" not in s3.head_object(Bucket=bucket, Key="200")


@pytest.mark.parametrize("announced", [3, 10])
def test_chunks_that_are_not_as_long_as_announced_leave_nothing(server, s3, bucket, announced):
    trailer = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big"))
    framed = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + trailer + b"\r\n\r\n"
    answer = send_chunks(server, f"/{bucket}/k", framed, announced)
    assert 400 <= answer.status_code < 500, answer.text
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_body_that_is_not_the_signed_one_leaves_nothing(server, s3, bucket, size):
    path, body = f"/{bucket}/k", os.urandom(size)
    headers = signed(server, "PUT", path, body)
    answer = requests.put(server.s3_url + path, data=bytes(size), headers=headers, timeout=10)
    assert (answer.status_code, "XAmzContentSHA256Mismatch" in answer.text) == (400, True), answer.text
    assert keys(s3, bucket) == []


@pytest.mark.parametrize("size", [1000, 300_000])
@pytest.mark.parametrize("sign_body", [True, False])
def test_a_truncated_upload_leaves_nothing(server, s3, bucket, size, sign_body):
    path, body = f"/{bucket}/k", os.urandom(size)
    headers = signed(server, "PUT", path, body, sign_body=sign_body) | {"Content-Length": str(size)}
    answer = on_socket(server, "PUT", path, headers, body[: size // 2])
    assert b"200 OK" not in answer
    assert keys(s3, bucket) == []
    whole = on_socket(server, "PUT", path, headers | {"Connection": "close"}, body, shut=False)
    assert b"200 OK" in whole
    assert keys(s3, bucket) == ["k"]


# --- who may


def test_presigned_urls(server, bucket):
    # As people write it: in the region that `crannog env` names, boto3 presigns with SigV4 by itself.
    s3 = server.s3()
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert requests.put(put, data=b"hello", timeout=10).status_code == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=604800)
    answer = requests.get(get, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert requests.put(get, data=b"other", timeout=10).status_code == 403
    changed = get.replace("/k?", "/other?")
    assert "<Code>SignatureDoesNotMatch</Code>" in requests.get(changed, timeout=10).text
    named = s3.generate_presigned_url(
        "get_object",
        Params={"Bucket": bucket, "Key": "k", "ResponseContentDisposition": 'attachment; filename="n"'},
    )
    assert requests.get(named, timeout=10).headers["Content-Disposition"] == 'attachment; filename="n"'


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(604801, "AuthorizationQueryParametersError"), (10_000_000, "AuthorizationQueryParametersError")]
    + [(0, "AccessDenied"), (-5, "AccessDenied")],
)
def test_a_presigned_url_that_lives_too_long_is_refused(server, bucket, seconds, code):
    url = client(server, signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=seconds)
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (403, True)


def presigned_at(server, path, when, expires):
    """A presigned GET as it would have been signed at that time."""
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    host = urlsplit(server.s3_url).netloc
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{server.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
    }
    text = urlencode(sorted(query.items()))
    canonical = f"GET\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{server.secret_key}".encode()
    for word in (stamp[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{server.s3_url}{path}?{text}&X-Amz-Signature={signature}"


def test_an_expired_presigned_url_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    now = datetime.now(timezone.utc)
    fresh = presigned_at(server, f"/{bucket}/k", now - timedelta(minutes=5), 600)
    assert requests.get(fresh, timeout=10).content == b"hello"
    for when in (now - timedelta(minutes=11), now + timedelta(hours=1)):
        stale = requests.get(presigned_at(server, f"/{bucket}/k", when, 600), timeout=10)
        assert stale.status_code == 403, stale.text


def test_the_old_signature_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    url = client(server, signature_version="s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "k"}
    )
    assert "AWSAccessKeyId" in parse_qs(urlsplit(url).query)
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, "AWS4-HMAC-SHA256" in answer.text) == (400, True)
    assert refused(client(server, signature_version="s3").get_object, Bucket=bucket, Key="k") == ("InvalidRequest", 400)


def test_strangers_are_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    for path in ("/", f"/{bucket}", f"/{bucket}/k"):
        answer = requests.get(server.s3_url + path, timeout=10)
        assert (answer.status_code, "<Code>AccessDenied</Code>" in answer.text) == (403, True)
    assert requests.put(f"{server.s3_url}/{bucket}/k", data=b"x", timeout=10).status_code == 403
    wrong = client(server, secret_key="0" * 40)
    assert refused(wrong.get_object, Bucket=bucket, Key="k") == ("SignatureDoesNotMatch", 403)
    unknown = client(server, access_key="AKIDUNKNOWN")
    assert refused(unknown.get_object, Bucket=bucket, Key="k") == ("InvalidAccessKeyId", 403)


@pytest.fixture
def viewer(server):
    """An S3 client of a user who may only read."""
    name, password = f"viewer-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    api = f"{server.http_url}/api/crannog/v1"
    made = requests.post(
        f"{api}/users",
        json={"name": name, "password": password, "role": "viewer"},
        auth=(server.user, server.password),
        timeout=30,
    )
    assert made.ok, made.text
    key = requests.post(f"{api}/s3-keys", json={"label": "test"}, auth=(name, password), timeout=30)
    assert key.ok, key.text
    yield client(
        server, key.json()["access_key_id"], key.json()["secret_access_key"], signature_version="s3v4"
    )
    requests.delete(f"{api}/users/{name}", auth=(server.user, server.password), timeout=30)


def test_a_viewer_reads_and_may_not_write(s3, viewer, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert viewer.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    assert keys(viewer, bucket) == ["k"]
    at = {"Bucket": bucket, "Key": "k"}
    assert refused(viewer.put_object, **at, Body=b"x") == ("AccessDenied", 403)
    assert refused(viewer.delete_object, **at) == ("AccessDenied", 403)
    assert refused(viewer.create_multipart_upload, **at) == ("AccessDenied", 403)
    deleted = viewer.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert [(error["Key"], error["Code"]) for error in deleted["Errors"]] == [("k", "AccessDenied")]
    assert refused(viewer.create_bucket, Bucket="viewers-own") == ("AccessDenied", 403)
    assert s3.get_object(**at)["Body"].read() == b"hello"


def test_a_presigned_url_has_its_maker_s_role(viewer, bucket):
    url = viewer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert requests.put(url, data=b"x", timeout=10).status_code == 403


def test_signed_requests_are_answered_on_the_http_port_too(server, bucket):
    other = boto3.client(
        "s3",
        endpoint_url=server.http_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    other.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    url = other.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url, timeout=10).content == b"hello"


def test_the_bucket_may_stand_in_the_host_name(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    answer = asked_of_host(server, f"{bucket}.localhost:{urlsplit(server.s3_url).port}", "/k")
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert asked_of_host(server, f"{bucket}.s3.lab.example", "/none").status_code == 404


def test_the_bucket_may_stand_before_the_public_name(private_server):
    server = private_server(
        env={"CRANNOG_S3_PUBLIC_URL": "http://s3.lab.example:9000", "CRANNOG_HTTP_PUBLIC_URL": "http://ui.s3.lab.example"}
    )
    s3 = server.s3()
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="k", Body=b"hello")
    for host, path in [
        ("data.s3.lab.example:9000", "/k"),
        ("data.localhost", "/k"),
        ("s3.lab.example:9000", "/data/k"),
        ("ui.s3.lab.example", "/data/k"),
    ]:
        answer = asked_of_host(server, host, path)
        assert (answer.status_code, answer.content) == (200, b"hello"), host
    assert b"<Key>k</Key>" in asked_of_host(server, "data.s3.lab.example", "/").content


def asked_of_host(server, host, path):
    """The answer to a GET signed for this host."""
    request = AWSRequest("GET", f"{server.s3_url}{path}", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    request.headers["Host"] = host
    auth = SigV4Auth(Credentials(server.access_key, server.secret_key), "s3", "us-east-1")
    auth.payload = lambda _: "UNSIGNED-PAYLOAD"
    auth.add_auth(request)
    return requests.get(f"{server.s3_url}{path}", headers=dict(request.headers), timeout=10)


# --- our own JSON API


def test_the_json_api_shows_the_same_objects(server, s3, bucket):
    with requests.Session() as api:
        api.auth = server.auth
        base = f"{server.http_url}/api/crannog/v1/buckets"
        assert api.put(f"{base}/{bucket}/objects/a/b%20c.txt", data=b"hello", timeout=10).status_code == 201
        assert s3.get_object(Bucket=bucket, Key="a/b c.txt")["ContentType"] == "text/plain"
        got = api.get(f"{base}/{bucket}/objects/a/b%20c.txt", timeout=10)
        assert got.content == b"hello"
        assert got.headers["Content-Disposition"].startswith("attachment")
        shown = api.get(f"{base}/{bucket}/objects/a/b%20c.txt?inline=1", timeout=10)
        assert shown.headers["Content-Disposition"].startswith("inline")
        assert "sandbox" in shown.headers["Content-Security-Policy"]
        page = api.get(f"{base}/{bucket}/objects", params={"delimiter": "/"}, timeout=10).json()
        assert (page["prefixes"], page["objects"], page["next"]) == (["a/"], [], None)
        mine = [b for b in api.get(base, timeout=10).json()["buckets"] if b["name"] == bucket]
        assert [(b["objects"], b["bytes"]) for b in mine] == [(1, 5)]
        assert api.delete(f"{base}/{bucket}", timeout=10).status_code == 409
        assert api.delete(f"{base}/{bucket}/objects/a/b%20c.txt", timeout=10).status_code == 204
        missing = api.get(f"{base}/{bucket}/objects/a/b%20c.txt", timeout=10)
        assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")
        assert api.post(base, json={"name": "NOT OK"}, timeout=10).status_code == 400
        assert api.post(base, json={"name": bucket}, timeout=10).status_code == 409
