"""What people's training code does without knowing the server: autologging, model flavours, evaluation, the mlflow
command line, and eight processes that log at once."""

import json
import os
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import eventually
from mlflow.cli import cli

WRITER = """
import sys, mlflow
run_id, who = sys.argv[1], int(sys.argv[2])
client = mlflow.MlflowClient()
for step in range(25):
    client.log_metric(run_id, f"loss-{who}", 1 / (step + 1), step=step)
    client.log_metric(run_id, "shared", who, timestamp=1_000 + step, step=step)
client.log_param(run_id, f"param-{who}", who)
client.set_tag(run_id, f"tag-{who}", "x" * 100)
client.log_text(run_id, f"from {who}", f"notes/{who}.txt")
"""


@pytest.fixture
def experiment(mlflow_client, request):
    name = f"{request.node.name}-{os.urandom(4).hex()}"
    return mlflow.set_experiment(name).experiment_id


@pytest.fixture(scope="module")
def table():
    chance = np.random.default_rng(7)
    frame = pd.DataFrame(chance.normal(size=(200, 4)), columns=list("abcd"))
    return frame, (frame["a"] + frame["b"] > 0).astype(int)


@pytest.fixture
def autolog():
    """Turns a flavour's autologging on, and off again when the test is over."""
    flavours = []

    def on(flavour, **options):
        flavours.append(flavour)
        flavour.autolog(silent=True, **options)

    yield on
    for flavour in flavours:
        flavour.autolog(disable=True)


def the_model(client, run_id, frame):
    """The one model a run gave out, loaded back from the server."""
    (output,) = client.get_run(run_id).outputs.model_outputs
    return mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(frame)


def test_a_grid_search_logs_a_run_with_children(mlflow_client, experiment, autolog, table):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    frame, labels = table
    autolog(mlflow.sklearn, max_tuning_runs=None)
    with mlflow.start_run() as run:
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(frame, labels)
    parent = mlflow_client.get_run(run.info.run_id)
    assert parent.data.params["best_C"] == str(search.best_params_["C"])
    assert parent.data.metrics["best_cv_score"] == pytest.approx(search.best_score_)
    filter_string = f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    children = mlflow_client.search_runs([experiment], filter_string)
    assert sorted(child.data.params["C"] for child in children) == ["0.1", "1.0", "10.0"]
    assert all("mean_test_score" in child.data.metrics for child in children)


def test_xgboost_logs_every_round(mlflow_client, experiment, autolog, table):
    import xgboost

    frame, labels = table
    autolog(mlflow.xgboost)
    data = xgboost.DMatrix(frame, labels)
    with mlflow.start_run() as run:
        model = xgboost.train({"objective": "binary:logistic", "max_depth": 2}, data, 12, evals=[(data, "train")])
    logged = mlflow_client.get_run(run.info.run_id)
    assert logged.data.params["max_depth"] == "2"
    assert len(mlflow_client.get_metric_history(run.info.run_id, "train-logloss")) == 12
    assert "feature_importance_weight.json" in {file.path for file in mlflow_client.list_artifacts(run.info.run_id)}
    assert the_model(mlflow_client, run.info.run_id, frame) == pytest.approx(model.predict(data))


def test_lightgbm_logs_every_round(mlflow_client, experiment, autolog, table):
    import lightgbm

    frame, labels = table
    autolog(mlflow.lightgbm)
    data = lightgbm.Dataset(frame, labels)
    options = {"objective": "binary", "num_leaves": 4, "verbose": -1}
    with mlflow.start_run() as run:
        model = lightgbm.train(options, data, 9, valid_sets=[data], valid_names=["train"])
    logged = mlflow_client.get_run(run.info.run_id)
    assert logged.data.params["num_leaves"] == "4"
    assert len(mlflow_client.get_metric_history(run.info.run_id, "train-binary_logloss")) == 9
    assert the_model(mlflow_client, run.info.run_id, frame) == pytest.approx(model.predict(frame))


class Doubles(mlflow.pyfunc.PythonModel):
    """A model that is nothing but code."""

    def predict(self, context, model_input, params=None):
        return model_input * 2


def onnx_model(frame, labels):
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression

    return to_onnx(LinearRegression().fit(frame, labels), frame.to_numpy("float32")[:1], target_opset=18)


def test_models_of_every_flavour_come_back(mlflow_client, experiment, table):
    import lightgbm
    import xgboost
    from sklearn.ensemble import RandomForestRegressor

    frame, labels = table
    forest = RandomForestRegressor(5, random_state=1).fit(frame, labels)
    boosted = xgboost.XGBRegressor(n_estimators=3).fit(frame, labels)
    light = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(frame, labels)
    plain = {"pip_requirements": ["mlflow"]}
    with mlflow.start_run():
        infos = [
            (mlflow.sklearn.log_model(forest, name="forest", serialization_format="cloudpickle", **plain), forest),
            (mlflow.xgboost.log_model(boosted, name="boosted", **plain), boosted),
            (mlflow.lightgbm.log_model(light, name="light", **plain), light),
        ]
        doubles = mlflow.pyfunc.log_model(name="doubles", python_model=Doubles(), **plain)
        graph = mlflow.onnx.log_model(onnx_model(frame, labels), name="graph", **plain)
    for info, model in infos:
        loaded = mlflow.pyfunc.load_model(info.model_uri)
        assert loaded.predict(frame) == pytest.approx(model.predict(frame)), info.name
    assert (mlflow.pyfunc.load_model(doubles.model_uri).predict(frame) == frame * 2).all().all()
    predicted = mlflow.pyfunc.load_model(graph.model_uri).predict(frame.to_numpy("float32"))
    assert len(predicted["variable"]) == len(frame)


