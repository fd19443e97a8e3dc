"""Differences between two results and their significance: two trained nets, two experiments over seeds, folds.

Differences are first minus second. SciPy is imported where a probability is computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_SIGMA = 8.0  # beyond, the normal distribution describes nothing that was measured
FEWEST_SEEDS = 3  # that a verdict over seeds needs


@dataclass(frozen=True)
class Difference:
    """A difference with its standard error, and the two-sided p of no difference; None where there is no verdict."""

    value: float
    stderr: float | None
    p: float | None
    degrees: float | None = None

    @property
    def sigma(self) -> float | None:
        return None if self.p is None else sigma(self.p)


@dataclass(frozen=True)
class McNemar:
    """Samples that only one of two classifiers has right, and the exact two-sided p."""

    first_only: int
    second_only: int
    p: float


def sigma(p: float) -> float:
    """How many standard deviations a normal variable deviates with the two-sided probability `p`; infinite for 0."""
    from scipy.special import ndtri

    return float(max(0.0, -ndtri(p / 2)))


def weighted_parts(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """m + w_i (x_i - m) / mean(w) of values x (N,) with the weighted mean m: their plain mean is m.

    Their variance over N is that of m to first order, as of a ratio of sums (Cochran 1977); weights may be negative.
    """
    w = np.asarray(weights, np.float64)
    mean = float(np.average(np.asarray(values, np.float64), weights=w))
    return mean + w * (values - mean) / w.mean()


def paired(first: np.ndarray, second: np.ndarray) -> Difference:
    """Of two trained nets on the same N samples, by each sample's scores (N,): Student's t with N - 1 degrees."""
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = len(differences)
    if n < 2:
        return Difference(float(differences.mean()), None, None)
    stderr = float(differences.std(ddof=1) / math.sqrt(n))
    return _student(float(differences.mean()), stderr, n - 1)


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Of two classifiers, by whether each sample is right (N,): the binomial test of the samples on which they
    differ (McNemar 1947, exact)."""
    from scipy.special import bdtr

    first_only = int(np.sum(np.asarray(first, bool) & ~np.asarray(second, bool)))
    second_only = int(np.sum(~np.asarray(first, bool) & np.asarray(second, bool)))
    n = first_only + second_only
    p = min(1.0, 2 * float(bdtr(min(first_only, second_only), n, 0.5))) if n else 1.0
    return McNemar(first_only, second_only, p)


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """(i) Of two experiments over seeds, the test samples fixed: variance s_A^2 / n_A + s_B^2 / n_B (Welch 1947).

    Fewer than three seeds of one of them give no p.
    """
    value, parts = float(np.mean(first) - np.mean(second)), _seed_parts(first, second)
    return _over_seeds(value, parts, min(len(first), len(second)))


def over_new_samples(first: np.ndarray, second: np.ndarray) -> Difference:
    """(ii) Over seeds and over new samples, by the scores (seeds, N) of each experiment on the same N samples.

    To the variance over seeds is added var_i(d_i) / N, d_i being the difference at sample i of the scores averaged
    over seeds, minus the part that the variance over seeds already holds, sigma_e^2 / (n N) of each experiment:
    sigma_e^2 is the variance of what is neither of the seed nor of the sample alone (the residual of a two-way
    analysis of variance).
    """
    differences = first.mean(axis=0) - second.mean(axis=0)
    samples = len(differences)
    parts = _seed_parts(first.mean(axis=1), second.mean(axis=1))
    if samples < 2 or len(parts) < 2:
        return Difference(float(differences.mean()), None, None)
    held = sum(_interaction(scores) / (len(scores) * samples) for scores in (first, second))
    parts.append((max(0.0, float(differences.var(ddof=1)) / samples - held), samples - 1))
    return _over_seeds(float(differences.mean()), parts, min(len(first), len(second)))


def over_same_folds(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Of two experiments on the same k folds, paired: the folds share training samples, so the variance is
    s^2 (1 / k + 1 / (k - 1)), with n_validation / n_train = 1 / (k - 1) (Nadeau and Bengio 2003)."""
    differences = np.subtract(first, second)
    k = len(differences)
    if k < 2:
        return Difference(float(differences.mean()), None, None)
    stderr = float(differences.std(ddof=1)) * math.sqrt(1 / k + 1 / (k - 1))
    return _student(float(differences.mean()), stderr, k - 1)


def holm(ps: Sequence[float]) -> list[float]:
    """The p of each of several comparisons, corrected for their number (Holm 1979)."""
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = largest
    return corrected


def student_p(t: float, degrees: float) -> float:
    """Two-sided p of Student's t."""
    from scipy.special import stdtr

    return min(1.0, 2 * float(stdtr(degrees, -abs(t))))


def effective_degrees(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Welch and Satterthwaite)."""
    total = sum(variance for variance, _ in parts)
    return total**2 / sum(variance**2 / degrees for variance, degrees in parts)


def _student(value: float, stderr: float, degrees: float) -> Difference:
    if stderr == 0:
        return Difference(value, stderr, float(value == 0), degrees)
    return Difference(value, stderr, student_p(value / stderr, degrees), degrees)


def _over_seeds(value: float, parts: Sequence[tuple[float, float]], seeds: int) -> Difference:
    if seeds < 2:
        return Difference(value, None, None)
    stderr = math.sqrt(sum(variance for variance, _ in parts))
    if seeds < FEWEST_SEEDS:
        return Difference(value, stderr, None)
    return _student(value, stderr, effective_degrees(parts) if stderr else math.inf)


def _seed_parts(*samples: Sequence[float] | np.ndarray) -> list[tuple[float, float]]:
    """s^2 / n of each with its degrees of freedom."""
    return [(float(np.var(values, ddof=1)) / len(values), len(values) - 1) for values in samples if len(values) > 1]


def _interaction(scores: np.ndarray) -> float:
    """The variance of the residual y_si - y_s - y_i + y of scores (n, N), with (n - 1) (N - 1) degrees of freedom."""
    n, samples = scores.shape
    residual = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    return float((residual**2).sum() / ((n - 1) * (samples - 1)))
