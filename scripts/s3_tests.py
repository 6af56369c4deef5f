#!/usr/bin/env python3
"""Runs ceph/s3-tests against a Crannog of its own, and says which groups of tests pass.

    s3_tests.py --suite DIR [--binary FILE] [-k EXPRESSION] [--sigv2] [--workers N] [--out DIR] [--save FILE]

DIR is a checkout of https://github.com/ceph/s3-tests; nothing of it is copied, and it is not written to.
Each worker has a server on loopback with a fresh data directory, users and keys, and runs its share of
`test_s3.py` and `test_headers.py` with the suite's own clean-up between tests. The suite's packages go
into a virtual environment in OUT (target/s3-tests unless said otherwise), next to the JUnit files.
Three storage classes are configured, which the tests of transitions need; copies between classes are
left out unless asked for, because they say the same nine times over. `--sigv2` turns `s3.allow_sigv2` on.

"Portable" leaves out what the suite says not even AWS passes, radosgw's own kind of bucket logging, and
moving objects to another cloud. What the suite marks as failing on radosgw, the server it is written for, is not left
out but said: many of these tests ask for what boto3 does not send.
"""

import argparse
import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from suites import REPOSITORY, Server, clean_env, environment, has_key

SUITE = "https://github.com/ceph/s3-tests"
# One "day" of the life-cycle rules in the tests that wait for them. The worker looks several times a day.
DAY_SECONDS = 4
TEST_SECONDS = 300
KMS_KEYS = ["testkey-1", "testkey-2"]
# Besides STANDARD. The tests of transitions ask for three classes in all.
STORAGE_CLASSES = "LUKEWARM, FROZEN"

# The first group whose marker or pattern fits takes the test.
GROUPS = [
    ("bucket logging", {"bucket_logging", "bucket_logging_cleanup"}, r"_logging"),
    ("other clouds", {"cloud_transition", "cloud_restore", "target_by_bucket"}, r"_restore_"),
    ("post object", set(), r"^test_post_object|_post_object"),
    ("object lock", {"object_lock"}, r"object_lock"),
    ("lifecycle", {"lifecycle"}, r"lifecycle"),
    ("conditional", {"conditional_write"}, r"if_?(none)?_?match|if_?(un)?modified|conditional|_condition_"),
    ("checksum", {"checksum"}, r"checksum|cksum|_crc|_sha256"),
    ("sse", {"encryption", "sse_s3", "bucket_encryption"}, r"_sse_|encrypt"),
    ("presigned", set(), r"presigned|raw_get|raw_put"),
    ("cors", {"cors"}, r"cors"),
    ("policy", {"bucket_policy", "user_policy", "iam_account", "iam_user", "abac_test"}, r"policy|public_block|block_public|ignore_public"),
    ("ownership", {"object_ownership"}, r"ownership"),
    ("acl", set(), r"acl|grant|_access_bucket|private_|public_read"),
    ("multipart", set(), r"multipart|upload_part"),
    ("versioning", {"versioning", "delete_marker"}, r"version"),
    ("tagging", {"tagging"}, r"tag"),
    ("copy", {"copy"}, r"copy"),
    ("listing", {"list_objects_v2"}, r"list|delimiter"),
    ("website", {"s3website"}, r"website"),
    ("attributes", set(), r"attributes"),
]
AUTH_HEADERS = "auth headers"
BASIC = "basic"
NOT_PORTABLE = {
    "fails_on_aws",
    "bucket_logging",
    "bucket_logging_cleanup",
    "cloud_transition",
    "cloud_restore",
    "target_by_bucket",
}
# The authors of the suite leave these out when they run it against their own server.
KNOWN = "fails_on_rgw"


def main():
    options = arguments()
    suite = find_suite(options.suite)
    if options.check:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    python = environment(options.out / "venv", packages(suite))
    results = run(options, suite, python)
    if not results:
        sys.exit("no test ran: see the output above")
    text = report(results)
    print(text, flush=True)
    if options.save:
        options.save.write_text(text + "\n")
    if options.strict and any(result["outcome"] != "passed" for result in results):
        sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="", help="a checkout of ceph/s3-tests")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/debug/crannog")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "target/s3-tests")
    parser.add_argument("--workers", type=int, default=2, help="servers, each with its share of the tests")
    parser.add_argument("-k", dest="keyword", default="", help="pytest's -k: only tests whose name fits")
    parser.add_argument(
        "--copies-between-classes", action="store_true", help="keep the tests of copies from class to class: nine times as many"
    )
    parser.add_argument("--sigv2", action="store_true", help="serve requests that are signed with version 2")
    parser.add_argument("--save", type=Path, help="a file that gets the report too")
    parser.add_argument("--check", action="store_true", help="only see whether the suite is there")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a test did not pass")
    return parser.parse_args()


