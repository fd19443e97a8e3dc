from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.plots.jacobian_spectrum import JacobianSpectrum
from tests.plots.runs import ASKED, CODED, written

SIGMOID = CODED.replace("encoder: [{Dense: {units: 2}}]", "encoder: [{Dense: {units: 2, activation: sigmoid}}]")


def weights(kernel: np.ndarray) -> list[np.ndarray]:
    return [kernel, np.zeros(2), np.zeros((2, 9)), np.zeros(9)]


def kernel() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9, 2))


def test_a_linear_encoder_has_the_singular_values_of_its_kernel_at_every_sample(tmp_path: Path):
    (picture,) = JacobianSpectrum().draw(written(tmp_path / "1", CODED, weights(kernel())))
    expected = np.linalg.svd(kernel())[1]
    assert picture.table["number"] == [1, 2]
    for column in ("mean", "first_quartile", "median", "third_quartile"):
        assert picture.table[column] == pytest.approx(expected, rel=1e-5)
    norm = np.sqrt((expected**2).sum())
    title = picture.figure.get_suptitle().replace("\n", " ")
    assert title.endswith(f"/1: singular values of dh/dx, mean |dh/dx| {norm:.3g}")


def test_a_sigmoid_scales_the_rows_of_its_kernel_by_its_slope(tmp_path: Path):
    run = written(tmp_path, SIGMOID, weights(kernel()))
    x = run.dataset().validation.x.reshape(10, 9)
    h = 1 / (1 + np.exp(-x @ kernel()))
    values = np.array([np.linalg.svd(kernel() * slope)[1] for slope in h * (1 - h)])
    (picture,) = JacobianSpectrum().draw(run)
    assert picture.table["mean"] == pytest.approx(values.mean(axis=0), rel=1e-4)
    assert picture.table["median"] == pytest.approx(np.median(values, axis=0), rel=1e-4)


def test_values_that_are_zero_up_to_rounding_are_not_drawn_and_this_is_said(tmp_path: Path):
    flat = np.ones((9, 2))
    (picture,) = JacobianSpectrum().draw(written(tmp_path, CODED, weights(flat)))
    assert len(picture.figure.axes[0].lines[0].get_ydata()) == 1
    assert "the last is zero up to rounding" in picture.figure.get_supxlabel().replace("\n", " ")


def test_a_stack_has_the_singular_values_of_the_product_of_its_kernels(tmp_path: Path):
    run = written(tmp_path, ASKED["stages"])
    random = np.random.default_rng(1)
    values = [random.normal(size=shape) for shape in run.loaded.weight_shapes().values()]
    names = dict(zip(run.loaded.weight_shapes(), values, strict=True))
    run = written(tmp_path / "random", ASKED["stages"], values)
    kernels = [value for name, value in names.items() if "encoder" in name and name.endswith("kernel")]
    (picture,) = JacobianSpectrum().draw(run)
    assert picture.table["mean"] == pytest.approx(np.linalg.svd(kernels[0] @ kernels[1])[1][:2], rel=1e-4)


def test_a_spectrum_within_a_decade_has_several_labels(tmp_path: Path):
    vectors = np.linalg.qr(kernel())[0]
    (picture,) = JacobianSpectrum().draw(written(tmp_path, CODED, weights(vectors * [2.0, 0.4])))
    figure = picture.figure
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    labels = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert {"0.4", "0.5", "1", "2"} <= set(labels)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mean", "1: length kept"]
