"""How well scores tell one class from the others: ROC and precision-recall curves, and numbers of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlphys.numerics.uncertainty import at_the_edge, effective_size, mean_stderr


@dataclass(frozen=True)
class Counts:
    """Weights above each of m thresholds, which descend: of the positive samples and of the others, float64 (..., m).

    The thresholds are the distinct scores; a sample with the score of the threshold is above it. Axes before the last
    are those of several sets of weights.
    """

    thresholds: np.ndarray
    true: np.ndarray
    false: np.ndarray

    def efficiency(self) -> np.ndarray:
        """The fraction of the positive samples above each threshold, also called recall or true positive rate."""
        return self.true / self.true[..., -1:]

    def background(self) -> np.ndarray:
        """The fraction of the other samples above each threshold, the false positive rate."""
        return self.false / self.false[..., -1:]

    def precision(self) -> np.ndarray:
        """The fraction of positive samples among those above each threshold; 1 where there is none."""
        chosen = self.true + self.false
        return np.divide(self.true, chosen, out=np.ones_like(chosen), where=chosen > 0)

    def area(self) -> float:
        """The area below efficiency against background, ties counted half (Hanley & McNeil 1982)."""
        x, y = np.append(0, self.background()), np.append(0, self.efficiency())
        return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())

    def average_precision(self) -> np.ndarray:
        """The sum of the precisions at the thresholds, each times the efficiency gained there; (...)."""
        gained = self.efficiency()
        gained[..., 1:] -= gained[..., :-1].copy()
        return np.asarray((gained * self.precision()).sum(axis=-1))

    def efficiency_at(self, rejection: float) -> np.ndarray:
        """The largest efficiency, (...), at which the fraction `rejection` of the others is rejected; 0 at none."""
        allowed = self.background() <= 1 - rejection + 1e-12
        return np.asarray(self.efficiency().max(axis=-1, initial=0.0, where=allowed))


class Ranking:
    """Scores (n,) of samples in descending order, for counts with several sets of weights.

    `positive` (n,) is a mask.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray):
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._thresholds = ranked[self._ends].astype(np.float64)
        self.positive, self._positive = positive, positive[self._order]

    def counts(self, weights: np.ndarray) -> Counts:
        """The counts with a weight of each sample, (..., n)."""
        ranked = np.take(weights, self._order, axis=-1).astype(np.float64, copy=False)
        true, false = (
            np.take(np.cumsum(np.where(of, ranked, 0), axis=-1), self._ends, axis=-1)
            for of in (self._positive, ~self._positive)
        )
        return Counts(self._thresholds, true, false)


@dataclass(frozen=True)
class Area:
    """The area under the ROC curve with its standard error (DeLong et al. 1988; at 0 and 1 that of fractions).

    `influence` (n,): the area is the weighted mean of 1 + its entries' deviations, sample by sample, so that means of
    several areas of the same samples have an error too.
    """

    value: float
    stderr: float | None
    influence: np.ndarray


def area(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> Area:
    """The probability that a positive sample has a larger score than another one, by weight."""
    above = _placements(scores[positive], scores[~positive], weights[~positive])
    below = 1 - _placements(scores[~positive], scores[positive], weights[positive])
    value = float(np.average(above, weights=weights[positive]))
    errors = mean_stderr(above, weights[positive]), mean_stderr(below, weights[~positive])
    influence = np.full(len(scores), value)
    total = weights.sum()
    influence[positive] += (above - value) * total / weights[positive].sum()
    influence[~positive] += (below - value) * total / weights[~positive].sum()
    sizes = effective_size(weights[positive]), effective_size(weights[~positive])
    edges = [at_the_edge(value, error, size) for error, size in zip(errors, sizes, strict=True)]
    known = None if None in edges else float(np.hypot(*edges))  # type: ignore[arg-type]
    return Area(value, known, influence)


def _placements(scores: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each score the fraction of the others' weight below it, ties counted half."""
    order = np.argsort(others, kind="stable")
    total = np.append(0, np.cumsum(weights[order].astype(np.float64)))
    left, right = (np.searchsorted(others[order], scores, side) for side in ("left", "right"))
    return (total[left] + total[right]) / 2 / total[-1]
