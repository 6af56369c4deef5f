"""IAM users of an account, their keys and policies, by boto3's client of the identity service."""

import json
import uuid

import boto3
import pytest
from botocore.client import Config
from test_s3_access import make_user
from wire import refused

DENIED = ("AccessDenied", 403)
FULL = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def client(server, key, service="s3", **more):
    """A key is as the admin API has it or as IAM has it. IAM is in no region, and so is its client."""
    access = key.get("access_key_id") or key["AccessKeyId"]
    secret = key.get("secret_access_key") or key["SecretAccessKey"]
    config = Config(retries={"max_attempts": 1})
    more = {"region_name": "us-crannog-1"} | more
    return boto3.client(
        service,
        endpoint_url=server.s3_url,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=config,
        **more,
    )


@pytest.fixture
def holder(server):
    """A guest with a bucket of their own."""
    key = make_user(server, f"g-{uuid.uuid4().hex[:8]}", "guest")
    bucket = f"b-{uuid.uuid4().hex[:8]}"
    s3 = client(server, key)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"a")
    return s3, client(server, key, "iam", region_name=""), bucket


def allow(action, *resources, effect="Allow"):
    statement = {"Effect": effect, "Action": action, "Resource": list(resources)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_user_may_what_its_policies_let_it(server, holder):
    s3, iam, bucket = holder
    iam.create_user(UserName="robot", Path="/lab/")
    key = iam.create_access_key(UserName="robot")["AccessKey"]
    robot = client(server, key)
    assert refused(robot.list_objects_v2, Bucket=bucket) == DENIED
    assert refused(robot.list_buckets) == DENIED

    arn = f"arn:aws:s3:::{bucket}"
    iam.put_user_policy(UserName="robot", PolicyName="in", PolicyDocument=allow("s3:GetObject", f"{arn}/in/*"))
    assert robot.get_object(Bucket=bucket, Key="in/a")["Body"].read() == b"a"
    assert refused(robot.put_object, Bucket=bucket, Key="in/b", Body=b"b") == DENIED
    kept = iam.get_user_policy(UserName="robot", PolicyName="in")["PolicyDocument"]
    assert kept["Statement"][0]["Action"] == "s3:GetObject"

    iam.attach_user_policy(UserName="robot", PolicyArn=FULL)
    robot.put_object(Bucket=bucket, Key="in/b", Body=b"b")
    assert [found["Name"] for found in robot.list_buckets()["Buckets"]] == [bucket]
    assert s3.get_object(Bucket=bucket, Key="in/b")["Body"].read() == b"b", "it is the account's"
    no = allow("s3:DeleteObject", f"{arn}/*", effect="Deny")
    iam.put_user_policy(UserName="robot", PolicyName="no", PolicyDocument=no)
    assert refused(robot.delete_object, Bucket=bucket, Key="in/b") == DENIED

    iam.detach_user_policy(UserName="robot", PolicyArn=FULL)
    iam.attach_user_policy(UserName="robot", PolicyArn=READ)
    attached = iam.list_attached_user_policies(UserName="robot")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": READ}]
    assert iam.list_user_policies(UserName="robot")["PolicyNames"] == ["in", "no"]
    assert robot.list_objects_v2(Bucket=bucket)["KeyCount"] == 2
    assert refused(robot.put_object, Bucket=bucket, Key="in/c", Body=b"c") == DENIED


def test_a_user_is_told_and_named_by_its_arn(server, holder):
    s3, iam, bucket = holder
    made = iam.create_user(UserName="robot", Path="/lab/")["User"]
    root = iam.get_user()["User"]["Arn"]
    assert root.endswith(":root") and made["Arn"] == root.replace(":root", ":user/lab/robot")
    assert iam.get_user(UserName="robot")["User"] == made
    iam.create_user(UserName="other")
    assert [user["UserName"] for user in iam.list_users(PathPrefix="/lab/")["Users"]] == ["robot"]
    assert len(list(iam.get_paginator("list_users").paginate())) == 1

    robot = client(server, iam.create_access_key(UserName="robot")["AccessKey"])
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": made["Arn"]},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert robot.get_object(Bucket=bucket, Key="in/a")["Body"].read() == b"a"
    assert refused(robot.delete_object, Bucket=bucket, Key="in/a") == DENIED


def test_a_key_ends_with_its_deletion_and_a_user_goes_last(server, holder):
    _, iam, bucket = holder
    iam.create_user(UserName="robot")
    iam.attach_user_policy(UserName="robot", PolicyArn=FULL)
    keys = [iam.create_access_key(UserName="robot")["AccessKey"] for _ in range(2)]
    assert refused(iam.create_access_key, UserName="robot") == ("LimitExceeded", 409)
    robot = client(server, keys[0])
    assert robot.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    told = {key["AccessKeyId"] for key in iam.list_access_keys(UserName="robot")["AccessKeyMetadata"]}
    assert told == {key["AccessKeyId"] for key in keys}

    assert refused(iam.delete_user, UserName="robot") == ("DeleteConflict", 409)
    iam.delete_access_key(UserName="robot", AccessKeyId=keys[0]["AccessKeyId"])
    assert refused(robot.list_objects_v2, Bucket=bucket) == ("InvalidAccessKeyId", 403)
    iam.delete_access_key(UserName="robot", AccessKeyId=keys[1]["AccessKeyId"])
    assert refused(iam.delete_user, UserName="robot") == ("DeleteConflict", 409)
    iam.detach_user_policy(UserName="robot", PolicyArn=FULL)
    iam.delete_user(UserName="robot")
    assert refused(iam.get_user, UserName="robot") == ("NoSuchEntity", 404)


def test_users_go_with_their_account(server):
    name = f"g-{uuid.uuid4().hex[:8]}"
    iam = client(server, make_user(server, name, "guest"), "iam", region_name="")
    iam.create_user(UserName="robot")
    key = iam.create_access_key(UserName="robot")["AccessKey"]
    with server.api() as api:
        assert api.delete(f"/users/{name}").status_code == 204
    assert refused(client(server, key).list_buckets) == ("InvalidAccessKeyId", 403)
    again = client(server, make_user(server, name, "guest"), "iam", region_name="")
    assert again.list_users()["Users"] == []


def test_who_does_not_head_an_account_makes_no_users(server, holder):
    _, iam, _ = holder
    iam.create_user(UserName="robot")
    robot = client(server, iam.create_access_key(UserName="robot")["AccessKey"], "iam", region_name="")
    assert refused(robot.create_user, UserName="other") == DENIED
    editor = client(server, make_user(server, f"e-{uuid.uuid4().hex[:8]}", "editor"), "iam", region_name="")
    assert refused(editor.list_users) == DENIED
    admin = {"access_key_id": server.access_key, "secret_access_key": server.secret_key}
    assert "robot" not in str(client(server, admin, "iam", region_name="").list_users()["Users"]), "another account's"
    sts = client(server, iam.create_access_key(UserName="robot")["AccessKey"], "sts")
    assert sts.get_caller_identity()["Arn"].endswith(":user/robot")
    assert refused(sts.get_session_token) == DENIED


def test_what_is_wrong_is_named(server, holder):
    _, iam, _ = holder
    iam.create_user(UserName="robot")
    assert refused(iam.create_user, UserName="ROBOT") == ("EntityAlreadyExists", 409)
    assert refused(iam.create_user, UserName="a/b") == ("ValidationError", 400)
    assert refused(iam.create_user, UserName="c", Path="/no") == ("ValidationError", 400)
    assert refused(iam.create_access_key, UserName="none") == ("NoSuchEntity", 404)
    assert refused(iam.delete_access_key, UserName="robot", AccessKeyId="CRN" + "A" * 17) == ("NoSuchEntity", 404)
    assert refused(iam.attach_user_policy, UserName="robot", PolicyArn=FULL + "x") == ("NoSuchEntity", 404)
    assert refused(iam.get_user_policy, UserName="robot", PolicyName="none") == ("NoSuchEntity", 404)
    bad = {"UserName": "robot", "PolicyName": "p"}
    for document in ["{", allow("s3:Nothing", "*"), allow("iam:CreateUser", "*")]:
        answer = refused(iam.put_user_policy, PolicyDocument=document, **bad)
        assert answer == ("MalformedPolicyDocument", 400), document
    for n in range(2):
        large = allow("s3:GetObject", "arn:aws:s3:::" + "x" * 900)
        iam.put_user_policy(UserName="robot", PolicyName=f"p{n}", PolicyDocument=large)
    assert refused(iam.put_user_policy, PolicyDocument=large, **bad) == ("LimitExceeded", 409)
    assert refused(iam.create_group, GroupName="g") == ("InvalidAction", 400)


def test_an_owner_may_be_bound_by_their_own_policy(server, holder):
    s3, iam, bucket = holder
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"],
        "Resource": f"arn:aws:s3:::{bucket}",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy, "without a word more the owner keeps the way back"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy, ConfirmRemoveSelfBucketAccess=True)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == DENIED
    assert refused(s3.delete_bucket_policy, Bucket=bucket) == DENIED
    admin = client(server, {"access_key_id": server.access_key, "secret_access_key": server.secret_key})
    admin.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)

    iam.create_user(UserName="robot")
    iam.attach_user_policy(UserName="robot", PolicyArn=FULL)
    robot = client(server, iam.create_access_key(UserName="robot")["AccessKey"])
    robot.put_bucket_policy(Bucket=bucket, Policy=policy, ConfirmRemoveSelfBucketAccess=True)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy, "a part of the account binds nobody"


