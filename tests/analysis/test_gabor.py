"""Gabor functions are found in noise, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis import gabor
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, KERNELS, WHITENED, random_run
from tests.plots.runs import written

SIDE = 15


def wave(
    frequency: float, orientation: float, phase: float, n_x: float, n_y: float, x0: float = 7.3, y0: float = 6.8
) -> np.ndarray:
    """A Gabor function with stripes at `orientation`, degrees from horizontal, counterclockwise."""
    y, x = np.indices((SIDE, SIDE)).astype(float)
    angle = np.deg2rad(90 - orientation)  # of the wave, with rows downwards
    u, v = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle), (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    envelope = np.exp(-(u**2) / (2 * (n_x / frequency) ** 2) - v**2 / (2 * (n_y / frequency) ** 2))
    return envelope * np.cos(2 * np.pi * frequency * u + np.deg2rad(phase))


def found(run: Run, **settings: int) -> AnalysisResult:
    spec = gabor.Gabor(**settings)
    spec.check(run.loaded)
    with theme.applied():
        return spec.measure(run)


@pytest.mark.parametrize(
    ("frequency", "orientation", "phase", "n_x", "n_y"),
    [(0.2, 30, 40, 0.5, 0.6), (0.12, 90, 0, 0.3, 0.35), (0.3, 135, 90, 0.8, 0.5), (0.25, 0, 70, 0.6, 1.0)],
)
def test_a_gabor_function_in_noise_is_found_to_a_percent(
    frequency: float, orientation: float, phase: float, n_x: float, n_y: float
):
    true = wave(frequency, orientation, phase, n_x, n_y)
    noise = np.random.default_rng(0).normal(size=true.shape)
    fit, values = gabor.fitted(3 * true + 0.01 * noise)
    assert (fit.frequency, fit.n_x, fit.n_y) == pytest.approx((frequency, n_x, n_y), rel=0.01)
    assert (fit.x, fit.y, fit.amplitude) == pytest.approx((7.3, 6.8, 3), rel=0.01)
    assert abs((fit.orientation - orientation + 90) % 180 - 90) < 1
    assert fit.phase == pytest.approx(phase, abs=1)
    assert fit.r2 > 0.999
    assert values == pytest.approx(3 * true, abs=0.03)


def test_the_derivatives_are_those_of_the_function():
    x, y = np.array([2.0, 5, 1]), np.array([3.0, 0, 6])
    p, factors, step = np.array([3, 4.2, 1.4, 2.1, 0.7, 0.2]), np.array([0.8, -0.4]), 1e-6
    steps = step * np.eye(6)
    known = [(gabor._waves(p + e, x, y) - gabor._waves(p - e, x, y)) @ factors / (2 * step) for e in steps]
    assert gabor._changes(p, x, y, factors) == pytest.approx(np.transpose(known), abs=1e-8)


def test_neither_sign_nor_size_nor_a_quarter_turn_changes_the_shape():
    kernel = wave(0.2, 30, 40, 0.5, 0.6)
    fit = gabor.fitted(kernel)[0]
    for changed, turn in ((-kernel, 0), (1e-6 * kernel, 0), (np.rot90(kernel), 90)):
        other = gabor.fitted(changed)[0]
        assert (other.r2, other.n_x, other.n_y) == pytest.approx((fit.r2, fit.n_x, fit.n_y), rel=1e-3)
        assert other.phase == pytest.approx(fit.phase, abs=0.1)
        assert other.orientation == pytest.approx(fit.orientation + turn, abs=0.1)  # counterclockwise


def test_noise_is_no_gabor_function():
    random = np.random.default_rng(1)
    assert max(gabor.fitted(random.normal(size=(SIDE, SIDE)))[0].r2 for _ in range(5)) < 0.3


def test_the_kernels_of_a_convolution_are_fitted_each_in_its_place(tmp_path: Path):
    kernels = np.stack(
        [np.random.default_rng(0).normal(size=(7, 7)), wave(0.2, 0, 0, 0.4, 0.4, 3, 3)[:7, :7], np.ones((7, 7))]
    )
    shapes = [np.shape(array) for array in random_run(tmp_path / "shapes", KERNELS).weights.values()]
    weights = [kernels.transpose(1, 2, 0)[:, :, None, :], *(np.zeros(shape) for shape in shapes[1:])]
    result = found(written(tmp_path / "run", KERNELS, weights))
    best, worst = result.numbers["fits"]
    assert (best["filter"], best["channel"]) == (1, 0)
    assert best["r2"] == pytest.approx(1, abs=1e-6)
    assert worst["filter"] == 0
    assert worst["r2"] < 0.8
    assert (result.numbers["kernels"], result.numbers["left_out_as_flat"]) == (2, 1)
    assert result.numbers["good_share"] == 0.5
    assert result.summary.startswith("R^2 > 0.8 for 0.50 +- 0.29 of 2 kernels of layer 0, Conv2D, median ")


def test_weights_behind_whitening_are_fitted_in_the_space_of_the_images(tmp_path: Path):
    """A column of weights that whitening makes of a Gabor function is the Gabor function again."""
    text = WHITENED.replace("components: 20", "components: 36").replace("units: 20", "units: 36")
    empty = written(tmp_path / "a", text)
    image = wave(0.2, 60, 30, 0.4, 0.4, 2.5, 2.5)[:6, :6]
    both = np.stack([np.zeros((6, 6)), 0.1 * image])[..., None]
    zero, seen = empty.preprocessing.apply(both.astype(np.float32))
    kernel = np.repeat((seen - zero)[:, None], 5, axis=1)
    shapes = list(empty.loaded.weight_shapes().values())
    run = written(tmp_path / "b", text, [kernel, *(np.zeros(shape) for shape in shapes[1:])])
    result = found(run, shuffled=0)
    assert [fit["r2"] for fit in result.numbers["fits"]] == pytest.approx([1] * 5, abs=1e-4)
    assert [fit["frequency"] for fit in result.numbers["fits"]] == pytest.approx([0.2] * 5, rel=0.01)


@pytest.mark.parametrize(
    ("text", "layer", "reason"),
    [
        (CLASSIFIER, None, "it has no convolution, and no dense layer that sees an image"),
        (KERNELS, 2, "the weights of layer 2 are no images; there are those of 0"),
        (
            KERNELS.replace("kernel_size: 7", "kernel_size: 3"),
            None,
            "3 x 3 weights a filter are too few; it takes 5 x 5 and more",
        ),
    ],
)
def test_what_has_no_kernels_that_could_be_gabor_functions_is_refused(
    text: str, layer: int | None, reason: str, tmp_path: Path
):
    with pytest.raises(NotApplicable) as refused:
        gabor.Gabor(layer=layer).check(written(tmp_path, text).loaded)
    assert str(refused.value) == reason
