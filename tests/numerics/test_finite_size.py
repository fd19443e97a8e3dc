import numpy as np
import pytest
from scipy.optimize import curve_fit

from mlphys.numerics.finite_size import extrapolated

LENGTHS = [10, 20, 40, 60]
ERRORS = [0.004, 0.003, 0.002, 0.002]


def made(random, critical=2.269, slope=1.1, nu=1.0):
    exact = critical + slope * np.array(LENGTHS, float) ** (-1 / nu)
    return exact + random.normal(size=4) * ERRORS


def test_exact_temperatures_give_back_the_limit_and_the_slope():
    for nu in (1.0, 0.63):
        inverse = np.array(LENGTHS, float) ** (-1 / nu)
        found = extrapolated(LENGTHS, 4.51 - 2 * inverse, ERRORS, nu)
        assert (found.critical, found.slope) == (pytest.approx(4.51), pytest.approx(-2))
        assert (found.scale, found.freedom) == (1, 2)


def test_the_fit_is_scipys():
    values = made(np.random.default_rng(0))
    found = extrapolated(LENGTHS, values, ERRORS, 1.0)
    (critical, slope), covariance = curve_fit(
        lambda length, c, a: c + a / length, np.array(LENGTHS, float), values, sigma=ERRORS, absolute_sigma=True
    )
    assert (found.critical, found.slope) == (pytest.approx(critical, rel=1e-6), pytest.approx(slope, rel=1e-4))
    assert found.stderr == pytest.approx(found.scale * np.sqrt(covariance[0, 0]), rel=1e-4)
    assert found.slope_stderr == pytest.approx(found.scale * np.sqrt(covariance[1, 1]), rel=1e-4)


def test_two_standard_errors_hold_the_limit_in_nineteen_of_twenty_repetitions():
    random = np.random.default_rng(1)
    found = [extrapolated(LENGTHS, made(random), ERRORS, 1.0) for _ in range(1000)]
    pulls = np.array([(one.critical - 2.269) / one.stderr * one.scale for one in found])
    assert pulls.std() == pytest.approx(1, abs=0.1)
    assert (abs(pulls) < 2).mean() == pytest.approx(0.954, abs=0.03)


def test_points_that_scatter_more_than_their_errors_have_larger_ones():
    values = np.array([2.38, 2.30, 2.32, 2.27])
    found = extrapolated(LENGTHS, values, ERRORS, 1.0)
    assert found.scale == pytest.approx(np.sqrt(found.chi2 / 2))
    assert found.scale > 3
    larger = extrapolated(LENGTHS, values, [found.scale * error for error in ERRORS], 1.0)
    assert larger.stderr == pytest.approx(found.stderr)


def test_two_sizes_have_a_line_through_them_and_no_chi_squared():
    found = extrapolated([10, 20], [2.4, 2.3], [0.01, 0.01], 1.0)
    assert (found.critical, found.freedom, found.scale) == (pytest.approx(2.2), 0, 1)
