"""Who may do what at the S3 door: guests, bucket policies, ACLs, public access, temporary keys."""

import json
import uuid

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.client import Config
from wire import refused

DENIED = ("AccessDenied", 403)
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def client(server, key, service="s3", **config):
    return boto3.client(
        service,
        endpoint_url=server.s3_url,
        region_name="us-crannog-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        aws_session_token=key.get("session_token"),
        config=Config(**({"retries": {"max_attempts": 1}} | config)),
    )


def make_user(server, name, role, **more):
    user = {"name": name, "role": role} | more
    if role != "guest":
        user["password"] = uuid.uuid4().hex
    with server.api() as api:
        answer = api.post("/users", json=user)
        assert answer.status_code == 201, answer.text
        answer = api.post("/s3-keys", json={"user": name, "label": "test"})
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def keys(server):
    """A key for each kind of user; `ann` and `bob` are guests."""
    return {
        "ann": make_user(server, "ann", "guest", email="Ann@Example.org", display_name="Ann of the lake"),
        "bob": make_user(server, "bob", "guest"),
        "vera": make_user(server, "vera", "viewer"),
        "ed": make_user(server, "ed", "editor"),
    }


@pytest.fixture
def ann(server, keys):
    return client(server, keys["ann"])


@pytest.fixture
def bob(server, keys):
    return client(server, keys["bob"])


@pytest.fixture
def nobody(server):
    return boto3.client(
        "s3",
        endpoint_url=server.s3_url,
        region_name="us-crannog-1",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 1}),
    )


