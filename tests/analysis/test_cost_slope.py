"""Slopes of the quadratic cost and of cross-entropy, where a network is right, unsure and surely wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.cost_slope import CostSlope, slopes
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from tests.analysis.runs import CLASSIFIER, CODES
from tests.plots.runs import written


def costs(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    y = np.eye(scores.shape[1])[labels]
    return {"quadratic": ((p - y) ** 2).sum(axis=1), "cross_entropy": -(y * np.log(p)).sum(axis=1)}


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_slopes_are_those_of_numerical_differentiation(classes: int):
    """Moving the score of the sample's class alone moves z by as much."""
    random = np.random.default_rng(classes)
    scores, labels, step = 2 * random.normal(size=(50, classes)), random.integers(0, classes, 50), 1e-6
    up, down = (scores + sign * step * np.eye(classes)[labels] for sign in (1, -1))
    found = slopes(scores, labels)
    for cost in ("quadratic", "cross_entropy"):
        numerical = (costs(up, labels)[cost] - costs(down, labels)[cost]) / (2 * step)
        assert found[cost] == pytest.approx(numerical, abs=1e-8)
    assert found["p"] == pytest.approx(1 / (1 + np.exp(-found["z"])))


@pytest.mark.parametrize("score", [-20.0, -200.0, -2000.0])
def test_a_surely_wrong_sample_has_slope_1_of_cross_entropy_and_none_of_the_quadratic_cost(score: float):
    found = slopes(np.array([[score, 0.0, -3000.0]]), np.array([0]))
    assert found["cross_entropy"] == pytest.approx(-1)
    assert abs(found["quadratic"]) < 1e-8


def test_the_slope_of_the_quadratic_cost_lies_between_one_wrong_class_and_equal_ones():
    p = np.linspace(0.05, 0.95, 10)
    one = slopes(np.log(np.stack([p, 1 - p, 1e-300 + 0 * p], axis=1)), np.zeros(10, int))
    shared = slopes(np.log(np.stack([p, (1 - p) / 2, (1 - p) / 2], axis=1)), np.zeros(10, int))
    assert one["quadratic"] == pytest.approx(-4 * p * (1 - p) ** 2)
    assert shared["quadratic"] == pytest.approx(-2 * p * (1 - p) ** 2 * 3 / 2)


def test_the_initial_and_the_trained_weights_are_measured(tmp_path: Path):
    saturated = CLASSIFIER.replace("softmax}", "softmax, kernel_initializer: {RandomNormal: {stddev: 40.0}}}")
    run = written(tmp_path, saturated, [np.zeros((2, 2)), np.zeros(2)])
    CostSlope().check(run.loaded)
    with theme.applied():
        result = CostSlope().measure(run)
    initial, trained = result.numbers["initial"], result.numbers["trained"]
    assert (trained["probability"], trained["cross_entropy"], trained["quadratic"]) == pytest.approx((0.5, 0.5, 0.5))
    x, y = run.dataset().validation.x.astype(np.float64), run.dataset().validation.y
    known = slopes(x @ run.initial["layers.0.Dense.kernel"], y)
    assert initial["quadratic"] == pytest.approx(abs(known["quadratic"]).mean(), rel=1e-4, abs=1e-6)
    assert initial["saturated"] == (known["p"] < 0.05).mean()
    assert initial["cross_entropy"] > 5 * initial["quadratic"]
    assert set(result.pictures[0].table["weights"]) == {"initial", "trained"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CODES, "kind: autoencoder gives no class a score; it takes kind: classifier"),
        (
            CLASSIFIER.replace("units: 2, activation: softmax", "units: 1, activation: sigmoid")
            + "    training: {loss: binary_crossentropy}\n",
            "its last layer has no softmax over the classes, whose slope this is",
        ),
    ],
)
def test_what_has_no_softmax_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        CostSlope().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason
