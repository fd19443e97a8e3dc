"""The largest outputs of a sample, beside NumPy's stable order."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.native.largest import keep_largest
from mlphys.native.llvm.function import Function
from tests.native.guarded import Guarded


def kept(values, slopes, largest, width):
    """Values and slopes after the restriction."""
    ir = Function(("values", "slopes"), (), width)
    keep_largest(ir, ir.pointer("values"), ir.pointer("slopes"), len(values), largest)
    room = np.full(2 * width, 7, np.float32)  # what is read behind the values, as in a padded row
    arrays = [Guarded(np.concatenate([each, room]).astype(np.float32)) for each in (values, slopes)]
    ir.compiled()(*(each.pointer() for each in arrays))
    assert all(each.is_intact() for each in arrays)
    assert all((each.values[len(values) :] == 7).all() for each in arrays)
    return [each.values[: len(values)].copy() for each in arrays]


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize(("count", "largest"), [(1, 1), (5, 2), (16, 16), (37, 1), (37, 20), (100, 7)])
def test_the_largest_are_kept_and_of_equal_ones_the_first(count, largest, width):
    rng = np.random.default_rng(count + largest)
    for values in (rng.normal(size=count), rng.integers(-2, 3, size=count) * 0.5, np.zeros(count), -rng.random(count)):
        values = values.astype(np.float32)
        values[::3] *= np.float32(1) if values.any() else np.float32(-1)  # minus zero is zero
        slopes = rng.normal(size=count).astype(np.float32)
        chosen = np.argsort(-values, kind="stable")[:largest]
        found, found_slopes = kept(values, slopes, largest, width)
        expected, expected_slopes = np.zeros_like(values), np.zeros_like(values)
        expected[chosen], expected_slopes[chosen] = values[chosen], slopes[chosen]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found_slopes, expected_slopes)
