from __future__ import annotations

import numpy as np
import pytest

from mlphys.numerics.metrics import classification
from mlphys.numerics.verdicts import not_learned

REMEDY = "try another learning_rate, or more epochs"


def metrics(labels: list[int], guesses: list[int], classes: int = 3) -> dict:
    probabilities = np.eye(classes)[guesses]
    names = tuple("abcdefghij"[:classes])
    return classification(np.array(labels), probabilities, np.zeros(len(labels)), names)


@pytest.mark.parametrize("only", [0, 1, 2])
def test_one_answer_for_every_sample_is_reported_as_collapse(only: int):
    found = not_learned(metrics([0, 1, 2, 1] * 10, [only] * 40))
    assert found == [
        f"predicts {'abc'[only]} for every sample: the network has collapsed; try a learning_rate ten times smaller"
    ]


def test_answers_by_chance_are_no_better_than_the_most_frequent_class():
    labels = [0] * 60 + [1] * 40
    found = not_learned(metrics(labels, [0, 1] * 50, 2))
    assert found == [
        f"accuracy is less than two standard errors better than always the most frequent class (0.6); {REMEDY}"
    ]


def test_a_network_that_has_learned_and_a_split_of_one_class_are_told_nothing():
    assert not_learned(metrics([0, 1, 2] * 20, [0, 1, 2] * 20)) == []
    assert not_learned(metrics([1] * 20, [1] * 19 + [0])) == []
    assert not_learned(metrics([1] * 20, [1] * 20)) == []


@pytest.mark.parametrize(("mse", "count"), [(0.02, 0), (0.0669, 1), (0.09, 1), (float("nan"), 1)])
def test_reconstructions_are_compared_with_the_mean_of_the_training_samples(mse: float, count: int):
    found = not_learned({"mse": mse, "mse_stderr": 0.001, "mean_image_mse": 0.0675})
    assert len(found) == count
    assert all(
        line.startswith("mse is less than two standard errors better than always the mean of the training samples")
        for line in found
    )
