"""Logs a small model of one flavour, loads it back from the server and compares what both answer.

`python flavours.py NAME`, in an environment that has the flavour's library and the client's variables.
"""

import sys

import mlflow
import numpy as np
import pandas as pd

chance = np.random.default_rng(1)
FRAME = pd.DataFrame(chance.normal(size=(120, 4)), columns=list("abcd"))
TARGET = FRAME.a * 2 + FRAME.b
ARRAY = FRAME.to_numpy("float32")
# What the environment has need not be found out and written down.
PLAIN = {"pip_requirements": ["mlflow"]}


def same(info, flavour, model, data, predict="predict", pyfunc=True):
    """Whether the model that was loaded answers like the one that was logged, also as a pyfunc."""
    expected = np.asarray(getattr(model, predict)(data)).ravel()
    loaded = getattr(flavour.load_model(info.model_uri), predict)(data)
    np.testing.assert_allclose(np.asarray(loaded).ravel(), expected, atol=1e-5)
    if pyfunc:
        generic = mlflow.pyfunc.load_model(info.model_uri).predict(data)
        np.testing.assert_allclose(np.asarray(generic).ravel(), expected, atol=1e-5)


def catboost():
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False).fit(FRAME, TARGET)
    same(mlflow.catboost.log_model(model, name="model", **PLAIN), mlflow.catboost, model, FRAME)


def statsmodels():
    import statsmodels.api as sm

    model = sm.OLS(TARGET, FRAME).fit()
    same(mlflow.statsmodels.log_model(model, name="model", **PLAIN), mlflow.statsmodels, model, FRAME)


def prophet():
    from prophet import Prophet

    days = np.arange(60)
    past = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": np.sin(days / 5) + days / 30})
    model = Prophet(weekly_seasonality=False, yearly_seasonality=False, daily_seasonality=False).fit(past)
    info = mlflow.prophet.log_model(model, name="model", **PLAIN)
    future = model.make_future_dataframe(5)
    expected = model.predict(future).yhat
    np.testing.assert_allclose(mlflow.prophet.load_model(info.model_uri).predict(future).yhat, expected)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(info.model_uri).predict(future).yhat, expected)


def pmdarima():
    import pmdarima

    model = pmdarima.ARIMA(order=(1, 0, 0)).fit(TARGET.values)
    same(mlflow.pmdarima.log_model(model, name="model", **PLAIN), mlflow.pmdarima, model, 5, pyfunc=False)


def spacy():
    import spacy

    model = spacy.blank("en")
    for label in ["A", "B"]:
        (model.get_pipe("textcat") if label == "B" else model.add_pipe("textcat")).add_label(label)
    model.initialize()
    info = mlflow.spacy.log_model(model, name="model", **PLAIN)
    loaded, expected = mlflow.spacy.load_model(info.model_uri)("some text").cats, model("some text").cats
    assert loaded.keys() == expected.keys()
    np.testing.assert_allclose(list(loaded.values()), list(expected.values()), atol=1e-6)


def shap():
    import shap
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(5, random_state=0).fit(FRAME, TARGET)
    explainer = shap.Explainer(model.predict, FRAME, algorithm="permutation")
    with mlflow.start_run():
        info = mlflow.shap.log_explainer(explainer, name="model", serialize_model_using_mlflow=False, **PLAIN)
    explained = mlflow.shap.load_explainer(info.model_uri)(FRAME[:3])
    np.testing.assert_allclose(explained.values.sum(1) + explained.base_values, model.predict(FRAME[:3]), atol=1e-6)


