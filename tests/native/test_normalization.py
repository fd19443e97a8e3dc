"""Compiled batch normalization against NumPy, with its arrays between guards of NaN."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.native import normalization
from mlphys.native.normalization import Scaling
from mlphys.native.processor import SimdUnit
from tests.native.guarded import called

GROUPS = 2


@pytest.mark.parametrize("simd", [SimdUnit(16, 24), SimdUnit(8, 12), SimdUnit(4, 24)])
@pytest.mark.parametrize("pool", [(1, 1), (2, 3)])
def test_moments_and_gradients_count_the_samples_of_an_incomplete_group_only(simd, pool):
    rng = np.random.default_rng(0)
    scaling = Scaling((4, 6, 7), pool_size=pool)
    x = rng.normal(3, 1, (GROUPS, 4, 6, 7, simd.width)).astype(np.float32)
    samples = (GROUPS - 1) * simd.width + 3
    present = np.arange(GROUPS * simd.width).reshape(GROUPS, simd.width) < samples
    of_samples = np.moveaxis(x, -1, 1)[present]  # (samples, 4, 6, 7)
    vectors = np.zeros((7, simd.width), np.float32)
    channels = np.zeros(7, np.float32)

    arrays = {"x": x, "mean": channels, "deviations": channels, "sums": vectors}
    found = called(normalization.moments(scaling.input_shape, simd), arrays, samples, GROUPS)
    np.testing.assert_allclose(found["mean"], of_samples.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found["deviations"], of_samples.var((0, 1, 2)) * samples * 24, rtol=1e-5)

    factors, shifts, mean, of_x, constant = rng.normal(size=(5, 7)).astype(np.float32)
    pooled = np.zeros((GROUPS, *scaling.output_shape, simd.width), np.float32)
    arrays = {"x": x, "factors": factors, "shifts": shifts, "out": pooled}
    arrays["rows"] = np.zeros((pool[0], 6, 7, simd.width), np.float32)
    found = called(normalization.forward(scaling, simd), arrays, GROUPS)
    shape = GROUPS, 4 // pool[0], pool[0], 6 // pool[1], pool[1], 7, simd.width
    expected = (x * factors[:, None] + shifts[:, None]).reshape(shape).mean((2, 4))
    np.testing.assert_allclose(found["out"], expected, rtol=1e-4, atol=1e-4)

    gradient = rng.normal(size=pooled.shape).astype(np.float32) * present[:, None, None, None]
    before = gradient.repeat(pool[0], axis=1).repeat(pool[1], axis=2) / np.prod(pool)
    scratch = {"before": np.zeros_like(x[0]), "sums": vectors, "shift_sums": vectors}
    arrays = {"x": x, "gradient": gradient, "mean": mean, "dfactors": channels, "dshifts": channels, **scratch}
    found = called(normalization.parameter_gradient(scaling, simd), arrays, GROUPS)
    np.testing.assert_allclose(found["dshifts"], before.sum((0, 1, 2, 4)), atol=1e-3)
    np.testing.assert_allclose(found["dfactors"], (before * (x - mean[:, None])).sum((0, 1, 2, 4)), atol=1e-3)

    arrays = {"x": x, "gradient": gradient, "of_gradient": factors, "of_x": of_x, "constant": constant}
    arrays |= {"dx": np.zeros_like(x), "before": scratch["before"]}
    found = called(normalization.input_gradient(scaling, simd), arrays, samples, GROUPS)
    expected = before * factors[:, None] + x * of_x[:, None] + constant[:, None]
    np.testing.assert_allclose(found["dx"], expected * present[:, None, None, None], atol=1e-4)


def test_a_part_without_samples_has_the_mean_0_and_no_deviations():
    """Of which no sample counts: NaN would stay NaN when it is weighted by 0."""
    simd = SimdUnit(8, 12)
    arrays = {"x": np.zeros((0, 4, 6, 7, 8), np.float32), "mean": np.ones(7, np.float32)}
    arrays |= {"deviations": np.ones(7, np.float32), "sums": np.ones((7, 8), np.float32)}
    found = called(normalization.moments((4, 6, 7), simd), arrays, 0, 0)
    assert not found["mean"].any()
    assert not found["deviations"].any()
