"""Samples on disk against the same samples in memory, for any numbers and wherever the pieces are cut."""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlphys.numerics import chunked

SAMPLES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9),
    elements=st.floats(-1e3, 1e3, width=32),
)
CUTS = st.integers(1, 40)  # values in a piece


def on_disk(x: np.ndarray) -> chunked.LazyArray:
    return chunked.lazy_array(len(x), x.shape[1:], lambda rows: x[rows])


def cut(values: int):
    return mock.patch.object(chunked, "LARGEST_PIECE", values)


@given(SAMPLES, CUTS)
def test_the_pieces_are_the_samples_from_front_to_back(x, values):
    with cut(values):
        for samples in (x, on_disk(x)):
            pieces = list(chunked.pieces(samples))
            assert all(len(piece) == 1 or piece.size <= values for piece in pieces)
            np.testing.assert_array_equal(np.concatenate(pieces), x)


@given(SAMPLES, CUTS)
def test_every_moment_has_the_same_bits_on_disk_and_in_memory(x, values):
    with cut(values):
        mean = chunked.mean(x)
        assert chunked.mean(on_disk(x)).tobytes() == mean.tobytes()
        assert chunked.mean_square(on_disk(x), mean).tobytes() == chunked.mean_square(x, mean).tobytes()
        for here, there in zip(chunked.extremes(x), chunked.extremes(on_disk(x)), strict=True):
            assert here.tobytes() == there.tobytes()


@given(SAMPLES, CUTS)
def test_moments_are_those_of_numpy_in_double_precision(x, values):
    wide = x.astype(np.float64)
    with cut(values):
        np.testing.assert_allclose(chunked.mean(x), wide.mean(axis=0), rtol=1e-12, atol=1e-9)
        around = wide.mean(axis=0)
        np.testing.assert_allclose(chunked.mean_square(x, around), wide.var(axis=0), rtol=1e-9, atol=1e-6)
        low, high = chunked.extremes(x)
    np.testing.assert_array_equal(low, x.min(axis=0))
    np.testing.assert_array_equal(high, x.max(axis=0))


@given(st.data(), SAMPLES)
def test_rows_of_rows_are_those_of_numpy(data, x):
    rows = data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1).map(np.array), "rows")
    again = data.draw(st.slices(len(rows)), "rows of them")
    chosen = on_disk(x)[rows][again]
    assert chosen.shape == x[rows][again].shape
    np.testing.assert_array_equal(chunked.read(chosen), x[rows][again])


@given(SAMPLES)
def test_what_is_made_of_stored_samples_is_made_when_they_are_read(x):
    made = on_disk(x).mapped(lambda rows: 2 * rows.reshape(len(rows), -1), (x[0].size,))
    assert made.shape == (len(x), x[0].size)
    np.testing.assert_array_equal(chunked.read(made), 2 * x.reshape(len(x), -1))
