"""On whitened data the decoder of tied weights is C times the encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis.decoder_smoothing import DecoderSmoothing
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import TIED, UNTIED, WHITENED, random_run
from tests.plots.runs import written


def found(run: Run) -> AnalysisResult:
    DecoderSmoothing().check(run.loaded)
    with theme.applied():
        return DecoderSmoothing().measure(run)


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ("whiten: {kind: pca, components: 20}", 20),
        ("whiten: {kind: pca, components: 20, epsilon: 0.01}", 20),
        ("whiten: {kind: zca, epsilon: 0.01}", 36),
    ],
)
def test_the_decoder_is_the_encoder_smoothed_by_the_covariance_to_rounding(steps: str, size: int, tmp_path: Path):
    text = WHITENED.replace("whiten: {kind: pca, components: 20}", steps).replace("units: 20}", f"units: {size}}}")
    result = found(random_run(tmp_path, text))
    assert result.numbers["relative_difference"] < 1e-5
    assert result.numbers["roughness_ratio"] > 1.5
    assert "times as much" in result.summary


def test_the_first_stage_of_a_tied_stack_has_such_a_decoder(tmp_path: Path):
    stage = "{encoder: [{Dense: {units: 5}}], decoder: [{Dense: {units: 20}}], tied: true}"
    data = WHITENED[: WHITENED.index("model:")]
    result = found(random_run(tmp_path, f"{data}model: {{kind: stacked_autoencoder, stages: [{stage}]}}"))
    assert result.numbers["units"] == 5
    assert result.numbers["relative_difference"] < 1e-5


def test_what_comes_before_whitening_is_part_of_its_space(tmp_path: Path):
    text = WHITENED.replace("[{whiten", "[{scale: 0.1}, subtract_mean, {whiten")
    assert found(random_run(tmp_path, text)).numbers["relative_difference"] < 1e-5


def test_for_points_in_the_plane_the_weights_are_those_of_the_formula(tmp_path: Path):
    text = TIED.replace("test: 20}", "test: 20, preprocess: [{whiten: {kind: pca, epsilon: 0}}]}")
    run = random_run(tmp_path, text)
    table = found(run).pictures[0].table
    train = run.dataset().train.x.astype(np.float64)
    weights, step = run.weights["encoder.0.Dense.kernel"], run.preprocessing.arrays[0]
    encoder = step["vectors"].T @ (weights / step["scales"][:, None])
    smoothed = np.cov(train.T, bias=True) @ encoder
    assert table["decoder A"] == pytest.approx(smoothed.ravel(), rel=1e-4, abs=1e-5)
    assert table["encoder W"] == pytest.approx(encoder.ravel(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (UNTIED, "the decoder's weights are the encoder's in a tied kind: autoencoder only"),
        (TIED, "the last step of data.preprocess must be whiten; set data.preprocess: [{whiten: pca}]"),
    ],
)
def test_what_has_no_such_decoder_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        DecoderSmoothing().check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason
