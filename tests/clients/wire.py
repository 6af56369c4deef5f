"""S3 by hand: boto3 with its refusals as pairs, and requests that no client would send."""

import hashlib
import hmac
import re
import socket
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

MIB = 1 << 20


def client(server, access_key=None, secret_key=None, **config):
    return boto3.client(
        "s3",
        endpoint_url=server.s3_url,
        aws_access_key_id=access_key or server.access_key,
        aws_secret_access_key=secret_key or server.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config),
    )


def refused(call, **arguments):
    """The error code and HTTP status of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def keys(s3, bucket, **arguments):
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, **arguments).get("Contents", [])]


def signed(server, method, path, body=b"", headers=None, sign_body=True):
    """The headers of a request signed by hand, for bodies no client would send."""
    request = AWSRequest(method, server.s3_url + path, headers=headers, data=body)
    request.headers["Host"] = urlsplit(server.s3_url).netloc
    auth = S3SigV4Auth(Credentials(server.access_key, server.secret_key), "s3", "us-east-1")
    auth.payload = lambda _: hashlib.sha256(body).hexdigest() if sign_body else "UNSIGNED-PAYLOAD"
    auth.add_auth(request)
    return dict(request.headers)


def send_chunks(server, path, framed, length):
    """Sends an unsigned chunked body with a trailing checksum, framed by hand."""
    kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = {
        "x-amz-content-sha256": kind,
        "x-amz-decoded-content-length": str(length),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    request = AWSRequest("PUT", server.s3_url + path, headers=headers)
    request.headers["Host"] = urlsplit(server.s3_url).netloc
    auth = S3SigV4Auth(Credentials(server.access_key, server.secret_key), "s3", "us-east-1")
    auth.payload = lambda _: kind
    auth.add_auth(request)
    return requests.put(request.url, data=framed, headers=dict(request.headers), timeout=10)


def on_socket(server, method, path, headers, body, shut=True):
    """Sends exactly these bytes, and answers all that comes back."""
    address = urlsplit(server.s3_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer = b""
        try:
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was sent whole: the answer may still be there
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def send(server, method, path, body=b"", headers=None, replace=None, sign_body=True):
    """A signed request on a connection of its own, some of its headers replaced behind the signature.

    A header replaced by None is left out. Answers the status, the S3 error code (or None) and the document.
    """
    given = signed(server, method, path, body, headers, sign_body) | {"Connection": "close"}
    given = {"Content-Length": str(len(body))} | given | (replace or {})
    given = {name: value for name, value in given.items() if value is not None}
    return outcome(on_socket(server, method, path, given, body, shut=False))


def outcome(raw: bytes):
    head, _, document = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), raw[:200]
    code = re.search(rb"<Code>(\w+)</Code>", document)
    return int(head[9:12]), code and code[1].decode(), document


def signed_chunks(server, path, chunks, decoded):
    """The headers and the framed pieces of an upload whose every chunk is signed, as aws-chunked has it."""
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = {"x-amz-content-sha256": kind, "Content-Encoding": "aws-chunked"}
    if decoded is not None:
        headers["x-amz-decoded-content-length"] = str(decoded)
    request = AWSRequest("PUT", server.s3_url + path, headers=headers)
    request.headers["Host"] = urlsplit(server.s3_url).netloc
    credentials = Credentials(server.access_key, server.secret_key)
    auth = S3SigV4Auth(credentials, "s3", "us-east-1")
    auth.payload = lambda _: kind
    auth.add_auth(request)
    date = request.headers["X-Amz-Date"]
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{server.secret_key}".encode()
    for word in (date[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    last = request.headers["Authorization"].rsplit("=", 1)[1]
    pieces = []
    for chunk in [*chunks, b""]:
        empty, digest = hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, last, empty, digest])
        last = hmac.new(key, text.encode(), "sha256").hexdigest()
        pieces.append(f"{len(chunk):x};chunk-signature={last}\r\n".encode() + chunk + b"\r\n")
    headers = dict(request.headers) | {"Content-Length": str(sum(map(len, pieces))), "Connection": "close"}
    return headers, pieces
