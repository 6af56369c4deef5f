"""What happens to bodies on their way in: upload forms, encryption at rest, object lock."""

import base64
import hashlib
import hmac
import json
import uuid
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone

import pytest
import requests
from botocore.exceptions import ClientError
from wire import client

MIB = 1 << 20
# Such as no other test stores: what is on the disk is searched for it.
CUSTOMER_KEY = "the key its customer alone knows"
SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY}
OTHER_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "o" * 32}
COPY_KEY = {"CopySource" + name: value for name, value in SSE_C.items()}


def empty(s3, name):
    """Removes every version, held or retained as it may be, and then the bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for item in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(
                Bucket=name, Key=item["Key"], VersionId=item["VersionId"], BypassGovernanceRetention=True
            )
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def bucket(s3):
    name = f"bodies-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    empty(s3, name)


@pytest.fixture
def locked(s3):
    name = f"locked-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield name
    empty(s3, name)


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body(s3, bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def code_of(answer):
    return ET.fromstring(answer.content).findtext("Code"), answer.status_code


def noise(size):
    """Bytes in which no two chunks are alike."""
    return hashlib.shake_128(str(size).encode()).digest(size)


# --- forms


def old_form(server, bucket, conditions, **fields):
    """The fields of a form signed the old way."""
    expires = datetime.now(timezone.utc) + timedelta(minutes=5)
    document = {
        "expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "conditions": [{"bucket": bucket}, *conditions],
    }
    policy = base64.b64encode(json.dumps(document).encode())
    signature = hmac.new(server.secret_key.encode(), policy, hashlib.sha1).digest()
    signed = {"AWSAccessKeyId": server.access_key, "policy": policy, "signature": base64.b64encode(signature)}
    return signed | fields


def post(server, bucket, fields, data, name="data.bin"):
    return requests.post(
        f"{server.s3_url}/{bucket}", data=fields, files={"file": (name, data)}, allow_redirects=False, timeout=60
    )


def test_a_presigned_post_of_boto3_uploads_and_keeps_what_it_carries(server, s3, bucket):
    data = noise(3 * MIB + 7)
    fields = {"Content-Type": "text/x-noise", "x-amz-meta-kind": "noise", "success_action_status": "201"}
    conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, 4 * MIB]]
    form = s3.generate_presigned_post(bucket, "in/${filename}", Fields=fields, Conditions=conditions)
    answer = post(server, bucket, form["fields"], data, "C:\\tmp\\noise.bin")
    assert answer.status_code == 201, answer.text
    told = {child.tag: child.text for child in ET.fromstring(answer.content)}
    assert told["Bucket"] == bucket and told["Key"] == "in/noise.bin"
    head = s3.head_object(Bucket=bucket, Key="in/noise.bin")
    assert head["ETag"] == told["ETag"] == answer.headers["ETag"]
    assert head["ContentType"] == "text/x-noise" and head["Metadata"] == {"kind": "noise"}
    assert body(s3, bucket, "in/noise.bin") == data


def test_a_form_may_do_what_its_policy_says_and_nothing_else(server, s3, bucket):
    conditions = [["starts-with", "$key", "in/"], ["content-length-range", 3, 5]]
    form = old_form(server, bucket, conditions, key="in/a")
    assert post(server, bucket, form, b"abc").status_code == 204
    assert code_of(post(server, bucket, form | {"key": "out/a"}, b"abc")) == ("AccessDenied", 403)
    assert code_of(post(server, bucket, form | {"x-amz-meta-a": "1"}, b"abc")) == ("AccessDenied", 403)
    assert code_of(post(server, bucket, form, b"ab")) == ("EntityTooSmall", 400)
    assert code_of(post(server, bucket, form, noise(MIB))) == ("EntityTooLarge", 400)
    assert code_of(post(server, bucket, form | {"signature": "AAAA"}, b"abc")) == ("SignatureDoesNotMatch", 403)
    assert code_of(post(server, bucket, form | {"AWSAccessKeyId": "x"}, b"abc")) == ("InvalidAccessKeyId", 403)
    assert code_of(post(server, bucket, {"key": "in/a"}, b"abc")) == ("AccessDenied", 403)
    assert body(s3, bucket, "in/a") == b"abc"
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in listed] == ["in/a"]


def test_a_form_redirects_where_it_was_told(server, s3, bucket):
    target = "http://127.0.0.1:1/done?from=form"
    conditions = [["starts-with", "$key", ""], {"success_action_redirect": target}]
    form = old_form(server, bucket, conditions, key="a b", success_action_redirect=target)
    answer = post(server, bucket, form, b"abc")
    assert answer.status_code == 303
    etag = hashlib.md5(b"abc").hexdigest()
    assert answer.headers["Location"] == f"{target}&bucket={bucket}&key=a%20b&etag=%22{etag}%22"


def test_a_large_form_is_not_kept_in_memory(server, s3, bucket):
    def resident():
        with open(f"/proc/{server.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

    before, chunk = resident(), noise(MIB)
    boundary = "form-boundary"
    form = old_form(server, bucket, [["starts-with", "$key", ""]], key="large")

    def parts():
        for name, value in form.items():
            value = value.decode() if isinstance(value, bytes) else value
            yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode()
        for _ in range(200):
            yield chunk
        yield f"\r\n--{boundary}--\r\n".encode()

    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = requests.post(f"{server.s3_url}/{bucket}", data=parts(), headers=headers, timeout=120)
    assert answer.status_code == 204, answer.text
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 200 * MIB
    assert resident() - before < 64


# --- encryption


MODES = {
    "sse-s3": {"ServerSideEncryption": "AES256"},
    "sse-kms": {"ServerSideEncryption": "aws:kms"},
    "sse-c": SSE_C,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5 * MIB + 3])
def test_what_is_stored_is_not_what_was_sent_and_every_range_comes_back(server, s3, bucket, mode, size):
    data = (b"a secret that must not be found on the disk. " * (size // 45 + 1))[:size]
    sent = s3.put_object(Bucket=bucket, Key="k", Body=data, **MODES[mode])
    key = SSE_C if mode == "sse-c" else {}
    assert sent.get("ServerSideEncryption") == MODES[mode].get("ServerSideEncryption")
    head = s3.head_object(Bucket=bucket, Key="k", **key)
    assert head["ContentLength"] == size and head["ETag"] == sent["ETag"]
    assert (head["ETag"].strip('"') == hashlib.md5(data).hexdigest()) == (mode == "sse-s3")
    assert body(s3, bucket, "k", **key) == data
    for first, last in [(0, 0), (65_530, 65_540), (size // 2, size - 1), (size - 1, size + 5)]:
        if 0 <= first <= last and first < size:
            wanted = f"bytes={first}-{last}"
            assert body(s3, bucket, "k", Range=wanted, **key) == data[first : last + 1]
    if size > 100:
        stored = b"".join(path.read_bytes() for path in (server.data_dir / "blobs").iterdir())
        stored += b"".join(path.read_bytes() for path in server.data_dir.glob("objects.db*"))
        assert b"must not be found on the disk. a secret" not in stored


def test_a_customers_key_is_needed_for_everything_and_kept_nowhere(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"abc", **SSE_C)
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("InvalidRequest", 400)
    assert refused(s3.get_object, Bucket=bucket, Key="k", **OTHER_KEY) == ("InvalidRequest", 400)
    assert refused(s3.head_object, Bucket=bucket, Key="k")[1] == 400
    attributes = {"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ObjectSize"]}
    assert refused(s3.get_object_attributes, **attributes) == ("InvalidRequest", 400)
    # boto3 prepares the key for every operation but this one.
    key = base64.b64encode(CUSTOMER_KEY.encode()).decode()
    md5 = base64.b64encode(hashlib.md5(CUSTOMER_KEY.encode()).digest()).decode()
    ready = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key, "SSECustomerKeyMD5": md5}
    assert s3.get_object_attributes(**attributes, **ready)["ObjectSize"] == 3
    s3.put_object(Bucket=bucket, Key="plain", Body=b"abc")
    assert refused(s3.get_object, Bucket=bucket, Key="plain", **SSE_C) == ("InvalidRequest", 400)
    stored = b"".join(path.read_bytes() for path in server.data_dir.glob("objects.db*"))
    assert CUSTOMER_KEY.encode() not in stored and key.encode() not in stored


@pytest.mark.parametrize("mode", MODES)
def test_parts_are_encrypted_and_read_across_their_borders(s3, bucket, mode):
    key = SSE_C if mode == "sse-c" else {}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **MODES[mode])["UploadId"]
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    pieces = [noise(5 * MIB + 1), noise(70_000)]
    if mode == "sse-c":
        assert refused(s3.upload_part, **at, PartNumber=1, Body=b"x")[1] == 400
        assert refused(s3.upload_part, **at, PartNumber=1, Body=b"x", **OTHER_KEY)[1] == 400
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**at, PartNumber=number, Body=piece, **key)["ETag"]}
        for number, piece in enumerate(pieces, 1)
    ]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}, **key)
    whole, border = b"".join(pieces), len(pieces[0])
    assert body(s3, bucket, "k", **key) == whole
    assert body(s3, bucket, "k", Range=f"bytes={border - 3}-{border + 3}", **key) == whole[border - 3 : border + 4]
    head = s3.head_object(Bucket=bucket, Key="k", PartNumber=2, **key)
    assert head["ContentLength"] == len(pieces[1])


@pytest.mark.parametrize("source", [None, *MODES])
@pytest.mark.parametrize("target", [None, *MODES])
def test_a_copy_is_encrypted_as_it_was_asked_for(s3, bucket, source, target):
    data = noise(200_000)
    s3.put_object(Bucket=bucket, Key="from", Body=data, Metadata={"a": "1"}, **MODES.get(source, {}))
    wish = {"sse-c": OTHER_KEY}.get(target, MODES.get(target, {}))
    open_source = COPY_KEY if source == "sse-c" else {}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from", **wish, **open_source)
    read = s3.get_object(Bucket=bucket, Key="to", **(OTHER_KEY if target == "sse-c" else {}))
    assert read["Body"].read() == data and read["Metadata"] == {"a": "1"}
    if target:
        assert read.get("ServerSideEncryption") == MODES[target].get("ServerSideEncryption")
    elif source:
        assert read["ServerSideEncryption"] in ("AES256", "aws:kms")


def test_the_buckets_default_holds_where_nothing_else_is_asked_for(server, s3, bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.put_object(Bucket=bucket, Key="a", Body=b"a")["ServerSideEncryption"] == "AES256"
    asked = s3.put_object(Bucket=bucket, Key="b", Body=b"b", ServerSideEncryption="aws:kms")
    assert (asked["ServerSideEncryption"], asked["SSEKMSKeyId"]) == ("aws:kms", "aws/s3")
    form = old_form(server, bucket, [["starts-with", "$key", ""]], key="c")
    assert post(server, bucket, form, b"c").status_code == 204
    assert s3.head_object(Bucket=bucket, Key="c")["ServerSideEncryption"] == "AES256"


def test_named_keys_are_made_listed_and_disabled(server, api, s3, bucket):
    name = f"team/{uuid.uuid4().hex[:8]}"
    wish = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": name}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **wish) == ("KMS.NotFoundException", 400)
    assert api.post("/encryption/keys", json={"name": name}).status_code == 201
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x", **wish)["SSEKMSKeyId"] == name
    assert name in [key["name"] for key in api.get("/encryption/keys").json()["keys"]]
    assert api.put(f"/encryption/keys/{name}", json={"enabled": False}).status_code == 200
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("KMS.DisabledException", 400)
    assert api.put(f"/encryption/keys/{name}", json={"enabled": True}).status_code == 200
    assert body(s3, bucket, "k") == b"x"


# --- object lock


def test_a_locked_version_outlives_who_wants_it_gone(s3, locked):
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    version = s3.put_object(Bucket=locked, Key="k", Body=b"x", **lock)["VersionId"]
    at = {"Bucket": locked, "Key": "k", "VersionId": version}
    head = s3.head_object(**at)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert refused(s3.delete_object, **at) == ("AccessDenied", 403)
    marker = s3.delete_object(Bucket=locked, Key="k")
    assert marker["DeleteMarker"]
    assert body(s3, locked, "k", VersionId=version) == b"x"
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": until - timedelta(hours=1)}
    assert refused(s3.put_object_retention, **at, Retention=sooner) == ("AccessDenied", 403)
    s3.put_object_legal_hold(**at, LegalHold={"Status": "ON"})
    assert refused(s3.delete_object, **at, BypassGovernanceRetention=True) == ("AccessDenied", 403)
    s3.put_object_legal_hold(**at, LegalHold={"Status": "OFF"})
    s3.delete_object(**at, BypassGovernanceRetention=True)


def test_what_is_locked_comes_with_a_digest(server, s3, locked):
    until = datetime.now(timezone.utc) + timedelta(days=1)
    locks = [
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until},
        {"ObjectLockLegalHoldStatus": "ON"},
    ]
    bare = client(server, request_checksum_calculation="when_required")
    digest = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    for lock in locks:
        assert refused(bare.put_object, Bucket=locked, Key="k", Body=b"x", **lock) == ("InvalidRequest", 400)
        version = bare.put_object(Bucket=locked, Key="k", Body=b"x", ContentMD5=digest, **lock)["VersionId"]
        s3.put_object_legal_hold(Bucket=locked, Key="k", VersionId=version, LegalHold={"Status": "OFF"})
    assert bare.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]


def test_a_buckets_retention_is_given_to_what_has_none(s3, locked):
    days = {"Mode": "GOVERNANCE", "Days": 2}
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": days}}
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=rule)
    s3.put_object(Bucket=locked, Key="put", Body=b"x")
    s3.copy_object(Bucket=locked, Key="copied", CopySource=f"{locked}/put")
    upload = s3.create_multipart_upload(Bucket=locked, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locked, Key="parts", UploadId=upload, MultipartUpload=listed)
    for key in ["put", "copied", "parts"]:
        retention = s3.get_object_retention(Bucket=locked, Key=key)["Retention"]
        left = retention["RetainUntilDate"] - datetime.now(timezone.utc)
        assert retention["Mode"] == "GOVERNANCE" and timedelta(days=1) < left <= timedelta(days=2)


def test_a_bucket_without_lock_takes_none(s3, bucket):
    until = datetime.now(timezone.utc) + timedelta(days=1)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **lock) == ("InvalidRequest", 400)
    assert refused(s3.get_object_lock_configuration, Bucket=bucket)[0] == "ObjectLockConfigurationNotFoundError"
