"""Tasks in control groups, on a machine where this user may make some; the bounds themselves need controllers of
version 2, which many machines keep elsewhere."""

import os
import uuid
from pathlib import Path

import pytest
from conftest import CRANNOG, eventually
from test_pipelines import begin, finished, run_of


def mount():
    """Where the groups of version 2 are, if this user may make one there."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        place = fields.split()[4]
        if kind.startswith("cgroup2 ") and os.access(place, os.W_OK):
            return Path(place)
    return None


@pytest.fixture
def house(private_server, tmp_path):
    """A server in the group `server` of a subtree of its own, as systemd would start it."""
    root = mount()
    if root is None:
        pytest.skip("this user may make no control groups")
    subtree = root / f"crannog-test-{uuid.uuid4().hex[:8]}"
    (subtree / "server").mkdir(parents=True)
    script = tmp_path / "crannog"
    script.write_text(f'#!/bin/sh\necho $$ > {subtree}/server/cgroup.procs && exec {CRANNOG} "$@"\n')
    script.chmod(0o755)
    server = private_server(start=False)
    server.binary, server.subtree = script, subtree
    yield server.start()
    server.stop()
    (subtree / "cgroup.kill").write_text("1")
    eventually(lambda: "populated 0" in (subtree / "cgroup.events").read_text(), what="an empty subtree")
    for folder in sorted((path for path in subtree.rglob("*") if path.is_dir()), reverse=True):
        folder.rmdir()
    subtree.rmdir()


def groups(server):
    return sorted(path.name for path in (server.subtree / "tasks").iterdir() if path.is_dir())


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def pid_in(path):
    return eventually(lambda: path.exists() and path.read_text().strip(), what=f"a number in {path}")


# It leaves the task's session, forgets its environment, and heeds no SIGTERM: nothing but its group tells whose it is.
DAEMON = "env -i setsid sh -c 'trap \"\" TERM; echo $$ > {0}; while :; do sleep 1; done' & echo started"


def test_a_task_is_in_a_group_that_goes_with_it(house, tmp_path):
    api = house.api()
    run = finished(api, begin(api, "grouped", "name: grouped\ntasks: [{id: a, run: 'cat /proc/self/cgroup', cpus: 0.5, memory: 1GiB}]\n"))
    assert run["state"] == "success"
    log = api.get(f"/pipeline-runs/{run['id']}/tasks/a/log").json()["text"]
    assert f"/tasks/{run['id']}.a.1\n" in log
    if "cpu" not in (house.subtree / "cgroup.controllers").read_text().split():
        assert "cpus is not held to" in log
    assert groups(house) == []


def test_a_cancelled_task_ends_with_what_hides_from_it(house, tmp_path):
    api, note = house.api(), tmp_path / "daemon"
    run = begin(api, "hides", f"name: hides\ntasks:\n  - id: a\n    run: |\n      {DAEMON.format(note)}\n      wait\n")
    daemon = pid_in(note)
    assert alive(daemon)
    api.post(f"/pipeline-runs/{run}/cancel")
    assert finished(api, run)["state"] == "cancelled"
    assert not alive(daemon) and groups(house) == []


def test_lost_is_decided_by_the_empty_group(house, tmp_path):
    api, note = house.api(), tmp_path / "daemon"
    yaml = f"name: vanishes\ntasks:\n  - id: a\n    retries: 1\n    retry_delay: 1s\n    run: |\n      test -e {note} && exit 0\n      {DAEMON.format(note)}\n      wait\n"
    run = begin(api, "vanishes", yaml)
    daemon = pid_in(note)
    begun = next((house.data_dir / "tasks" / run / "a" / "1").glob("begun.json")).read_text()
    supervisor = int(begun.split('"supervisor_pid":')[1].split(",")[0])
    os.kill(supervisor, 9)
    ended = finished(api, run)
    assert ended["state"] == "success" and ended["tasks"][0]["attempt"] == 2
    assert not alive(daemon) and groups(house) == []


def test_a_group_outlives_the_server(house, tmp_path):
    api, go = house.api(), tmp_path / "go"
    run = begin(api, "stays", f"name: stays\ntasks: [{{id: a, run: 'until test -e {go}; do sleep 0.1; done; echo went on'}}]\n")
    eventually(lambda: run_of(api, run)["tasks"][0]["state"] == "running" and groups(house), what="a running task")
    house.kill9()
    house.start()
    assert groups(house) == [f"{run}.a.1"]
    go.write_text("")
    assert finished(house.api(), run)["state"] == "success"
    eventually(lambda: groups(house) == [], what="the group's end")