@pytest.fixture
def held(s3, bucket):
    """A bucket of the house with two objects in it."""
    s3.put_object(Bucket=bucket, Key="open/a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="shut/b", Body=b"b")
    return bucket


def policy(bucket, *statements):
    filled = [{"Effect": "Allow", "Principal": "*", "Resource": f"arn:aws:s3:::{bucket}/*"} | s for s in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": filled})


# --- guests


def test_a_guest_has_an_account_of_its_own(s3, ann, bob, held):
    name = f"anns-{uuid.uuid4().hex[:8]}"
    ann.create_bucket(Bucket=name)
    ann.put_object(Bucket=name, Key="k", Body=b"x")
    assert [b["Name"] for b in ann.list_buckets()["Buckets"]] == [name]
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert refused(s3.create_bucket, Bucket=name) == ("BucketAlreadyExists", 409)
    for other in (bob, s3):
        assert refused(other.get_object, Bucket=name, Key="k") == DENIED
        assert refused(other.list_objects_v2, Bucket=name) == DENIED
        assert refused(other.delete_object, Bucket=name, Key="k") == DENIED
    for call in (ann.get_object, ann.delete_object, ann.get_object_tagging, ann.get_object_acl):
        assert refused(call, Bucket=held, Key="open/a") == DENIED
    assert refused(ann.put_object, Bucket=held, Key="c", Body=b"") == DENIED
    assert refused(ann.get_bucket_policy, Bucket=held) == DENIED
    ann.delete_object(Bucket=name, Key="k")
    ann.delete_bucket(Bucket=name)


def test_other_doors_are_closed_to_guests(server, api):
    password = uuid.uuid4().hex
    name = f"guest-{uuid.uuid4().hex[:6]}"
    made = api.post("/users", json={"name": name, "role": "guest", "password": password})
    assert made.status_code == 201
    me = requests.Session()
    me.trust_env, me.auth = False, (name, password)
    assert me.get(f"{server.http_url}/api/crannog/v1/me").json() == {"user": name, "role": "guest"}
    assert me.post(f"{server.http_url}/api/crannog/v1/s3-keys", json={}).status_code == 201
    for path in ("/", "/metrics", "/api/crannog/v1/buckets", "/api/crannog/v1/tokens", "/v2"):
        assert me.get(server.http_url + path).status_code == 403, path
    assert me.post(f"{server.http_url}/api/2.0/mlflow/experiments/search", json={}).status_code == 403
    signed_in = requests.post(
        f"{server.http_url}/api/crannog/v1/session", json={"user": name, "password": password}, timeout=30
    )
    assert signed_in.status_code == 403


def test_an_admin_takes_over_keys_that_clients_have_already(server, api, keys):
    given = {"access_key_id": f"OLD{uuid.uuid4().hex[:13].upper()}", "secret_access_key": "kept/secret+key="}
    assert api.post("/s3-keys", json={"user": "ann", "label": "moved"} | given).status_code == 201
    assert client(server, given).list_buckets()["Owner"]["ID"] == "ann"
    assert api.post("/s3-keys", json={"user": "bob", "label": "moved"} | given).status_code == 409
    assert api.post("/s3-keys", json={"user": "nobody", "label": ""}).status_code == 404
    assert api.post("/s3-keys", json={"access_key_id": "HALF"}).status_code == 400
    server.cli("s3", "key", "delete", given["access_key_id"])
    assert refused(client(server, given).list_buckets) == ("InvalidAccessKeyId", 403)


def test_users_and_keys_on_the_command_line(server):
    name = f"cli-{uuid.uuid4().hex[:6]}"
    server.cli("user", "create", name, "--role", "guest", "--email", f"{name}@example.org")
    shown = json.loads(server.cli("user", "list", "--json").stdout)["users"]
    assert {"name": name, "role": "guest", "email": f"{name}@example.org"}.items() <= next(
        user for user in shown if user["name"] == name
    ).items()
    key = json.loads(server.cli("s3", "key", "create", "--user", name, "--json").stdout)
    assert client(server, key).list_buckets()["Owner"]["ID"] == name
    server.cli("user", "update", name, "--display-name", "A guest")
    server.cli("user", "delete", name)
    assert refused(client(server, key).list_buckets) == ("InvalidAccessKeyId", 403)
    assert server.cli("user", "delete", name, check=False).returncode == 4


def test_roles_of_the_house_hold(server, keys, held, s3):
    vera, ed = client(server, keys["vera"]), client(server, keys["ed"])
    assert vera.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(vera.put_object, Bucket=held, Key="c", Body=b"") == DENIED
    assert refused(vera.delete_object, Bucket=held, Key="open/a") == DENIED
    ed.put_object(Bucket=held, Key="c", Body=b"", ACL="private")
    # Only an admin opens something to others.
    assert refused(ed.put_object, Bucket=held, Key="d", Body=b"", ACL="public-read") == DENIED
    assert refused(ed.put_object_acl, Bucket=held, Key="c", ACL="public-read") == DENIED
    assert refused(ed.put_bucket_acl, Bucket=held, ACL="public-read") == DENIED
    assert refused(ed.put_bucket_policy, Bucket=held, Policy=policy(held, {"Action": "s3:GetObject"})) == DENIED
    assert refused(ed.create_bucket, Bucket=f"{held}-2", ACL="public-read") == DENIED
    # A policy that names a user adds to their role.
    to_vera = {"Principal": {"AWS": "arn:aws:iam::crannog:user/vera"}, "Action": "s3:PutObject"}
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, to_vera))
    vera.put_object(Bucket=held, Key="e", Body=b"")


# --- policies


