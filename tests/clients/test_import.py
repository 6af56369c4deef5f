"""Moving from MLflow: a real `mlflow server` filled with what people have, taken over both ways, compared
by the mlflow client on both sides; the way out again; and `crannog gc`, which removes for good."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
import requests
from conftest import CRANNOG
from migrate_support import ODD, POINTS, Theirs, all_alike, assert_same, files_of, fill, history, ours, report_of
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures/mlflow"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    server = Theirs(tmp_path_factory.mktemp("mlflow")).wait()
    server.client = MlflowClient(server.url, server.url)
    server.known = fill(server.client, tmp_path_factory.mktemp("files"))
    yield server
    server.stop()


def source_words(theirs, way):
    return [theirs.url] if way == "rest" else [f"sqlite:///{theirs.database}", "--artifacts", theirs.artifacts]


@pytest.mark.parametrize("way", ["rest", "database"])
def test_everything_arrives_and_a_second_time_changes_nothing(theirs, private_server, point_at, tmp_path, way):
    server = private_server()
    words = ["import", "mlflow", *source_words(theirs, way), "--json"]
    report = report_of(server.cli(*words))
    assert all_alike(report), report
    counts = report["counts"]
    assert counts["runs"]["source"] == 4 and counts["metric points"]["source"] == POINTS + 3
    assert counts["model versions"]["source"] == 2 and counts["logged models"]["source"] == 1
    assert report["hashed"] == counts["files"]["source"] == 4
    client = ours(server, point_at)
    assert_same(theirs.known, theirs.client, client, tmp_path)
    again = report_of(server.cli(*words))
    assert all_alike(again) and again["copied_bytes"] == 0 and again["counts"] == counts
    looked = report_of(server.cli(*words, "--checksums"))
    assert all_alike(looked) and looked["copied_bytes"] == 0 and looked["hashed"] == 3
    assert_same(theirs.known, theirs.client, client, tmp_path)
    assert {e.name for e in client.search_experiments(ViewType.ALL)} == {"Default", "flights", "closed"}


def test_a_change_on_this_side_is_told_and_ends_with_1(theirs, private_server, point_at):
    server = private_server()
    words = ["import", "mlflow", theirs.url]
    server.cli(*words)
    client = ours(server, point_at)
    # A point of the same metric that the source has not: the histories are no longer alike.
    client.log_metric(theirs.known.child, "loss", 1.0, timestamp=1, step=1)
    done = server.cli(*words, check=False)
    assert done.returncode == 1
    assert f"differs: run {theirs.known.child}" in done.stdout and "1 differences" in done.stderr


def test_an_import_cut_off_anywhere_is_finished_by_the_next(theirs, private_server, point_at, tmp_path):
    server = private_server()
    words = [str(CRANNOG), "--data-dir", str(server.data_dir), "import", "mlflow", theirs.url]
    cut = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = ours(server, point_at)
    deadline = time.monotonic() + 120
    # The experiment is there, the registry, which comes last, is not: somewhere in the middle.
    while client.get_experiment_by_name("flights") is None and time.monotonic() < deadline:
        pass
    cut.kill()
    assert cut.wait() == -signal.SIGKILL
    server.kill9()
    server.start()
    assert client.search_registered_models() == []
    assert all_alike(report_of(server.cli(*words[3:], "--json")))
    assert_same(theirs.known, theirs.client, client, tmp_path)


def test_the_way_out_is_a_folder_which_is_a_way_in(theirs, private_server, point_at, tmp_path):
    first, folder = private_server(), tmp_path / "out"
    first.cli("import", "mlflow", theirs.url)
    report = report_of(first.cli("export", "mlflow", folder, "--json"))
    assert all_alike(report), report
    record = json.loads((folder / "runs" / theirs.known.parent / "run.json").read_text())
    assert record["run"]["info"]["run_name"] == "sweep"
    lines = (folder / "runs" / theirs.known.child / "metrics.jsonl").read_text().splitlines()
    assert len(json.loads(lines[0])["points"]) == POINTS
    plot = folder / "runs" / theirs.known.parent / "artifacts" / "plots" / "a b.txt"
    assert plot.read_text() == "a plot"
    assert report_of(first.cli("export", "mlflow", folder, "--json"))["copied_bytes"] == 0
    second = private_server()
    assert all_alike(report_of(second.cli("import", "mlflow", folder, "--json")))
    assert_same(theirs.known, theirs.client, ours(second, point_at), tmp_path)


def test_a_dump_of_a_store_on_postgresql_is_read(private_server, point_at, tmp_path):
    """The dump is a real one: tests/fixtures/mlflow/README.md says how it was made."""
    known = SimpleNamespace(**json.loads((FIXTURE / "known.json").read_text()))
    server = private_server()
    words = ["import", "mlflow", FIXTURE / "postgres.sql", "--artifacts", FIXTURE / "artifacts", "--json"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = os.environ | {"TMPDIR": str(scratch)}
    report = report_of(server.cli(*words, env=env))
    assert all_alike(report), report
    counts = {what: count["source"] for what, count in report["counts"].items()}
    assert counts == {
        "experiments": 3,
        "files": 4,
        "logged models": 1,
        "metric points": 23,
        "model versions": 2,
        "params": 2,
        "registered models": 1,
        "runs": 4,
        "tags": 7,
    }
    assert list(scratch.iterdir()) == [], "what the dump was loaded into is gone"
    client = ours(server, point_at)
    parent = client.get_run(known.parent)
    assert parent.data.tags["odd"] == ODD and parent.data.params["long"] == "x" * 5000
    assert (parent.info.run_name, parent.info.status) == ("sweep", "FAILED")
    assert parent.data.metrics == {"auc": 0.71, "f1": 0.9}
    start = 1_700_000_000_000
    values = ["nan" if step == 7 else sys.float_info.max if step == 8 else step / 3 for step in range(20)]
    assert history(client, known.child, "loss") == [(start + step, step, value) for step, value in enumerate(values)]
    assert client.get_run(known.deleted).info.lifecycle_stage == "deleted"
    assert client.get_experiment(known.closed).lifecycle_stage == "deleted"
    assert client.get_logged_model(known.model).params == {"p": "1"}
    assert client.get_registered_model("delay").aliases == {"production": "1", "next": "2"}
    files = mlflow.artifacts.download_artifacts("models:/delay@production", dst_path=str(tmp_path))
    assert (Path(files) / "a b.txt").read_text() == "a plot"
    # Its name alone is no address of a PostgreSQL.
    words = ["import", "mlflow", "postgres.sql", "--artifacts", "artifacts", "--json"]
    again = report_of(server.cli(*words, cwd=FIXTURE))
    assert all_alike(again) and again["copied_bytes"] == 0


def test_a_dump_that_is_not_whole_or_not_plain_is_told(server, tmp_path):
    text, dump = (FIXTURE / "postgres.sql").read_text(), tmp_path / "dump.sql"
    lines = text.splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if line.startswith("COPY public.params "))
    short = lines[: first + 1] + [lines[first + 1].replace("\t", " ", 1)] + lines[first + 2 :]
    cases = [
        ("".join(lines[: first + 2]), 1, f"line {first + 2}: the dump is cut off: the rows of table params have no end"),
        (text[: text.index("COPY public.runs")], 1, "the dump is cut off"),
        ("".join(short), 1, f"line {first + 2}: a row of table params has 2 columns where 3 were expected"),
        (text.replace("CREATE TABLE public.params", "CREATE TABLE public.others"), 1, "make the dump without --data-only"),
        (text.replace("CREATE TABLE public.runs", "CREATE TABLE public.walks").replace("COPY public.runs", "COPY public.walks"), 2, "is not a database of MLflow's"),
        (gzip.compress(text.encode()), 2, f"gunzip -k {dump}"),
        (b"PGDMP" + bytes(100), 2, f"pg_restore -f dump.sql {dump}"),
    ]
    for content, code, words in cases:
        dump.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = server.cli("import", "mlflow", dump, "--artifacts", FIXTURE / "artifacts", check=False)
        assert done.returncode == code and words in done.stderr, (words, done.stderr)


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("/nowhere/mlflow.db", 4, "no database"),
        ("https://127.0.0.1:9", 3, "does not answer"),
        ("postgresql://db/mlflow", 2, "pg_dump -f dump.sql"),
        ("mysql+pymysql://db/mlflow", 2, "mlflow server"),
        ("http://127.0.0.1:9", 3, "does not answer"),
        ("{tmp}", 2, "no folder made by"),
    ],
)
def test_a_source_that_cannot_be_read_is_told(server, tmp_path, source, code, words):
    done = server.cli("import", "mlflow", source.format(tmp=tmp_path), check=False)
    assert done.returncode == code and words in done.stderr


def test_import_is_for_administrators(server, api):
    user = f"u{os.urandom(4).hex()}"
    assert api.post("/users", json={"name": user, "password": "correct horse 9", "role": "editor"}).ok
    for path in ("/import/tracking", "/import/registry", "/gc"):
        url = f"{server.http_url}/api/crannog/v1{path}"
        assert requests.post(url, json={}, auth=(user, "correct horse 9"), timeout=30).status_code == 403
        assert requests.post(url, json={}, timeout=30).status_code == 401


def test_a_bad_batch_is_refused_whole(server, api, point_at):
    run = {"info": {"run_id": "f" * 32, "experiment_id": "0", "status": "FINISHED", "lifecycle_stage": "active"}}
    for change in ({"status": "DONE"}, {"lifecycle_stage": "gone"}, {"run_id": "../x"}, {"experiment_id": "99999"}):
        bad = {"run": {"info": run["info"] | change}}
        answer = api.post("/import/tracking", json={"runs": [{"run": run}, bad]})
        assert 400 <= answer.status_code < 500, (change, answer.text)
    client = ours(server, point_at)
    with pytest.raises(mlflow.MlflowException, match="not found"):
        client.get_run("f" * 32)


def stored(server, prefix):
    page = server.s3().list_objects_v2(Bucket="mlflow", Prefix=prefix)
    return {item["Key"]: item["Size"] for item in page.get("Contents", [])}


def test_gc_counts_first_and_then_removes_for_good(private_server, point_at, tmp_path):
    server = private_server()
    client = ours(server, point_at)
    experiment = client.create_experiment("e")
    (tmp_path / "f").write_bytes(b"x" * 1000)
    runs = [client.create_run(experiment).info.run_id for _ in range(4)]
    for run_id in runs:
        client.log_artifact(run_id, str(tmp_path / "f"))
        client.log_metric(run_id, "m", 1)
    kept, one, other, alive = runs
    client.create_registered_model("r")
    client.create_model_version("r", client.get_run(kept).info.artifact_uri + "/f", kept)
    for run_id in (kept, one, other):
        client.delete_run(run_id)

    def gc(*words):
        return report_of(server.cli("gc", "--json", *words))

    young = gc("--older-than", "1d")
    assert (young["runs"], young["files"]) == (0, 0)
    dry = gc("--dry-run")
    assert (dry["runs"], dry["files"], dry["bytes"], dry["experiments"]) == (2, 2, 2000, 0)
    assert [note["what"] for note in dry["notes"]] == [f"run {kept}"]
    assert len(stored(server, f"{experiment}/")) == 4 and client.get_run(one).info.run_id == one
    refused = server.cli("gc", "--run-ids", f"{one},{alive}", check=False)
    assert refused.returncode == 1 and alive in refused.stderr
    assert gc("--run-ids", one)["runs"] == 1
    assert gc()["runs"] == 1 and gc()["runs"] == 0
    for run_id in (one, other):
        with pytest.raises(mlflow.MlflowException, match="not found"):
            client.get_run(run_id)
    assert set(stored(server, f"{experiment}/")) == {f"{experiment}/{run}/artifacts/f" for run in (kept, alive)}

    client.delete_model_version("r", "1")
    client.delete_experiment(experiment)
    dry = gc("--dry-run")
    assert (dry["experiments"], dry["runs"], dry["files"], dry["bytes"]) == (1, 2, 2, 2000)
    done = gc("--experiment-ids", experiment)
    assert [done[field] for field in ("experiments", "runs", "files", "bytes")] == [1, 2, 2, 2000]
    assert stored(server, f"{experiment}/") == {}
    assert client.create_experiment("e") != experiment


def test_gc_killed_anywhere_is_finished_by_the_next(private_server, point_at, tmp_path):
    server = private_server()
    client = ours(server, point_at)
    experiment = client.create_experiment("e")
    (tmp_path / "f").write_bytes(b"x" * 300_000)
    runs = [client.create_run(experiment).info.run_id for _ in range(12)]
    for run_id in runs:
        client.log_artifact(run_id, str(tmp_path / "f"))
    client.delete_experiment(experiment)
    url, auth = f"{server.http_url}/api/crannog/v1/gc", server.auth
    code = f"import requests; requests.post({url!r}, json={{}}, auth={auth!r})"
    asking = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(stored(server, f"{experiment}/")) == 12 and time.monotonic() < deadline:
        pass
    server.kill9()
    asking.wait()
    server.start()
    # Rows go last: whatever still has files can still be found by the next collection.
    left = {key.split("/")[1] for key in stored(server, f"{experiment}/")}
    known = {run.info.run_id for run in client.search_runs([experiment], run_view_type=ViewType.ALL)}
    assert left <= known
    server.cli("gc")
    assert stored(server, f"{experiment}/") == {}
    assert client.get_experiment_by_name("e") is None
    assert "no problems found" in server.cli("fsck").stdout


def test_retention_removes_by_itself(private_server, point_at):
    server = private_server(args=["--tracking-deleted-retention", "1ms"])
    client = ours(server, point_at)
    run_id = client.create_run("0").info.run_id
    client.delete_run(run_id)
    # The policy is carried out at every start.
    server.restart()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            client.get_run(run_id)
        except mlflow.MlflowException:
            return
        time.sleep(0.1)
    pytest.fail("the deleted run is still there")


def test_files_that_are_gone_are_told_and_the_other_runs_go_on(private_server, point_at, tmp_path):
    """The source is another Crannog, which asks for credentials as an MLflow server may."""
    first, second = private_server(), private_server()
    client = ours(first, point_at)
    runs = [client.create_run("0").info.run_id for _ in range(2)]
    for at, run_id in enumerate(runs):
        (tmp_path / "f").write_bytes(bytes([at]) * (2 << 20))
        client.log_artifact(run_id, str(tmp_path / "f"))
        if at == 0:
            lost = [path for path in (first.data_dir / "blobs").rglob("*") if path.is_file()]
    assert lost
    for path in lost:
        path.unlink()
    words = ["import", "mlflow", first.http_url, "--json"]
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "CRANNOG_"))}
    refused = second.cli(*words, check=False, env=bare)
    assert refused.returncode == 5
    known = bare | {"MLFLOW_TRACKING_USERNAME": first.user, "MLFLOW_TRACKING_PASSWORD": first.password}
    done = second.cli(*words, check=False, env=known)
    assert done.returncode == 1, done.stderr
    assert [line.split(":")[0] for line in report_of(done)["differences"]] == [f"the files of {runs[0]}"]
    assert files_of(ours(second, point_at), runs[1]) == {"f": 2 << 20}


def test_what_the_source_changed_and_removed_since_is_followed_or_named(private_server, tmp_path_factory, point_at):
    source = Theirs(tmp_path_factory.mktemp("changing")).wait()
    try:
        theirs, server = MlflowClient(source.url, source.url), private_server()
        words = ["import", "mlflow", source.url, "--json"]
        experiment = theirs.create_experiment("old name")
        run = theirs.create_run(experiment, tags={"gone": "1"})
        theirs.create_registered_model("m", tags={"gone": "1"})
        for _ in range(2):
            theirs.create_model_version("m", f"{run.info.artifact_uri}/m", run.info.run_id)
        for alias in ("moved", "removed", "ours"):
            theirs.set_registered_model_alias("m", alias, 1)
        first = report_of(server.cli(*words))
        assert all_alike(first) and first["only_here"] == {}, first
        ours(server, point_at).set_registered_model_alias("m", "ours", 2)

        theirs.rename_experiment(experiment, "new name")
        theirs.delete_tag(run.info.run_id, "gone")
        theirs.delete_registered_model_tag("m", "gone")
        theirs.set_registered_model_alias("m", "moved", 2)
        theirs.delete_registered_model_alias("m", "removed")
        theirs.delete_registered_model_alias("m", "ours")
        later = theirs.create_run(experiment).info.run_id
        second = report_of(server.cli(*words))
        assert all_alike(second), second
        here = ours(server, point_at)
        assert here.get_experiment_by_name("old name") is None
        found = here.search_runs([here.get_experiment_by_name("new name").experiment_id])
        assert {found[0].info.run_id, found[1].info.run_id} == {run.info.run_id, later}
        assert here.get_registered_model("m").aliases == {"moved": "2", "ours": "2"}
        assert second["only_here"]["aliases"] == {"count": 1, "names": ["m@ours"]}
        assert second["only_here"]["tags"]["count"] == 2

        theirs.delete_model_version("m", "2")
        done = server.cli("import", "mlflow", source.url, check=False)
        assert "1 model versions: m/2" in done.stdout, done.stdout
    finally:
        source.stop()
