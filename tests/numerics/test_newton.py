from __future__ import annotations

import numpy as np
import pytest

from mlphys.numerics.newton import find

H = np.array([0.1, 0.3])


def quadratic(places: np.ndarray) -> np.ndarray:
    """3 + 2 (x - 1)^2 + x y + (y + 2)^2, lowest at x = 12/7, y = -20/7."""
    x, y = places.T
    return 3 + 2 * (x - 1) ** 2 + x * y + (y + 2) ** 2


def test_the_minimum_of_a_quadratic_function_is_found_with_its_second_derivatives():
    found = find(quadratic, np.array([50.0, -80.0]), H)
    assert found is not None
    assert found.place == pytest.approx([12 / 7, -20 / 7])
    assert found.value == pytest.approx(quadratic(np.array([[12 / 7, -20 / 7]]))[0])
    assert found.hessian == pytest.approx(np.array([[4, 1], [1, 2]]))


def test_rosenbrocks_valley_is_followed_to_its_end():
    found = find(lambda p: (1 - p[:, 0]) ** 2 + 100 * (p[:, 1] - p[:, 0] ** 2) ** 2, np.array([1.2, 1.4]), H / 1000)
    assert found is not None
    assert found.place == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda p: p[:, 0] ** 2 - p[:, 1] ** 2,
        lambda p: p[:, 0] + p[:, 1],
        lambda p: np.exp(-p[:, 0]) + p[:, 1] ** 2,
        lambda p: np.full(len(p), np.nan),
    ],
    ids=["saddle", "slope", "towards infinity", "nan"],
)
def test_where_no_step_leads_to_a_minimum_there_is_none(function):
    assert find(function, np.array([0.5, 0.5]), H) is None