def test_in_an_account_a_name_is_a_users_or_an_iam_users(server):
    admin = {"access_key_id": server.access_key, "secret_access_key": server.secret_key}
    iam = client(server, admin, "iam", region_name="")
    name = f"r-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    with server.api() as api:
        user = {"name": name, "role": "viewer", "password": uuid.uuid4().hex}
        assert api.post("/users", json=user).status_code == 409
    make_user(server, f"{name}-1", "viewer")
    assert refused(iam.create_user, UserName=f"{name}-1") == ("EntityAlreadyExists", 409)
    guest = make_user(server, f"{name}-2", "guest")
    iam = client(server, guest, "iam", region_name="")
    assert refused(iam.create_user, UserName=f"{name}-2") == ("EntityAlreadyExists", 409)
    iam.create_user(UserName=f"{name}-1")  # the house's users are none of a guest's account


def test_a_key_stays_in_the_account_it_was_made_for(server):
    """An admin who becomes a guest takes no key of the house's programs along."""
    name = f"a-{uuid.uuid4().hex[:8]}"
    key = make_user(server, name, "admin")
    iam = client(server, key, "iam", region_name="")
    robot = f"{name}-robot"
    iam.create_user(UserName=robot)
    iam.attach_user_policy(UserName=robot, PolicyArn=FULL)
    program = client(server, iam.create_access_key(UserName=robot)["AccessKey"])
    assert "Buckets" in program.list_buckets()
    with server.api() as api:
        assert api.patch(f"/users/{name}", json={"role": "guest"}).status_code == 204
    assert refused(program.list_buckets) == ("InvalidAccessKeyId", 403)
    assert client(server, key).list_buckets()["Buckets"] == []


