"""Formulas of costs as MathML."""

from __future__ import annotations

import re
from html import unescape

import pytest

from mlphys.report.mathml import formula


@pytest.mark.parametrize(
    "cost", ["mean over the samples of -sum_k t_k log p_k", "mean of |r(x) - x|^2 + 0.1 sum_i |h_i|"]
)
def test_no_sign_is_written_out_as_an_escape(cost):
    assert "\\" not in formula(cost)


def test_a_function_is_applied_by_the_sign_for_it():
    assert "<mi>log</mi><mo>&#x2061;</mo>" in formula("-sum_k t_k log p_k")


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("mean over the samples of  -sum_k t_k log p_k, times the weight of the sample's class",
         ["mean over the samples of\u2003", ", times the weight of the sample's class"]),
        ("p: of the corrupted sample, t: the clean one", [": of the corrupted sample, ", ": the clean one"]),
        ("+ 0.1 sum_ij (dh_j/dx_i)^2 + 2 sum|layers.0.Dense.kernel|", []),
    ],
)  # fmt: skip
def test_words_are_text_beside_the_formula(cost, words):
    outside = [unescape(each) for each in re.split("<math.*?</math>", re.sub("</?(p|div)[^>]*>", "", formula(cost)))]
    assert [each for each in outside if each] == words
