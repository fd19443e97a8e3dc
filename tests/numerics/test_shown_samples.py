"""Which samples of a classifier are shown."""

from __future__ import annotations

import numpy as np

from mlphys.numerics.shown_samples import first_right, surest_mistakes


def test_the_surest_mistakes_come_first_and_right_answers_not_at_all():
    labels = np.array([0, 1, 0, 1])
    probabilities = np.array([[0.4, 0.6], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])
    assert surest_mistakes(labels, probabilities, most=100).tolist() == [2, 3, 0]
    assert surest_mistakes(labels, probabilities, most=1).tolist() == [2]


def test_of_each_class_the_first_right_answer_is_found():
    labels = np.array([1, 1, 0, 2, 0, 1])
    probabilities = np.eye(3)[[0, 1, 0, 1, 0, 1]]
    assert first_right(labels, probabilities, most=10).tolist() == [2, 1]
    assert first_right(labels, probabilities, most=1).tolist() == [2]
