"""`crannog bucket`, `crannog object` and `crannog s3 key`, as a person and as a script use them."""

import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid

import pytest

USAGE, NOT_FOUND, REFUSED = 2, 4, 5


@pytest.fixture
def home(server):
    """A bucket made with the command line; it goes with everything in it."""
    name = f"cli-{uuid.uuid4().hex[:10]}"
    server.cli("bucket", "create", name, "--versioning")
    yield name
    server.cli("bucket", "delete", name, "--force")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def listed(server, place):
    return {entry["key"]: entry["size"] for entry in lines(server.cli("object", "list", place, "-r", "--json").stdout)}


def test_a_bucket_is_made_listed_shown_and_deleted(server):
    name = f"cli-{uuid.uuid4().hex[:10]}"
    server.cli("bucket", "create", name, "--object-lock")
    assert name in server.cli("bucket", "list").stdout
    shown = json.loads(server.cli("bucket", "show", name, "--json").stdout)
    assert (shown["object_lock"], shown["versioning"]) == (True, "enabled")
    assert "Object lock  on" in server.cli("bucket", "show", name).stdout
    server.cli("bucket", "delete", name)
    gone = server.cli("bucket", "show", name, check=False)
    assert gone.returncode == NOT_FOUND and name in gone.stderr


def test_a_bucket_that_is_not_empty_goes_only_by_force(server, tmp_path):
    name = f"cli-{uuid.uuid4().hex[:10]}"
    server.cli("bucket", "create", name)
    (tmp_path / "a.txt").write_text("a")
    server.cli("object", "put", tmp_path / "a.txt", f"{name}/")
    kept = server.cli("bucket", "delete", name, check=False)
    assert kept.returncode != 0 and "--force" in kept.stderr
    server.cli("bucket", "delete", name, "--force")


def test_versioning_and_quota(server, home):
    assert server.cli("bucket", "versioning", home).stdout == "enabled\n"
    assert server.cli("bucket", "versioning", home, "suspended").stdout == "suspended\n"
    server.cli("bucket", "quota", home, "--max-size", "1MiB")
    usage = json.loads(server.cli("bucket", "quota", home, "--json").stdout)
    assert (usage["max_bytes"], usage["max_objects"]) == (1 << 20, None)
    full = server.cli("object", "put", "-", f"{home}/big", check=False, input="x" * (2 << 20))
    assert full.returncode != 0 and "quota" in full.stderr.lower()
    server.cli("bucket", "quota", home, "--max-size", "none")
    assert json.loads(server.cli("bucket", "quota", home, "--json").stdout)["max_bytes"] is None


def test_a_document_goes_in_and_comes_out_as_the_aws_command_line_writes_it(server, s3, home, tmp_path):
    rules = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    server.cli("bucket", "lifecycle", "set", home, tmp_path / "rules.json")
    assert json.loads(server.cli("bucket", "lifecycle", "get", home).stdout) == rules
    assert s3.get_bucket_lifecycle_configuration(Bucket=home)["Rules"] == rules["Rules"]
    server.cli("bucket", "lifecycle", "remove", home)
    assert server.cli("bucket", "lifecycle", "get", home, check=False).returncode == NOT_FOUND


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ('{"CORSRules": [{"AllowedOrigin": ["*"], "AllowedMethods": ["GET"]}]}', "`AllowedOrigins`"),
        ('{"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "MaxAge": 1}]}', "CORSRules.MaxAge"),
        ('{"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["FLY"]}]}', "FLY"),
    ],
)
def test_a_document_that_does_not_fit_says_where(server, home, text, told):
    refused = server.cli("bucket", "cors", "set", home, "-", check=False, input=text)
    assert refused.returncode == 1 and told in refused.stderr


