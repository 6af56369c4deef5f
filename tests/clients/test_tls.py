"""TLS at both doors and towards webhooks, with the clients that have to believe it."""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

import pytest
import requests
from conftest import CRANNOG, QUIET, Server, eventually
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mlflow.entities.webhook import WebhookEvent
from test_mlflow_webhooks import Receiver


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("tls"), {"CRANNOG_TLS_LOOPBACK": "true"}).start()
    assert running.http_url.startswith("https://127.0.0.1:")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def exports(secure):
    """What `crannog env` says, over an environment that trusts nobody in particular."""
    return os.environ | QUIET | json.loads(secure.cli("env", "--json").stdout)


def python(code, env):
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_mlflow_and_its_artifacts(exports):
    code = """
import mlflow
mlflow.set_experiment("tls")
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1.5)
    mlflow.log_text("over tls", "a.txt")
print(mlflow.get_run(run.info.run_id).data.metrics["m"], mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt"))
"""
    assert python(code, exports) .endswith("1.5 over tls")


def test_boto3_s3fs_and_presigned_urls(exports, secure):
    code = """
import boto3, s3fs
s3 = boto3.client("s3")
s3.create_bucket(Bucket="tls")
s3.put_object(Bucket="tls", Key="a", Body=b"x" * 3_000_000)
print(len(s3fs.S3FileSystem().cat("tls/a")))
print(s3.generate_presigned_url("get_object", Params={"Bucket": "tls", "Key": "a"}))
"""
    size, url = python(code, exports).splitlines()
    assert size == "3000000" and url.startswith(secure.s3_url)
    assert len(requests.get(url, timeout=20, verify=secure.authority).content) == 3_000_000


def test_the_command_line_and_what_it_prints_of_the_authority(secure, exports, tmp_path):
    assert "https://" in secure.cli("status").stdout
    copy = tmp_path / "ca.pem"
    copy.write_text(secure.cli("ca").stdout)
    served = requests.get(f"{secure.http_url}/ca.pem", timeout=20, verify=str(copy))
    assert served.text == copy.read_text()
    digest = x509.load_pem_x509_certificate(copy.read_bytes()).fingerprint(hashes.SHA256())
    assert secure.cli("ca", "--fingerprint").stdout.strip() == digest.hex(":").upper()
    assert digest.hex(":").upper() in secure.log_path.read_text()

    # From another machine: an address, a token, and no data directory.
    elsewhere = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CRANNOG_URL": secure.http_url}
    done = subprocess.run([CRANNOG, "status"], env=elsewhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "CRANNOG_CA_FILE" in done.stderr, done.stderr
    token = secure.api().post("/tokens", json={"label": "elsewhere"})
    assert token.ok, token.text
    elsewhere |= {"CRANNOG_CA_FILE": str(copy), "CRANNOG_TOKEN": token.json()["token"]}
    done = subprocess.run([CRANNOG, "status"], env=elsewhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_plain_http_is_told_what_it_met(secure):
    for url in (secure.http_url, secure.s3_url):
        answer = requests.get(url.replace("https://", "http://"), timeout=20)
        assert answer.status_code == 400 and "https://" in answer.text


def test_a_silent_or_babbling_client_does_not_keep_the_door(secure):
    host, port = secure.listen["http"].split(":")
    for noise in (b"\x16\x03\x01\xff\xff" + b"\0" * 64, b"\x16", b"\0" * 5000):
        with socket.create_connection((host, int(port)), timeout=20) as raw:
            raw.sendall(noise)
    assert secure.api().get("/status").ok


def test_a_task_reaches_the_platform(secure, tmp_path):
    script = tmp_path / "task.py"
    script.write_text("""
import boto3, mlflow
boto3.client("s3").list_buckets()
mlflow.set_experiment("from-task")
with mlflow.start_run():
    mlflow.log_param("p", 1)
""")
    definition = {"name": "tls", "tasks": [{"id": "t", "run": f"{CRANNOG} status && {sys.executable} {script}"}]}
    (tmp_path / "tls.yaml").write_text(json.dumps(definition))
    secure.cli("pipeline", "apply", tmp_path / "tls.yaml")
    done = secure.cli("pipeline", "run", "tls", "--wait", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_policies_see_how_a_request_came(secure, server):
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::scheme/*"}
    policy = {"Version": "2012-10-17", "Statement": [deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
    for target, allowed in ((secure, True), (server, False)):
        admin = target.s3()
        admin.create_bucket(Bucket="scheme")
        admin.put_object(Bucket="scheme", Key="k", Body=b"x")
        admin.put_bucket_policy(Bucket="scheme", Policy=json.dumps(policy))
        try:
            assert admin.get_object(Bucket="scheme", Key="k")["Body"].read() == b"x" and allowed
        except admin.exceptions.ClientError as refused:
            assert refused.response["Error"]["Code"] == "AccessDenied" and not allowed


def test_a_session_cookie_never_leaves_in_clear(secure):
    form = {"user": secure.user, "password": secure.password, "next": "/"}
    answer = requests.post(
        f"{secure.http_url}/login", data=form, timeout=20, allow_redirects=False, verify=secure.authority
    )
    assert answer.status_code == 303 and "; Secure" in answer.headers["set-cookie"]


def certificate(folder):
    """A certificate for 127.0.0.1 that no authority vouches for but itself: its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(9))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False).sign(key, hashes.SHA256())
    chain, secret = folder / "receiver.pem", folder / "receiver-key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return chain, secret


def test_webhooks_go_to_receivers_that_are_trusted(private_server, point_at, server, tmp_path):
    chain, secret = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    with Receiver() as receiver:
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        url = receiver.url.replace("http://", "https://")
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        events = [WebhookEvent.from_str("registered_model.created")]
        trusting = private_server(env={"CRANNOG_TLS_TRUSTED": str(chain)})
        client = point_at(trusting)
        client.create_webhook("tls", url, events)
        client.create_registered_model("over-tls")
        eventually(lambda: receiver.data(), what="the delivery")
        assert receiver.data()[0][2]["name"] == "over-tls"

        client = point_at(server)
        stranger = client.create_webhook("tls", url, events)
        told = client.test_webhook(stranger.webhook_id)
        assert not told.success and "certificate" in told.error_message
        client.delete_webhook(stranger.webhook_id)
        receiver.shutdown()