def find_suite(given: str) -> Path:
    suite = Path(given).expanduser().resolve() if given else None
    if suite is None or not (suite / "s3tests/functional/test_s3.py").exists():
        where = f"no s3tests/functional/test_s3.py in {suite}" if suite else "no suite was named"
        sys.exit(
            f"missing: ceph/s3-tests ({where})\n"
            f"  hint: git clone {SUITE} somewhere, then: make s3-tests S3_TESTS=/path/to/s3-tests"
        )
    return suite


def packages(suite: Path) -> list[str]:
    wanted = (suite / "requirements.txt").read_text() + "\npytest-timeout\n"
    # tox is how the suite runs itself; it is not needed here.
    return [line for line in wanted.splitlines() if line.strip() and not line.startswith(("#", "tox"))]


class House(Server):
    """One `crannog serve` with users for the suite."""

    def __init__(self, binary: Path, folder: Path, sigv2: bool):
        settings = {"CRANNOG_S3_ALLOW_SIGV2": "true"} if sigv2 else {}
        if has_key(binary, "objects.lifecycle_day_s"):
            settings["CRANNOG_OBJECTS_LIFECYCLE_DAY_S"] = str(DAY_SECONDS)
        if has_key(binary, "objects.log_interval"):
            settings["CRANNOG_OBJECTS_LOG_INTERVAL"] = "5s"
        super().__init__(binary, folder / "data", (folder / "server.log").open("wb"), settings)

    def post(self, path: str, body: dict, user: str, password: str):
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.lock['http_url']}/api/crannog/v1/{path}", json.dumps(body).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def account(self, name: str) -> dict:
        """A user that is an S3 account of its own, and a key of theirs."""
        admin, password = (self.admin["user"], self.admin["password"]), secrets.token_urlsafe(18)
        for role in ("guest", "editor"):
            try:
                user = {"name": name, "password": password, "role": role}
                if role == "guest":
                    user |= {"email": f"{name}@example.org"}
                self.post("users", user, *admin)
                break
            except urllib.error.HTTPError as error:
                # A server without guests: its editors share one account.
                if role == "editor" or error.code != 400:
                    raise
        try:
            key = self.post("s3-keys", {"label": "s3-tests"}, name, password)
        except urllib.error.HTTPError as error:
            if error.code != 403:
                raise
            key = self.post("s3-keys", {"label": "s3-tests", "user": name}, *admin)
        return {
            "display_name": name,
            "user_id": name,
            "email": f"{name}@example.org",
            "access_key": key["access_key_id"],
            "secret_key": key["secret_access_key"],
        }


def write_conf(server: House, path: Path):
    """The suite's settings, every optional section included but the other cloud and OpenID's."""
    address = server.lock["s3_url"].removeprefix("http://")
    host, port = address.rsplit(":", 1)
    for key in KMS_KEYS:
        server.post("encryption/keys", {"name": key}, server.admin["user"], server.admin["password"])
    main = server.account("s3main") | {
        "api_name": "us-crannog-1",
        "kms_keyid": KMS_KEYS[0],
        "kms_keyid2": KMS_KEYS[1],
        "storage_classes": STORAGE_CLASSES,
        "lc_debug_interval": DAY_SECONDS,
        "rgw_restore_debug_interval": DAY_SECONDS,
        "rgw_restore_processor_period": DAY_SECONDS,
    }
    sections = {
        "DEFAULT": {"host": host, "port": port, "is_secure": False, "ssl_verify": False},
        "fixtures": {"bucket prefix": "crannog-{random}-"},
        "s3 main": main,
        "s3 alt": server.account("s3alt"),
        "s3 tenant": server.account("s3tenant") | {"tenant": "s3tenant"},
        "iam": server.account("s3iam"),
        "iam root": server.account("s3root"),
        "iam alt root": server.account("s3altroot"),
    }
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items()), ""]
    path.write_text("\n".join(lines))


