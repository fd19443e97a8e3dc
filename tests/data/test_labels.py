"""Labels in common forms are the same classes, and what is none is refused with its place."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.data import labels
from mlphys.errors import UserError

LONG_NUMBER = "1000000000000000"  # 16 digits: an identifier, which a float need not hold


@pytest.mark.parametrize(
    ("y", "names", "classes", "indices"),
    [
        (["b", " a", "b"], None, ("a", "b"), [1, 0, 1]),
        ([b"b", b"a"], None, ("a", "b"), [1, 0]),
        (["10", "9", "-1"], None, ("-1", "9", "10"), [2, 1, 0]),
        ([LONG_NUMBER, "9"], None, (LONG_NUMBER, "9"), [0, 1]),
        ([7, 3.0, 7], None, ("3", "7"), [1, 0, 1]),
        ([True, False], None, ("0", "1"), [1, 0]),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], None, ("0", "1", "2"), [1, 2, 0]),
        ([[1], [1]], None, ("1",), [0, 0]),  # a column of ones has no class 0
        ([1, 0, 1], ("up", "down"), ("up", "down"), [1, 0, 1]),
        ([-1, 1], ("down", "up"), ("down", "up"), [0, 1]),
        (["up", "down"], ("up", "down"), ("up", "down"), [0, 1]),
    ],
)
def test_labels_of_any_form_become_class_indices(y, names, classes, indices):
    found, (index,) = labels.classes("a.npz", {"y": np.array(y)}, names)
    assert found == classes
    assert index.dtype == np.int32
    assert index.tolist() == indices


MANY = "y has 30 different values in 30 samples, too many to be classes; kind: regressor takes them as numbers"
UNPRINTABLE = "cannot name a class: names have 1 to 100 printable characters; correct the labels"


@pytest.mark.parametrize(
    ("y", "names", "message"),
    [
        ([["a", "b"], ["a", "a"]], None, "y has shape (2, 2); expected one label per sample"),
        ([[1, 2], [3, 4]], None, "y has shape (2, 2); expected one whole number per sample, or one-hot"),
        (
            [1, 0.5, np.nan],
            None,
            "y[1] is 0.5: labels are text or whole numbers; kind: regressor takes numbers; 2 of 3 are wrong",
        ),
        (range(30), None, MANY),
        (["a", "b\nc"], None, f"text 'b\\nc' {UNPRINTABLE}"),
        (["a" * 101], None, f"text '{'a' * 51}... {UNPRINTABLE}"),
        (["a", "c"], ("a", "b"), "text 'c' is none of class_names (a, b); add it there"),
        ([0, 1, -1], ("a", "b"), "y[2] is -1: the classes are 0 to 1; 1 of 3 are wrong"),
        ([0, 1, 2], ("a", "b"), "y[2] is 2: the classes are 0 to 1; 1 of 3 are wrong"),
    ],
)
def test_labels_that_are_none_are_refused_with_the_first_of_them(y, names, message):
    with pytest.raises(UserError) as error:
        labels.classes("a.npz", {"y": np.array(y)}, names)
    assert str(error.value) == f"a.npz: {message}"


def test_labels_of_two_files_are_all_text_or_all_numbers():
    with pytest.raises(UserError) as error:
        labels.classes("a.npz", {"y_train": np.array(["a", "b"]), "y_test": np.array([0, 1])}, None)
    assert str(error.value) == "a.npz: y_train and y_test hold text and numbers; write all labels alike"
