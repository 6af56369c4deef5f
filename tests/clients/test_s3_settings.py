"""Settings of buckets, and the work in the background they start, as boto3 and a browser meet them."""

import base64
import hashlib
import hmac
import json
import queue
import uuid
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from conftest import answering, empty_bucket, eventually
from wire import keys, refused


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """A server on which a day of a lifecycle rule has two seconds."""
    from conftest import Server

    running = Server(tmp_path_factory.mktemp("fast"), {"CRANNOG_OBJECTS_LIFECYCLE_DAY_S": "2"}).start()
    yield running
    running.stop()


@pytest.fixture
def fast_bucket(fast):
    s3, name = fast.s3(), f"fast-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    s3.delete_bucket_lifecycle(Bucket=name)
    empty_bucket(s3, name)
    s3.delete_bucket(Bucket=name)


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def header(answer, name):
    return answer["ResponseMetadata"]["HTTPHeaders"].get(name)


# --- settings that are kept


def test_tags_of_a_bucket_come_and_go(s3, bucket):
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    tags = [{"Key": "team", "Value": "räd"}, {"Key": "cost", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": twice}) == ("InvalidTag", 400)
    assert status(s3.delete_bucket_tagging(Bucket=bucket)) == 204
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)


def test_payment_and_acceleration_are_kept(s3, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    bad = {"Payer": "Somebody"}
    assert refused(s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration=bad) == (
        "MalformedXML",
        400,
    )
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"


def test_default_encryption_is_kept(s3, bucket):
    missing = ("ServerSideEncryptionConfigurationNotFoundError", 404)
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == missing
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    assert status(s3.delete_bucket_encryption(Bucket=bucket)) == 204
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == missing


def test_website_configuration_is_kept_and_checked(s3, bucket):
    assert refused(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
    site = {
        "IndexDocument": {"Suffix": "index.html"},
        "ErrorDocument": {"Key": "oops.html"},
        "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}
        ],
    }
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=site)
    found = s3.get_bucket_website(Bucket=bucket)
    assert {name: found[name] for name in site} == site
    bad = {"IndexDocument": {"Suffix": "a/b"}}
    assert refused(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=bad) == ("InvalidArgument", 400)
    assert status(s3.delete_bucket_website(Bucket=bucket)) == 204


# --- cross-origin


RULES = [
    {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example"],
        "AllowedHeaders": ["x-amz-*", "content-type"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
        "ID": "app",
    },
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]},
]


