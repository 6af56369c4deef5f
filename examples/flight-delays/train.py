"""Trains one candidate and logs it, exported to ONNX: `train.py logistic|forest PIPELINE_RUN`."""

import sys
import warnings

from flights import EXPERIMENT, LABEL, NUMBERS, WORDS, as_onnx, read_table

import mlflow
from mlflow.models import infer_signature
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


candidate, pipeline_run = sys.argv[1:]
words = OneHotEncoder(handle_unknown="ignore", min_frequency=50, dtype="float32")

if candidate == "logistic":
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    model = LogisticRegression(warm_start=True)
    steps = ("max_iter", [5] * 8)  # five more iterations at a time
else:
    numbers = SimpleImputer(strategy="median")
    model = RandomForestClassifier(max_depth=14, min_samples_leaf=20, max_samples=0.5, warm_start=True, n_jobs=1, random_state=13)
    steps = ("n_estimators", range(5, 41, 5))  # five more trees at a time

prepare = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)])
train = read_table("flights/train.parquet")
ready, label = prepare.fit_transform(train), train[LABEL]

# Both candidates may make the experiment at the same moment; mlflow's client returns it to the one that
# came second, but forgets to make it active there: so its id is named.
experiment = mlflow.set_experiment(EXPERIMENT).experiment_id
with mlflow.start_run(experiment_id=experiment, run_name=candidate, tags={"candidate": candidate, "pipeline_run": pipeline_run}):
    mlflow.log_params({name: value for name, value in model.get_params().items() if value is not None})
    mlflow.log_params({"rows": len(train), "columns": len(NUMBERS + WORDS), "late_share": round(label.mean(), 4)})

    parameter, values = steps
    for step, value in enumerate(values, start=1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(**{parameter: value}).fit(ready, label)
        loss = log_loss(label, model.predict_proba(ready)[:, 1])
        mlflow.log_metric("train_logloss", loss, step=step)
        print(f"step {step}: train log loss {loss:.4f}", flush=True)

    inputs = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    inputs += [(name, StringTensorType([None, 1])) for name in WORDS]
    both = Pipeline([("prepare", prepare), ("model", model)])
    onnx = to_onnx(both, initial_types=inputs, options={"zipmap": False}, target_opset={"": 18, "ai.onnx.ml": 3})

    example = train.loc[train[NUMBERS].notna().all(axis=1), NUMBERS + WORDS].head(5)
    session = InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    answer = dict(zip(["label", "probabilities"], session.run(["label", "probabilities"], as_onnx(example))))
    info = mlflow.onnx.log_model(
        onnx,
        name="model",
        signature=infer_signature(example, answer),
        input_example=example,
        pip_requirements=["onnxruntime"],
        onnx_execution_providers=["CPUExecutionProvider"],
    )
    print(f"logged {info.model_uri}")
