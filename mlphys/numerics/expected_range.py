"""The range in which the metric of one more training should lie."""

from __future__ import annotations

import math

from mlphys.numerics.over_seeds import OverSeeds

PROBABILITY = 0.99
DEVIATIONS = 3.0  # of the sampling error, where the spread over seeds is not known
FEWEST = 3  # seeds
FRACTIONS = ("accuracy", "auc")


def expected_range(measured: OverSeeds, metric: str) -> list[float]:
    """Both ends, rounded outwards to two digits of half the width.

    Over n >= 3 seeds mean +- t s sqrt(1 + 1 / n), t the quantile of Student's distribution with n - 1 degrees of
    freedom: 99 % of further trainings on the same samples lie there. Otherwise three standard errors of the samples,
    which do not contain the spread over seeds.
    """
    half = _half(measured)
    digits = 1 - math.floor(math.log10(half)) if half > 0 else 6
    unit = 10.0**-digits
    low = math.floor(round((measured.mean - half) / unit, 6)) * unit
    high = math.ceil(round((measured.mean + half) / unit, 6)) * unit
    if metric.endswith(FRACTIONS):
        low, high = max(low, 0.0), min(high, 1.0)
    return [round(low, max(digits, 0)), round(high, max(digits, 0))]


def _half(summary: OverSeeds) -> float:
    from scipy.special import stdtrit

    if summary.n >= FEWEST and summary.stdev is not None:
        t = float(stdtrit(summary.n - 1, (1 + PROBABILITY) / 2))
        return t * summary.stdev * math.sqrt(1 + 1 / summary.n)
    return DEVIATIONS * (summary.sampling or 0.0)