def test_a_policy_opens_what_it_names_and_nothing_else(s3, ann, nobody, held):
    s3.put_bucket_policy(
        Bucket=held,
        Policy=policy(
            held,
            {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{held}/open/*"},
            {"Action": "s3:PutObject", "Principal": {"AWS": "arn:aws:iam::ann:root"}},
        ),
    )
    assert nobody.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert requests.get(f"{s3.meta.endpoint_url}/{held}/open/a", timeout=30).content == b"a"
    assert refused(nobody.get_object, Bucket=held, Key="shut/b") == DENIED
    assert refused(nobody.get_object, Bucket=held, Key="open/missing") == DENIED, "only who may list hears 404"
    assert refused(nobody.put_object, Bucket=held, Key="open/c", Body=b"") == DENIED
    ann.put_object(Bucket=held, Key="from-ann", Body=b"hers")
    assert refused(ann.get_object, Bucket=held, Key="shut/b") == DENIED
    # What she put is hers: the bucket's owner can remove it, not read it.
    assert ann.get_object(Bucket=held, Key="from-ann")["Body"].read() == b"hers"
    assert refused(s3.get_object, Bucket=held, Key="from-ann") == DENIED
    s3.delete_object(Bucket=held, Key="from-ann")
    s3.delete_bucket_policy(Bucket=held)
    assert refused(nobody.get_object, Bucket=held, Key="open/a") == DENIED


def test_a_deny_holds_for_an_admin_who_can_still_take_it_back(s3, held):
    everything = {"Effect": "Deny", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{held}", f"arn:aws:s3:::{held}/*"]}
    text = policy(held, everything)
    s3.put_bucket_policy(Bucket=held, Policy=text)
    assert refused(s3.get_object, Bucket=held, Key="open/a") == DENIED
    assert refused(s3.list_objects_v2, Bucket=held) == DENIED
    assert refused(s3.put_object, Bucket=held, Key="c", Body=b"") == DENIED
    assert s3.get_bucket_policy(Bucket=held)["Policy"] == text
    s3.delete_bucket_policy(Bucket=held)
    assert s3.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"


def test_conditions_look_at_the_request_and_at_the_object(s3, ann, held):
    s3.put_object_tagging(Bucket=held, Key="open/a", Tagging={"TagSet": [{"Key": "level", "Value": "public"}]})
    s3.put_bucket_policy(
        Bucket=held,
        Policy=policy(
            held,
            {"Action": "s3:GetObject", "Condition": {"StringEquals": {"s3:ExistingObjectTag/level": "public"}}},
            {
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{held}",
                "Condition": {"StringLike": {"s3:prefix": "open/*"}, "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
            },
            {
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{held}/home/${{aws:username}}/*",
                "Condition": {"StringEquals": {"s3:RequestObjectTag/team": "lake"}},
            },
            {"Action": "s3:PutObjectTagging", "Condition": {"StringEquals": {"s3:RequestObjectTag/team": "lake"}}},
            {
                "Action": "s3:GetObjectTagging",
                "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
            },
        ),
    )
    assert ann.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(ann.get_object, Bucket=held, Key="shut/b") == DENIED
    assert [o["Key"] for o in ann.list_objects_v2(Bucket=held, Prefix="open/")["Contents"]] == ["open/a"]
    assert refused(ann.list_objects_v2, Bucket=held) == DENIED
    assert refused(ann.list_objects_v2, Bucket=held, Prefix="shut/") == DENIED
    assert refused(ann.get_object, Bucket=held, Key="open/missing") == ("NoSuchKey", 404)
    ann.put_object(Bucket=held, Key="home/ann/x", Body=b"", Tagging="team=lake")
    assert refused(ann.put_object, Bucket=held, Key="home/ann/y", Body=b"", Tagging="team=hill") == DENIED
    assert refused(ann.put_object, Bucket=held, Key="home/bob/x", Body=b"", Tagging="team=lake") == DENIED
    tags = {"TagSet": [{"Key": "team", "Value": "hill"}]}
    assert refused(ann.put_object_tagging, Bucket=held, Key="shut/b", Tagging=tags) == DENIED
    tags["TagSet"][0]["Value"] = "lake"
    ann.put_object_tagging(Bucket=held, Key="shut/b", Tagging=tags)
    assert refused(ann.get_object_tagging, Bucket=held, Key="shut/b") == DENIED


def test_a_copy_needs_the_right_to_read_its_source(s3, ann, held):
    name = f"anns-{uuid.uuid4().hex[:8]}"
    ann.create_bucket(Bucket=name)
    readable = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{held}/open/*"}
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, readable))
    ann.copy_object(Bucket=name, Key="a", CopySource={"Bucket": held, "Key": "open/a"})
    assert refused(ann.copy_object, Bucket=name, Key="b", CopySource={"Bucket": held, "Key": "shut/b"}) == DENIED
    upload = ann.create_multipart_upload(Bucket=name, Key="c")["UploadId"]
    part = {"Bucket": name, "Key": "c", "UploadId": upload, "PartNumber": 1}
    ann.upload_part_copy(CopySource={"Bucket": held, "Key": "open/a"}, **part)
    assert refused(ann.upload_part_copy, CopySource={"Bucket": held, "Key": "shut/b"}, **part) == DENIED
    ann.abort_multipart_upload(Bucket=name, Key="c", UploadId=upload)
    ann.delete_object(Bucket=name, Key="a")
    ann.delete_bucket(Bucket=name)


def test_each_key_of_a_deletion_is_decided_on_its_own(s3, ann, held):
    s3.put_bucket_policy(
        Bucket=held,
        Policy=policy(held, {"Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{held}/open/*"}),
    )
    wanted = {"Objects": [{"Key": "open/a"}, {"Key": "shut/b"}]}
    answer = ann.delete_objects(Bucket=held, Delete=wanted)
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["open/a"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("shut/b", "AccessDenied")]
    assert s3.head_object(Bucket=held, Key="shut/b")


def test_an_older_version_needs_a_right_of_its_own(s3, ann, held):
    s3.put_bucket_versioning(Bucket=held, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=held, Key="v", Body=b"1")["VersionId"]
    s3.put_object(Bucket=held, Key="v", Body=b"2")
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, {"Action": "s3:GetObject"}))
    assert ann.get_object(Bucket=held, Key="v")["Body"].read() == b"2"
    assert refused(ann.get_object, Bucket=held, Key="v", VersionId=version) == DENIED
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, {"Action": "s3:GetObjectVersion"}))
    assert ann.get_object(Bucket=held, Key="v", VersionId=version)["Body"].read() == b"1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"Version": "2012-10-17", "Statement": []}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObjct", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::other"}}',
        '{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "ann"}, "Action": "s3:*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"X": {}}}, "A": 1}',
        '{"Statement": ' + " " * (21 << 10) + "}",
    ],
    ids=["nothing", "list", "empty", "no statement", "action", "resource", "not principal", "field", "long"],
)
def test_a_policy_that_is_not_understood_is_refused(s3, bucket, text):
    code, status = refused(s3.put_bucket_policy, Bucket=bucket, Policy=text)
    assert (status, code) in [(400, "MalformedPolicy"), (400, "MissingRequestBodyError")], code
    assert refused(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)


# --- ACLs


def test_grants_name_accounts_groups_and_addresses(s3, ann, bob, nobody, held):
    s3.put_object_acl(Bucket=held, Key="open/a", GrantRead='emailAddress="ann@example.org"')
    s3.put_object_acl(Bucket=held, Key="shut/b", ACL="public-read")
    assert ann.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(bob.get_object, Bucket=held, Key="open/a") == DENIED
    assert nobody.get_object(Bucket=held, Key="shut/b")["Body"].read() == b"b"
    shown = s3.get_object_acl(Bucket=held, Key="open/a")["Grants"]
    assert [(g["Grantee"]["ID"], g["Grantee"]["DisplayName"], g["Permission"]) for g in shown] == [
        ("ann", "Ann of the lake", "READ")
    ]
    shown = s3.get_object_acl(Bucket=held, Key="shut/b")["Grants"]
    assert [g["Grantee"].get("URI", g["Grantee"].get("ID")) for g in shown] == [ALL_USERS, "crannog"]
    # A new object, and a copy, begin private again.
    s3.put_object(Bucket=held, Key="shut/b", Body=b"new")
    assert refused(nobody.get_object, Bucket=held, Key="shut/b") == DENIED
    s3.copy_object(Bucket=held, Key="copy", CopySource={"Bucket": held, "Key": "open/a"})
    assert refused(ann.get_object, Bucket=held, Key="copy") == DENIED
    put = {"Bucket": held, "Key": "open/a"}
    assert refused(s3.put_object_acl, GrantRead="id=nobody", **put) == ("InvalidArgument", 400)
    assert refused(s3.put_object_acl, GrantRead="emailAddress=x@y.z", **put) == ("UnresolvableGrantByEmailAddress", 400)
    assert refused(s3.put_object_acl, ACL="public", **put) == ("InvalidArgument", 400)
    both = refused(s3.put_object_acl, ACL="private", GrantRead="id=ann", **put)
    assert both == ("InvalidRequest", 400)


def test_the_public_access_block_closes_and_refuses(s3, ann, nobody, held):
    s3.put_object_acl(Bucket=held, Key="open/a", ACL="public-read")
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{held}/shut/*"}))
    assert s3.get_bucket_policy_status(Bucket=held)["PolicyStatus"]["IsPublic"] is True
    everything = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    s3.put_public_access_block(Bucket=held, PublicAccessBlockConfiguration=everything)
    assert s3.get_public_access_block(Bucket=held)["PublicAccessBlockConfiguration"] == everything
    assert s3.get_bucket_policy_status(Bucket=held)["PolicyStatus"]["IsPublic"] is False
    for who in (ann, nobody):
        assert refused(who.get_object, Bucket=held, Key="open/a") == DENIED
        assert refused(who.get_object, Bucket=held, Key="shut/b") == DENIED
    assert s3.get_object(Bucket=held, Key="shut/b")["Body"].read() == b"b"
    assert refused(s3.put_object, Bucket=held, Key="c", Body=b"", ACL="public-read") == DENIED
    assert refused(s3.put_bucket_acl, Bucket=held, ACL="authenticated-read") == DENIED
    assert refused(s3.put_bucket_policy, Bucket=held, Policy=policy(held, {"Action": "s3:GetObject"})) == DENIED
    s3.delete_public_access_block(Bucket=held)
    assert nobody.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"


def test_where_the_bucket_owner_owns_everything_acls_mean_nothing(s3, ann, held):
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=held, OwnershipControls=rules)
    s3.put_bucket_policy(Bucket=held, Policy=policy(held, {"Action": "s3:PutObject"}))
    ann.put_object(Bucket=held, Key="from-ann", Body=b"theirs")
    assert s3.get_object(Bucket=held, Key="from-ann")["Body"].read() == b"theirs"
    assert refused(ann.get_object, Bucket=held, Key="from-ann") == DENIED
    unsupported = ("AccessControlListNotSupported", 400)
    assert refused(s3.put_object_acl, Bucket=held, Key="open/a", ACL="public-read") == unsupported
    assert refused(s3.put_object, Bucket=held, Key="c", Body=b"", ACL="public-read") == unsupported
    s3.put_object(Bucket=held, Key="c", Body=b"", ACL="bucket-owner-full-control")


def test_the_bucket_is_the_one_the_client_believes_it_is(s3, held):
    assert s3.list_objects_v2(Bucket=held, ExpectedBucketOwner="crannog")["KeyCount"] == 2
    assert refused(s3.list_objects_v2, Bucket=held, ExpectedBucketOwner="111122223333") == DENIED


def test_nobody_lists_or_makes_buckets(nobody):
    assert refused(nobody.list_buckets) == DENIED
    assert refused(nobody.create_bucket, Bucket=f"no-{uuid.uuid4().hex[:8]}") == DENIED
    assert refused(nobody.get_object, Bucket=f"no-{uuid.uuid4().hex[:8]}", Key="k") == ("NoSuchBucket", 404)


# --- temporary keys


def temporary(credentials):
    return {
        "access_key_id": credentials["AccessKeyId"],
        "secret_access_key": credentials["SecretAccessKey"],
        "session_token": credentials["SessionToken"],
    }


@pytest.fixture
def sts(server):
    key = {"access_key_id": server.access_key, "secret_access_key": server.secret_key}
    return client(server, key, "sts")


def test_the_caller_is_told_who_they_are(server, keys, sts):
    me = sts.get_caller_identity()
    assert (me["UserId"], me["Arn"]) == ("admin", f"arn:aws:iam::{me['Account']}:user/admin")
    ann = client(server, keys["ann"], "sts").get_caller_identity()
    assert ann["Arn"].endswith(":user/ann") and ann["Account"] != me["Account"]
    wrong = client(server, {"access_key_id": "NOBODY", "secret_access_key": "x"}, "sts")
    assert refused(wrong.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_an_assumed_role_is_narrowed_by_its_policy(server, sts, s3, held):
    narrow = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{held}/open/*"},
    }
    answer = sts.assume_role(
        RoleArn="arn:aws:iam::crannog:role/editor", RoleSessionName="job-7", Policy=json.dumps(narrow)
    )
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/editor/job-7")
    key = temporary(answer["Credentials"])
    job = client(server, key)
    assert job.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(job.get_object, Bucket=held, Key="shut/b") == DENIED
    assert refused(job.put_object, Bucket=held, Key="open/c", Body=b"") == DENIED
    assert refused(job.list_buckets) == DENIED
    url = job.generate_presigned_url("get_object", Params={"Bucket": held, "Key": "open/a"})
    assert requests.get(url, timeout=30).content == b"a"
    # The narrowed keys cannot be traded for wider ones, nor used without their token.
    again = client(server, key, "sts")
    assert again.get_caller_identity()["UserId"] == "editor:job-7"
    assert refused(again.get_session_token) == DENIED
    assert refused(again.assume_role, RoleArn="arn:aws:iam::crannog:role/admin", RoleSessionName="more") == DENIED
    without = client(server, key | {"session_token": None})
    assert refused(without.get_object, Bucket=held, Key="open/a") == ("InvalidToken", 400)
    other = client(server, key | {"session_token": "x" * 64})
    assert refused(other.get_object, Bucket=held, Key="open/a") == ("InvalidToken", 400)
    assert refused(sts.assume_role, RoleArn="arn:aws:iam::crannog:role/editor", RoleSessionName="job", Policy="{}")[1] == 400


def test_a_role_is_taken_on_by_who_has_it(server, keys, sts, held, s3):
    def role(name, **more):
        return {"RoleArn": f"arn:aws:iam::crannog:role/{name}", "RoleSessionName": "test"} | more

    viewer = client(server, temporary(sts.assume_role(**role("viewer"))["Credentials"]))
    assert viewer.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(viewer.put_object, Bucket=held, Key="c", Body=b"") == DENIED
    vera = client(server, keys["vera"], "sts")
    vera.assume_role(**role("viewer"))
    assert refused(vera.assume_role, **role("editor")) == DENIED
    assert refused(vera.assume_role, **role("ann")) == DENIED
    ann = client(server, keys["ann"], "sts")
    assert refused(ann.assume_role, **role("viewer")) == DENIED
    # A policy can name the role, and an admin can act for a guest.
    s3.put_bucket_policy(
        Bucket=held,
        Policy=policy(held, {"Principal": {"AWS": "arn:aws:iam::crannog:role/viewer"}, "Action": "s3:PutObject"}),
    )
    viewer.put_object(Bucket=held, Key="c", Body=b"")
    as_ann = sts.assume_role(RoleArn="arn:aws:iam::ann:role/ann", RoleSessionName="help")
    assert client(server, temporary(as_ann["Credentials"])).list_buckets()["Owner"]["ID"] == "ann"
    assert refused(sts.assume_role, **role("viewer", DurationSeconds=43201)) == ("ValidationError", 400)


def test_a_session_token_ends_with_its_user(server, api, held):
    name = f"temp-{uuid.uuid4().hex[:6]}"
    key = make_user(server, name, "viewer")
    answer = client(server, key, "sts").get_session_token(DurationSeconds=900)
    session = client(server, temporary(answer["Credentials"]))
    assert session.get_object(Bucket=held, Key="open/a")["Body"].read() == b"a"
    assert refused(session.put_object, Bucket=held, Key="c", Body=b"") == DENIED
    assert api.delete(f"/users/{name}").status_code == 204
    assert refused(session.get_object, Bucket=held, Key="open/a") == ("InvalidAccessKeyId", 403)
