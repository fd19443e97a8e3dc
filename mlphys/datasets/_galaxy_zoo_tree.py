"""The questions of Galaxy Zoo 2 (Willett et al. 2013), and the four classes of the lecture."""

from __future__ import annotations

import numpy as np

from mlphys.schema.data import Description
from mlphys.schema.fields import Shape

ANSWERS = {1: 3, 2: 2, 3: 2, 4: 2, 5: 4, 6: 2, 7: 3, 8: 7, 9: 3, 10: 3, 11: 6}  # of each question
COLUMNS = tuple(f"Class{question}.{k}" for question, count in ANSWERS.items() for k in range(1, count + 1))
CLASSES = ("no galaxy", "spiral", "elliptical", "irregular")


def answers(fractions: np.ndarray, question: int) -> np.ndarray:
    """The columns (n, answers) of one question in the fractions (n, 37)."""
    first = COLUMNS.index(f"Class{question}.1")
    return fractions[:, first : first + ANSWERS[question]]


def labels(fractions: np.ndarray) -> np.ndarray:
    """The class of fractions (n, 37), int32 (n,): the largest of 1.3, max(5.1 ... 5.4), 6.2 and max(8.1 ... 8.7)."""
    evidence = [
        answers(fractions, 1)[:, 2],
        answers(fractions, 5).max(axis=1),
        answers(fractions, 6)[:, 1],
        answers(fractions, 8).max(axis=1),
    ]
    return np.argmax(evidence, axis=0).astype(np.int32)


def described(shape: Shape, samples: int, fractions: bool) -> Description:
    """Images with the 37 fractions as targets, or with the four classes."""
    if fractions:
        return Description(shape, classes=(), samples=samples, test_samples=None, target_shape=(len(COLUMNS),))
    return Description(shape, CLASSES, samples=samples, test_samples=None)