@pytest.fixture
def shared(s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return bucket


def ask(server, path, origin=None, method=None, headers=None):
    wanted = {"Origin": origin, "Access-Control-Request-Method": method}
    wanted["Access-Control-Request-Headers"] = headers
    sent = {name: value for name, value in wanted.items() if value}
    return requests.options(f"{server.s3_url}{path}", headers=sent, timeout=10)


def test_cors_rules_come_and_go(s3, bucket):
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    bad = {"CORSRules": [{"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}]}
    assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=bad) == ("InvalidRequest", 400)
    assert status(s3.delete_bucket_cors(Bucket=bucket)) == 204
    assert refused(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)


def test_a_preflight_is_answered_by_the_rules(server, shared):
    allowed = ask(server, f"/{shared}/k", "https://app.example", "PUT", "Content-Type, X-Amz-Meta-A")
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert allowed.headers["access-control-allow-methods"] == "GET, PUT"
    assert allowed.headers["access-control-allow-headers"] == "content-type, x-amz-meta-a"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert allowed.headers["access-control-max-age"] == "600"
    assert "Origin" in allowed.headers["vary"]
    anybody = ask(server, f"/{shared}/k", "http://elsewhere", "GET")
    assert anybody.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in anybody.headers


@pytest.mark.parametrize(
    ("origin", "method", "headers", "code", "error"),
    [
        (None, None, None, 400, "BadRequest"),
        ("http://x", None, None, 400, "BadRequest"),
        ("http://x", "PATCH", None, 400, "BadRequest"),
        ("http://x", "PUT", None, 403, "AccessForbidden"),
        ("https://a.example", "PUT", "cookie", 403, "AccessForbidden"),
    ],
)
def test_a_preflight_is_refused_as_amazon_does(server, shared, origin, method, headers, code, error):
    answer = ask(server, f"/{shared}/k", origin, method, headers)
    assert (answer.status_code, f"<Code>{error}</Code>" in answer.text) == (code, True)
    assert "access-control-allow-origin" not in answer.headers


def test_a_preflight_learns_nothing_where_there_are_no_rules(server, bucket):
    for name in (bucket, "no-such-bucket-here"):
        answer = ask(server, f"/{name}/k", "http://x", "GET")
        assert (answer.status_code, "AccessForbidden" in answer.text) == (403, True)


def test_answers_and_errors_carry_the_grant(server, s3, shared):
    s3.put_object(Bucket=shared, Key="k", Body=b"x")
    for key, code in (("k", 200), ("missing", 404)):
        url = s3.generate_presigned_url("get_object", Params={"Bucket": shared, "Key": key})
        answer = requests.get(url, headers={"Origin": "https://app.example"}, timeout=10)
        assert answer.status_code == code
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-expose-headers"] == "ETag, x-amz-version-id"
        assert "access-control-allow-origin" not in requests.get(url, timeout=10).headers
    refusal = requests.put(f"{server.s3_url}/{shared}/k", headers={"Origin": "http://x"}, timeout=10)
    assert refusal.status_code == 403
    assert "access-control-allow-origin" not in refusal.headers


# --- lifecycle


def rules(*given):
    return {"Rules": [{"Status": "Enabled", **rule} for rule in given]}


def test_lifecycle_rules_come_back_and_wrong_ones_are_refused(s3, bucket):
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    good = rules(
        {"ID": "old", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
        {"ID": "bare", "Prefix": "", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}},
        {
            "ID": "and",
            "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeLessThan": 9}},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2},
        },
    )
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=good)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == good["Rules"]
    for bad, code in [
        ({"Prefix": "", "Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Prefix": "", "Expiration": {"Date": datetime(2030, 1, 1, 5, tzinfo=timezone.utc)}}, "InvalidArgument"),
        ({"Prefix": "", "ID": "x" * 256, "Expiration": {"Days": 1}}, "InvalidArgument"),
        ({"Prefix": "", "Status": "enabled", "Expiration": {"Days": 1}}, "MalformedXML"),
        ({"Prefix": ""}, "InvalidRequest"),
    ]:
        put = s3.put_bucket_lifecycle_configuration
        assert refused(put, Bucket=bucket, LifecycleConfiguration=rules(bad)) == (code, 400), bad
    assert status(s3.delete_bucket_lifecycle(Bucket=bucket)) == 204


def test_the_day_of_expiry_is_told(s3, bucket):
    config = rules(
        {"ID": "a b", "Filter": {"Prefix": "t/"}, "Expiration": {"Days": 3}},
        {"ID": "up", "Prefix": "t/", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    )
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=config)
    put = s3.put_object(Bucket=bucket, Key="t/k", Body=b"x")
    assert 'rule-id="a%20b"' in put["Expiration"]
    day = parsedate_to_datetime(put["Expiration"].split('"')[1])
    assert (day.hour, day.minute, day.second) == (0, 0, 0)
    assert timedelta(days=3) <= day - datetime.now(timezone.utc) <= timedelta(days=4)
    for answer in (s3.head_object(Bucket=bucket, Key="t/k"), s3.get_object(Bucket=bucket, Key="t/k")):
        assert answer["Expiration"] == put["Expiration"]
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    begun = s3.create_multipart_upload(Bucket=bucket, Key="t/k")
    assert begun["AbortRuleId"] == "up"
    parts = s3.list_parts(Bucket=bucket, Key="t/k", UploadId=begun["UploadId"])
    assert parts["AbortDate"] == begun["AbortDate"]