def test_evaluation_logs_metrics_and_pictures(mlflow_client, experiment, table):
    from sklearn.linear_model import LogisticRegression

    frame, labels = table
    data = frame.assign(label=labels)
    model = LogisticRegression().fit(frame, labels)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", pip_requirements=["mlflow"])
        found = mlflow.models.evaluate(
            info.model_uri,
            data,
            targets="label",
            model_type="classifier",
            evaluator_config={"log_explainer": False, "log_model_explainability": False},
        )
    assert found.metrics["accuracy_score"] == pytest.approx(model.score(frame, labels))
    logged = mlflow_client.get_run(run.info.run_id)
    assert logged.data.metrics["roc_auc"] == pytest.approx(found.metrics["roc_auc"])
    files = {file.path for file in mlflow_client.list_artifacts(run.info.run_id)}
    assert {"confusion_matrix.png", "roc_curve_plot.png"} <= files
    assert mlflow.get_logged_model(info.model_id).metrics


def test_system_metrics_arrive_while_a_run_is_open(mlflow_client, experiment):
    mlflow.set_system_metrics_sampling_interval(0.2)
    try:
        with mlflow.start_run(log_system_metrics=True) as run:

            def sampled():
                return "system/cpu_utilization_percentage" in mlflow_client.get_run(run.info.run_id).data.metrics

            eventually(sampled, what="a sample of the system's metrics")
    finally:
        mlflow.set_system_metrics_sampling_interval(None)


def mlflow_cli(*args) -> str:
    """The command line in this process: as a program each call would spend seconds on imports."""
    done = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_mlflow_command_line(mlflow_client, tmp_path):
    name = f"cli-{os.urandom(4).hex()}"
    mlflow_cli("experiments", "create", "-n", name)
    experiment = mlflow_client.get_experiment_by_name(name).experiment_id
    assert name in mlflow_cli("experiments", "search")
    mlflow_cli("experiments", "rename", "-x", experiment, "--new-name", name + "-new")
    run_id = mlflow_client.create_run(experiment, run_name="by hand").info.run_id
    mlflow_client.log_param(run_id, "depth", 3)
    assert "by hand" in mlflow_cli("runs", "list", "--experiment-id", experiment)
    described = json.loads(mlflow_cli("runs", "describe", "--run-id", run_id))
    assert described["data"]["params"] == {"depth": "3"}

    (tmp_path / "note.txt").write_text("a note")
    mlflow_cli("artifacts", "log-artifact", "-l", str(tmp_path / "note.txt"), "-r", run_id)
    (listed,) = json.loads(mlflow_cli("artifacts", "list", "-r", run_id))
    assert (listed["path"], int(listed["file_size"])) == ("note.txt", 6)
    mlflow_cli("artifacts", "download", "-r", run_id, "-a", "note.txt", "-d", str(tmp_path / "back"))
    assert (tmp_path / "back" / "note.txt").read_text() == "a note"

    mlflow_cli("runs", "delete", "--run-id", run_id)
    assert mlflow_client.get_run(run_id).info.lifecycle_stage == "deleted"
    mlflow_cli("runs", "restore", "--run-id", run_id)
    mlflow_cli("experiments", "csv", "-x", experiment, "-o", str(tmp_path / "runs.csv"))
    assert pd.read_csv(tmp_path / "runs.csv")["run_id"].tolist() == [run_id]
    mlflow_cli("experiments", "delete", "-x", experiment)
    mlflow_cli("experiments", "restore", "-x", experiment)
    assert mlflow_client.get_experiment(experiment).name == name + "-new"


def test_eight_processes_log_into_one_run(server, mlflow_client, experiment):
    run_id = mlflow_client.create_run(experiment).info.run_id
    env = os.environ | server.env()
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, run_id, str(who)], env=env) for who in range(8)]
    assert [writer.wait(180) for writer in writers] == [0] * 8
    run = mlflow_client.get_run(run_id)
    for who in range(8):
        history = mlflow_client.get_metric_history(run_id, f"loss-{who}")
        assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(range(25))
        assert run.data.params[f"param-{who}"] == str(who)
        assert run.data.tags[f"tag-{who}"] == "x" * 100
    shared = mlflow_client.get_metric_history(run_id, "shared")
    assert sorted((point.step, point.value) for point in shared) == [(s, w) for s in range(25) for w in range(8)]
    assert len(mlflow_client.list_artifacts(run_id, "notes")) == 8
