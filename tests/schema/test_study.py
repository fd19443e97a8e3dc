"""Lists and ranges of a grid."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mlphys.schema.study import options


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("0:1:lin6", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ("16:256:log5", [16, 32, 64, 128, 256]),
        ("1:4:lin4", [1, 2, 3, 4]),
        ("1:2:lin3", [1.0, 1.5, 2.0]),
        ("-1:1:lin3", [-1, 0, 1]),
        ([16, 32], [16, 32]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ({"small": 1, "large": 100}, [1, 100]),
    ],
)
def test_a_list_a_range_and_named_values_stand_for_these(values, expected):
    found = list(options(values).values())
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_a_logarithmic_range_has_equal_ratios_and_its_ends():
    found = list(options("1e-3:1:log7").values())
    assert (found[0], found[-1]) == (0.001, 1.0)
    np.testing.assert_allclose(found, np.geomspace(1e-3, 1, 7), rtol=1e-5)


def test_values_are_labelled_by_their_names_or_as_they_are_written():
    assert list(options({"from scratch": 0, "pretrained": 10})) == ["from scratch", "pretrained"]
    assert list(options([0.5, "all", [1, 2]])) == ["0.5", "all", "[1, 2]"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "an empty grid trains nothing; write a list such as [16, 32, 64]"),
        ({}, "an empty grid trains nothing"),
        ("1:0:lin3", "a range runs from the smaller to the larger number; write 0:1:..."),
        ("2:2:lin3", "a range has two ends; write [2] for one value"),
        ("0:1:log3", "a range of equal ratios begins above 0; write lin, or a larger first value"),
        ("0:1:lin1", "a range has 2 to 10000 values"),
        ("0:1:lin99999", "a range has 2 to 10000 values"),
        ("0:inf:lin3", "the ends of a range are finite numbers"),
        ("a:b:lin3", "expected a list such as [16, 32, 64], a range such as 1e-3:1:log7"),
        ("16,32", "write [16,32]"),
        (16, "expected a list such as [16, 32, 64]"),
        ([1, 1.0], "1 and 1.0 are equal; leave one out"),
        (["a", "a"], "a and a are equal; leave one out"),
    ],
)
def test_what_is_no_set_of_values_is_refused(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        options(values)


def test_true_and_1_are_different_values():
    assert list(options([True, 1]).values()) == [True, 1]
