"""Kernels that are written down: their values, and FixedConv2D against SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.signal import correlate2d, fftconvolve

from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.models import transform
from mlphys.schema.data import Description
from mlphys.schema.document import dump
from mlphys.schema.kernels import Gabor, Gauss, Kernels, Rings, array
from mlphys.schema.layers import FixedConv2D

IMAGE = np.random.default_rng(0).normal(size=(3, 12, 10, 1)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(4, 3)).round(2)


def convolved(x: np.ndarray, **keys) -> np.ndarray:
    """What a FixedConv2D makes of images, float32."""
    spec = transform.Transform(kind="transform", layers=[{"FixedConv2D": keys}])
    network = spec.build(Description(x.shape[1:], (), len(x), None), 0)
    return network.model(x).numpy()


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_fixed_conv2d_is_scipys_correlation(padding):
    out = convolved(IMAGE, kernel=KERNEL[:3].tolist(), padding=padding)
    for image, found in zip(IMAGE, out, strict=True):
        np.testing.assert_allclose(found[..., 0], correlate2d(image[..., 0], KERNEL[:3], padding), atol=1e-5)


def test_strides_leave_out_positions():
    whole = convolved(IMAGE, kernel=KERNEL.tolist())
    np.testing.assert_allclose(convolved(IMAGE, kernel=KERNEL.tolist(), strides=[2, 3]), whole[:, ::2, ::3], atol=1e-6)


def test_each_kernel_gives_an_output_and_adds_up_all_channels():
    x = np.random.default_rng(2).normal(size=(2, 7, 7, 3)).astype(np.float32)
    kernels = [KERNEL[:3].tolist(), (2 * KERNEL[:3]).tolist()]
    out = convolved(x, kernel=kernels)
    assert out.shape == (2, 5, 5, 2)
    np.testing.assert_allclose(out[0, ..., 0], correlate2d(x[0].sum(axis=-1), KERNEL[:3], "valid"), atol=1e-5)
    np.testing.assert_allclose(out[..., 1], 2 * out[..., 0], atol=1e-5)


@pytest.mark.parametrize("size", [3, 9])
def test_the_convolution_theorem_holds_to_rounding(size):
    kernel = Gabor(size=size, wave_x=0.7, wave_y=0.3, phase=20.0, decay=0.05).values()
    x = np.random.default_rng(3).normal(size=(1, 32, 32, 1)).astype(np.float32)
    turned_round = kernel[::-1, ::-1].tolist()
    direct = convolved(x, kernel=turned_round, padding="same")[0, ..., 0]
    np.testing.assert_allclose(direct, fftconvolve(x[0, ..., 0], kernel, mode="same"), atol=1e-5)


def test_the_x_of_the_lecture_is_found_along_its_diagonal():
    x = np.full((5, 5), -1, np.float32)
    for place in ((1, 1), (1, 3), (2, 2), (3, 1), (3, 3)):
        x[place] = 1
    diagonal = [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    layers = [
        {"FixedConv2D": {"kernel": diagonal}},
        "ReLU",
        {"MaxPooling2D": {"pool_size": 2, "strides": 1}},
    ]
    spec = transform.Transform(kind="transform", layers=layers)
    network = spec.build(Description((5, 5, 1), (), 1, None), 0)
    first, last = (network.layers[name](x[None, ..., None]).numpy()[0, ..., 0] for name in (
        "layers.0.FixedConv2D", "layers.2.MaxPooling2D",
    ))  # fmt: skip
    assert first.tolist() == [[7, -3, 3], [-3, 5, -3], [3, -3, 7]]
    assert last.tolist() == [[7, 5], [5, 7]]


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(np.arange(size) - (size - 1) / 2, np.arange(size) - (size - 1) / 2)


@pytest.mark.parametrize("size", [1, 4, 5])
def test_the_formulas_give_their_values_around_the_middle(size):
    x, y = grid(size)
    r2 = x**2 + y**2
    expected = {
        Gauss(size=size, decay=0.3): np.exp(-0.3 * r2),
        Gabor(size=size, wave_x=0.5, wave_y=0.2, phase=30, decay=0.1): (
            np.cos(0.5 * x + 0.2 * y + np.pi / 6) * np.exp(-0.1 * r2)
        ),
        Rings(size=size, wave=1.5, decay=0.1): np.cos(1.5 * np.sqrt(r2)) * np.exp(-0.1 * r2),
    }
    for kernel, values in expected.items():
        np.testing.assert_allclose(kernel.values(), values, atol=1e-6)


def test_a_phase_of_minus_90_degrees_is_a_sine():
    x, _ = grid(5)
    sine = Gabor(size=5, wave_x=0.5, phase=-90, decay=0.0).values()
    np.testing.assert_allclose(sine, np.sin(0.5 * x), atol=1e-6)


def test_a_normalized_kernel_keeps_the_brightness():
    blur = Gauss(size=5, decay=0.2, normalize=True)
    assert np.abs(blur.values()).sum() == pytest.approx(1, rel=1e-6)
    flat = convolved(np.ones((1, 9, 9, 1), np.float32), kernel={"Gauss": {"size": 5, "decay": 0.2, "normalize": True}})
    np.testing.assert_allclose(flat, 1, rtol=1e-6)


def test_one_kernel_a_list_of_kernels_and_formulas_are_distinguished():
    read = TypeAdapter(Kernels).validate_python
    assert read([[1, 2]]) == (((1.0, 2.0),),)
    assert read([[[1, 2]], [[3, 4]]]) == (((1.0, 2.0),), ((3.0, 4.0),))
    assert read({"Gauss": {"size": 3, "decay": 1}}) == (Gauss(size=3, decay=1),)
    assert read([{"gauss": {"size": 1, "decay": 1}}, [[5]]]) == (Gauss(size=1, decay=1), ((5.0,),))
    assert array(read([[1, 2]])[0]).dtype == np.float32


def test_a_written_out_kernel_reads_back():
    layer = FixedConv2D(kernel=[{"Rings": {"size": 3, "wave": 1, "decay": 0.1}}, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    assert FixedConv2D.model_validate(layer.model_dump()) == layer


def config(kernel: object) -> Path:
    layers = [{"FixedConv2D": {"kernel": kernel}}]
    Path("f.yaml").write_text(dump({"data": {"name": "digits"}, "model": {"kind": "transform", "layers": layers}}))
    return Path("f.yaml")


ROWS = "expected rows of as many numbers each, up to 1e6, such as [[1, -2, 1]]; received "


@pytest.mark.parametrize(
    ("kernel", "where", "message"),
    [
        ([[1, 2], [3]], "", f"{ROWS}[[1, 2], [3]]"),
        ([], "", f"{ROWS}[]"),
        ([[]], ".0", f"{ROWS}[]"),
        ([["a", "b"]], "", f"{ROWS}[['a', 'b']]"),
        ([[1, True]], "", f"{ROWS}[[1, True]]"),
        ([[1, float("nan")]], "", f"{ROWS}[[1, nan]]"),
        ([[1, 1e300]], "", f"{ROWS}[[1, 1e+300]]"),
        ([[[1]], [[1, 2]]], "", "expected kernels of the same size; received different ones"),
        ([[0] * 1000], "", f"a kernel has at most 999 rows and columns; received {[[0] * 1000]!s:.57}..."),
        ("sobel", "", "unknown kernel; received text 'sobel'; allowed Gauss, Gabor, Rings"),
        ({"Gaus": {"size": 3}}, "", "unknown kernel; received text 'Gaus'; did you mean Gauss? (allowed: Gauss, Gabor, "
         "Rings)"),
        ({"Gauss": {"size": 1000, "decay": 1}}, ".Gauss.size", "must be at most 999; received 1000"),
        ({"Gauss": {"size": 3}}, ".Gauss.decay", "missing; this key must be given"),
        ({"Gauss": {"size": 2, "decay": 1e6}}, ".Gauss", "all its values vanish; lower decay, or change the wave"),
        ({"Gabor": {"size": 3, "phase": -90, "decay": 1}}, ".Gabor",
         "all its values vanish; lower decay, or change the wave"),
    ],
)  # fmt: skip
def test_a_wrong_kernel_is_refused(kernel, where, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as raised:
        load(config(kernel))
    place, _, told = str(raised.value).partition(": ")
    assert place.startswith("f.yaml:")
    assert told == f"model.layers.0.FixedConv2D.kernel{where}: {message}"


def test_a_kernel_larger_than_the_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="a window of 9 does not fit into 8; use a smaller one in FixedConv2D"):
        load(config({"Gauss": {"size": 9, "decay": 1}}))
