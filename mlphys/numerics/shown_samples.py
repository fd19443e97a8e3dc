"""Which samples of a classifier are worth seeing: its surest mistakes, and some that it got right."""

from __future__ import annotations

import numpy as np

MOST_RIGHT = 10  # correctly classified samples among those shown


def surest_mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Indices of misclassified samples, most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order[:most]].astype(np.int32)


def first_right(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Indices of the first correctly classified sample of each class, at most `most`."""
    right = np.flatnonzero(probabilities.argmax(axis=1) == labels)
    _, first = np.unique(labels[right], return_index=True)
    return right[first[:most]].astype(np.int32)


def worth_seeing(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Indices of the most confident mistakes, and of one correctly classified sample per class."""
    right = first_right(labels, probabilities, min(MOST_RIGHT, most))
    return np.concatenate([surest_mistakes(labels, probabilities, most - len(right)), right])
