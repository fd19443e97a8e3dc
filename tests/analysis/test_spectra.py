"""A filter that is a wave answers to this wave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.analysis import spectra
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult
from tests.analysis.runs import CLASSIFIER, KERNELS, random_run
from tests.plots.runs import written

SIDE = 16


def plane_wave(along: float, down: float, phase: float = 0.3) -> np.ndarray:
    y, x = np.indices((SIDE, SIDE))
    return np.cos(2 * np.pi * (along * x + down * y) + phase)


@pytest.mark.parametrize(
    ("along", "down", "orientation"),
    [(0.25, 0, 90), (0, 0.25, 0), (0.125, 0.125, 45), (0.25, -0.25, 135), (0.125, 0.25, np.degrees(np.arctan2(1, 2)))],
)
def test_the_peak_of_a_plane_wave_is_at_its_frequency(along: float, down: float, orientation: float):
    found = spectra.peak(spectra.spectrum(plane_wave(along, down), SIDE))
    assert found == pytest.approx((np.hypot(along, down), orientation), abs=1e-9)
    padded = spectra.peak(spectra.spectrum(plane_wave(along, down), 128))
    assert padded == pytest.approx((np.hypot(along, down), orientation), abs=2, rel=0.05)
    assert padded[0] == pytest.approx(np.hypot(along, down), abs=1.5 / 128)


def test_a_blur_lets_constants_through_which_have_no_orientation():
    assert spectra.peak(spectra.spectrum(np.ones((3, 3)), 64)) == (0.0, None)


def test_the_power_is_that_of_the_sum_and_adds_up_to_the_weights():
    """Parseval's theorem."""
    kernel = np.random.default_rng(0).normal(size=(5, 5))
    power = spectra.spectrum(kernel, 32)
    assert power.sum() / 32**2 == pytest.approx((kernel**2).sum())
    y, x = np.indices((5, 5))
    wave = np.exp(-2j * np.pi * (3 * x + 5 * y) / 32)
    assert power[16 + 5, 16 + 3] == pytest.approx(abs((kernel * wave).sum()) ** 2)


def found(path: Path, kernels: np.ndarray) -> AnalysisResult:
    """Of a convolution of three kernels (3, 7, 7)."""
    shapes = random_run(path / "shapes", KERNELS).loaded.weight_shapes()
    others = [np.zeros(shape) for shape in list(shapes.values())[1:]]
    run = written(path / "run", KERNELS, [kernels.transpose(1, 2, 0)[:, :, None, :], *others])
    with theme.applied():
        return spectra.Spectra().measure(run)


def test_every_filter_has_its_peak_and_zeros_have_none(tmp_path: Path):
    waves = [plane_wave(0.25, 0, 0)[:7, :7], np.zeros((7, 7)), plane_wave(0, 0.375, 0)[:7, :7]]
    numbers = found(tmp_path, np.stack(waves)).numbers
    assert [entry["filter"] for entry in numbers["peaks"]] == [0, 2]
    assert [entry["frequency"] for entry in numbers["peaks"]] == pytest.approx([0.25, 0.375], abs=1 / 32)
    assert [entry["orientation"] for entry in numbers["peaks"]] == pytest.approx([90, 0])


def test_a_single_pixel_is_a_filter_of_all_frequencies_alike(tmp_path: Path):
    point = np.zeros((3, 7, 7))
    point[:, 3, 3] = (1, -2, 0.5)
    radial = found(tmp_path, point).numbers["radial"]
    assert radial["mean_power"] == pytest.approx([1 / 64**2] * len(radial["frequency"]))
    assert radial["mean_power_stderr"] == pytest.approx([0] * len(radial["frequency"]), abs=1e-12)


def test_what_has_no_filters_is_refused(tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        spectra.Spectra().check(written(tmp_path, CLASSIFIER).loaded)
    assert str(refused.value) == "it has no convolution, and no dense layer that sees an image"