def pytorch():
    """A module of PyTorch Lightning that is trained: what autologging writes down, epoch by epoch."""
    import lightning
    import torch
    from mlflow import MlflowClient

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x):
            return self.layer(x)

        def training_step(self, batch, _):
            loss = torch.nn.functional.mse_loss(self(batch[0]).squeeze(1), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch, _):
            self.log("val_loss", torch.nn.functional.mse_loss(self(batch[0]).squeeze(1), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.05)

    epochs, x, y = 3, torch.from_numpy(ARRAY), torch.from_numpy(TARGET.to_numpy("float32"))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=30)
    mlflow.pytorch.autolog(checkpoint_monitor="val_loss", checkpoint_save_best_only=False)
    model = Module()
    with mlflow.start_run() as run:
        trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False)
        trainer.fit(model, loader, loader)
    client, run_id = MlflowClient(), run.info.run_id
    found = client.get_run(run_id)
    assert found.data.params["epochs"] == str(epochs) and found.data.params["optimizer_name"] == "SGD", found.data.params
    assert found.data.params["lr"] == "0.05", found.data.params
    for key in ["train_loss", "val_loss"]:
        points = sorted((point.step, point.value) for point in client.get_metric_history(run_id, key))
        assert [step for step, _ in points] == list(range(epochs)), (key, points)
        assert points[0][1] > points[-1][1] == found.data.metrics[key], (key, points)
    np.testing.assert_allclose(found.data.metrics["val_loss"], trainer.callback_metrics["val_loss"].item(), rtol=1e-6)
    paths = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"model_summary.txt", "checkpoints"} <= paths, paths
    checkpoints = [entry.path for entry in client.list_artifacts(run_id, "checkpoints")]
    assert len(checkpoints) == epochs, checkpoints
    expected = model(x).detach().numpy()
    [output] = found.outputs.model_outputs
    loaded = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    np.testing.assert_allclose(loaded(x).detach().numpy(), expected)
    generic = mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(ARRAY)
    np.testing.assert_allclose(generic, expected, atol=1e-6)
    last = mlflow.pytorch.load_checkpoint(Module, run_id, epoch=epochs - 1)
    np.testing.assert_allclose(last(x).detach().numpy(), expected)


def network(keras, flavour):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    signature = mlflow.models.infer_signature(ARRAY, model.predict(ARRAY, verbose=0))
    same(flavour.log_model(model, name="model", signature=signature, **PLAIN), flavour, model, ARRAY)


def tensorflow():
    import tensorflow

    network(tensorflow.keras, mlflow.tensorflow)


def keras():
    import keras

    network(keras, mlflow.keras)


def paddle():
    import paddle

    class Net(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.linear = paddle.nn.Linear(4, 1)

        @paddle.jit.to_static(input_spec=[paddle.static.InputSpec([None, 4], "float32")])
        def forward(self, x):
            return self.linear(x)

    model, data = Net(), paddle.to_tensor(ARRAY)
    info = mlflow.paddle.log_model(model, name="model", **PLAIN)
    np.testing.assert_allclose(mlflow.paddle.load_model(info.model_uri)(data).numpy(), model(data).numpy(), atol=1e-5)


def h2o():
    import h2o
    from h2o.estimators import H2OGradientBoostingEstimator

    h2o.init(max_mem_size="400m", nthreads=1)
    frame = h2o.H2OFrame(FRAME.assign(y=TARGET))
    model = H2OGradientBoostingEstimator(ntrees=3)
    model.train(y="y", training_frame=frame)
    info = mlflow.h2o.log_model(model, name="model", **PLAIN)
    loaded = mlflow.h2o.load_model(info.model_uri).predict(frame).as_data_frame().values
    np.testing.assert_allclose(loaded, model.predict(frame).as_data_frame().values)
    h2o.cluster().shutdown()


def spark():
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.driver.memory", "600m")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    data = session.createDataFrame(FRAME.assign(label=TARGET))
    stages = [VectorAssembler(inputCols=list("abcd"), outputCol="features"), LinearRegression()]
    model = Pipeline(stages=stages).fit(data)
    info = mlflow.spark.log_model(model, artifact_path="model", **PLAIN)
    loaded = mlflow.spark.load_model(info.model_uri).transform(data).toPandas().prediction
    np.testing.assert_allclose(loaded, model.transform(data).toPandas().prediction)
    session.stop()


if __name__ == "__main__":
    mlflow.set_experiment("flavours")
    globals()[sys.argv[1]]()
    print("came back:", sys.argv[1])