def test_an_account_may_stand_before_a_bucket(server, holder):
    s3, _, bucket = holder
    name = s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
    for form in [f":{bucket}", f"{name}:{bucket}"]:
        other = client(server, make_user(server, f"g-{uuid.uuid4().hex[:8]}", "guest"))
        for caller, answer in [(s3, ["in/a"]), (other, DENIED)]:
            caller.meta.events.unregister("before-parameter-build.s3", boto3.session.botocore.handlers.validate_bucket_name)
            if answer == DENIED:
                assert refused(caller.list_objects, Bucket=form) == DENIED
            else:
                assert [found["Key"] for found in caller.list_objects(Bucket=form)["Contents"]] == answer
    assert s3.get_object(Bucket=f"{name}:{bucket}", Key="in/a")["Body"].read() == b"a"
    s3.put_object_tagging(Bucket=f":{bucket}", Key="in/a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert refused(s3.list_objects, Bucket=f"nobody:{bucket}") == ("NoSuchBucket", 404)
    assert refused(s3.create_bucket, Bucket=f"{name}:fresh") == ("InvalidBucketName", 400)
    gone = s3.delete_objects(Bucket=f":{bucket}", Delete={"Objects": [{"Key": "in/a"}]})
    assert [deleted["Key"] for deleted in gone["Deleted"]] == ["in/a"]


def test_a_form_is_signed_by_its_user_now(server, holder):
    _, iam, _ = holder
    forged = {"access_key_id": iam._request_signer._credentials.access_key, "secret_access_key": "x" * 40}
    assert refused(client(server, forged, "iam", region_name="").list_users) == ("SignatureDoesNotMatch", 403)
    forged["access_key_id"] = "CRN" + "A" * 17
    assert refused(client(server, forged, "iam", region_name="").list_users) == ("InvalidClientTokenId", 403)

    def changed(request, **_):
        request.body = request.body.replace("ListUsers", "ListRoles")

    def late(request, **_):
        request.headers["X-Amz-Date"] = "20200101T000000Z"

    for change, code in [(changed, "SignatureDoesNotMatch"), (late, "RequestTimeTooSkewed")]:
        iam.meta.events.register("before-send.iam", change)
        assert refused(iam.list_users) == (code, 403), code
        iam.meta.events.unregister("before-send.iam", change)
    assert iam.list_users()["Users"] == []
