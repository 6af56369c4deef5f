"""Moves alias `production` to the challenger while requests flow, and counts who answered.

Ends with 1 if a request failed or the new version never answered.
"""

import sys
import time
from collections import Counter
from threading import Event, Thread

from flights import ENDPOINT, MODEL, NUMBERS, WORDS, crannog, read_table, url

import mlflow

THREADS = 4
ENOUGH = 200  # answers from each version


def tensors(rows) -> dict:
    """Complete rows in the Open Inference Protocol: its answers name the version that gave them."""
    number, word = {"shape": [len(rows), 1], "datatype": "FP32"}, {"shape": [len(rows), 1], "datatype": "BYTES"}
    inputs = [{"name": name, **number, "data": rows[name].tolist()} for name in NUMBERS]
    inputs += [{"name": name, **word, "data": rows[name].tolist()} for name in WORDS]
    return {"inputs": inputs}


def ask(body: dict, answers: Counter, failures: list, stop: Event):
    session = crannog()
    while not stop.is_set():
        try:
            answer = session.post(url(f"/v2/models/{ENDPOINT}/infer"), json=body, timeout=30)
            answer.raise_for_status()
            answers[str(answer.json()["model_version"])] += 1
        except Exception as error:
            failures.append(repr(error))


def wait_for(version: str, answers: Counter, failures: list):
    deadline = time.monotonic() + 60
    while answers[version] < ENOUGH and time.monotonic() < deadline and len(failures) < 100:
        time.sleep(0.01)


client = mlflow.MlflowClient()
before = str(client.get_model_version_by_alias(MODEL, "production").version)
after = str(client.get_model_version_by_alias(MODEL, "challenger").version)
rows = read_table("flights/heldout.parquet").dropna().head(10)

answers, failures, stop = Counter(), [], Event()
threads = [Thread(target=ask, args=(tensors(rows), answers, failures, stop)) for _ in range(THREADS)]
for thread in threads:
    thread.start()
try:
    wait_for(before, answers, failures)
    client.set_registered_model_alias(MODEL, "production", after)
    client.set_registered_model_alias(MODEL, "challenger", before)
    wait_for(after, answers, failures)
finally:
    stop.set()
    for thread in threads:
        thread.join()

for version, count in sorted(answers.items(), key=lambda pair: int(pair[0])):
    print(f"version {version} answered {count:,} requests")
print(f"{len(failures)} failed" + "".join(f"\n  {failure}" for failure in failures[:5]))
sys.exit(1 if failures or answers[after] == 0 else 0)
