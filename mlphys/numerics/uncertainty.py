"""Standard errors, and numbers printed with significant digits."""

from __future__ import annotations

import math

import numpy as np


def rounded(value: float, stderr: float | None) -> str:
    """`0.9881 +- 0.0011`: two significant digits of the error; four digits without an error or with one of rounding."""
    if stderr is None or not 1e-5 * abs(value) < stderr < math.inf:
        return f"{value:#.4g}"
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    if digits > 6 and abs(value) < 1e-3:
        power = math.floor(math.log10(max(abs(value), stderr)))
        return f"({rounded(value / 10**power, stderr / 10**power)})e{power}"
    return f"{value:.{digits}f} +- {stderr:.{digits}f}"


def fraction_stderr(hits: int, n: int) -> float:
    """Standard error of the fraction hits/n: half of Wilson's interval at one sigma (Wilson 1927).

    sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n); it does not vanish where p is 0 or 1.
    """
    p = hits / n
    return math.sqrt(p * (1 - p) / n + 1 / (4 * n * n)) / (1 + 1 / n)


def mean_stderr(values: np.ndarray) -> float | None:
    """Standard error of the mean of independent values; None for a single value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