def test_a_file_goes_there_and_back(server, home, tmp_path):
    body = os.urandom(300_000)
    (tmp_path / "data.bin").write_bytes(body)
    server.cli("object", "put", tmp_path / "data.bin", f"{home}/in/")
    server.cli("object", "get", f"s3://{home}/in/data.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    shown = json.loads(server.cli("object", "show", f"{home}/in/data.bin", "--json").stdout)
    assert (shown["size"], shown["etag"]) == (len(body), hashlib.md5(body).hexdigest())


def test_a_folder_goes_there_and_back_with_strange_names(server, home, tmp_path):
    names = ["a.txt", "sub/b c.csv", "sub/deep/ü?&#.json", "empty"]
    for name in names:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text("" if name == "empty" else name)
    server.cli("object", "put", "-r", tmp_path / "from", f"{home}/all/")
    assert set(listed(server, f"{home}/all/")) == {f"all/{name}" for name in names}
    server.cli("object", "get", "-r", f"{home}/all/", tmp_path / "to")
    for name in names:
        assert (tmp_path / "to" / name).read_text() == ("" if name == "empty" else name)
    server.cli("object", "delete", "-r", f"{home}/all/sub/")
    assert set(listed(server, home)) == {"all/a.txt", "all/empty"}


def test_a_key_that_climbs_out_of_the_folder_is_not_written(server, s3, home, tmp_path):
    s3.put_object(Bucket=home, Key="x/../../climber.txt", Body=b"!")
    s3.put_object(Bucket=home, Key="x/fine.txt", Body=b"fine")
    refused = server.cli("object", "get", "-r", f"{home}/x/", tmp_path / "deep/out", check=False)
    assert refused.returncode == 1 and "climber" in refused.stderr
    assert not list(tmp_path.rglob("climber*")) and (tmp_path / "deep/out/fine.txt").read_text() == "fine"


def test_a_large_file_goes_in_parts(server, home, tmp_path):
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with (tmp_path / "large").open("wb") as file:
        for number in range(131):
            piece = number.to_bytes(4, "big") + block[4:]
            file.write(piece)
            digest.update(piece)
    server.cli("object", "put", tmp_path / "large", f"{home}/large")
    assert json.loads(server.cli("object", "show", f"{home}/large", "--json").stdout)["parts"] == 3
    (tmp_path / "large").unlink()
    server.cli("object", "get", f"{home}/large", tmp_path)
    with (tmp_path / "large").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == digest.digest()


def test_standard_input_and_output(server, home, crannog):
    server.cli("object", "put", "-", f"{home}/note.txt", input="from a pipe")
    assert server.cli("object", "cat", f"{home}/note.txt").stdout == "from a pipe"
    server.cli("object", "put", "-", f"{home}/long.txt", input="line\n" * 500_000)
    piped = f"'{crannog}' --data-dir '{server.data_dir}' object cat {home}/long.txt | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", piped], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "line\n", "")


def test_what_was_deleted_or_overwritten_comes_back(server, home):
    place = f"{home}/doc.txt"
    server.cli("object", "put", "-", place, input="one")
    server.cli("object", "put", "-", place, input="two")
    server.cli("object", "delete", place)
    assert server.cli("object", "cat", place, check=False).returncode == NOT_FOUND
    found = json.loads(server.cli("object", "versions", place, "--json").stdout)
    assert [(v["marker"], v["latest"]) for v in found] == [(True, True), (False, False), (False, False)]
    server.cli("object", "restore", place)
    assert server.cli("object", "cat", place).stdout == "two"
    server.cli("object", "restore", place, "--version", found[2]["version"])
    assert server.cli("object", "cat", place).stdout == "one"
    server.cli("object", "delete", place, "--version", found[1]["version"])
    assert found[1]["version"] not in server.cli("object", "versions", place).stdout


def test_what_is_locked_stays_and_the_exit_code_says_so(server, s3):
    name = f"cli-{uuid.uuid4().hex[:10]}"
    server.cli("bucket", "create", name, "--object-lock")
    server.cli("object", "put", "-", f"{name}/kept", input="kept")
    version = json.loads(server.cli("object", "show", f"{name}/kept", "--json").stdout)["version"]
    s3.put_object_legal_hold(Bucket=name, Key="kept", LegalHold={"Status": "ON"})
    refused = server.cli("object", "delete", f"{name}/kept", "--version", version, check=False)
    assert refused.returncode == REFUSED and "legal hold" in refused.stderr
    assert server.cli("bucket", "delete", name, "--force", check=False).returncode == REFUSED
    s3.put_object_legal_hold(Bucket=name, Key="kept", LegalHold={"Status": "OFF"})
    server.cli("bucket", "delete", name, "--force")


def test_tags_copies_and_moves(server, s3, home):
    server.cli("object", "put", "-", f"{home}/a.csv", input="1,2")
    server.cli("object", "tag", f"{home}/a.csv", "team=ops", "kind=raw")
    assert server.cli("object", "tag", f"{home}/a.csv", "--remove", "kind", "kind2=x").stdout == "kind2=x\nteam=ops\n"
    server.cli("object", "copy", f"{home}/a.csv", f"{home}/copies/")
    server.cli("object", "move", f"{home}/a.csv", f"{home}/b.csv")
    assert set(listed(server, home)) == {"copies/a.csv", "b.csv"}
    tags = s3.get_object_tagging(Bucket=home, Key="b.csv")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind2": "x", "team": "ops"}
    assert s3.head_object(Bucket=home, Key="b.csv")["ContentType"] == "text/csv"