def run(options, suite: Path, python: Path) -> list:
    """Plays the suite with every worker, and answers what came of each test."""
    folder = Path(tempfile.mkdtemp(prefix="crannog-s3-tests-"))
    servers, plays = [], []
    try:
        for worker in range(options.workers):
            home = folder / str(worker)
            home.mkdir()
            servers.append(House(options.binary, home, options.sigv2))
            write_conf(servers[-1], home / "s3tests.conf")
            plays.append(play(options, suite, python, home, worker))
        for process in plays:
            process.wait()
        dead = [server for server in servers if server.process.poll() is not None]
        if dead:
            sys.exit(f"a server ended with {dead[0].process.returncode}: see {folder}")
        return [json.loads(line) for file in sorted(folder.glob("*/results")) for line in file.open()]
    finally:
        for process in plays:
            if process.poll() is None:
                process.terminate()
        for server in servers:
            server.stop()
            server.log.close()
        for log in folder.glob("*/server.log"):
            shutil.copy(log, options.out / f"server-{log.parent.name}.log")
        shutil.rmtree(folder, ignore_errors=True)


def play(options, suite: Path, python: Path, home: Path, worker: int) -> subprocess.Popen:
    env = clean_env("AWS_") | {
        "S3TEST_CONF": str(home / "s3tests.conf"),
        "S3_TESTS_SHARE": f"{worker}/{options.workers}",
        "S3_TESTS_RESULTS": str(home / "results"),
        "S3_TESTS_CLASSES": "all" if options.copies_between_classes else "one",
        "PYTHONPATH": f"{REPOSITORY / 'scripts'}:{suite}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "us-crannog-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [python, "-m", "pytest", "-q", "--no-header", "--tb=short", "-p", "s3_tests_plugin"]
    command += ["-p", "no:cacheprovider", "--rootdir", suite, "-c", suite / "pytest.ini"]
    command += ["--timeout", TEST_SECONDS, f"--junitxml={options.out}/junit-{worker}.xml"]
    if options.keyword:
        command += ["-k", options.keyword]
    command += [suite / "s3tests/functional" / name for name in ("test_s3.py", "test_headers.py")]
    log = (options.out / f"pytest-{worker}.log").open("wb")
    return subprocess.Popen(list(map(str, command)), env=env, cwd=home, stdout=log, stderr=subprocess.STDOUT)


def group_of(result: dict) -> str:
    for name, markers, pattern in GROUPS:
        if markers & set(result["markers"]) or re.search(pattern, result["name"]):
            return name
    return AUTH_HEADERS if result["file"] == "test_headers.py" else BASIC


def portable(result: dict) -> bool:
    return not NOT_PORTABLE & set(result["markers"])


def report(results: list) -> str:
    counts = {}
    for result in results:
        group = counts.setdefault(group_of(result), Counter())
        group["of"] += 1
        group[result["outcome"]] += 1
        if portable(result):
            group["portable of"] += 1
            group[f"portable {result['outcome']}"] += 1
    lines = [f"{'group':<16} {'passed':>7} {'of':>5}   {'portable':>8} {'of':>5}"]
    order = [name for name, *_ in GROUPS] + [AUTH_HEADERS, BASIC]
    total = sum(counts.values(), Counter())
    for name in [*sorted(counts, key=order.index), "total"]:
        row = counts.get(name, total)
        lines.append(
            f"{name:<16} {row['passed']:>7} {row['of']:>5}   {row['portable passed']:>8} {row['portable of']:>5}"
        )
    unexpected = [r for r in results if r["outcome"] == "failed" and portable(r) and KNOWN not in r["markers"]]
    lines.append(f"portable, failed, and not marked {KNOWN}: {len(unexpected)}")
    lines.append(f"skipped: {total['skipped']}; time in tests: {sum(r['seconds'] for r in results):.0f} s")
    for outcome in ("failed", "skipped"):
        some = [result for result in results if result["outcome"] == outcome]
        lines += ["", f"{outcome}:"] if some else []
        for result in sorted(some, key=lambda r: (order.index(group_of(r)), r["name"])):
            mark = " (not portable)" if not portable(result) else f" ({KNOWN})" if KNOWN in result["markers"] else ""
            lines.append(f"  {group_of(result)}: {result['name']}{mark}: {result['reason']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
