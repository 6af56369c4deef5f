"""CPU time of explaining 1,000 rows against 100 background rows, the engine's beside shap's.

    python scripts/bench_explain.py ENGINE_TIME [ROUNDS]

ENGINE_TIME is the example of that name (`make bench-explain` builds it). shap's TreeExplainer runs in this
process, interventional, on the model as it was trained; the engine runs on its ONNX file. Both in turns,
ROUNDS times, the least CPU time of each.
"""

import os

os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")

import pathlib  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402
import shap  # noqa: E402
from skl2onnx import to_onnx  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor  # noqa: E402

COLUMNS, ROWS, BACKGROUND = 30, 1000, 100


def models():
    x, y = make_classification(2000, COLUMNS, n_informative=12, random_state=0)
    x = x.astype(np.float32)
    for name, head in {
        "gradient boosting of 100": GradientBoostingClassifier(n_estimators=100, random_state=0),
        "forest of 100, depth 8": RandomForestClassifier(100, max_depth=8, random_state=0, n_jobs=1),
        "forest of 100 trees": RandomForestClassifier(100, random_state=0, n_jobs=1),
        "regression, 100 trees": RandomForestRegressor(100, random_state=0, n_jobs=1),
    }.items():
        head.fit(x, y)
        options = {id(head): {"zipmap": False}} if hasattr(head, "classes_") else None
        proto = to_onnx(head, x[:1], options=options, target_opset={"": 18, "ai.onnx.ml": 3})
        yield name, head, proto.SerializeToString()


def shap_time(head):
    random = np.random.default_rng(1)
    rows = random.uniform(-2, 2, (ROWS, COLUMNS)).astype(np.float32)
    background = random.uniform(-2, 2, (BACKGROUND, COLUMNS)).astype(np.float32)
    explainer = shap.TreeExplainer(head, data=background, feature_perturbation="interventional", model_output="raw")
    start = time.process_time()
    explainer.shap_values(rows, check_additivity=False)
    return time.process_time() - start


def main():
    engine, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    print(f"{'CPU s, 1,000 rows':28}{'crannog':>10}{'shap':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        for name, head, model in models():
            path.write_bytes(model)
            ours = theirs = float("inf")
            for _ in range(rounds):
                command = [engine, path, str(ROWS), str(BACKGROUND)]
                said = subprocess.run(command, check=True, capture_output=True, text=True)
                ours = min(ours, float(said.stdout) / 1e6)
                theirs = min(theirs, shap_time(head))
            print(f"{name:28}{ours:>10.3f}{theirs:>10.3f}{ours / theirs:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