def test_a_link_reads_or_writes_one_object_and_ends_with_its_key(server, home):
    place = f"{home}/ä b.txt"
    upload = server.cli("object", "presign", place, "--put", "--expires", "5m").stdout.strip()
    urllib.request.urlopen(urllib.request.Request(upload, data=b"hello", method="PUT"))
    link = server.cli("object", "presign", place).stdout.strip()
    assert urllib.request.urlopen(link).read() == b"hello"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(link.replace("b.txt", "c.txt"))
    too_long = server.cli("object", "presign", place, "--expires", "8d", check=False)
    assert too_long.returncode == 1 and "7 days" in too_long.stderr
    assert server.cli("object", "presign", f"{home}/nothing", check=False).returncode == NOT_FOUND
    keys = json.loads(server.cli("s3", "key", "list", "--json").stdout)["keys"]
    (key,) = [key for key in keys if key["label"] == "presigned links"]
    server.cli("s3", "key", "revoke", key["access_key_id"])
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(link)


def test_an_s3_key_is_made_and_revoked(server):
    made = json.loads(server.cli("s3", "key", "create", "--label", "from the test", "--json").stdout)
    assert made["access_key_id"] in server.cli("s3", "key", "list").stdout
    assert made["secret_access_key"] not in server.cli("s3", "key", "list", "--json").stdout
    server.cli("s3", "key", "revoke", made["access_key_id"])
    again = server.cli("s3", "key", "revoke", made["access_key_id"], check=False)
    assert again.returncode == NOT_FOUND and made["access_key_id"] in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["object", "get", "HOME/nothing"], NOT_FOUND, "nothing"),
        (["object", "delete", "HOME/nothing"], NOT_FOUND, "nothing"),
        (["object", "get", "HOME/folder/"], USAGE, "--recursive"),
        (["object", "put", "FOLDER", "HOME/"], USAGE, "--recursive"),
        (["object", "put", "FOLDER/missing.txt", "HOME/"], 1, "missing.txt"),
        (["object", "list", "no-such-bucket-here"], NOT_FOUND, "no-such-bucket-here"),
        (["object", "list", "https://HOME/x"], USAGE, "BUCKET/KEY"),
        (["object", "restore", "HOME/nothing"], NOT_FOUND, "not deleted"),
        (["bucket", "create", "Not_A_Name"], 1, "Not_A_Name"),
        (["bucket", "quota", "HOME", "--max-size", "ten"], USAGE, "10GiB"),
    ],
)
def test_a_mistake_is_named_with_its_value(server, home, tmp_path, words, code, told):
    words = [word.replace("HOME", home).replace("FOLDER", str(tmp_path)) for word in words]
    failed = server.cli(*words, check=False)
    assert (failed.returncode, failed.stdout) == (code, "") and told in failed.stderr


