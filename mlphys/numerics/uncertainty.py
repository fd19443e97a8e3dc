"""Standard errors, and numbers printed with significant digits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def rounded(value: float, stderr: float | None) -> str:
    """`0.9881 +- 0.0011`: two significant digits of the error; four digits without an error or with one of rounding."""
    if stderr is None or not 1e-5 * abs(value) < stderr < math.inf:
        return f"{value:#.4g}".removesuffix(".")
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    if digits > 6 and abs(value) < 1e-3:
        power = math.floor(math.log10(max(abs(value), stderr)))
        return f"({rounded(value / 10**power, stderr / 10**power)})e{power}"
    return f"{value:.{digits}f} +- {stderr:.{digits}f}"


def fraction_stderr(hits: float, n: float) -> float:
    """Standard error of the fraction hits/n: half of Wilson's interval at one sigma (Wilson 1927).

    sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n); it does not vanish where p is 0 or 1. For weighted samples n is
    their effective size; negative weights may take p out of [0, 1], which counts as its end.
    """
    p = hits / n
    return math.sqrt(max(p * (1 - p), 0) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def at_the_edge(value: float, stderr: float | None, n: float) -> float | None:
    """The standard error of a number in [0, 1]; where it is at an end and did not vary, that of n hits or misses."""
    return fraction_stderr(value * n, n) if stderr == 0 and value in (0.0, 1.0) else stderr


def effective_size(weights: np.ndarray) -> float:
    """The number of samples of equal weight with the same relative error: (sum w)^2 / sum w^2 (Kish 1965)."""
    w = weights.astype(np.float64)
    return float(w.sum() ** 2 / (w**2).sum())


def weighted_mean(values: np.ndarray, weights: np.ndarray | None) -> float:
    """The mean of values (n,) with weights, or without."""
    return float(values.mean() if weights is None else np.average(values, weights=weights))


def mean_stderr(values: np.ndarray, weights: np.ndarray | None = None) -> float | None:
    """Standard error of the mean of independent values; None for a single value.

    With weights: sqrt(s^2 / (n - 1)), s^2 the weighted variance and n the effective size.
    """
    if weights is None:
        return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    n = effective_size(weights)
    if not n > 1:
        return None
    variance = np.average((values - np.average(values, weights=weights)) ** 2, weights=weights)
    return float(math.sqrt(max(variance, 0) / (n - 1)))


def mean_and_stderr(name: str, values: np.ndarray) -> dict[str, Any]:
    """A metric that is the mean of values (n,) of independent samples."""
    return {name: float(values.mean()), f"{name}_stderr": mean_stderr(values)}
