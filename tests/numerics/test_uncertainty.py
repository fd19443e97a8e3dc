"""Digits that mean something."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlphys.numerics.uncertainty import fraction_stderr, rounded


@pytest.mark.parametrize(
    ("value", "stderr", "expected"),
    [
        (0.98721, 0.00113, "0.9872 +- 0.0011"),
        (0.5, 0.1, "0.50 +- 0.10"),
        (12.3456, 1.2, "12.3 +- 1.2"),
        (123.4, 45.6, "123 +- 46"),
        (2.184e-6, 0.25e-6, "(2.18 +- 0.25)e-6"),
        (0.25, 0.0, "0.2500"),
        (4444.39, 2e-4, "4444"),
        (0.25, 1e-17, "0.2500"),
        (0.25, None, "0.2500"),
        (0.25, math.inf, "0.2500"),
    ],
)
def test_a_number_has_as_many_digits_as_its_error_two(value, stderr, expected):
    assert rounded(value, stderr) == expected


@given(st.floats(-1e9, 1e9), st.floats(1e-12, 1e9))
def test_neither_a_number_nor_its_error_is_moved_by_more_than_a_twentieth_of_the_error(value, stderr):
    assume(stderr > 1e-5 * abs(value))
    text = rounded(value, stderr)
    numbers, _, power = text.removeprefix("(").partition(")")
    shown, shown_stderr = (float(number + power) for number in numbers.split(" +- "))
    assert abs(shown - value) <= 0.0501 * stderr
    assert abs(shown_stderr - stderr) <= 0.0501 * stderr


@given(st.data(), st.integers(1, 10**6))
def test_the_error_of_a_fraction_is_that_of_the_rest_and_never_vanishes(data, n):
    hits = data.draw(st.integers(0, n), "hits")
    stderr = fraction_stderr(hits, n)
    assert stderr == pytest.approx(fraction_stderr(n - hits, n), rel=1e-9)
    assert 1 / (2 * (n + 1)) <= stderr * (1 + 1e-12)  # at 0 and 1
    assert stderr <= 1 / (2 * math.sqrt(n + 1)) * (1 + 1e-12)  # at 1/2
