from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.plots import reconstructions_by_code_size as by_code_size
from tests.plots.runs import CODED, measured, written

PCA = """
    data: {name: circles, size: 3, samples: 30, train: 20, validation: 10, test: 0}
    model: {kind: pca, components: 5}
"""


def errors(picture: Any) -> dict[tuple[str, int | None], float | None]:
    table = picture.table
    return {(by, size): mse for by, size, mse in zip(table["by"], table["code_size"], table["mse"], strict=True)}


def components(run: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Validation samples, the mean of the training samples and their principal components."""
    dataset = run.dataset()
    x, train = (split.x.reshape(len(split), 9).astype(float) for split in (dataset.validation, dataset.train))
    return x, train.mean(axis=0), np.linalg.svd(train - train.mean(axis=0))[2]


def test_of_a_pca_run_powers_of_two_and_all_its_components_are_drawn_with_their_errors(tmp_path: Path):
    shapes = written(tmp_path / "shapes", PCA)
    x, mean, vectors = components(shapes)
    run = measured(written(tmp_path / "1", PCA, [mean, vectors[:5], np.ones(9)]))
    (picture,) = by_code_size.ReconstructionsByCodeSize().draw(run)
    found = errors(picture)
    assert list(found) == [("input", None), *(("pca", k) for k in (1, 2, 4, 5))]
    for k in (1, 2, 4, 5):
        lost = (x - mean) @ (np.eye(9) - vectors[:k].T @ vectors[:k])
        assert found["pca", k] == pytest.approx((lost**2).mean(), rel=1e-4)
    assert found["pca", 5] == pytest.approx(run.metrics["validation"]["mse"], rel=1e-4)


def test_the_images_are_the_projections(tmp_path: Path):
    run = measured(written(tmp_path, CODED))
    x, mean, vectors = components(run)
    (picture,) = by_code_size.ReconstructionsByCodeSize().draw(run)
    table = {name: np.array(column, dtype=object) for name, column in picture.table.items()}
    drawn = table["value"][(table["by"] == "pca") & (table["code_size"] == 2)].reshape(10, 9).astype(float)
    assert drawn == pytest.approx((x - mean) @ vectors[:2].T @ vectors[:2] + mean, abs=1e-5)


def test_an_autoencoder_stands_below_pca_up_to_its_own_code_size(tmp_path: Path):
    run = measured(written(tmp_path, CODED))
    (picture,) = by_code_size.ReconstructionsByCodeSize().draw(run)
    found = errors(picture)
    assert list(found) == [("input", None), ("pca", 1), ("pca", 2), ("net", 2)]
    assert found["net", 2] == pytest.approx(run.metrics["validation"]["mse"])
    assert found["pca", 2] == pytest.approx(run.metrics["validation"]["pca_mse"])
    labels = [axes.get_ylabel().splitlines()[0] for axes in picture.figure.axes[::10]]
    assert labels == ["input", "PCA-1", "PCA-2", "the net, code 2"]


def test_pca_goes_no_further_than_where_it_loses_something(tmp_path: Path):
    run = measured(written(tmp_path, CODED.replace("units: 2", "units: 12")))
    (picture,) = by_code_size.ReconstructionsByCodeSize().draw(run)
    assert list(errors(picture)) == [("input", None), *(("pca", k) for k in (1, 2, 4, 8)), ("net", 12)]
