"""The best linear autoencoder is PCA (Baldi & Hornik 1989)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.linalg import subspace_angles

from mlphys.cli import main
from mlphys.numerics import pca
from mlphys.runs.run import Run
from mlphys.schema.document import dump

STEPS = 3000
CONFIG = {
    "name": "linear",
    "data": {"name": "digits", "train": 400, "validation": 200, "test": 200, "preprocess": ["subtract_mean"]},
    "model": {"kind": "autoencoder", "encoder": [{"Dense": {"units": 5}}], "decoder": "mirror"},
    "training": {
        "optimizer": {
            "Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.02, "decay_steps": STEPS}}}
        },
        "batch_size": "all",
        "steps_per_epoch": STEPS // 20,
        "epochs": 20,
    },
}


def test_a_linear_autoencoder_ends_in_the_subspace_of_the_principal_components(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("linear.yaml").write_text(dump(CONFIG))
    result = CliRunner().invoke(main, ["train", "linear.yaml", "--quiet", "--out", "run"])
    assert result.exit_code == 0, result.output
    run = Run(Path("run"))
    train = run.preprocessing.apply(run.dataset().train.x).reshape(400, 64)
    known = pca.fit(train, 5)
    decoder = run.weights["decoder.0.Dense.kernel"].astype(np.float64)
    assert subspace_angles(decoder.T, known.vectors.T).max() < 0.01
    best = (known.total - known.variances.sum()) / 64
    assert run.history[-1]["mse"] == pytest.approx(best, rel=0.01)
    assert run.history[-1]["mse"] > best * (1 - 1e-4)
    assert run.metrics["validation"]["mse"] == pytest.approx(run.metrics["validation"]["pca_mse"], rel=0.01)
    result = CliRunner().invoke(main, ["analyze", "run", "--only", "pca_comparison"])
    assert result.exit_code == 0, result.output
    found = json.loads(Path("run/analysis/pca_comparison.json").read_text())
    assert max(found["angles"]["decoder"] + found["angles"]["encoder"]) < 1e-3
    assert found["mse"] == pytest.approx(found["pca_mse"][4], rel=1e-3)