def test_the_worker_applies_rules(fast, fast_bucket):
    s3 = fast.s3()
    for key in ("old/a", "old/b", "keep"):
        s3.put_object(Bucket=fast_bucket, Key=key, Body=b"x")
    upload = s3.create_multipart_upload(Bucket=fast_bucket, Key="old/upload")["UploadId"]
    config = rules(
        {"ID": "1", "Prefix": "old/", "Expiration": {"Days": 1}},
        {"ID": "2", "Prefix": "old/", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"ID": "3", "Prefix": "keep", "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
    )
    s3.put_bucket_lifecycle_configuration(Bucket=fast_bucket, LifecycleConfiguration=config)
    eventually(lambda: keys(s3, fast_bucket) == ["keep"], what="expiry")
    abort = {"Bucket": fast_bucket, "Key": "old/upload", "UploadId": upload}
    eventually(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=fast_bucket), what="the abortion")
    assert refused(s3.list_parts, **abort) == ("NoSuchUpload", 404)
    eventually(
        lambda: s3.head_object(Bucket=fast_bucket, Key="keep").get("StorageClass") == "GLACIER",
        what="the transition",
    )


# --- quotas


def test_a_full_bucket_refuses_what_does_not_fit(s3, bucket, api):
    path = f"/buckets/{bucket}/quota"
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 60)
    assert api.put(path, json={"max_bytes": 100}).json() == {
        "objects": 1,
        "bytes": 60,
        "max_objects": None,
        "max_bytes": 100,
    }
    put = {"Bucket": bucket, "Key": "b", "Body": b"y" * 50}
    assert refused(s3.put_object, **put) == ("QuotaExceeded", 403)
    copy = {"Bucket": bucket, "Key": "c", "CopySource": f"{bucket}/a"}
    assert refused(s3.copy_object, **copy) == ("QuotaExceeded", 403)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 40)
    s3.put_object(**put)
    assert api.put(path, json={}).json()["max_bytes"] is None
    s3.copy_object(**copy)
    assert keys(s3, bucket) == ["a", "b", "c"]


# --- notifications


