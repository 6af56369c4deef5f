"""CPU time of one inference call, the engine's beside onnxruntime's, one thread each; then of one request.

    python scripts/bench_serving.py ENGINE_TIME [CRANNOG] [--rounds N] [--only WORD]

ENGINE_TIME is the example `engine-time`, CRANNOG the server (`make bench-serving` builds both). The models are made
here: forests, gradient boosting, networks. Both sides run in turns, N times, and the least time of each counts: on a
busy machine that is the one nearest the truth. onnxruntime is called from Python, which costs it some microseconds.
With CRANNOG, an endpoint is asked over HTTP beside FastAPI with onnxruntime (`bench_endpoint.py`).
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import bench_endpoint
import numpy as np
import onnxruntime
from bench_nets import NETS
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

COLUMNS, BATCHES = 30, (1, 32)
# An image takes long enough without 31 others.
IMAGES = {"resnet18": (1, 4), "mobilenet v2": (1, 4)}
SLICE, SLICES = 0.05, 30


def trees():
    x, y = make_classification(2000, COLUMNS, n_informative=12, random_state=0)
    x = x.astype(np.float32)
    heads = {
        "forest of 100 trees": RandomForestClassifier(100, random_state=0, n_jobs=1),
        "forest of 100, depth 8": RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1),
        "gradient boosting of 100": GradientBoostingClassifier(n_estimators=100, random_state=0),
    }
    for name, head in heads.items():
        head.fit(x, y)
        proto = to_onnx(head, x[:1], options={id(head): {"zipmap": False}}, target_opset={"": 18, "ai.onnx.ml": 3})
        yield name, proto


def onnxruntime_time(model, rows):
    """Microseconds of this thread's CPU a call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    x = np.random.default_rng(1).uniform(-2, 2, [rows, *taken.shape[1:]]).astype(np.float32)
    feed = {taken.name: x}
    best, calls = float("inf"), 0
    start = time.thread_time()
    while time.thread_time() - start < SLICE:
        session.run(None, feed)
        calls += 1
    for _ in range(SLICES):
        start = time.thread_time()
        for _ in range(calls):
            session.run(None, feed)
        best = min(best, (time.thread_time() - start) / calls)
    return best * 1e6


def compare(engine, path, name, model, rounds):
    path.write_bytes(model)
    for rows in IMAGES.get(name, BATCHES):
        ours = theirs = float("inf")
        for _ in range(rounds):
            said = subprocess.run([engine, path, str(rows)], check=True, capture_output=True, text=True)
            ours = min(ours, float(said.stdout))
            theirs = min(theirs, onnxruntime_time(model, rows))
        print(f"{name:28}{rows:>6}{ours:>12.2f}{theirs:>13.2f}{ours / theirs:>8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("crannog", nargs="?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="models whose name has this word")
    asked = parser.parse_args()
    print(f"{'CPU us a call':28}{'rows':>6}{'crannog':>12}{'onnxruntime':>13}{'ratio':>8}")
    made = dict(trees())
    made |= {name: make() for name, make in NETS.items()}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, proto in made.items():
            if asked.only in name:
                compare(asked.engine, folder / "model.onnx", name, proto.SerializeToString(), asked.rounds)
        if asked.crannog:
            bench_endpoint.compare(asked.crannog, folder, made["forest of 100 trees"], made["encoder"])


if __name__ == "__main__":
    main()
