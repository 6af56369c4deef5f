"""Scores both candidates on the held-out months: `evaluate.py PIPELINE_RUN`."""

import sys

from flights import LABEL, as_onnx, candidate_runs, read_table

import mlflow
from onnxruntime import InferenceSession
from sklearn.metrics import log_loss, roc_auc_score

heldout = read_table("flights/heldout.parquet")
client = mlflow.MlflowClient()

for candidate, run in candidate_runs(client, sys.argv[1]).items():
    onnx = mlflow.onnx.load_model(f"runs:/{run.info.run_id}/model")
    session = InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    late = session.run(["probabilities"], as_onnx(heldout))[0][:, 1]

    auc, logloss = roc_auc_score(heldout[LABEL], late), log_loss(heldout[LABEL], late)
    with mlflow.start_run(run.info.run_id):
        mlflow.log_metrics({"auc": auc, "logloss": logloss})
        for month in sorted(heldout.month.unique()):
            rows = (heldout.month == month).to_numpy()
            mlflow.log_metric("auc_of_month", roc_auc_score(heldout[LABEL][rows], late[rows]), step=int(month))
    print(f"{candidate}: held-out AUC {auc:.4f}, log loss {logloss:.4f} on {len(heldout):,} flights")
