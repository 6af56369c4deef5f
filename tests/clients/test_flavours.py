"""Models of the flavours that are too large for the environment of the other tests; scikit-learn, XGBoost,
LightGBM, ONNX and plain Python are in test_autolog.py."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

# `scripts/setup.sh flavours` puts it here.
PYTHON = Path(__file__).resolve().parents[2] / ".venv/flavours/bin/python"
SCRIPT = Path(__file__).with_name("flavours.py")
FLAVOURS = ["catboost", "h2o", "keras", "paddle", "pmdarima", "prophet", "pytorch", "shap", "spacy", "spark", "statsmodels", "tensorflow"]


def test_every_flavour_here_is_one_of_the_client():
    for flavour in FLAVOURS:
        assert importlib.util.find_spec(f"mlflow.{flavour}") is not None


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_model_comes_back_as_it_was_logged(server, tmp_path, flavour):
    python = os.environ.get("FLAVOURS_PYTHON") or str(PYTHON)
    if not Path(python).exists():
        pytest.skip("scripts/setup.sh flavours makes their environment, of 8 GB")
    env = os.environ | server.env()
    done = subprocess.run([python, str(SCRIPT), flavour], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert f"came back: {flavour}" in done.stdout, done.stderr[-4000:]
