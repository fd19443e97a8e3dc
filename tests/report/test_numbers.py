"""Numbers as a page shows them."""

from __future__ import annotations

import pytest

from mlphys.report.numbers import measured


@pytest.mark.parametrize(
    ("value", "stderr", "shown"),
    [
        (0.98812, 0.0011, "0.9881 ± 0.0011"),
        (-0.0018, 0.0024, "−0.0018 ± 0.0024"),
        (5.725e-05, None, "5.725 × 10⁻⁵"),
        (-3e12, None, "−3.000 × 10¹²"),
        (2.5e-08, 1.2e-09, "(2.50 ± 0.12) × 10⁻⁸"),
    ],
)
def test_a_number_has_the_signs_of_a_printed_one(value, stderr, shown):
    assert measured(value, stderr) == shown
