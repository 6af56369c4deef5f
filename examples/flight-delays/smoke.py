"""Sends held-out flights to the endpoint and checks every answer against onnxruntime."""

from flights import ENDPOINT, MODEL, NUMBERS, WORDS, as_json, as_onnx, crannog, read_table, url

import mlflow
import numpy as np
from onnxruntime import InferenceSession

rows = read_table("flights/heldout.parquet")[NUMBERS + WORDS]
rows = rows.sample(min(len(rows), 1000), random_state=13)  # some lack a reading of the weather

answer = crannog().post(url(f"/endpoints/{ENDPOINT}/invocations"), json=as_json(rows))
if not answer.ok:
    raise SystemExit(f"{answer.status_code}: {answer.text}")
served = answer.json()["predictions"]

onnx = mlflow.onnx.load_model(f"models:/{MODEL}@production")
session = InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
label, probabilities = session.run(["label", "probabilities"], as_onnx(rows))

assert [row["label"] for row in served] == label.tolist(), "a label differs from onnxruntime's"
apart = np.abs(np.array([row["probabilities"] for row in served]) - probabilities).max()
assert apart <= 1e-5, f"a probability is {apart} away from onnxruntime's"
print(f"{len(rows):,} flights: labels equal onnxruntime's, probabilities within {apart:.1e}")
