"""Gradient descent on a straight line, whose path is known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from mlphys.cli import main
from mlphys.config.load import load
from mlphys.schema.document import dump

RATE = 0.0005
CONFIG = {
    "name": "line",
    "data": {"name": "line", "validation": 0, "test": 1},
    "model": {
        "kind": "regressor",
        "layers": [
            {
                "Dense": {
                    "units": 1,
                    "kernel_initializer": {"Constant": {"value": 11.0}},
                    "bias_initializer": {"Constant": {"value": 11.0}},
                }
            }
        ],
    },
    "training": {
        "optimizer": {"SGD": {"learning_rate": RATE}},
        "batch_size": "all",
        "epochs": 200,
        "track": ["parameters"],
    },
}


def test_the_path_on_the_loss_surface_is_the_analytic_one(tmp_path, monkeypatch):
    """(m, b) - (21, 10) shrinks by 1 - rate A in each step, with A = 2/N X^T X the curvature of the mean square."""
    monkeypatch.chdir(tmp_path)
    Path("line.yaml").write_text(dump(CONFIG))
    result = CliRunner().invoke(main, ["train", "line.yaml", "--quiet", "--out", "run"])
    assert result.exit_code == 0, result.output
    x = load(Path("line.yaml")).dataset().train.x[:, 0].astype(np.float64)
    design = np.stack([x, np.ones_like(x)], axis=1)
    shrink = np.eye(2) - RATE * 2 / len(x) * design.T @ design
    with Path("run/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    best = np.array([21, 10])
    away = np.array([11, 11]) - best
    for row in rows:
        # the row's loss is that of the batch, before the step
        np.testing.assert_allclose(float(row["loss"]), ((design @ away) ** 2).mean(), rtol=1e-3)
        away = shrink @ away
        place = [float(row["layers.0.Dense.kernel.0.0"]), float(row["layers.0.Dense.bias.0"])]
        np.testing.assert_allclose(place, best + away, rtol=1e-5)
    assert len(rows) == 200
    assert abs(away[0]) < 0.2  # down the steep side; along the valley it takes thousands of steps
