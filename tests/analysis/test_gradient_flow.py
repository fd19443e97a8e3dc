"""The gradient through chains whose factors are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.gradient_flow import GradientFlow
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = GradientFlow(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


CHAIN = """
    data: {name: moons, samples: 60, validation: 20, test: 20}
    model:
      kind: classifier
      layers:
        - Dense: {units: 2, activation: ACTIVATION}
        - Dense: {units: 2, activation: ACTIVATION}
        - Dense: {units: 2, activation: ACTIVATION}
        - Dense: {units: 2, activation: ACTIVATION}
        - Dense: {units: 2, activation: softmax}
    training: {batch_size: 10}
"""


def chain(path: Path, activation: str, matrix: np.ndarray) -> Run:
    return written(path, CHAIN.replace("ACTIVATION", activation), [matrix, np.zeros(2)] * 5)


def of_outputs(result: AnalysisResult, when: str = "trained") -> list[float]:
    return [values["mean"] for values in result.numbers[when]["outputs"].values()]


@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0])
def test_linear_layers_pass_on_the_gradient_times_their_matrix(factor: float, tmp_path: Path):
    result = found(chain(tmp_path, "linear", factor * np.eye(2)))
    norms = of_outputs(result)
    assert np.divide(norms[:-1], norms[1:]) == pytest.approx([factor] * 3, rel=1e-5)
    assert result.numbers["trained"]["factor_per_layer"] == pytest.approx(factor, rel=1e-5)


def test_sigmoids_with_unit_weights_leave_at_most_a_fourth_in_each_layer(tmp_path: Path):
    norms = of_outputs(found(chain(tmp_path, "sigmoid", np.eye(2))))
    assert (np.divide(norms[:-1], norms[1:]) <= 0.25).all()
    assert norms[0] > 0


def test_at_the_last_hidden_layer_it_is_that_of_softmax_back_through_the_weights(tmp_path: Path):
    """dC/dh = W (p - y)."""
    run = random_run(tmp_path, CHAIN.replace("ACTIVATION", "tanh"), seed=2)
    data = run.dataset().validation
    p = run.trained.predictions(data.x)["probabilities"]
    expected = np.linalg.norm((p - np.eye(2)[data.y]) @ run.weights["layers.4.Dense.kernel"].T, axis=1)
    outputs = found(run).numbers["trained"]["outputs"]
    assert outputs["layers.3.Dense"]["mean"] == pytest.approx(expected.mean(), rel=1e-5)
    assert outputs["layers.3.Dense"]["stderr"] == pytest.approx(expected.std(ddof=1) / np.sqrt(20), rel=1e-5)


def test_of_the_weights_it_is_the_mean_over_batches_of_the_norm_of_the_batchs_gradient(tmp_path: Path):
    """dC/dW = mean h^T (p - y), dC/db = mean p - y."""
    run = random_run(tmp_path, CHAIN.replace("ACTIVATION", "tanh"), seed=2)
    data = run.dataset().validation
    p = run.trained.predictions(data.x)["probabilities"] - np.eye(2)[data.y]
    h = run.trained.layers(data.x)["layers.3.Dense"]
    norms = []
    for rows in (slice(10), slice(10, 20)):
        squares = ((h[rows].T @ p[rows] / 10) ** 2).sum() + (p[rows].mean(axis=0) ** 2).sum()
        norms.append(np.sqrt(squares))
    weights = found(run).numbers["trained"]["weights"]["layers.4.Dense"]
    assert weights["mean"] == pytest.approx(np.mean(norms), rel=1e-4)
    assert weights["stderr"] == pytest.approx(abs(norms[0] - norms[1]) / 2, rel=1e-3)


def test_the_initial_weights_are_those_that_training_begins_with(tmp_path: Path):
    begins = "activation: linear, kernel_initializer: {Identity: {gain: 2}}"
    text = CHAIN.replace("activation: ACTIVATION", begins)
    result = found(written(tmp_path, text, [np.eye(2), np.zeros(2)] * 5))
    assert result.numbers["initial"]["factor_per_layer"] == pytest.approx(2, rel=1e-5)
    assert result.numbers["trained"]["factor_per_layer"] == pytest.approx(1, rel=1e-5)


def test_where_nothing_comes_through_this_is_said(tmp_path: Path):
    result = found(chain(tmp_path, "relu", -np.eye(2)))
    assert result.numbers["trained"]["factor_per_layer"] is None
    assert "after it one of its layers has no gradient" in result.summary


def test_what_is_no_chain_to_a_cost_is_refused(tmp_path: Path):
    text = CLASSIFIER.partition("    model")[0] + "    model: {kind: pca, components: 1}\n"
    with pytest.raises(NotApplicable) as refused:
        GradientFlow().check(written(tmp_path, text).loaded)
    assert str(refused.value) == (
        "kind: pca has no chain of layers from samples to a cost; it takes classifier, regressor, autoencoder"
    )
