"""CPU time of one inference call, the engine's beside onnxruntime's, one thread each.

    python scripts/bench_serving.py ENGINE_TIME [ROUNDS]

ENGINE_TIME is the example of that name (`make bench-serving` builds it). The models are made here: a
forest of 100 trees grown to the end, one of shallow trees, gradient boosting. Both sides run in turns,
ROUNDS times, and the least time of each counts: on a busy machine that is the one nearest the truth.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

COLUMNS, BATCHES = 30, (1, 32)
SLICE = 0.05


def models():
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
        yield name, proto.SerializeToString()


def onnxruntime_time(model, rows):
    """Microseconds of this thread's CPU a call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).uniform(-2, 2, (rows, COLUMNS)).astype(np.float32)
    feed = {session.get_inputs()[0].name: x}
    best, calls = float("inf"), 0
    start = time.thread_time()
    while time.thread_time() - start < SLICE:
        session.run(None, feed)
        calls += 1
    for _ in range(30):
        start = time.thread_time()
        for _ in range(calls):
            session.run(None, feed)
        best = min(best, (time.thread_time() - start) / calls)
    return best * 1e6


def main():
    engine, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"{'CPU us a call':28}{'rows':>6}{'crannog':>10}{'onnxruntime':>13}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        for name, model in models():
            path.write_bytes(model)
            for rows in BATCHES:
                ours = theirs = float("inf")
                for _ in range(rounds):
                    said = subprocess.run([engine, path, str(rows)], check=True, capture_output=True, text=True)
                    ours = min(ours, float(said.stdout))
                    theirs = min(theirs, onnxruntime_time(model, rows))
                print(f"{name:28}{rows:>6}{ours:>10.2f}{theirs:>13.2f}{ours / theirs:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
