"""Which clauses of a text disclose values of a config."""

from __future__ import annotations

import pytest

from mlphys.config.disclosure import without

SLIDE = "one hidden layer of 30 relu units, stochastic gradient descent (Marquardt, lecture 5)"


@pytest.mark.parametrize(
    ("text", "values", "kept"),
    [
        (SLIDE, [{"SGD": {"learning_rate": 1.0}}], "one hidden layer of 30 relu units (Marquardt, lecture 5)"),
        (SLIDE, [30], "stochastic gradient descent (Marquardt, lecture 5)"),
        (SLIDE, [1], "stochastic gradient descent (Marquardt, lecture 5)"),
        (SLIDE, [True, None, 0.5], SLIDE),
        ("learns with adam; 1,000 batches", ["adam"], "1,000 batches"),
        ("learns with adam; 1,000 batches", [1000], "learns with adam"),
        ("two-stage convolutional net, no download", [[{"Conv2D": {"filters": 8}}]], "no download"),
        ("cross-entropy, softmax", ["categorical_crossentropy"], "softmax"),
        ("comes with scikit-learn", [{"Adam": {"learning_rate": 0.1}}], "comes with scikit-learn"),
        ("", [1], ""),
    ],
)
def test_a_clause_with_a_number_a_name_or_what_a_name_abbreviates_is_left_out(text, values, kept):
    assert without(text, values) == kept
