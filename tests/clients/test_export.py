"""Moving to MLflow: what was logged to Crannog goes into a database that MLflow's own command made, a real
`mlflow server` is started on it, and the mlflow client compares what both answer."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow
import pytest
from conftest import CRANNOG, Server, eventually, pointed_at
from migrate_support import POINTS, Theirs, all_alike, assert_same, fill, history, ours, report_of
from mlflow.tracking import MlflowClient


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """What `mlflow db upgrade` makes."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{path}"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return path


@pytest.fixture
def target(empty, tmp_path):
    """A folder with an empty database of MLflow's."""
    folder = tmp_path / "mlflow"
    folder.mkdir()
    shutil.copy(empty, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A Crannog with what a team has."""
    running = Server(tmp_path_factory.mktemp("crannog")).start()
    with pointed_at(running) as client:
        running.known = fill(client, tmp_path_factory.mktemp("files"))
        mlflow.genai.register_prompt("greeting", "Hello {{name}}", tags={"tone": "kind"})
        # The client tags it from a thread of its own.
        eventually(lambda: "_mlflow_experiment_ids" in client.get_prompt("greeting").tags)
    yield running
    running.stop()


def words(folder):
    return ["export", "mlflow", f"sqlite:///{folder}/mlflow.db", "--artifacts", folder / "mlartifacts"]


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "mlflow.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def rows(folder):
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        return sorted(db.iterdump())


def test_a_server_of_mlflows_shows_everything(filled, target, point_at, tmp_path):
    known = filled.known
    report = report_of(filled.cli(*words(target), "--json"))
    assert all_alike(report), report
    counts = report["counts"]
    assert counts["runs"]["source"] == 4 and counts["metric points"]["source"] == POINTS + 3
    assert counts["model versions"]["source"] == 3 and counts["logged models"]["source"] == 1
    assert report["hashed"] == counts["files"]["source"] == 4
    assert report["left_out"] == {"users": 1} and report["only_here"] == {}, report
    assert [note.split(" ")[0] for note in report["notes"]] == ["1"], report["notes"]
    here = ours(filled, point_at)
    theirs = Theirs(target).wait()
    try:
        point_at(theirs)
        there = MlflowClient(theirs.url, theirs.url)
        assert_same(known, here, there, tmp_path)
        assert dict((step, value) for _, step, value in history(there, known.child, "loss"))[8] == sys.float_info.max
        left, right = here.get_experiment_by_name("flights"), there.get_experiment_by_name("flights")
        assert left.experiment_id == right.experiment_id
        assert right.artifact_location == f"mlflow-artifacts:/{right.experiment_id}"
        assert there.get_run(known.parent).info.artifact_uri == here.get_run(known.parent).info.artifact_uri
        assert there.get_prompt_version("greeting", "1").template == "Hello {{name}}"
        found = there.search_runs([right.experiment_id], "metrics.f1 > 0.8 and tags.note LIKE 'ünï%'")
        assert [run.info.run_id for run in found] == [known.parent]
        # It goes on from there: ids are free, versions count on.
        later = there.create_run(right.experiment_id)
        there.log_metric(later.info.run_id, "auc", 1)
        version = there.create_model_version("delay", f"{later.info.artifact_uri}/m", later.info.run_id)
        assert version.version == "3"
        there.delete_model_version("delay", "3")
        there.delete_run(later.info.run_id)
    finally:
        theirs.stop()


def test_a_second_export_changes_nothing_and_the_way_back_is_whole(filled, target, private_server, point_at, tmp_path):
    first = report_of(filled.cli(*words(target), "--json"))
    before = rows(target)
    again = report_of(filled.cli(*words(target), "--json"))
    assert all_alike(again) and again["counts"] == first["counts"] and again["copied_bytes"] == 0
    assert rows(target) == before
    looked = report_of(filled.cli(*words(target), "--checksums", "--json"))
    assert all_alike(looked) and looked["hashed"] == 3
    second = private_server()
    source = [f"sqlite:///{target}/mlflow.db", "--artifacts", target / "mlartifacts"]
    assert all_alike(report_of(second.cli("import", "mlflow", *source, "--json")))
    theirs = Theirs(target).wait()
    try:
        assert_same(filled.known, MlflowClient(theirs.url, theirs.url), ours(second, point_at), tmp_path)
    finally:
        theirs.stop()


def test_what_was_changed_since_is_brought_in_line(private_server, target, point_at):
    server = private_server()
    client = ours(server, point_at)
    experiment = client.create_experiment("old name")
    run = client.create_run(experiment, tags={"state": "young"}).info.run_id
    client.log_metric(run, "auc", 0.5, step=1)
    client.create_registered_model("m")
    for _ in range(2):
        client.create_model_version("m", f"mlflow-artifacts:/{experiment}/{run}/artifacts/m", run)
    client.set_registered_model_alias("m", "best", 1)
    server.cli(*words(target))
    client.rename_experiment(experiment, "new name")
    client.create_experiment("old name")
    client.log_metric(run, "auc", 0.7, step=2)
    client.set_tag(run, "state", "old")
    client.set_terminated(run)
    client.set_registered_model_alias("m", "best", 2)
    client.delete_run(run)
    report = report_of(server.cli(*words(target), "--json"))
    assert all_alike(report), report
    with closing(sqlite3.connect(target / "mlflow.db")) as db:
        ask = lambda sql: db.execute(sql).fetchall()  # noqa: E731
        assert ask("SELECT name FROM experiments ORDER BY experiment_id") == [("Default",), ("new name",), ("old name",)]
        assert ask("SELECT step, value FROM latest_metrics") == [(2, 0.7)]
        assert ask("SELECT count(*) FROM metrics") == [(2,)]
        assert ask("SELECT version FROM registered_model_aliases") == [(2,)]
        assert ask("SELECT value FROM tags WHERE key = 'state'") == [("old",)]
        assert ask("SELECT lifecycle_stage, deleted_time > end_time FROM runs") == [("deleted", 1)]


def test_files_in_another_store_stay_there_and_it_is_said(private_server, target, empty, tmp_path):
    uri = "s3://elsewhere/1/r1/artifacts"
    change(
        target,
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage, artifact_location) VALUES (1, 'e', 'active', 's3://elsewhere/1')",
        "INSERT INTO runs (run_uuid, experiment_id, name, user_id, status, start_time, lifecycle_stage, artifact_uri)"
        f" VALUES ('r1', 1, 'run', 'me', 'FINISHED', 5, 'active', '{uri}')",
    )
    server = private_server()
    server.cli("import", "mlflow", target / "mlflow.db", "--artifacts", target)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(empty, other / "mlflow.db")
    for command in (words(other), ["export", "mlflow", tmp_path / "folder"]):
        report = report_of(server.cli(*command, "--json"))
        assert all_alike(report) and [uri in note for note in report["notes"]] == [True], report
    with closing(sqlite3.connect(other / "mlflow.db")) as db:
        assert db.execute("SELECT artifact_uri FROM runs").fetchall() == [(uri,)]


def test_an_export_cut_off_is_finished_by_the_next(filled, target):
    command = [str(CRANNOG), "--data-dir", str(filled.data_dir), *map(str, words(target))]
    cut = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def begun():
        with closing(sqlite3.connect(target / "mlflow.db")) as db:
            return db.execute("SELECT count(*) FROM runs").fetchone()[0]

    eventually(begun, interval=0.001, what="the first run in the database")
    cut.kill()
    assert cut.wait() == -signal.SIGKILL
    assert all_alike(report_of(filled.cli(*words(target), "--json")))


def test_an_older_database_takes_what_it_has_room_for(filled, target):
    change(
        target,
        *[f"DROP TABLE logged_model_{part}" for part in ("metrics", "params", "tags")],
        *[f"DROP TABLE {table}" for table in ("logged_models", "registered_model_aliases", "input_tags")],
        "ALTER TABLE inputs DROP COLUMN step",
        "ALTER TABLE runs DROP COLUMN deleted_time",
        "ALTER TABLE model_versions DROP COLUMN run_link",
    )
    report = report_of(filled.cli(*words(target), "--json"))
    assert report["differences"] == [] and report["counts"]["runs"]["alike"] == 4, report
    expected = {"logged models": 1, "logged models that came out of runs": 1, "aliases": 2, "datasets of runs": 1}
    assert report["left_out"].items() >= expected.items(), report["left_out"]
    said = filled.cli(*words(target)).stdout
    assert "left out: 1 logged models\n" in said


@pytest.mark.parametrize(
    ("statements", "code", "message"),
    [
        (["INSERT INTO experiments (experiment_id, name, creation_time) VALUES (1, 'theirs', 5)"], 5, 'experiment 1 is "theirs"'),
        (["INSERT INTO experiments (experiment_id, name, creation_time) VALUES (9, 'flights', 5)"], 5, "is number 9 in the database"),
        (["INSERT INTO experiments (experiment_id, name, workspace) VALUES (1, 'x', 'other')"], 5, "another workspace"),
        (
            [
                "INSERT INTO registered_models (name) VALUES ('delay')",
                "INSERT INTO model_versions (name, version, creation_time, current_stage) VALUES ('delay', 1, 5, 'None')",
            ],
            5,
            "version 1 of registered model delay",
        ),
        (["DROP TABLE params", "CREATE TABLE params (key TEXT PRIMARY KEY)"], 2, "it has no params.run_uuid"),
        (
            ["DROP TABLE tags", "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, mood TEXT NOT NULL, PRIMARY KEY (key, run_uuid))"],
            2,
            "does not know: tags.mood",
        ),
        (["DROP TABLE experiments"], 2, "is not a database of MLflow's"),
        (
            [
                f"INSERT INTO experiments (experiment_id, name, workspace) VALUES ({id}, 'same', '{workspace}')"
                for id, workspace in ((7, "default"), (8, "other"))
            ],
            2,
            'has experiments of the name "same" in several workspaces',
        ),
    ],
)
def test_a_database_that_cannot_take_it_is_refused(filled, target, statements, code, message):
    change(target, *statements)
    done = filled.cli(*words(target), check=False)
    assert done.returncode == code and message in done.stderr, done.stderr
    with closing(sqlite3.connect(target / "mlflow.db")) as db:
        if "registered" not in message and code == 5:
            assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,), "nothing was written"


def test_a_locked_database_is_told(filled, target):
    with closing(sqlite3.connect(target / "mlflow.db", isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        done = filled.cli(*words(target), check=False)
    assert done.returncode == 1 and "locked" in done.stderr and "mlflow server" in done.stderr, done.stderr


def test_a_target_that_is_none_is_told(filled, tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    (tmp_path / "hollow").write_text("")
    cases = [
        (["sqlite:////nowhere/mlflow.db", "--artifacts", tmp_path], 4, "mlflow db upgrade"),
        (["sqlite:////nowhere/mlflow.db"], 2, "--artifacts DIR"),
        ([tmp_path / "text", "--artifacts", tmp_path], 2, "is not a database of MLflow's"),
        ([tmp_path / "hollow", "--artifacts", tmp_path], 2, "is not a database of MLflow's"),
        (["http://127.0.0.1:5000"], 2, "not to http://127.0.0.1:5000"),
        (["postgresql://db/mlflow", "--artifacts", tmp_path], 2, "SQLite database"),
    ]
    for given, code, message in cases:
        done = filled.cli("export", "mlflow", *given, check=False)
        assert done.returncode == code and message in done.stderr, (given, done.stderr)
