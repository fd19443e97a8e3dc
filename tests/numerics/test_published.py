"""The pull of a mean from a published number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mlphys.numerics.over_seeds import over_seeds
from mlphys.numerics.published import chi_squared, deviation

VALUES = [0.940, 0.951, 0.938, 0.949, 0.946]


def test_a_single_published_run_has_the_spread_of_ours():
    found = deviation(over_seeds(VALUES), 0.9324, 1e-4, None, 1, 0.0)
    s = np.std(VALUES, ddof=1)
    assert found.stderr == pytest.approx(math.sqrt(s**2 / 5 + s**2 + (0.5e-4) ** 2 / 3))
    t = (np.mean(VALUES) - 0.9324) / found.stderr
    assert found.pull == pytest.approx(stats.norm.isf(stats.t.sf(t, 4)), rel=1e-3)


def test_a_published_error_stands_once_in_place_of_a_spread():
    found = deviation(over_seeds(VALUES), 0.94, 0.01, 0.02, 7, 1e-4)
    s = np.std(VALUES, ddof=1)
    assert found.stderr == pytest.approx(math.sqrt(s**2 / 5 + 0.02**2 + 0.005**2 / 3 + 1e-4))


def test_pulls_of_true_numbers_are_distributed_normally():
    random = np.random.default_rng(0)
    pulls = [
        deviation(over_seeds(list(random.normal(0, 1, 4))), random.normal(), 1e-6, None, 1, 0.0).pull
        for _ in range(3000)
    ]
    assert np.mean(pulls) == pytest.approx(0, abs=0.06)
    assert np.std(pulls) == pytest.approx(1, abs=0.05)
    assert np.mean(np.abs(pulls) > 1.96) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("values", "within"), [([0.25], True), ([0.2504, 0.2504], True), ([0.251, 0.252], False)])
def test_with_fewer_than_three_seeds_there_is_only_equality_within_rounding(values, within):
    found = deviation(over_seeds(values), 0.25, 1e-3, None, 1, 1.0)
    assert (found.pull, found.within_rounding) == (None, within)


def test_where_only_rounding_differs_there_is_no_pull():
    assert deviation(over_seeds([0.91466] * 3), 0.9147, 1e-4, None, 1, 0.0).pull is None
    assert deviation(over_seeds([0.91466] * 3), 0.9147, 1e-4, None, 1, 0.0).within_rounding


def test_chi_squared_has_the_p_of_scipy():
    total, p = chi_squared([1.0, -2.0, 0.5])
    assert (total, p) == pytest.approx((5.25, stats.chi2.sf(5.25, 3)))
