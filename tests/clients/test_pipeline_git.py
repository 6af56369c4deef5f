"""Definitions from a Git repository: behind http(s), bare on disk, in a bundle. The repositories are made with git
itself; none is needed by the server."""

import base64
import os
import shutil
import ssl
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from conftest import answering, eventually
from test_pipelines import finished, run_of
from test_tls import certificate

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the repositories are made with git")

HELLO = """
name: hello
tasks:
  - {id: a, run: "cat words.txt; echo at $CRANNOG_COMMIT"}
"""


class Repository:
    """A repository with a work tree, and the bare one it is pushed to."""

    def __init__(self, folder):
        self.work, self.bare = folder / "work", folder / "pipelines.git"
        self.git("init", "-q", "--bare", "-b", "main", self.bare, at=folder)
        self.git("init", "-q", "-b", "main", self.work, at=folder)
        self.git("remote", "add", "origin", self.bare)

    def git(self, *words, at=None):
        who = {f"GIT_{role}_{what}": f"x@{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work.parent), "GIT_CONFIG_NOSYSTEM": "1", **who}
        done = subprocess.run(["git", *map(str, words)], cwd=at or self.work, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files, *push, branch="main"):
        """Writes files (None removes), commits and pushes; the commit's id."""
        for name, text in files.items():
            path = self.work / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")
        self.git("push", "-q", *push, "origin", f"HEAD:{branch}")
        return self.git("rev-parse", "HEAD")

    def bundle(self, to, *what):
        made = to.with_suffix(".new")
        self.git("bundle", "create", made, *(what or ["main"]))
        made.rename(to)
        return to


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


class GitDoor(BaseHTTPRequestHandler):
    """`git http-backend` behind http, as a web server runs it."""

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, body):
        self.server.asked += 1
        wanted = self.server.credentials
        if self.server.says or (wanted and self.headers.get("Authorization") != wanted):
            status, headers = self.server.says or (401, {"WWW-Authenticate": "Basic"})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            return self.end_headers()
        path = urlsplit(self.path)
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_1": str(self.server.filters).lower(),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path.path,
            "QUERY_STRING": path.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
        }
        if self.server.second_version:
            env["GIT_PROTOCOL"] = self.headers.get("Git-Protocol", "")
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def door(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitDoor)
    server.root, server.second_version, server.filters = tmp_path, True, False
    server.credentials, server.says, server.asked = None, None, 0
    server.url = f"http://127.0.0.1:{server.server_address[1]}/pipelines.git"
    with answering(server):
        yield server


def follow(private_server, place, *args, interval="200ms"):
    options = ["--pipelines-git", place, "--pipelines-git-interval", interval, *args]
    return private_server(args=options)


def source(api):
    (found,) = api.get("/pipeline-sources").json()["sources"]
    return found


def at_commit(api, commit):
    eventually(lambda: source(api)["commit"] == commit and not source(api)["error"], what=f"commit {commit}")


def complaint(api, words):
    return eventually(lambda: (source(api)["error"] or "") if words in (source(api)["error"] or "") else None, what=words)


def run(api, name):
    answer = api.post(f"/pipelines/{name}/runs", json={})
    assert answer.status_code == 201, answer.text
    return finished(api, answer.json()["id"])


def log(api, run, task="a"):
    return api.get(f"/pipeline-runs/{run['id']}/tasks/{task}/log").json()["text"]


