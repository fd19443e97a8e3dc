"""Outputs of layers whose fractions are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.activations import Activations
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> dict[str, Any]:
    spec = Activations(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return dict(spec.measure(run).numbers["layers"])


NET = """
    data: {name: moons, samples: 60, validation: 20, test: 20}
    model:
      kind: classifier
      layers: [{Dense: {units: 4, activation: ACTIVATION}}, {Dense: {units: 2, activation: softmax}}]
"""


def made(path: Path, activation: str, biases: list[float]) -> Run:
    """The first layer's outputs are f(biases), whatever the sample."""
    weights = [np.zeros((2, 4)), np.array(biases), np.zeros((4, 2)), np.zeros(2)]
    return written(path, NET.replace("ACTIVATION", activation), weights)


def test_rectifiers_that_are_zero_for_every_sample_are_dead(tmp_path: Path):
    kernel = np.array([[0, 1, 0, 0], [0, 0, 0, 0]])  # the second unit is x_1: 0 for some
    run = written(
        tmp_path, NET.replace("ACTIVATION", "relu"), [kernel, np.array([-1, 0, 2, 0]), np.zeros((4, 2)), np.zeros(2)]
    )
    x = run.dataset().validation.x[:, 0]
    layer = found(run)["layers.0.Dense"]
    assert (layer["units"], layer["dead_units"]) == (4, 2)
    assert layer["saturated"] == pytest.approx((2 + (x <= 0).mean()) / 4)
    assert layer["mean"] == pytest.approx((2 + np.maximum(x, 0).mean()) / 4, rel=1e-5)
    assert layer["range"] == pytest.approx([0, max(2, x.max())])


@pytest.mark.parametrize(
    ("activation", "biases", "fraction"), [("sigmoid", [-3, 0, 2.9, 3], 0.5), ("tanh", [-1.9, -1.8, 0, 1.9], 0.5)]
)
def test_sigmoids_and_tanhs_near_their_ends_are_saturated(
    activation: str, biases: list[float], fraction: float, tmp_path: Path
):
    """sigmoid(2.944) = tanh(1.832) = .95"""
    layer = found(made(tmp_path, activation, biases))["layers.0.Dense"]
    assert layer["saturated"] == fraction
    assert layer["saturated_stderr"] == 0
    assert "dead_units" not in layer


def test_mean_and_deviation_are_over_samples_and_units(tmp_path: Path):
    layer = found(made(tmp_path, "linear", [1, 2, 3, 6]))["layers.0.Dense"]
    assert (layer["mean"], layer["std"]) == pytest.approx((3, np.std([1, 2, 3, 6])))
    assert "saturated" not in layer


def test_a_filter_is_a_unit(tmp_path: Path):
    text = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 3, kernel_size: 3, activation: relu}
        - Flatten
        - Dense: {units: 10, activation: softmax}
    """
    run = written(tmp_path, text, [np.zeros((3, 3, 1, 3)), np.array([-1, 1, 0]), np.ones((108, 10)), np.zeros(10)])
    layers = found(run)
    assert (layers["layers.0.Conv2D"]["units"], layers["layers.0.Conv2D"]["dead_units"]) == (3, 2)
    assert list(layers) == ["layers.0.Conv2D", "layers.2.Dense"]


def test_a_model_without_layers_is_refused(tmp_path: Path):
    text = CLASSIFIER.partition("    model")[0] + "    model: {kind: pca, components: 1}\n"
    with pytest.raises(NotApplicable) as refused:
        Activations().check(written(tmp_path, text).loaded)
    assert str(refused.value) == "kind: pca has no layers"
