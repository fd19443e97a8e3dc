"""Formulas of costs as MathML."""

from __future__ import annotations

import pytest

from mlphys.report.mathml import formula


@pytest.mark.parametrize(
    "cost", ["mean over the samples of -sum_k t_k log p_k", "mean of |r(x) - x|^2 + 0.1 sum_i |h_i|"]
)
def test_no_sign_is_written_out_as_an_escape(cost):
    assert "\\" not in formula(cost)


def test_a_function_is_applied_by_the_sign_for_it():
    assert "<mi>log</mi><mo>&#x2061;</mo>" in formula("-sum_k t_k log p_k")