@pytest.mark.parametrize("kind, protocol", [("bare", 2), ("work tree", 2), ("bundle", 2), ("http", 2), ("http", 0)])
def test_each_commit_runs_with_its_own_files(private_server, repository, door, tmp_path, kind, protocol):
    door.second_version = protocol == 2
    first = repository.commit({"hello.yaml": HELLO, "words.txt": "one\n"})
    bundle = tmp_path / "pipelines.bundle"
    if kind == "bundle":
        repository.bundle(bundle)
    places = {"bare": repository.bare, "work tree": repository.work, "bundle": bundle, "http": door.url}
    server = follow(private_server, places[kind], "--pipelines-git-ref", "main")
    api = server.api()
    at_commit(api, first)
    pipeline = api.get("/pipelines/hello").json()
    assert (pipeline["source"], pipeline["commit"], pipeline["error"]) == ("git:hello.yaml", first, None)
    before = run(api, "hello")
    assert (before["state"], before["commit"]) == ("success", first)
    assert log(api, before) == f"one\nat {first}\n"

    second = repository.commit({"words.txt": "two\n", "more/pipeline.yaml": HELLO.replace("hello", "more")})
    if kind == "bundle":
        repository.bundle(bundle)
    at_commit(api, second)
    after = run(api, "hello")
    assert after["commit"] == second and log(api, after) == f"two\nat {second}\n"
    assert api.get("/pipelines/more").json()["source"] == "git:more/pipeline.yaml"
    assert run_of(api, before["id"])["commit"] == first

    # A run of before runs again with the files of its own commit.
    assert api.post(f"/pipeline-runs/{before['id']}/clear", json={"tasks": ["a"]}).status_code == 200
    eventually(lambda: run_of(api, before["id"])["tasks"][0]["attempt"] == 2, what="the second attempt")
    again = finished(api, before["id"])
    assert again["commit"] == first and log(api, again) == f"one\nat {first}\n"
    shown = server.cli("pipeline", "show", before["id"]).stdout
    assert first in shown and second in server.cli("pipeline", "source", "list").stdout


def test_a_bad_file_leaves_the_last_good_version_running(private_server, repository):
    good = repository.commit({"hello.yaml": HELLO, "other.yaml": HELLO.replace("hello", "other"), "words.txt": "good\n"})
    api = follow(private_server, repository.bare).api()
    at_commit(api, good)
    bad = repository.commit({"hello.yaml": "name: hello\ntasks: [{id: a, runn: x}]\n", "words.txt": "bad\n"})
    at_commit(api, bad)
    pipeline = api.get("/pipelines/hello").json()
    assert "runn" in pipeline["error"] and pipeline["commit"] == good
    ran = run(api, "hello")
    assert ran["commit"] == good and log(api, ran) == f"good\nat {good}\n", "its folder is of the good commit too"
    other = run(api, "other")
    assert other["commit"] == bad and log(api, other) == f"bad\nat {bad}\n"
    gone = repository.commit({"hello.yaml": None})
    at_commit(api, gone)
    assert api.get("/pipelines/hello").status_code == 404
    assert api.delete("/pipelines/other").status_code == 409, "what comes from Git is changed there"


def test_a_ref_is_a_branch_a_tag_or_a_commit(private_server, repository, door):
    first = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    repository.git("tag", "-a", "v1", "-m", "the first")
    repository.commit({"words.txt": "2\n"})
    repository.git("push", "-q", "origin", "v1")
    third = repository.commit({"words.txt": "3\n"}, branch="next")
    refs = [("v1", first), (first, first), ("next", third), ("refs/heads/next", third)]
    for place in (str(repository.bare), door.url):
        for ref, commit in refs:
            server = follow(private_server, place, "--pipelines-git-ref", ref)
            at_commit(server.api(), commit)
            assert server.api().get("/pipelines/hello").json()["commit"] == commit
            server.stop()


def test_a_folder_of_the_repository(private_server, repository):
    files = {"jobs/hello.yaml": HELLO, "jobs/words.txt": "here\n", "elsewhere/no.yaml": HELLO, "top.yaml": "no: good"}
    commit = repository.commit(files)
    server = follow(private_server, repository.bare, "--pipelines-git-folder", "jobs")
    api = server.api()
    at_commit(api, commit)
    assert [one["name"] for one in api.get("/pipelines").json()["pipelines"]] == ["hello"]
    assert log(api, run(api, "hello")) == f"here\nat {commit}\n"
    (checkout,) = (server.data_dir / "checkouts").iterdir()
    assert {path.name for path in checkout.iterdir()} >= {"hello.yaml", "words.txt"} and not (checkout / "top.yaml").exists()
    repository.commit({"jobs/hello.yaml": None, "jobs/words.txt": None})
    complaint(api, 'no folder "jobs"')
    assert run(api, "hello")["state"] == "success"


