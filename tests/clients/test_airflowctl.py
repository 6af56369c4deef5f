"""airflowctl, Airflow's own command line over its REST API: every command it has, against the server."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from airflow_support import CHAIN, FAILS, door, finished, make, raw, trigger  # noqa: F401
from conftest import eventually

PROGRAM = os.environ.get("AIRFLOWCTL") or shutil.which(
    "airflowctl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="airflowctl is not installed")


@pytest.fixture
def ctl(server, tmp_path):
    """A function that runs airflowctl: what it prints, as JSON where that is what it is."""
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "400"}

    def call(*words, fails=False):
        ended = subprocess.run(
            [PROGRAM, *map(str, words)], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        told = ended.stdout + ended.stderr
        assert (ended.returncode != 0) == fails, f"{words}: {ended.returncode}\n{told}"
        if fails:
            # Its log lines are folded wherever a word ends.
            return re.sub(r"\s+", " ", told)
        try:
            return json.loads(ended.stdout)
        except json.JSONDecodeError:
            return ended.stdout

    there = ["--api-url", server.http_url]
    told = call("auth", "token", *there, "--username", server.user, "--password", server.password)
    # No keyring is on a machine without a desk: the token stays in the environment.
    env["AIRFLOW_CLI_TOKEN"] = told.split()[-1]
    assert "success" in call("auth", "login", *there, "--skip-keyring").lower()
    # A single thing is shown as a list of one.
    call.one = lambda *words: call(*words)[0]
    return call


def test_dags_and_their_runs(ctl, door, make):
    dag = make(CHAIN)
    assert "3.3.2" in str(ctl("version", "--remote"))
    assert dag in [one["dag_id"] for one in ctl("dags", "list")]
    assert ctl.one("dags", "get", dag)["dag_id"] == dag
    assert ctl.one("dags", "get-details", dag)["timezone"] == "Europe/Berlin"
    ctl("dags", "pause", dag)
    assert ctl.one("dags", "get", dag)["is_paused"] in (True, "True")
    ctl("dags", "unpause", dag)
    ctl("dags", "update", dag, "--is-paused")
    assert ctl.one("dags", "get", dag)["is_paused"] in (True, "True")
    ctl("dags", "update", dag, "--no-is-paused")
    assert "2" in str(ctl("dags", "next-execution", dag))
    # Its --conf takes no value at all: it makes a dict of the text itself.
    run = ctl.one("dags", "trigger", dag, "--dag-run-id", "from-ctl", "--note", "why")
    assert (run["dag_run_id"], run["note"]) == ("from-ctl", "why")
    eventually(lambda: ctl.one("dagrun", "get", dag, "from-ctl")["state"] == "success", what="the run", timeout=60)
    assert "from-ctl" in json.dumps(ctl("dagrun", "list", "--dag-id", dag, "--state", "success"))
    assert "from-ctl" not in json.dumps(ctl("dagrun", "list", "--dag-id", dag, "--state", "failed"))
    # It takes the id apart and asks for the dags named by its letters.
    assert ctl("dags", "get-stats", dag) == []
    assert ctl.one("dags", "get-version", dag, 1)["version_number"] in (1, "1")
    assert len(ctl("dags", "list-version", dag)) == 1
    assert ctl("dags", "get-tags") == [] and ctl("dags", "list-warning") == []
    assert isinstance(ctl("dags", "list-import-errors"), list)
    assert "not found" in ctl("dags", "get-import-error", 1, fails=True)
    ctl("dags", "delete", dag)
    assert "not found" in ctl("dags", "get", dag, fails=True)


def test_backfills(ctl, make):
    dag = make("name: {name}\nschedule: '@daily'\ntasks:\n  - {{id: long, run: \"sleep 600\"}}\n")
    span = ["--dag-id", dag, "--from-date", "2026-03-01T00:00:00+00:00", "--to-date", "2026-03-04T00:00:00+00:00"]
    made = ctl.one("backfill", "create", *span, "--max-active-runs", 1)
    number = made["id"]
    assert [one["id"] for one in ctl("backfill", "list", dag)] == [number]
    # It asks, and fails when it is to show the answer: these three commands lack the option for how.
    no_output = "no attribute 'output'"
    assert no_output in ctl("backfill", "pause", number, fails=True)
    assert ctl.one("backfill", "get", number)["is_paused"] in (True, "True")
    assert no_output in ctl("backfill", "unpause", number, fails=True)
    assert ctl.one("backfill", "get", number)["is_paused"] in (False, "False")
    assert no_output in ctl("backfill", "cancel", number, fails=True)
    assert ctl.one("backfill", "get", number)["completed_at"]
    # It reads the answer of a dry run as a backfill, which Airflow's answer is not either.
    ctl("backfill", "create-dry-run", *span, fails=True)


def test_pools(ctl, tmp_path):
    name, other = (f"ctl-{uuid.uuid4().hex[:8]}" for _ in range(2))
    ctl("pools", "create", "--name", name, "--slots", 3, "--description", "what for", "--no-include-deferred")
    assert ctl.one("pools", "get", name)["slots"] in (3, "3")
    ctl("pools", "update", "--pool", name, "--slots", 4, "--description", "more", "--no-include-deferred")
    assert {one["name"]: int(one["slots"]) for one in ctl("pools", "list")}[name] == 4
    ctl("pools", "export", tmp_path / "pools.json")
    kept = json.loads((tmp_path / "pools.json").read_text())
    assert name in json.dumps(kept)
    (tmp_path / "new.json").write_text(json.dumps([{"name": other, "slots": 2, "description": "", "include_deferred": False}]))
    ctl("pools", "import", tmp_path / "new.json")
    assert ctl.one("pools", "get", other)["slots"] in (2, "2")
    for one in (name, other):
        ctl("pools", "delete", one)
        assert "not found" in ctl("pools", "get", one, fails=True)


def test_variables_and_connections(ctl, tmp_path):
    key, more, conn, other = (f"ctl_{uuid.uuid4().hex[:8]}" for _ in range(4))
    ctl("variables", "create", "--key", key, "--value", "one", "--description", "what for")
    assert ctl.one("variables", "get", key)["value"] == "one"
    ctl("variables", "update", "--key", key, "--value", "two", "--description", "what for")
    assert {one["key"]: one["value"] for one in ctl("variables", "list")}[key] == "two"
    (tmp_path / "variables.json").write_text(json.dumps({more: "three"}))
    ctl("variables", "import", tmp_path / "variables.json")
    assert ctl.one("variables", "get", more)["value"] == "three"
    for one in (key, more):
        ctl("variables", "delete", one)
        assert "not found" in ctl("variables", "get", one, fails=True)
    ctl("connections", "create", "--connection-id", conn, "--conn-type", "http", "--host", "there", "--password", "hush")
    assert ctl.one("connections", "get", conn)["host"] == "there"
    ctl("connections", "update", "--connection-id", conn, "--conn-type", "http", "--host", "elsewhere")
    assert {one["connection_id"]: one["host"] for one in ctl("connections", "list")}[conn] == "elsewhere"
    (tmp_path / "connections.json").write_text(json.dumps({other: {"conn_type": "http", "host": "third"}}))
    ctl("connections", "import", tmp_path / "connections.json")
    assert ctl.one("connections", "get", other)["host"] == "third"
    assert "reaches no other system" in ctl("connections", "test", "--connection-id", conn, "--conn-type", "http", fails=True)
    assert "of its own making" in ctl("connections", "create-defaults", fails=True)
    for one in (conn, other):
        ctl("connections", "delete", one)
        assert "not found" in ctl("connections", "get", one, fails=True)


def test_what_tasks_give(ctl, door, make):
    dag = make(FAILS)
    of = (dag, finished(door, trigger(door, dag)).dag_run_id, "bad")
    ctl("xcom", "add", *of, "rows", "7")
    assert ctl.one("xcom", "get", *of, "rows")["value"] in (7, "7")
    ctl("xcom", "edit", *of, "rows", '{"n": 8}')
    assert "8" in json.dumps(ctl("xcom", "get", *of, "rows"))
    assert [one["key"] for one in ctl("xcom", "list", *of)] == ["rows"]
    ctl("xcom", "delete", *of, "rows")
    assert "not found" in ctl("xcom", "get", *of, "rows", fails=True)


def test_what_there_is_none_of(ctl):
    for words in (["assets", "list"], ["assets", "list-by-alias"], ["jobs", "list"], ["plugins", "list"], ["providers", "list"]):
        assert ctl(*words) == [], words
    ctl("plugins", "list-import-errors")
    assert "no assets" in ctl("assets", "get", 1, fails=True)
    assert "no assets" in ctl("assets", "get-by-alias", 1, fails=True)
    assert "no assets" in ctl("assets", "get-queued-events", 1, fails=True)
    assert "no assets" in ctl("assets", "get-dag-queued-event", "any", 1, fails=True)
    assert "no assets" in ctl("assets", "get-dag-queued-events", "any", "2026-01-01T00:00:00+00:00", fails=True)
    assert "no assets" in ctl("assets", "materialize", 1, fails=True)
    assert "no assets" in ctl("assets", "create-event", "--asset-id", 1, fails=True)
    for words in (["delete-queued-events", 1], ["delete-queued-event", "any", 1], ["delete-dag-queued-events", "any", "2026-01-01"]):
        ctl("assets", *words, fails=True)
    for words in (["list"], ["get", "core", "executor"], ["lint"]):
        assert "does not expose" in ctl("config", *words, fails=True), words
