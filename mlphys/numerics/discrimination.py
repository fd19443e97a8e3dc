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

    def efficiency_at(self, rejection: float) -> np.ndarray:
        """The largest efficiency, (...), at which the fraction `rejection` of the others is rejected; 0 at none."""
        allowed = self.background() <= 1 - rejection + 1e-12
        return np.asarray(self.efficiency().max(axis=-1, initial=0.0, where=allowed))


class Ranking:
    """Scores (n,) of samples in descending order, for numbers with several sets of weights.

    `positive` (n,) is a mask.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray):
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._thresholds = ranked[self._ends].astype(np.float64)
        self.positive, self._positive = positive, positive[self._order]
        self._step, self._rows = self._steps(), np.flatnonzero(positive)

    def _steps(self) -> np.ndarray:
        """Of each sample (n,), how many different scores of positive samples are larger than its own."""
        size = np.diff(self._ends, prepend=-1)
        gains = np.logical_or.reduceat(self._positive, self._ends - size + 1)
        steps = np.empty(len(self._order), np.intp)
        steps[self._order] = np.repeat(np.cumsum(gains) - gains, size)
        return steps

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """The mean over the positive samples of the precision at their scores, (...), with weights (..., n).

        NaN where the positive samples have no weight.
        """
        each = weights.reshape(-1, len(self._order))
        return np.array([self._average_precision(one) for one in each]).reshape(weights.shape[:-1])

    def _average_precision(self, weights: np.ndarray) -> float:
        """Only at the scores of positive samples efficiency is gained: what lies between two of them is one sum."""
        gained = np.bincount(self._step[self._rows], weights[self._rows])
        predicted_positives = np.cumsum(np.bincount(self._step, weights, minlength=len(gained))[: len(gained)])
        true_positives = np.cumsum(gained)
        precision = np.divide(
            true_positives, predicted_positives, out=np.ones_like(true_positives), where=predicted_positives > 0
        )
        return float((gained * precision).sum() / true_positives[-1])

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