class Receiver(ThreadingHTTPServer):
    """Listens on loopback, and hands out what it was sent. It fails as often as it is told to."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Listen)
        self.heard = queue.Queue()
        self.failures = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"

    def next(self):
        return self.heard.get(timeout=30)


class Listen(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failing, self.server.failures = self.server.failures > 0, max(0, self.server.failures - 1)
        if not failing:
            self.server.heard.put((dict(self.headers.items()), body))
        self.send_response(503 if failing else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook(api):
    """A registered webhook: its ARN, its secret, and the receiver behind it."""
    receiver, name = Receiver(), f"hook-{uuid.uuid4().hex[:8]}"
    made = api.put(f"/webhooks/{name}", json={"url": receiver.url}).json()
    receiver.name, receiver.arn, receiver.secret = name, made["arn"], made["secret"]
    with answering(receiver):
        yield receiver
        api.delete(f"/webhooks/{name}")


def listen(s3, bucket, arn, events, rules=()):
    line = {"QueueArn": arn, "Events": events, "Id": "mine"}
    if rules:
        line["Filter"] = {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in rules]}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [line]}
    )


def test_a_webhook_hears_of_objects_with_a_signature(s3, bucket, hook, server):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    listen(s3, bucket, hook.arn, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], [("prefix", "in/")])
    _, body = hook.next()
    assert json.loads(body)["Event"] == "s3:TestEvent"
    s3.put_object(Bucket=bucket, Key="out/a", Body=b"no")
    put = s3.put_object(Bucket=bucket, Key="in/a ü", Body=b"yes")
    headers, body = hook.next()
    [record] = json.loads(body)["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["userIdentity"]["principalId"] == server.user
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert record["responseElements"]["x-amz-request-id"] == header(put, "x-amz-request-id")
    told = record["s3"]
    assert (told["configurationId"], told["bucket"]["name"]) == ("mine", bucket)
    assert told["object"]["key"] == "in/a+%C3%BC"
    assert (told["object"]["size"], told["object"]["eTag"]) == (3, put["ETag"].strip('"'))
    assert told["object"]["versionId"] == put["VersionId"]
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(hook.secret.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    s3.delete_object(Bucket=bucket, Key="in/a ü")
    [record] = json.loads(hook.next()[1])["Records"]
    assert record["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "in/a ü", "VersionId": put["VersionId"]}]}
    )
    [record] = json.loads(hook.next()[1])["Records"]
    assert record["eventName"] == "ObjectRemoved:Delete"


def test_copies_and_uploads_are_told_as_such(s3, bucket, hook):
    listen(s3, bucket, hook.arn, ["s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"])
    hook.next()
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert json.loads(hook.next()[1])["Records"][0]["eventName"] == "ObjectCreated:Copy"
    upload = {"Bucket": bucket, "Key": "m"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(PartNumber=1, Body=b"part", **upload)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    assert json.loads(hook.next()[1])["Records"][0]["eventName"] == "ObjectCreated:CompleteMultipartUpload"


def test_a_notice_waits_for_a_receiver_that_fails(s3, bucket, hook, api):
    listen(s3, bucket, hook.arn, ["s3:ObjectCreated:*"])
    hook.next()
    hook.failures = 1
    s3.put_object(Bucket=bucket, Key="late", Body=b"x")

    def shown():
        return next(w for w in api.get("/webhooks").json()["webhooks"] if w["name"] == hook.name)

    assert json.loads(hook.next()[1])["Records"][0]["s3"]["object"]["key"] == "late"
    eventually(lambda: shown()["waiting"] == 0, what="an empty queue")
    assert "secret" not in shown()


def test_notices_outlive_the_server(private_server):
    server, receiver = private_server(), Receiver()
    port = receiver.server_port
    api, s3 = server.api(), server.s3()
    arn = api.put("/webhooks/h", json={"url": receiver.url}).json()["arn"]
    s3.create_bucket(Bucket="told")
    receiver.server_close()
    line = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    config = {"QueueConfigurations": [line]}
    s3.put_bucket_notification_configuration(
        Bucket="told", NotificationConfiguration=config, SkipDestinationValidation=True
    )
    s3.put_object(Bucket="told", Key="k", Body=b"x")
    eventually(lambda: api.get("/webhooks").json()["webhooks"][0]["attempts"] > 0, what="an attempt")
    server.kill9()
    ThreadingHTTPServer.allow_reuse_address = True
    again = Receiver.__new__(Receiver)
    ThreadingHTTPServer.__init__(again, ("127.0.0.1", port), Listen)
    again.heard, again.failures = queue.Queue(), 0
    with answering(again):
        server.start()
        assert json.loads(again.next()[1])["Records"][0]["s3"]["object"]["key"] == "k"


def test_a_destination_is_checked(s3, bucket):
    for arn in ("arn:aws:sqs:eu-west-1:123456789012:q", "arn:crannog:sqs:::webhook/nobody"):
        config = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        put = s3.put_bucket_notification_configuration
        assert refused(put, Bucket=bucket, NotificationConfiguration=config)[1] == 400
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


# --- websites


def public(s3, bucket):
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    statement["Resource"] = f"arn:aws:s3:::{bucket}/*"
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@pytest.fixture
def visit(server, s3, bucket):
    """A bucket that is a website, and a way to ask for its pages."""
    public(s3, bucket)
    redirect = {"HostName": "example.org", "Protocol": "https", "HttpRedirectCode": "302"}
    site = {
        "IndexDocument": {"Suffix": "index.html"},
        "ErrorDocument": {"Key": "oops.html"},
        "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
            {
                "Condition": {"KeyPrefixEquals": "gone/", "HttpErrorCodeReturnedEquals": "403"},
                "Redirect": redirect,
            },
        ],
    }
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=site)
    for key in ("index.html", "docs/index.html", "oops.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=f"<p>{key}</p>".encode(), ContentType="text/html")

    def ask(path, method="GET", headers=None):
        sent = {"Host": f"{bucket}.s3-website.localhost"} | (headers or {})
        url = f"{server.s3_url}{path}"
        return requests.request(method, url, headers=sent, allow_redirects=False, timeout=10)

    return ask


def test_a_website_answers_with_pages_and_redirects(s3, bucket, visit):
    home = visit("/")
    assert (home.status_code, home.text) == (200, "<p>index.html</p>")
    assert home.headers["content-type"] == "text/html"
    assert visit("/docs/").text == "<p>docs/index.html</p>"
    to_folder = visit("/docs")
    assert (to_folder.status_code, to_folder.headers["location"]) == (302, "/docs/")
    missing = visit("/nothing-here")
    # Who may not list the bucket does not hear whether the page exists.
    assert (missing.status_code, missing.text) == (403, "<p>oops.html</p>")
    moved = visit("/old/a%20b")
    assert moved.status_code == 301
    assert moved.headers["location"] == f"http://{bucket}.s3-website.localhost/new/a%20b"
    gone = visit("/gone/x")
    assert (gone.status_code, gone.headers["location"]) == (302, "https://example.org/gone/x")
    s3.put_object(Bucket=bucket, Key="page", Body=b"", WebsiteRedirectLocation="/docs/")
    page = visit("/page")
    assert (page.status_code, page.headers["location"]) == (301, "/docs/")


def test_a_website_reads_like_s3_and_only_reads(visit):
    part = visit("/", headers={"Range": "bytes=3-7"})
    assert (part.status_code, part.text) == (206, "index")
    home = visit("/", method="HEAD")
    assert (home.status_code, home.text) == (200, "")
    again = visit("/", headers={"If-None-Match": home.headers["etag"]})
    assert again.status_code == 304
    assert visit("/", method="PUT").status_code == 405


def test_a_private_bucket_is_no_website(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"secret")
    headers = {"Host": f"{bucket}.s3-website.localhost"}
    assert requests.get(server.s3_url, headers=headers, timeout=10).status_code == 404
    s3.put_bucket_website(
        Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
    )
    answer = requests.get(server.s3_url, headers=headers, timeout=10)
    assert (answer.status_code, "secret" in answer.text) == (403, False)


# --- access logs


@pytest.fixture(scope="module")
def logging_server(tmp_path_factory):
    """A server that delivers access logs after half a second."""
    from conftest import Server

    running = Server(tmp_path_factory.mktemp("logging"), {"CRANNOG_OBJECTS_LOG_INTERVAL": "500ms"}).start()
    yield running
    running.stop()


def allow_delivery(s3, target, source, prefix):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/{prefix}*",
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps(policy))


def test_requests_are_logged_in_amazons_format(logging_server):
    s3 = logging_server.s3()
    source, target = f"src-{uuid.uuid4().hex[:8]}", f"log-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=target)
    wanted = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "access/"}}
    refusal = refused(s3.put_bucket_logging, Bucket=source, BucketLoggingStatus=wanted)
    assert refusal == ("AccessDenied", 403)
    allow_delivery(s3, target, source, "access/")
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=wanted)
    kept = s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]
    assert kept == wanted["LoggingEnabled"] | {"TargetObjectKeyFormat": {"SimplePrefix": {}}}
    put = s3.put_object(Bucket=source, Key="a b", Body=b"12345")
    s3.get_object(Bucket=source, Key="a b")
    assert refused(s3.get_object, Bucket=source, Key="missing")[0] == "NoSuchKey"
    s3.delete_objects(Bucket=source, Delete={"Objects": [{"Key": "a b"}, {"Key": "c"}]})

    def lines():
        found = [s3.get_object(Bucket=target, Key=key)["Body"].read() for key in keys(s3, target)]
        return b"".join(found).decode().splitlines()

    def of(operation):
        return [line for line in lines() if f" {operation} " in line]

    eventually(lambda: len(of("BATCH.DELETE.OBJECT")) == 2, what="the log")
    [line] = of("REST.PUT.OBJECT")
    assert line.startswith(f"crannog {source} [") and f"/{source}/a%20b HTTP/1.1" in line
    assert f" 127.0.0.1 {logging_server.user} {header(put, 'x-amz-request-id')} " in line
    assert ' a%20b "PUT ' in line and ' 200 - ' in line and " SigV4 - AuthHeader " in line
    good, bad = sorted(of("REST.GET.OBJECT"), key=lambda line: " NoSuchKey " in line)
    assert " 200 - 5 5 " in good and " 404 NoSuchKey " in bad
    assert all(key.startswith("access/20") for key in keys(s3, target))
    # Without permission nothing more is written.
    s3.delete_bucket_policy(Bucket=target)
    count = len(lines())
    s3.put_object(Bucket=source, Key="later", Body=b"x")
    eventually(lambda: "an access log was refused" in logging_server.log_tail(20000), what="the refusal")
    assert len(lines()) == count
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)


def test_a_stop_delivers_the_log(private_server):
    server = private_server()
    s3 = server.s3()
    s3.create_bucket(Bucket="src")
    s3.create_bucket(Bucket="log")
    allow_delivery(s3, "log", "src", "")
    partitioned = {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}}
    wanted = {"TargetBucket": "log", "TargetPrefix": "", "TargetObjectKeyFormat": partitioned}
    s3.put_bucket_logging(Bucket="src", BucketLoggingStatus={"LoggingEnabled": wanted})
    s3.put_object(Bucket="src", Key="k", Body=b"x")
    server.restart()
    [key] = keys(server.s3(), "log")
    assert key.startswith("crannog/us-crannog-1/src/20")


# --- fsck


def test_fsck_finds_damage_with_and_without_a_server(private_server):
    server = private_server()
    s3 = server.s3()
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="small", Body=b"x")
    s3.put_object(Bucket="data", Key="dir/large", Body=b"y" * 300_000)
    sound = server.cli("fsck", "--checksums")
    assert "no problems found" in sound.stdout
    [blob] = [path for path in (server.data_dir / "blobs").iterdir()]
    blob.write_bytes(b"y" * 299_999 + b"z")
    report = json.loads(server.cli("fsck", "--checksums", "--json", check=False).stdout)
    assert {problem["kind"] for problem in report["problems"]} == {"blob", "object"}
    assert any("data/dir/large" in problem["what"] for problem in report["problems"])
    assert server.cli("fsck", check=False).returncode == 0
    server.stop()
    found = server.cli("fsck", "--checksums", check=False)
    assert found.returncode == 1
    assert "data/dir/large" in found.stdout and "2 problems" in found.stderr


def test_fsck_reads_encrypted_bytes_as_the_disk_has_them(private_server):
    server = private_server()
    s3 = server.s3()
    s3.create_bucket(Bucket="sealed")
    for key, size in (("small", 10), ("large", 300_000)):
        s3.put_object(Bucket="sealed", Key=key, Body=b"s" * size, ServerSideEncryption="AES256")
    upload = {"Bucket": "sealed", "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(ServerSideEncryption="AES256", **upload)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(PartNumber=number, Body=body, **upload)["ETag"]}
        for number, body in ((1, b"1" * (5 << 20)), (2, b"2" * 70_000))
    ]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    s3.copy_object(Bucket="sealed", Key="copy", CopySource="sealed/large")
    report = json.loads(server.cli("fsck", "--checksums", "--json").stdout)
    assert report["problems"] == []
    assert (report["objects"], report["blobs"]) == (4, 4)
