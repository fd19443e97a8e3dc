"""Images that excite a unit most, where they are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.analysis.maximal_excitation import MaximalExcitation
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, IMAGES, LINEAR_IMAGES, random_run
from tests.plots.runs import written


def found(run: Run, **settings: Any) -> AnalysisResult:
    spec = MaximalExcitation(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


def drawn(result: AnalysisResult, picture: int = 0) -> np.ndarray:
    table = result.pictures[picture].table
    count = len(set(table["unit"]))
    return np.array(table["value"]).reshape(count, -1)


def test_in_the_ball_the_image_of_a_dense_unit_is_its_weights_at_the_norm_allowed(tmp_path: Path):
    run = random_run(tmp_path, LINEAR_IMAGES)
    result = found(run, radius=3.0)
    weights, bias = (run.weights[f"layers.1.Dense.{name}"].astype(float) for name in ("kernel", "bias"))
    norms = np.linalg.norm(weights, axis=0)
    assert drawn(result) == pytest.approx(3 * (weights / norms).T, abs=1e-5)
    layer = result.numbers["layers"]["layers.1.Dense"]
    assert layer["reached"] == pytest.approx(3 * norms + bias, rel=1e-5)
    x = run.trained.to_points(run.dataset().train.x).astype(float)
    assert layer["best_sample"] == pytest.approx((x @ weights + bias).max(axis=0), rel=1e-5)


def test_in_the_box_it_is_white_where_the_weights_are_positive_and_black_elsewhere(tmp_path: Path):
    run = random_run(tmp_path, LINEAR_IMAGES)
    weights = run.weights["layers.1.Dense.kernel"]
    result = found(run, inside="box")
    assert (result.numbers["low"], result.numbers["high"]) == (0, 0.5)
    assert drawn(result) == pytest.approx((weights > 0).T / 2, abs=1e-6)


def test_the_caption_counts_the_samples_that_there_are(tmp_path: Path):
    run = random_run(tmp_path, LINEAR_IMAGES)
    result = found(run, samples=5000)
    caption = result.pictures[0].figure.get_supxlabel()
    samples = len(run.dataset().train)
    assert samples < 5000
    assert f"the most of one of {samples} train samples" in " ".join(caption.split())


def test_a_filter_is_excited_by_itself_in_the_middle_of_its_map(tmp_path: Path):
    run = random_run(tmp_path, IMAGES)
    result = found(run, radius=1.0)
    kernels = run.weights["layers.0.Conv2D.kernel"].astype(float)[:, :, 0].transpose(2, 0, 1).reshape(2, 9)
    assert drawn(result) == pytest.approx(kernels / np.linalg.norm(kernels, axis=1, keepdims=True), abs=1e-5)
    table = result.pictures[0].table
    assert (table["row"][0], table["column"][0]) == (3, 3)
    assert [picture.name for picture in result.pictures] == ["maximal_excitation", "maximal_excitation_2"]


def test_no_sample_of_that_norm_excites_a_unit_of_a_deeper_layer_more(tmp_path: Path):
    run = random_run(tmp_path, IMAGES)
    z = run.trained.to_points(run.dataset().train.x)
    layer = found(run, radius=float(np.linalg.norm(z, axis=1).max())).numbers["layers"]["layers.2.Dense"]
    assert all(reached > best for reached, best in zip(layer["reached"], layer["best_sample"], strict=True))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CLASSIFIER, "the net sees 2, no images of 1 or 3 channels"),
        (
            IMAGES.partition("    model")[0] + "    model: {kind: rbm, hidden: 4}\n",
            "it excites units of kind: classifier, regressor or autoencoder, not of rbm",
        ),
    ],
)
def test_what_has_no_units_that_see_images_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        MaximalExcitation().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason
