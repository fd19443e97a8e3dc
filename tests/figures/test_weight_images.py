from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures import weight_images
from mlphys.runs.run import Run
from tests.analysis.runs import CLASSIFIER, CODES, KERNELS, WHITENED, random_run
from tests.plots.runs import written

RBM = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model: {kind: rbm, hidden: 4}
"""
PCA = """
    data: {name: digits, train: 60, validation: 30, test: 20}
    model: {kind: pca, components: 4}
"""


def images(run: Run, number: int | None = None) -> np.ndarray:
    return weight_images.of_run(weight_images.chosen(run.loaded, number, 2), run)


@pytest.mark.parametrize(
    ("text", "kernel"), [(CODES, "encoder.0.Dense.kernel"), (RBM, "rbm.kernel"), (KERNELS, "layers.0.Conv2D.kernel")]
)
def test_weights_lie_as_the_pixels_that_they_see(text: str, kernel: str, tmp_path: Path):
    run = random_run(tmp_path, text)
    weights, found = run.weights[kernel], images(run)
    filters = weights.shape[-1]
    assert found.shape == (filters, 1, *((8, 8) if weights.ndim == 2 else (7, 7)))
    for i in range(filters):
        assert (found[i, 0].ravel() == weights[..., i].ravel()).all()


def test_on_whitened_samples_a_weight_is_the_change_of_pixels_that_its_component_stands_for(tmp_path: Path):
    run = random_run(tmp_path, WHITENED)
    kernel, found = run.weights["encoder.0.Dense.kernel"], images(run)
    assert found.shape == (5, 1, 6, 6)
    step = run.preprocessing.arrays[0]
    pixels = (kernel.T * step["scales"]) @ step["vectors"]
    assert found.reshape(5, 36) == pytest.approx(pixels, abs=1e-5)
    seen = run.preprocessing.apply(np.stack([found[0, 0], np.zeros((6, 6), np.float32)])[..., None])
    assert seen[0] - seen[1] == pytest.approx(kernel[:, 0], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        (CLASSIFIER, None, "it has no convolution, and no dense layer that sees an image"),
        (PCA, None, "it has no convolution, and no dense layer that sees an image"),
        (CODES, 1, "the weights of layer 1 are no images; there are those of 0"),
        (KERNELS.replace("kernel_size: 7", "kernel_size: 1"), None,
         "1 x 1 weights a filter are too few; it takes 2 x 2 and more"),
    ],
)  # fmt: skip
def test_what_has_no_such_layer_is_refused(text: str, number: int | None, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        weight_images.chosen(written(tmp_path, text).loaded, number, 2)
    assert str(refused.value) == reason
