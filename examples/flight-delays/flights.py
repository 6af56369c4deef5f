"""What the tasks share: the columns, and where the tables and the API are."""

import io
import os

# mlflow tries a table of strings on its own ONNX wrapper, which cannot take one, and says so at length.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")

import boto3
import pandas as pd
import requests

BUCKET = "datasets"
EXPERIMENT = "flight-delays"
MODEL = "flight-delay"
ENDPOINT = "flight-delay"
CANDIDATES = ("logistic", "forest")

# Only what is known before the aircraft leaves.
NUMBERS = [
    "sched_hour", "sched_minute", "sched_arr_hour", "weekday", "distance",
    "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib",
    "plane_age", "seats",
]  # fmt: skip
WORDS = ["carrier", "origin", "dest", "manufacturer", "engine"]
LABEL = "late"


def write_table(table: pd.DataFrame, key: str):
    body = io.BytesIO()
    table.to_parquet(body, index=False)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body.getvalue())
    print(f"s3://{BUCKET}/{key}: {len(table):,} rows, {body.tell():,} bytes")


def read_table(key: str) -> pd.DataFrame:
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return pd.read_parquet(io.BytesIO(body))


def crannog() -> requests.Session:
    """A session for Crannog's own API and its endpoints, signed in by the environment."""
    session = requests.Session()
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    else:
        session.auth = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    return session


def url(path: str) -> str:
    return os.environ["MLFLOW_TRACKING_URI"].rstrip("/") + path


def as_json(rows: pd.DataFrame) -> dict:
    """The rows as MLflow's scoring protocol wants them; a missing number is null."""
    split = rows.astype(object).where(rows.notna(), None)
    return {"dataframe_split": {"columns": list(split.columns), "data": split.values.tolist()}}


def as_onnx(rows: pd.DataFrame) -> dict:
    """The rows as the ONNX models take them: one input of shape (rows, 1) per column."""
    numbers = {name: rows[[name]].to_numpy("float32") for name in NUMBERS}
    return numbers | {name: rows[[name]].to_numpy(object) for name in WORDS}


def candidate_runs(client, pipeline_run: str) -> dict:
    """The MLflow runs this run of the pipeline trained, by candidate."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], f"tags.pipeline_run = '{pipeline_run}'")
    # A retried task leaves its failed attempt behind; the newest run comes first and is the one that counts.
    newest = {run.data.tags["candidate"]: run for run in reversed(runs) if run.info.status == "FINISHED"}
    return {name: newest[name] for name in CANDIDATES}
