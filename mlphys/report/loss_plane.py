"""The plane in which the weights of a training moved most (Li et al. 2018), and the path of training in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FLAT = 1e-6  # of the largest extent: what moved less is rounding


@dataclass(frozen=True)
class LossPlane:
    """Places (n, 2) of n weights, those of the last at 0, along directions of length 1 in the space of all weights.

    Each direction is a sum of all n weights with the factors (2, n); `shares` (2,) are the shares of the
    path's variance that the directions have.
    """

    places: np.ndarray
    factors: np.ndarray
    shares: np.ndarray


def through(frames: Sequence[Mapping[str, np.ndarray]]) -> LossPlane | None:
    """The plane of the first two principal components of these weights, through the last; None for a straight path."""
    if len(frames) < 3:
        return None
    points = np.array([np.concatenate([value.ravel() for value in each.values()]) for each in frames], np.float64)
    points -= points[-1]
    centred = points - points.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred @ centred.T)
    variances, vectors = variances[::-1][:2], vectors[:, ::-1][:, :2].T
    if variances[1] <= FLAT**2 * variances[0]:
        return None
    vectors = vectors * np.where(vectors @ points @ points[0] < 0, -1, 1)[:, None]  # so that training begins above zero
    factors = vectors / np.sqrt(variances)[:, None]
    return LossPlane(points @ (factors @ points).T, factors, variances / (centred**2).sum())