def test_a_forced_push_and_a_ref_that_vanishes(private_server, repository, door):
    repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    second = repository.commit({"words.txt": "2\n"})
    api = follow(private_server, door.url, "--pipelines-git-ref", "main").api()
    at_commit(api, second)
    repository.git("reset", "-q", "--hard", "HEAD~1")
    forced = repository.commit({"words.txt": "forced\n"}, "--force")
    at_commit(api, forced)
    assert log(api, run(api, "hello")) == f"forced\nat {forced}\n"
    repository.git("push", "-q", "origin", "HEAD:other")
    repository.git("symbolic-ref", "HEAD", "refs/heads/other", at=repository.bare)
    repository.git("push", "-q", "origin", ":main")
    complaint(api, 'no branch and no tag "main"')
    assert log(api, run(api, "hello")) == f"forced\nat {forced}\n", "what was there last stays"
    repository.git("push", "-q", "origin", "HEAD:main")
    at_commit(api, forced)


def test_a_broken_repository_changes_nothing_and_is_mended(private_server, repository):
    good = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    repository.git("gc", "-q", at=repository.bare)
    server = follow(private_server, repository.bare, interval="0s")
    api = server.api()
    at_commit(api, good)

    def look():
        server.cli("pipeline", "source", "look")

    # The next commit's tree is lost, then the whole repository.
    next_one = repository.commit({"words.txt": "2\n"})
    tree = repository.git("rev-parse", "HEAD^{tree}")
    away = repository.bare / "objects" / tree[:2] / tree[2:]
    kept = away.read_bytes()
    away.unlink()
    look()
    complaint(api, tree)
    assert run(api, "hello")["commit"] == good
    away.write_bytes(kept)
    look()
    at_commit(api, next_one)
    hidden = repository.bare.rename(repository.bare.with_suffix(".hidden"))
    look()
    complaint(api, "no Git repository and no bundle")
    server.restart()
    complaint(api, "no Git repository and no bundle")
    assert run(api, "hello")["commit"] == next_one
    hidden.rename(repository.bare)
    look()
    at_commit(api, next_one)


def test_a_bundle_that_is_cut_or_lacks_its_base_is_told(private_server, repository, tmp_path):
    first = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    bundle = repository.bundle(tmp_path / "b.bundle")
    api = follow(private_server, bundle, "--pipelines-git-ref", "main").api()
    at_commit(api, first)
    second = repository.commit({"words.txt": "2\n"})
    whole = repository.bundle(tmp_path / "whole.bundle").read_bytes()
    bundle.write_bytes(whole[: len(whole) - 40])
    complaint(api, "the pack cannot be read")
    flipped = bytearray(whole)
    flipped[-60] ^= 0xFF
    bundle.write_bytes(flipped)
    complaint(api, "the pack cannot be read")
    repository.bundle(bundle, "main", f"^{first}")
    complaint(api, "builds on commits that are not in it")
    bundle.write_bytes(b"no bundle at all\n")
    complaint(api, "is no Git bundle")
    assert log(api, run(api, "hello")) == f"1\nat {first}\n"
    bundle.write_bytes(whole)
    at_commit(api, second)


def test_a_huge_file_is_refused_in_words(private_server, repository, door):
    good = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    for filters, place in ((False, str(repository.bare)), (False, door.url), (True, door.url)):
        door.filters = filters
        server = follow(private_server, place)
        api = server.api()
        at_commit(api, good)
        repository.commit({"model.bin": bytes(80 << 20)})
        why = complaint(api, "64 MiB" if place != door.url else "")
        assert why and run(api, "hello")["commit"] == good
        resident = int((Path("/proc") / str(server.pid) / "statm").read_text().split()[1]) * 4096
        assert resident < 400 << 20
        good = repository.commit({"model.bin": None})
        at_commit(api, good)
        server.stop()


