"""Clients that sign with version 2 and know no other: served where the operator says so, refused else."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from botocore.client import Config
from conftest import Server, empty_bucket
from wire import refused


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A server that serves them."""
    running = Server(tmp_path_factory.mktemp("sigv2"), env={"CRANNOG_S3_ALLOW_SIGV2": "true"}).start()
    yield running
    running.stop()


@pytest.fixture
def s3(old):
    """boto3, signing with version 2 in headers and in URLs."""
    return old.s3(signature_version="s3", s3={"addressing_style": "path"})


@pytest.fixture
def bucket(old):
    new, name = old.s3(), f"old-{uuid.uuid4().hex[:12]}"
    new.create_bucket(Bucket=name)
    yield name
    empty_bucket(new, name)
    new.delete_bucket(Bucket=name)


def code(answer):
    text = answer.text
    return answer.status_code, text.split("<Code>")[1].split("<")[0] if "<Code>" in text else None


def presigned(s3, operation, expires=60, **params):
    url = s3.generate_presigned_url(operation, Params=params, ExpiresIn=expires)
    assert "AWSAccessKeyId" in parse_qs(urlsplit(url).query)
    return url


def signed(server, method, path, amz=None, **headers):
    """A request as the documentation of the old signature has it, made by hand."""
    date = formatdate(usegmt=True)
    amz = amz or {}
    text = [method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    text += [f"{name}:{amz[name]}" for name in sorted(amz)]
    digest = hmac.new(server.secret_key.encode(), "\n".join([*text, path]).encode(), hashlib.sha1).digest()
    word = f"AWS {server.access_key}:{base64.b64encode(digest).decode()}"
    return headers | amz | {"date": date, "authorization": word}


def test_objects_go_there_and_back(s3, bucket):
    key = "folder/a b+c/ü"
    s3.put_object(Bucket=bucket, Key=key, Body=b"hello", ContentType="text/plain", Metadata={"team": "a b"})
    got = s3.get_object(Bucket=bucket, Key=key, ResponseContentDisposition='attachment; filename="a b"')
    assert got["Body"].read() == b"hello"
    assert got["Metadata"] == {"team": "a b"}
    assert got["ContentDisposition"] == 'attachment; filename="a b"'
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="folder/")
    assert [item["Key"] for item in listed["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "k", "Value": "v"}]
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert len(gone["Deleted"]) == 2


def test_uploads_in_parts(s3, bucket):
    body = bytes(5 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    parts = []
    for number, piece in enumerate([body, b"end"], 1):
        part = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)["Parts"]
    assert [part["PartNumber"] for part in listed] == [1, 2]
    s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == body + b"end"


def test_the_bucket_may_be_in_the_hosts_name(old, bucket):
    host = {"host": f"{bucket}.localhost"}
    for method, path, body in [("PUT", "/k", b"hello"), ("GET", "/k", b"hello"), ("GET", "/?acl", b"AccessControlPolicy")]:
        headers = signed(old, method, f"/{bucket}{path}") | host
        answer = requests.request(method, old.s3_url + path, data=body if method == "PUT" else None, headers=headers)
        assert answer.status_code == 200, answer.text
    assert body in answer.content
    headers = signed(old, "GET", "/other/k") | host
    assert code(requests.get(old.s3_url + "/k", headers=headers)) == (403, "SignatureDoesNotMatch")


def test_the_documented_text_is_what_is_signed(old, bucket):
    path, md5 = f"/{bucket}/k", base64.b64encode(hashlib.md5(b"x").digest()).decode()
    headers = signed(old, "PUT", path, {"x-amz-meta-a": "b"}, **{"content-type": "text/plain", "content-md5": md5})
    assert requests.put(old.s3_url + path, data=b"x", headers=headers).status_code == 200
    # What is signed cannot be another; a body that is not the promised one is refused as ever.
    for name, value in [("x-amz-meta-a", "c"), ("content-type", "text/html"), ("x-amz-acl", "public-read")]:
        answer = requests.put(old.s3_url + path, data=b"x", headers=headers | {name: value})
        assert code(answer) == (403, "SignatureDoesNotMatch"), name
    assert code(requests.put(old.s3_url + path, data=b"y", headers=headers)) == (400, "BadDigest")
    assert old.s3().get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_presigned_urls_live_and_end(s3, bucket):
    put = presigned(s3, "put_object", Bucket=bucket, Key="k", ContentType="text/plain", Metadata={"a": "b"})
    assert requests.put(put, data=b"hello", headers={"Content-Type": "text/plain"}).status_code == 200
    get = presigned(s3, "get_object", Bucket=bucket, Key="k", ResponseContentType="text/csv")
    answer = requests.get(get)
    assert (answer.text, answer.headers["content-type"]) == ("hello", "text/csv")
    # The metadata stood in the URL.
    assert answer.headers["x-amz-meta-a"] == "b"
    for expires in (-5, 8 * 86400):
        assert code(requests.get(presigned(s3, "get_object", expires, Bucket=bucket, Key="k"))) == (403, "AccessDenied")
    later = get.replace("Expires=", "Expires=1")
    assert code(requests.get(later)) == (403, "AccessDenied")
    end = int(parse_qs(urlsplit(get).query)["Expires"][0])
    assert code(requests.get(get.replace(str(end), str(end + 1)))) == (403, "SignatureDoesNotMatch")
    assert code(requests.put(get, data=b"x")) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("more", ["acl&acl", "retention", "legal-hold", "%61cl&acl="])
def test_a_url_for_an_object_is_for_nothing_else(s3, bucket, more):
    url = presigned(s3, "put_object", Bucket=bucket, Key="k")
    answer = requests.put(f"{url}&{more}", headers={"x-amz-acl": "public-read"} if "acl" in more else {})
    assert code(answer) in [(400, "InvalidRequest"), (403, "SignatureDoesNotMatch")]


def test_a_wrong_secret_is_refused(old, bucket):
    s3 = boto3.client(
        "s3",
        endpoint_url=old.s3_url,
        region_name="us-crannog-1",
        aws_access_key_id=old.access_key,
        aws_secret_access_key="wrong",
        config=Config(signature_version="s3", retries={"max_attempts": 1}),
    )
    assert refused(s3.list_objects_v2, Bucket=bucket) == ("SignatureDoesNotMatch", 403)
    assert code(requests.get(presigned(s3, "get_object", Bucket=bucket, Key="k"))) == (403, "SignatureDoesNotMatch")


def test_temporary_keys_bring_their_token(old, bucket):
    sts = boto3.client(
        "sts",
        endpoint_url=old.s3_url,
        region_name="us-crannog-1",
        aws_access_key_id=old.access_key,
        aws_secret_access_key=old.secret_key,
    )
    key = sts.get_session_token()["Credentials"]
    for token, served in [(key["SessionToken"], True), (None, False)]:
        s3 = boto3.client(
            "s3",
            endpoint_url=old.s3_url,
            region_name="us-crannog-1",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_session_token=token,
            config=Config(signature_version="s3", retries={"max_attempts": 1}),
        )
        url = presigned(s3, "put_object", Bucket=bucket, Key="k")
        assert requests.put(url, data=b"x").ok is served
        if served:
            s3.put_object(Bucket=bucket, Key="k", Body=b"y")
        else:
            assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y")[1] in (400, 403)


def test_policies_see_which_signature_it_is(old, s3, bucket):
    new = old.s3()
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"s3:signatureversion": "AWS"}},
    }
    new.put_object(Bucket=bucket, Key="k", Body=b"x")
    new.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert refused(s3.get_object, Bucket=bucket, Key="k") == ("AccessDenied", 403)
    assert code(requests.get(presigned(s3, "get_object", Bucket=bucket, Key="k"))) == (403, "AccessDenied")
    assert new.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_dates_are_near_and_the_token_service_wants_the_new_one(old, bucket):
    headers = signed(old, "GET", f"/{bucket}/")
    headers["date"] = formatdate(time.time() - 3600, usegmt=True)
    assert code(requests.get(f"{old.s3_url}/{bucket}/", headers=headers)) == (403, "RequestTimeTooSkewed")
    headers = signed(old, "POST", "/", **{"content-type": "application/x-www-form-urlencoded"})
    answer = requests.post(f"{old.s3_url}/", data="Action=GetSessionToken&Version=2011-06-15", headers=headers)
    assert answer.status_code == 400 and "not supported" in answer.text


def test_the_log_warns_and_the_key_is_off_unless_set(old, server):
    assert "s3.allow_sigv2 is on" in old.log_path.read_text()
    assert "allow_sigv2" not in server.log_path.read_text()
    s3 = server.s3(signature_version="s3")
    assert refused(s3.list_buckets) == ("InvalidRequest", 400)
    url = presigned(s3, "get_object", Bucket="mlflow", Key="k")
    assert code(requests.get(url)) == (400, "InvalidRequest")
