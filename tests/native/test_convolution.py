"""Compiled convolutions against NumPy, with their arrays between guards of NaN."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.native import conv_backward, conv_forward
from mlphys.native.conv_forward import Convolution
from mlphys.native.processor import SimdUnit
from tests.native.guarded import called

GROUPS = 2


def taps(conv, x):
    """x (groups, h, w, c, simd_width) shifted for each tap: (rows, columns, groups, height, width, c, simd_width)."""
    rows, columns = conv.kernel_size
    top, left = conv.margin
    (height, width), (down, across) = conv.positions, conv.strides
    padded = np.pad(x, ((0, 0), (top, rows), (left, columns), (0, 0), (0, 0)))
    last = (height - 1) * down + 1, (width - 1) * across + 1
    return np.stack([
        np.stack([padded[:, t : t + last[0] : down, s : s + last[1] : across] for s in range(columns)])
        for t in range(rows)
    ])  # fmt: skip


def to_pixels(conv, values):
    """(groups, height, width, filters, simd_width) as pixels: with upsampling the filters are those of a block."""
    groups, height, width, filters, simd_width = values.shape
    n = conv.upsampling
    blocks = values.reshape(groups, height, width, n, n, filters // n**2, simd_width)
    return blocks.transpose(0, 1, 3, 2, 4, 5, 6).reshape(groups, height * n, width * n, filters // n**2, simd_width)


def random_convolution(rng):
    """A random convolution."""
    upsampling = int(rng.choice([1, 1, 2]))
    down, across = (1, 1) if upsampling == 2 else (int(n) for n in rng.integers(1, 4, 2))
    kernel = tuple(int(n) for n in rng.integers(1, 7, 2))
    positions = int(rng.integers(1, 5)) * down, int(rng.integers(1, 9)) * across
    padding = str(rng.choice(["same", "valid"]))
    strides = (1, 1) if upsampling == 2 else tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2))
    trimmed = (0, 0) if padding == "same" else (kernel[0] - 1, kernel[1] - 1)
    height, width = (
        (n - 1) * step + 1 + int(rng.integers(step)) + less
        for n, step, less in zip(positions, strides, trimmed, strict=True)
    )
    shape = height, width, int(rng.integers(1, 6))
    filters = int(rng.integers(1, 12)) * upsampling**2
    return Convolution(
        shape, filters, kernel, padding, pool_size=(down, across), upsampling=upsampling, strides=strides
    )


@pytest.mark.parametrize("simd", [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)])
@pytest.mark.parametrize("seed", range(12))
def test_convolutions_equal_numpys_and_stay_within_their_arrays(simd, seed):
    rng = np.random.default_rng(seed)
    conv = random_convolution(rng)
    x = rng.normal(size=(GROUPS, *conv.input_shape, simd.width)).astype(np.float32)
    weights = rng.normal(size=conv.kernel_shape).astype(np.float32)
    biases = rng.normal(size=conv.filters).astype(np.float32)
    gradient = rng.normal(size=(GROUPS, *conv.output_shape, simd.width)).astype(np.float32)

    shifted = taps(conv, x)
    result = np.einsum("tsgyxcn,tscf->gyxfn", shifted, weights, optimize=True) + biases[:, None]
    (height, width), (down, across) = conv.positions, conv.pool_size
    expected_out = to_pixels(conv, result)
    if conv.pools:
        pools = GROUPS, height // down, down, width // across, across, conv.filters, -1
        expected_out = result.reshape(pools).mean((2, 4))
    rows = np.zeros((down, width, conv.filters, simd.width), np.float32)
    arguments = {"x": x, "weights": weights, "biases": biases, "rows": rows, "out": np.zeros_like(gradient)}
    found = called(conv_forward.forward(conv, simd), arguments, GROUPS)
    np.testing.assert_allclose(found["out"], expected_out, atol=1e-4)

    back = gradient.repeat(down, axis=1).repeat(across, axis=2) / (down * across)
    if conv.upsampling == 2:
        back = gradient.reshape(GROUPS, height, 2, width, 2, conv.filters // 4, -1).transpose(0, 1, 3, 2, 4, 5, 6)
    back = back.reshape(GROUPS, height, width, conv.filters, -1)
    scratch = {
        "before": np.zeros_like(back[0]),
        "sums": np.zeros((conv_backward.accumulator_vectors(conv), simd.width), np.float32),
    }
    gradients = {"dweights": np.zeros_like(weights), "dbiases": np.zeros_like(biases)}
    found = called(
        conv_backward.weight_gradient(conv, simd), {"x": x, "gradient": gradient, **scratch, **gradients}, GROUPS
    )
    expected = np.einsum("tsgyxcn,gyxfn->tscf", shifted, back, optimize=True)
    np.testing.assert_allclose(found["dweights"], expected, atol=1e-3)
    np.testing.assert_allclose(found["dbiases"], back.sum((0, 1, 2, 4)), atol=1e-3)

    scratch = {"before": scratch["before"], "turned": np.zeros_like(weights), "dx": np.zeros_like(x)}
    found = called(
        conv_backward.input_gradient(conv, simd), {"weights": weights, "gradient": gradient, **scratch}, GROUPS
    )
    # <dx, z> = <gradient, convolution of z>
    z = rng.normal(size=x.shape).astype(np.float32)
    convolved_z = np.einsum("tsgyxcn,tscf->gyxfn", taps(conv, z), weights, optimize=True)
    expected = np.einsum("gyxfn,gyxfn->n", back, convolved_z)
    np.testing.assert_allclose((found["dx"] * z).sum((0, 1, 2, 3)), expected, rtol=1e-3, atol=1e-2)