def test_a_huge_definition_and_links_that_lead_out(private_server, repository):
    repository.work.joinpath("out.yaml").symlink_to("/etc/hostname")
    repository.work.joinpath("inside.txt").symlink_to("words.txt")
    commit = repository.commit({"hello.yaml": HELLO.replace("cat words", "cat inside"), "words.txt": "1\n", "big.yaml": "#" * (3 << 20)})
    server = follow(private_server, repository.bare)
    api = server.api()
    at_commit(api, commit)
    found = {one["name"]: one["error"] for one in api.get("/pipelines").json()["pipelines"]}
    assert set(found) == {"hello", "big"} and found["hello"] is None and "larger than" in found["big"], found
    assert log(api, run(api, "hello")) == f"1\nat {commit}\n"


def test_a_push_is_told_with_a_token(private_server, repository):
    first = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    server = follow(private_server, repository.bare, interval="0s")
    api = server.api()
    at_commit(api, first)
    hook = f"{server.http_url}/hooks/pipeline-sources/git"
    assert requests.post(hook, timeout=30).status_code == 401
    assert requests.post(hook, headers={"X-Crannog-Token": "crnhook_no"}, timeout=30).status_code == 401
    token = server.cli("pipeline", "source", "token").stdout.strip()
    ways = [{"headers": {"X-Crannog-Token": token}}, {"headers": {"X-Gitlab-Token": token}},
            {"headers": {"Authorization": f"Bearer {token}"}}, {"params": {"token": token}}]
    for way in ways:
        commit = repository.commit({"words.txt": f"{way}\n"})
        assert source(api)["commit"] != commit
        assert requests.post(hook, json={"ref": "refs/heads/main"}, timeout=30, **way).status_code == 202
        at_commit(api, commit)
    assert token not in server.log_tail(1 << 20)


def test_credentials_trust_and_answers_that_are_no_repository(private_server, repository, door, tmp_path):
    commit = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    chain, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    door.socket = context.wrap_socket(door.socket, server_side=True)
    door.credentials = "Basic " + base64.b64encode(b"git:s3cr3t").decode()
    secret = tmp_path / "token"
    secret.write_text("wrong\n")
    url = door.url.replace("http:", "https:")
    server = follow(private_server, url, "--pipelines-git-credentials", secret)
    complaint(server.api(), "ertificate")
    server.stop()
    server.args += ["--tls-trusted", str(chain)]
    api = server.start().api()
    complaint(api, "does not take the credentials")
    secret.write_text("s3cr3t\n")
    at_commit(api, commit)
    assert run(api, "hello")["state"] == "success"
    for says, why in [
        ((404, {}), "has no such repository"),
        ((302, {"Location": "https://elsewhere.lan/x.git"}), "sends on to https://elsewhere.lan/x.git"),
        ((200, {"Content-Type": "text/html"}), "no Git server"),
        ((503, {}), "503"),
    ]:
        door.says = says
        complaint(api, why)
    door.says = None
    at_commit(api, commit)
    assert "s3cr3t" not in server.log_tail(1 << 20)


@pytest.mark.parametrize(
    "args, why",
    [
        (["--pipelines-git", "https://me:secret@git.lan/x.git"], "holds credentials"),
        (["--pipelines-git", "ssh://git@git.lan/x.git"], "neither an http(s) address nor a path"),
        (["--pipelines-git", "/srv/x.git", "--pipelines-git-folder", "../up"], "leads out of the repository"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(private_server, args, why):
    server = private_server(args=args, start=False)
    with pytest.raises(RuntimeError, match="ended with"):
        server.start()
    assert why in server.log_tail() and "me:secret" not in server.log_tail()


def test_checkouts_go_when_nobody_needs_them(private_server, repository):
    first = repository.commit({"hello.yaml": HELLO, "words.txt": "1\n"})
    server = follow(private_server, repository.bare)
    api = server.api()
    at_commit(api, first)
    run(api, "hello")
    second = repository.commit({"words.txt": "2\n"})
    at_commit(api, second)
    third = repository.commit({"words.txt": "3\n"})
    at_commit(api, third)

    def kept():
        return {path.name for path in (server.data_dir / "checkouts").iterdir()}

    eventually(lambda: kept() == {first, third}, what="the checkouts of a run that is kept and of the newest commit")
