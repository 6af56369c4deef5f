"""S3 by hand: boto3 with its refusals as pairs, and requests that no client would send."""

import hashlib
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
    headers = dict(headers or {})
    digest = hashlib.sha256(body).hexdigest() if sign_body else "UNSIGNED-PAYLOAD"
    headers["x-amz-content-sha256"] = digest
    request = AWSRequest(method, server.s3_url + path, headers=headers, data=body)
    request.context["payload_signing_enabled"] = sign_body
    request.headers["Host"] = urlsplit(server.s3_url).netloc
    S3SigV4Auth(Credentials(server.access_key, server.secret_key), "s3", "us-east-1").add_auth(request)
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
