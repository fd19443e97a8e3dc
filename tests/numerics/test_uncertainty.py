"""Digits that mean something."""

from __future__ import annotations

import math

import pytest

from mlphys.numerics.uncertainty import rounded


@pytest.mark.parametrize(
    ("value", "stderr", "expected"),
    [
        (0.98721, 0.00113, "0.9872 +- 0.0011"),
        (0.5, 0.1, "0.50 +- 0.10"),
        (12.3456, 1.2, "12.3 +- 1.2"),
        (123.4, 45.6, "123 +- 46"),
        (2.184e-6, 0.25e-6, "(2.18 +- 0.25)e-6"),
        (0.25, 0.0, "0.2500"),
        (0.25, 1e-17, "0.2500"),
        (0.25, None, "0.2500"),
        (0.25, math.inf, "0.2500"),
    ],
)
def test_a_number_has_as_many_digits_as_its_error_two(value, stderr, expected):
    assert rounded(value, stderr) == expected
