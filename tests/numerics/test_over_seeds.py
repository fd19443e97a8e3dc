"""Means over seeds and over folds."""

from __future__ import annotations

import pytest

from mlphys.numerics.over_seeds import OverSeeds, over_folds, over_seeds


def test_mean_and_errors_of_three_seeds_are_those_by_hand():
    found = over_seeds([1.0, 2.0, 6.0], [0.3, None, 0.4])
    assert (found.n, found.mean) == (3, 3.0)
    assert found.stdev == pytest.approx(7**0.5)
    assert found.stderr == pytest.approx((7 / 3) ** 0.5)
    assert found.sampling == pytest.approx((0.25 / 2) ** 0.5)


def test_one_seed_has_no_error_over_seeds():
    assert over_seeds([0.9], [0.1]) == OverSeeds(1, 0.9, None, None, 0.1)
    assert over_seeds([0.9]) == OverSeeds(1, 0.9, None, None, None)


def test_the_mean_over_folds_has_the_error_of_nadeau_and_bengio():
    found = over_folds([1.0, 2.0, 3.0, 4.0, 5.0], [0.2] * 5)
    assert found.stdev == pytest.approx(2.5**0.5)
    assert found.stderr == pytest.approx((2.5 * (1 / 5 + 1 / 4)) ** 0.5)
    assert found.sampling == pytest.approx(0.2 / 5**0.5)
