"""Registers both candidates; `production` is the better one, `challenger` the other."""

import sys

from flights import MODEL, candidate_runs

import mlflow

client = mlflow.MlflowClient()
runs = candidate_runs(client, sys.argv[1])
best_first = sorted(runs.values(), key=lambda run: run.data.metrics["auc"], reverse=True)

for run, alias in zip(best_first, ["production", "challenger"]):
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", MODEL, tags=run.data.tags)
    client.set_registered_model_alias(MODEL, alias, version.version)
    print(f"{MODEL}@{alias} is version {version.version}, {run.info.run_name}, AUC {run.data.metrics['auc']:.4f}")
