"""Beside principal components (Baldi & Hornik 1989)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.pca_comparison import PCAComparison
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.numerics import pca
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, random_run
from tests.plots.runs import written

LINEAR = """
    data: {name: digits, train: 300, validation: 100, test: 20, preprocess: [subtract_mean]}
    model: {kind: autoencoder, encoder: [{Dense: {units: 5}}], decoder: [{Dense: {units: 64}}]}
"""


def found(run: Run) -> AnalysisResult:
    with theme.applied():
        return PCAComparison().measure(run)


def components(path: Path) -> np.ndarray:
    """Five of the training samples of LINEAR, (5, 64)."""
    run = written(path, LINEAR)
    return pca.fit(run.preprocessing.apply(run.dataset().train.x), 5).vectors


def test_turned_components_lie_on_pcas_curve_at_angles_of_zero(tmp_path: Path):
    vectors = components(tmp_path / "a")
    mixed = np.random.default_rng(1).normal(size=(5, 5))
    weights = [vectors.T @ mixed, np.zeros(5), np.linalg.inv(mixed) @ vectors, np.zeros(64)]
    numbers = found(written(tmp_path / "b", LINEAR, weights)).numbers
    assert max(numbers["angles"]["decoder"]) < 1e-5
    assert max(numbers["angles"]["encoder"]) < 1e-5
    assert numbers["mse"] == pytest.approx(numbers["pca_mse"][4], rel=1e-5)
    assert len(numbers["pca_mse"]) == 10


def test_one_direction_that_is_wrong_is_one_angle(tmp_path: Path):
    """cos and sin of .3 along the fifth and the sixth component."""
    vectors = components(tmp_path / "a")
    run = written(tmp_path / "b", LINEAR)
    sixth = pca.fit(run.preprocessing.apply(run.dataset().train.x), 6).vectors[5]
    decoder = np.vstack([vectors[:4], np.cos(0.3) * vectors[4] + np.sin(0.3) * sixth])
    numbers = found(written(tmp_path / "c", LINEAR, [vectors.T, np.zeros(5), decoder, np.zeros(64)])).numbers
    assert numbers["angles"]["decoder"] == pytest.approx([0.3, 0, 0, 0, 0], abs=1e-5)


def test_the_curve_is_the_error_of_pca_with_so_many_components(tmp_path: Path):
    run = random_run(tmp_path, LINEAR)
    numbers = found(run).numbers
    train, x = (run.preprocessing.apply(split.x) for split in (run.dataset().train, run.dataset().validation))
    assert [numbers["pca_mse"][k - 1] for k in (1, 5, 10)] == pytest.approx(
        [pca.error(train, x, k) for k in (1, 5, 10)], rel=1e-6
    )


def test_to_match_a_net_that_gives_back_everything_all_components_are_needed(tmp_path: Path):
    text = TIED.replace("units: 5, activation: tanh", "units: 2, use_bias: false")
    result = found(written(tmp_path, text.replace("{units: 2}", "{units: 2, use_bias: false}"), [np.eye(2)]))
    assert result.numbers["components_to_match"] == 2
    assert result.numbers["mse"] == pytest.approx(0, abs=1e-12)


def test_a_net_that_gives_zeros_is_no_better_than_the_mean_of_the_training_samples(tmp_path: Path):
    text = TIED.replace("units: 5, activation: tanh", "units: 2, use_bias: false")
    result = found(written(tmp_path, text.replace("{units: 2}", "{units: 2, use_bias: false}"), [np.zeros((2, 2))]))
    assert result.numbers["components_to_match"] == 0
    assert "no better than the mean of the training samples" in result.summary


def test_a_net_that_is_not_linear_has_no_plane(tmp_path: Path):
    assert "angles" not in found(random_run(tmp_path, TIED)).numbers


def test_a_run_of_kind_pca_is_its_own_curve(tmp_path: Path):
    vectors = components(tmp_path / "a")
    text = LINEAR.partition("    model")[0] + "    model: {kind: pca, components: 5}\n"
    run = written(tmp_path / "b", text)
    known = pca.fit(run.preprocessing.apply(run.dataset().train.x), 64)
    arrays = {"mean": known.mean, "components": vectors, "variances": known.variances}
    numbers = found(written(tmp_path / "c", text, [arrays[name] for name in run.loaded.weight_shapes()])).numbers
    assert max(numbers["angles"]["components"]) < 1e-5
    assert numbers["mse"] == pytest.approx(numbers["pca_mse"][4], rel=1e-4)
