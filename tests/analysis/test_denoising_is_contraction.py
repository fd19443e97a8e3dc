"""Denoising is contraction, to second order in the noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.denoising_is_contraction import DenoisingIsContraction
from mlphys.figures import theme
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, UNTIED, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> dict[str, Any]:
    with theme.applied():
        result = DenoisingIsContraction(**settings).measure(run)
    return dict(result.numbers)


def test_for_a_linear_net_noise_adds_the_norm_of_its_matrix_however_large_it_is(tmp_path: Path):
    w, v = np.array([[1.0, 0, 2, 0, 0], [0, 1, 0, 0, 1]]), np.array([[0.5, 1], [-2, 0.3], [0, 0], [1, 1], [0, 0]])
    run = written(tmp_path, UNTIED.replace("tanh", "linear"), [w, np.zeros(5), v, np.zeros(2)])
    numbers = found(run, noise=(0.1, 3.0), draws=200)
    assert numbers["squared_jacobian_norm"] == pytest.approx(((w @ v) ** 2).sum(), rel=1e-5)
    assert numbers["curvature_term"] == pytest.approx(0, abs=1e-6)
    for row in numbers["noise"]:
        assert row["error"] == pytest.approx(row["contraction_only"], rel=0.02)
        assert row["excess"] == pytest.approx(numbers["squared_jacobian_norm"], abs=4 * row["excess_stderr"])


def test_both_sides_agree_where_the_noise_is_small_and_what_it_adds_needs_the_curvature(tmp_path: Path):
    run = random_run(tmp_path, TIED, seed=3)
    numbers = found(run, noise=(0.01,), draws=2000)
    (row,) = numbers["noise"]
    assert row["error"] == pytest.approx(row["contraction_only"], rel=0.02)
    assert row["error"] == pytest.approx(row["with_curvature"], rel=1e-3)
    norm, bend = numbers["squared_jacobian_norm"], numbers["curvature_term"]
    assert row["excess"] == pytest.approx(norm + bend, abs=3 * row["excess_stderr"])
    assert abs(bend) > 6 * row["excess_stderr"]


def test_a_net_with_kinks_says_that_the_curvature_leaves_them_out(tmp_path: Path):
    for kind in ("relu", "tanh"):
        run = random_run(tmp_path / kind, UNTIED.replace("tanh", kind), seed=3)
        with theme.applied():
            result = DenoisingIsContraction(noise=(0.1,), draws=1).measure(run)
        assert ("leaves out the kinks of relu" in result.summary) == (kind == "relu")
        assert ("leaves out the kinks of relu" in result.pictures[0].figure.get_supxlabel().replace("\n", " ")) == (
            kind == "relu"
        )
        assert result.pictures[0].figure.axes[0].get_ylim()[1] > 1.05 * result.numbers["noise"][0]["error"]


def test_where_the_nearest_centroid_stays_the_nearest_noise_adds_nothing(tmp_path: Path):
    text = "    data: {name: moons, samples: 60}\n    model: {kind: kmeans, clusters: 2}\n"
    shapes = written(tmp_path / "a", text).loaded.weight_shapes()
    arrays = {"centroids": np.array([[-9.0, 0], [9, 0]]), "shares": np.array([0.5, 0.5])}
    numbers = found(written(tmp_path / "b", text, [arrays[name] for name in shapes]), noise=(1e-3,))
    assert numbers["squared_jacobian_norm"] == numbers["curvature_term"] == 0
    assert numbers["noise"][0]["error"] == pytest.approx(numbers["error"])
