from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.plots.stages import Stages
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, written


def stacked(path: Path) -> Run:
    """Stage 1 keeps the first three pixels and makes them half as large; stage 2 gives zeros back as its code."""
    keep = np.eye(9, 3)
    weights = {
        "stages.0.encoder.0.Dense.kernel": keep, "stages.0.decoder.0.Dense.kernel": keep.T / 2,
        "stages.1.encoder.0.Dense.kernel": np.zeros((3, 2)), "stages.1.decoder.0.Dense.kernel": np.ones((2, 3)),
        "stages.0.decoder.0.Dense.bias": np.full(9, 0.25),
    }  # fmt: skip
    shapes = written(path / "shapes", ASKED["stages"]).loaded.weight_shapes()
    assert weights.keys() <= shapes.keys()
    return written(path / "1", ASKED["stages"], [weights.get(name, np.zeros(shape)) for name, shape in shapes.items()])


def test_below_the_input_stands_what_the_first_stage_and_what_both_make_of_it(tmp_path: Path):
    run = stacked(tmp_path)
    (picture,) = Stages().draw(run)
    table = {name: np.array(column) for name, column in picture.table.items()}
    rows = [table["value"][table["stages"] == i].reshape(10, 9) for i in range(3)]
    x = run.dataset().validation.x.reshape(10, 9)
    assert rows[0] == pytest.approx(x)
    assert rows[1] == pytest.approx(x * np.array([0.5] * 3 + [0] * 6) + 0.25)
    assert rows[2] == pytest.approx(np.full((10, 9), 0.25))


def test_each_row_has_its_error_over_all_samples_and_that_of_pca(tmp_path: Path):
    run = stacked(tmp_path)
    (picture,) = Stages().draw(run)
    dataset = run.dataset()
    x, train = (split.x.reshape(len(split), 9).astype(float) for split in (dataset.validation, dataset.train))
    table = {name: np.array(column) for name, column in picture.table.items()}
    error = table["mse"][table["stages"] == 2][0]
    assert float(error) == pytest.approx(((x - 0.25) ** 2).mean())
    vectors = np.linalg.svd(train - train.mean(axis=0))[2][:2]
    lost = (x - train.mean(axis=0)) @ (np.eye(9) - vectors.T @ vectors)
    labels = [axes.get_ylabel().splitlines() for axes in picture.figure.axes[::10]]
    assert [lines[0] for lines in labels] == ["input", "through stage 1", "through 1 to 2"]
    assert labels[2][2].startswith("PCA-2 ")
    assert float(labels[2][2].split()[1]) == pytest.approx((lost**2).mean(), rel=1e-3)
