"""Epochs after which the weights are saved for pictures of the training."""

from __future__ import annotations

import numpy as np


def chosen(epochs: int, count: int | None) -> frozenset[int]:
    """0, before training, and about `count` of the `epochs` in a geometric sequence, in which training slows down."""
    if count is None or not epochs:
        return frozenset()
    return frozenset({0, *np.unique(np.round(np.geomspace(1, epochs, count))).astype(int).tolist()})
