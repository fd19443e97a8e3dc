"""A convolution is the inverse Fourier transform of a product, to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from mlphys.analysis.convolution_theorem import ConvolutionTheorem, _chosen, by_transforms, direct_sum
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from tests.analysis.runs import IMAGES, random_run

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["valid", "same"])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_both_sides_are_scipys_correlation_of_one_channel(mode: str, side: int):
    x, kernel = RANDOM.normal(size=(8, 9)), RANDOM.normal(size=(side, side))
    expected = signal.correlate2d(x, kernel, mode)
    for found in (direct_sum, by_transforms):
        assert found(x[None, ..., None], kernel[..., None, None], mode == "same")[0, ..., 0] == pytest.approx(expected)


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("sides", [(2, 3), (4, 4), (3, 1)])
def test_even_kernels_several_channels_and_several_filters_agree(same: bool, sides: tuple[int, int]):
    x, kernel = RANDOM.normal(size=(3, 7, 6, 2)), RANDOM.normal(size=(*sides, 2, 4))
    assert by_transforms(x, kernel, same) == pytest.approx(direct_sum(x, kernel, same), abs=1e-13)


@pytest.mark.parametrize(("padding", "layer"), [("valid", None), ("same", 0)])
def test_the_layer_of_a_net_has_this_convolution_before_bias_and_activation(
    padding: str, layer: int | None, tmp_path: Path
):
    run = random_run(tmp_path, IMAGES.replace("kernel_size: 3,", f"kernel_size: 3, padding: {padding},"))
    spec = ConvolutionTheorem(layer=layer)
    spec.check(run.loaded)
    with theme.applied():
        result = spec.measure(run)
    assert result.numbers["difference"] < 1e-14
    assert 0 < result.numbers["difference_of_the_network"] < 1e-5
    assert result.pictures[0].table["direct"] == pytest.approx(result.pictures[0].table["by_transforms"], abs=1e-10)


@pytest.mark.parametrize(
    ("text", "layer", "reason"),
    [
        (IMAGES, 2, "layer 2 is no convolution; those with the numbers 0 are"),
        (IMAGES.replace("kernel_size: 3,", "kernel_size: 3, strides: 2,"), None, "with strides and dilation_rate 1"),
    ],
)
def test_other_layers_and_strides_are_refused(text: str, layer: int | None, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable, match=reason):
        ConvolutionTheorem(layer=layer).check(random_run(tmp_path, text).loaded)


def test_a_layer_whose_input_is_not_the_output_of_the_row_before_is_refused(tmp_path: Path):
    convolution, *_, last = random_run(tmp_path, IMAGES).rows
    with pytest.raises(NotApplicable, match="the input of layer 1 is not the output of the layer before"):
        _chosen([last, convolution], 1)
