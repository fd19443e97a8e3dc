"""Nets that are known to be invariant, or equivariant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis import invariance
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import IMAGES, TIED, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = invariance.Invariance(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


# A cross of light in an empty image: what is shifted by one pixel does not reach the border.
CONV = """
    data: {name: array, path: PATH, test: 0.2, validation: 0.2}
    model:
      kind: classifier
      layers:
        - Conv2D: {filters: 2, kernel_size: 3, activation: tanh, padding: PADDING}
        - MaxPooling2D: {pool_size: 2}
        - GlobalAveragePooling2D
        - Dense: {units: 2, activation: softmax}
"""


def conv(path: Path, padding: str = "same", seed: int = 0) -> Run:
    random = np.random.default_rng(1)
    x, y = np.zeros((40, 16, 16, 1), np.float32), np.arange(40) % 2
    x[:, 6:10, 6:10] = random.normal(size=(40, 4, 4, 1))
    path.mkdir(exist_ok=True)
    np.savez(path / "data.npz", x=x, y=y)
    return random_run(path, CONV.replace("PATH", str(path / "data.npz")).replace("PADDING", padding), seed)


def layers(result: AnalysisResult, name: str, amount: float) -> dict[str, dict[str, float]]:
    (row,) = [row for row in result.numbers[name] if row["amount"] == amount]
    return row["layers"]


def test_without_a_change_nothing_changes(tmp_path: Path):
    run = random_run(tmp_path, IMAGES)
    result = found(run, shift=[0], rotation=[0], scale=[1], noise=[0])
    split = run.dataset().validation
    accuracy = (run.trained.predictions(split.x)["probabilities"].argmax(axis=1) == split.y).mean()
    for name in ("shift", "rotation", "scale", "noise"):
        (row,) = result.numbers[name]
        assert row["accuracy"] == accuracy
        assert {layer: found["change"] for layer, found in row["layers"].items()} == {
            "layers.0.Conv2D": 0, "layers.2.Dense": 0
        }  # fmt: skip


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_convolution_is_equivariant_pooling_so_by_its_size_and_global_pooling_is_invariant(
    padding: str, tmp_path: Path
):
    result = found(conv(tmp_path, padding), shift=[1, 2], rotation=[], scale=[], noise=[])
    one, two = (layers(result, "shift", amount) for amount in (1, 2))
    for of_shift in (one, two):
        assert of_shift["layers.0.Conv2D"]["change"] > 0.3
        assert of_shift["layers.0.Conv2D"]["equivariance_error"] < 1e-5
    assert "equivariance_error" not in one["layers.1.MaxPooling2D"]
    assert two["layers.1.MaxPooling2D"]["equivariance_error"] < 1e-5
    assert two["layers.1.MaxPooling2D"]["change"] > 0.3
    for layer in ("layers.2.GlobalAveragePooling2D", "layers.3.Dense"):
        # with zeros around the image, its border is seen, whatever the shift
        assert two[layer]["change"] < 1e-5
        assert "equivariance_error" not in two[layer]


def test_unrelated_samples_are_as_strange_as_another_sample(tmp_path: Path):
    """Much noise, for a layer that only sums: N(0, 1) noise of norm s sqrt(d) against the samples' distance."""
    run = random_run(tmp_path, IMAGES.replace("Conv2D: {filters: 2, kernel_size: 3, activation: relu}", "Flatten"))
    result = found(run, shift=[], rotation=[], scale=[], noise=[1.0, 2.0])
    assert list(result.numbers) == ["split", "samples", "metric", "noise"]
    changes = [layers(result, "noise", s)["layers.2.Dense"]["change"] for s in (1.0, 2.0)]
    assert 0 < changes[0] < changes[1]


def test_the_noise_of_a_linear_layer_changes_it_in_proportion(tmp_path: Path):
    result = found(random_run(tmp_path, TIED.replace("tanh", "linear")), noise=[0.1, 0.3])
    small, large = (layers(result, "noise", s)["encoder.0.Dense"]["change"] for s in (0.1, 0.3))
    assert large == pytest.approx(3 * small, rel=1e-4)
    assert result.numbers["metric"] is None
    assert "shift" not in result.numbers


def test_strides_multiply_and_end_with_the_maps(tmp_path: Path):
    assert invariance.strides(conv(tmp_path).rows) == {
        "layers.0.Conv2D": (1, 1),
        "layers.1.MaxPooling2D": (2, 2),
    }


def test_shifts_by_the_whole_image_and_more_are_left_out(tmp_path: Path):
    result = found(random_run(tmp_path, IMAGES), shift=[0, 7, 8, 20], rotation=[], scale=[], noise=[])
    assert [row["amount"] for row in result.numbers["shift"]] == [0, 7]


def test_where_nothing_can_be_changed_this_is_said(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        invariance.Invariance(noise=()).check(written(tmp_path, TIED).loaded)
    assert str(refused.value) == "its samples are no images, and there is no noise to add"
