"""Convolutions in machine code against sums written out in NumPy, their arrays between numbers that are none."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mlphys.native import conv_backward, conv_forward
from mlphys.native.conv_forward import Convolution
from mlphys.native.llvm import Vectors
from tests.native.guarded import Guarded

GROUPS = 2


def called(function, arrays, count=GROUPS):
    """The function with its pointers from `arrays`, null where there is none."""
    guarded = {name: Guarded(values) for name, values in arrays.items()}
    types = [ctypes.c_void_p] * len(function.pointers) + [ctypes.c_int64]
    pointers = [guarded[name].pointer() if name in guarded else None for name in function.pointers]
    ctypes.CFUNCTYPE(None, *types)(function.address())(*pointers, count)
    assert all(each.untouched() for each in guarded.values())
    return {name: each.values for name, each in guarded.items()}


def taps(made, x):
    """x (groups, h, w, c, lanes) as seen by each tap: (rows, columns, groups, places, places, c, lanes)."""
    rows, columns = made.kernel
    top, left = made.before
    height, width = made.places
    padded = np.pad(x, ((0, 0), (top, rows), (left, columns), (0, 0), (0, 0)))
    return np.stack([np.stack([padded[:, t : t + height, s : s + width] for s in range(columns)]) for t in range(rows)])


def of_pixels(made, values):
    """(groups, places, places, filters, lanes) as pixels, where the filters are those of blocks."""
    groups, height, width, filters, lanes = values.shape
    n = made.block
    parted = values.reshape(groups, height, width, n, n, filters // n**2, lanes)
    return parted.transpose(0, 1, 3, 2, 4, 5, 6).reshape(groups, height * n, width * n, filters // n**2, lanes)


def drawn(rng):
    """Some convolution."""
    block = int(rng.choice([1, 1, 2]))
    down, across = (1, 1) if block == 2 else (int(n) for n in rng.integers(1, 4, 2))
    kernel = tuple(int(n) for n in rng.integers(1, 7, 2))
    places = int(rng.integers(1, 5)) * down, int(rng.integers(1, 9)) * across
    padding = str(rng.choice(["same", "valid"]))
    grown = (0, 0) if padding == "same" else (kernel[0] - 1, kernel[1] - 1)
    shape = places[0] + grown[0], places[1] + grown[1], int(rng.integers(1, 6))
    filters = int(rng.integers(1, 12)) * block**2
    return Convolution(shape, filters, kernel, padding, pool=(down, across), block=block)


@pytest.mark.parametrize("vectors", [Vectors(16, 24), Vectors(8, 12), Vectors(4, 24)])
@pytest.mark.parametrize("seed", range(12))
def test_nothing_but_what_belongs_to_it_is_read_or_written(vectors, seed):
    rng = np.random.default_rng(seed)
    made = drawn(rng)
    x = rng.normal(size=(GROUPS, *made.shape, vectors.lanes)).astype(np.float32)
    weights = rng.normal(size=made.weights).astype(np.float32)
    biases = rng.normal(size=made.filters).astype(np.float32)
    gradient = rng.normal(size=(GROUPS, *made.output, vectors.lanes)).astype(np.float32)

    seen = taps(made, x)
    whole = np.einsum("tsgyxcn,tscf->gyxfn", seen, weights, optimize=True) + biases[:, None]
    (height, width), (down, across) = made.places, made.pool
    cells = of_pixels(made, whole)
    if made.pooled:
        cells = whole.reshape(GROUPS, height // down, down, width // across, across, made.filters, -1).mean((2, 4))
    rows = np.zeros((down, width, made.filters, vectors.lanes), np.float32)
    given = {"x": x, "weights": weights, "biases": biases, "rows": rows, "out": np.zeros_like(gradient)}
    found = called(conv_forward.forward(made, vectors), given)
    np.testing.assert_allclose(found["out"], cells, atol=1e-4)

    back = gradient.repeat(down, axis=1).repeat(across, axis=2) / (down * across)
    if made.block == 2:
        back = gradient.reshape(GROUPS, height, 2, width, 2, made.filters // 4, -1).transpose(0, 1, 3, 2, 4, 5, 6)
    back = back.reshape(GROUPS, height, width, made.filters, -1)
    room = {
        "before": np.zeros_like(back[0]),
        "sums": np.zeros((conv_backward.sums_size(made), vectors.lanes), np.float32),
    }
    ends = {"dweights": np.zeros_like(weights), "dbiases": np.zeros_like(biases)}
    found = called(conv_backward.to_weights(made, vectors), {"x": x, "gradient": gradient, **room, **ends})
    expected = np.einsum("tsgyxcn,gyxfn->tscf", seen, back, optimize=True)
    np.testing.assert_allclose(found["dweights"], expected, atol=1e-3)
    np.testing.assert_allclose(found["dbiases"], back.sum((0, 1, 2, 4)), atol=1e-3)

    room = {"before": room["before"], "turned": np.zeros_like(weights), "dx": np.zeros_like(x)}
    found = called(conv_backward.to_input(made, vectors), {"weights": weights, "gradient": gradient, **room})
    # <dx, z> = <gradient, what the convolution makes of z>
    z = rng.normal(size=x.shape).astype(np.float32)
    made_of_z = np.einsum("tsgyxcn,tscf->gyxfn", taps(made, z), weights, optimize=True)
    expected = np.einsum("gyxfn,gyxfn->n", back, made_of_z)
    np.testing.assert_allclose((found["dx"] * z).sum((0, 1, 2, 3)), expected, rtol=1e-3, atol=1e-2)
