"""The saliency of a net whose gradient is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis import saliency
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, LINEAR_IMAGES, TIED, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = saliency.Saliency(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


def test_the_saliency_of_a_linear_net_is_the_weights_of_the_class(tmp_path: Path):
    run = random_run(tmp_path, LINEAR_IMAGES)
    result = found(run, per_class=1)
    table, weights = result.pictures[0].table, run.weights["layers.1.Dense.kernel"]
    maps = np.array(table["saliency"]).reshape(-1, 64)
    classes = [int(name) for name in table["class"][::64]]
    assert classes == list(range(10))
    assert maps == pytest.approx(abs(weights.T), rel=1e-5)
    assert result.numbers["gradient_norm"] == pytest.approx(np.linalg.norm(weights, axis=0).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "last", ["{Dense: {units: 10}}, Softmax", "{Dense: {units: 10}}, {Activation: {activation: softmax}}"]
)
def test_the_score_is_what_softmax_is_applied_to_wherever_it_stands(last: str, tmp_path: Path):
    apart = LINEAR_IMAGES.replace("{Dense: {units: 10, activation: softmax}}", last)
    first, second = (random_run(tmp_path / name, text) for name, text in (("a", LINEAR_IMAGES), ("b", apart)))
    assert found(first).numbers == found(second).numbers


def test_the_distance_to_another_answer_of_a_linear_net_is_that_to_the_plane_between_the_classes(tmp_path: Path):
    run = random_run(tmp_path, LINEAR_IMAGES)
    weights, bias = (run.weights[f"layers.1.Dense.{name}"].astype(float) for name in ("kernel", "bias"))
    data = run.dataset().validation
    x = run.trained.to_points(data.x).astype(float)
    scores = x @ weights + bias
    distances = []
    for k, of_sample in zip(data.y, scores, strict=True):
        other = max((j for j in range(10) if j != k), key=lambda j: of_sample[j])
        distances.append((of_sample[k] - of_sample[other]) / np.linalg.norm(weights[:, k] - weights[:, other]))
    numbers = found(run, per_class=30).numbers
    quartiles = np.quantile(distances, [0.25, 0.5, 0.75], method="nearest")
    assert numbers["samples"] == 30
    assert numbers["distance_to_another_answer"] == pytest.approx(quartiles, rel=1e-4)


DEAD = LINEAR_IMAGES.replace("[Flatten, ", "[Flatten, {Dense: {units: 2, activation: relu}}, ")


def test_samples_that_see_dead_units_only_are_counted_and_are_far_from_another_answer(tmp_path: Path):
    kernel = np.zeros((64, 2))
    kernel[20] = 1  # sees a pixel that is 0 in some
    run = written(tmp_path, DEAD, [kernel, np.zeros(2), np.arange(20) ** 2, np.arange(10)])
    split = run.dataset().validation
    dark = int((split.x.reshape(30, 64)[:, 20] == 0).sum())
    numbers = found(run, per_class=30).numbers
    assert 8 < numbers["without_gradient"] == dark < 30
    assert None in numbers["distance_to_another_answer"]


def test_a_net_without_any_gradient_is_refused(tmp_path: Path):
    run = written(tmp_path, DEAD, [np.zeros((64, 2)), -np.ones(2), np.ones(20), np.ones(10)])
    with pytest.raises(NotApplicable) as refused:
        found(run)
    assert str(refused.value) == "no sample's score has a gradient: all units are dead or saturated"


def test_pixels_that_hold_half_are_counted():
    squares = np.array([[4.0, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 9, 0, 0]])
    assert saliency.half(squares).tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TIED, "kind: autoencoder gives no class a score; it takes kind: classifier"),
        (CLASSIFIER, "the net sees 2, no images of 1 or 3 channels"),
    ],
)
def test_what_has_no_classes_of_images_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        saliency.Saliency().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason
