"""The mean prediction of several nets, and the coverage of their spread (Lakshminarayanan, Pritzel & Blundell 2017)."""

from __future__ import annotations

import math

import numpy as np

from mlphys.numerics import reliability
from mlphys.numerics.uncertainty import mean_stderr, weighted_mean

LEVELS = (0.5, 0.683, 0.9, 0.954)  # of intervals; the second and the last are one and two standard deviations


def squared_errors(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of outputs (..., n, values): the mean over the values of (outputs - targets)^2, float64 (..., n)."""
    return np.square(outputs.astype(np.float64) - targets).mean(axis=-1)


def negative_log(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log p of the right class for probabilities (..., n, classes), float64 (..., n); bounded as `nll` of metrics."""
    *nets, n, classes = probabilities.shape
    each = probabilities.reshape(-1, n, classes)
    return np.stack([reliability.log_losses(p, labels) for p in each]).reshape(*nets, n)


def coverage(
    outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> list[dict[str, float | None]]:
    """How often targets (n, values) lie in m +- t s sqrt(1 + 1/k), m and s being mean and standard deviation of the
    outputs (k, n, values) of k nets, and t the quantile of Student's distribution with k - 1 degrees of freedom.

    Targets that were drawn as the outputs are lie there as often as the level says. The standard error takes samples as
    independent, and the values of one as not; None for a single sample.
    """
    from scipy.stats import t as student

    nets = len(outputs)
    mean, spread = outputs.mean(axis=0, dtype=np.float64), outputs.std(axis=0, ddof=1, dtype=np.float64)
    distance = np.abs(targets - mean)
    rows = []
    for level in LEVELS:
        reach = student.ppf((1 + level) / 2, nets - 1) * spread * math.sqrt(1 + 1 / nets)
        inside = (distance <= reach).mean(axis=1)
        covered, error = weighted_mean(inside, weights), mean_stderr(inside, weights)
        rows.append({"level": level, "covered": covered, "stderr": error})
    return rows