def test_what_a_policy_denies_is_denied_here_too(server, s3, home, tmp_path):
    server.cli("object", "put", "-", f"{home}/kept/a", input="a")
    server.cli("object", "put", "-", f"{home}/b", input="b")
    resource = f"arn:aws:s3:::{home}/kept/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject", "s3:GetObject"], "Resource": resource}
    (tmp_path / "policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    server.cli("bucket", "policy", "set", home, tmp_path / "policy.json")
    assert server.cli("object", "cat", f"{home}/kept/a", check=False).returncode == REFUSED
    assert server.cli("object", "presign", f"{home}/kept/a", check=False).returncode == REFUSED
    assert server.cli("object", "copy", f"{home}/kept/a", f"{home}/c", check=False).returncode == REFUSED
    assert server.cli("object", "delete", "-r", f"{home}/", check=False).returncode == REFUSED
    assert set(listed(server, home)) == {"kept/a"}
    server.cli("bucket", "policy", "remove", home)
    assert server.cli("object", "cat", f"{home}/kept/a").stdout == "a"


def test_an_access_list_goes_there_and_back(server, s3, home, tmp_path):
    shown = json.loads(server.cli("bucket", "acl", "get", home).stdout)
    full = {"Grantee": {"DisplayName": "crannog", "ID": "crannog", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    assert (shown["Owner"]["ID"], shown["Grants"]) == ("crannog", [full])
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
    shown["Grants"].append({"Grantee": everybody, "Permission": "READ"})
    (tmp_path / "acl.json").write_text(json.dumps(shown))
    server.cli("bucket", "acl", "set", home, tmp_path / "acl.json")
    assert [grant["Permission"] for grant in s3.get_bucket_acl(Bucket=home)["Grants"]] == ["READ", "FULL_CONTROL"]
    aws = {key: value for key, value in s3.get_bucket_acl(Bucket=home).items() if key != "ResponseMetadata"}
    assert json.loads(server.cli("bucket", "acl", "get", home).stdout)["Grants"] == aws["Grants"]
    for broken in [{"Grants": [{"Grantee": {"ID": "crannog"}, "Permission": "FLY"}]}, {"Grants": [{"Grantee": {}, "Permission": "READ"}]}, {"Grant": []}, {"Owner": {"ID": "ann"}, "Grants": []}]:
        (tmp_path / "acl.json").write_text(json.dumps(broken))
        assert server.cli("bucket", "acl", "set", home, tmp_path / "acl.json", check=False).returncode in (1, REFUSED)
    assert len(s3.get_bucket_acl(Bucket=home)["Grants"]) == 2
    server.cli("bucket", "acl", "remove", home)
    assert s3.get_bucket_acl(Bucket=home)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert len(s3.get_bucket_acl(Bucket=home)["Grants"]) == 1


def test_a_webhook_is_set_listed_and_deleted(server, home, tmp_path):
    name = f"cli-{uuid.uuid4().hex[:8]}"
    secret = server.cli("webhook", "set", name, "http://127.0.0.1:9/hook").stdout.strip()
    assert secret.startswith("whsec_")
    found = {hook["name"]: hook for hook in json.loads(server.cli("webhook", "list", "--json").stdout)["webhooks"]}
    assert found[name]["url"] == "http://127.0.0.1:9/hook" and "secret" not in found[name]
    assert name in server.cli("webhook", "list").stdout
    rule = {"Id": "new", "QueueArn": found[name]["arn"], "Events": ["s3:ObjectCreated:*"]}
    (tmp_path / "rules.json").write_text(json.dumps({"QueueConfigurations": [rule]}))
    server.cli("bucket", "notification", "set", home, tmp_path / "rules.json")
    moved = json.loads(server.cli("webhook", "set", name, "http://127.0.0.1:9/other", "--secret", "-", "--json", input=f"{secret}\n").stdout)
    assert (moved["url"], moved["secret"]) == ("http://127.0.0.1:9/other", secret)
    assert server.cli("webhook", "set", name, "ftp://127.0.0.1/", check=False).returncode == 1
    server.cli("bucket", "notification", "remove", home)
    server.cli("webhook", "delete", name)
    assert server.cli("webhook", "delete", name, check=False).returncode == NOT_FOUND


def test_roles_hold_in_the_json_api(server, api, home):
    import requests

    api.post("/users", json={"name": f"v-{home}", "password": "a long password", "role": "viewer"}).raise_for_status()
    viewer = requests.Session()
    viewer.auth, viewer.trust_env = (f"v-{home}", "a long password"), False
    base = f"{server.http_url}/api/crannog/v1/buckets/{home}"
    assert viewer.get(f"{base}/objects", timeout=9).ok and viewer.get(f"{base}/settings", timeout=9).ok
    tries = [
        viewer.put(f"{base}/objects/x", data=b"x", timeout=9),
        viewer.delete(base, timeout=9),
        viewer.patch(base, json={"versioning": "suspended"}, timeout=9),
        viewer.put(f"{base}/settings/tagging", json={"TagSet": []}, timeout=9),
        viewer.post(f"{base}/presign", json={"key": "x", "method": "PUT"}, timeout=9),
        viewer.post(f"{base}/uploads", json={"key": "x"}, timeout=9),
        viewer.post(f"{base}/copy", json={"key": "x", "to_key": "y"}, timeout=9),
    ]
    assert [answer.status_code for answer in tries] == [403] * len(tries)
    refused = viewer.post(f"{base}/delete", json={"objects": [{"key": "x"}]}, timeout=9).json()
    assert (refused["deleted"], refused["refused"]) == (0, 1)
    api.delete(f"/users/v-{home}").raise_for_status()
