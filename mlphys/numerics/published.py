"""A measured mean compared with a published number: the pull, and its chi^2 over several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlphys.numerics.comparison import FEWEST_SEEDS
from mlphys.numerics.over_seeds import OverSeeds


@dataclass(frozen=True)
class Deviation:
    """`pull` is in standard deviations, None where there is none; then `within_rounding` is all that can be said."""

    difference: float
    stderr: float | None
    pull: float | None
    within_rounding: bool


def deviation(
    measured: OverSeeds, value: float, unit: float, error: float | None, runs: int, sampling_variance: float
) -> Deviation:
    """Of a mean over seeds from a published `value`, printed to `unit`, with its `error` or else the mean of `runs`.

    t = (mean - value) / sqrt(s^2 / n + s^2 / m + e^2 + r^2 + v): s^2 / m only where no error is published, r half a
    unit of the last digit / sqrt 3, v the sampling variances of both test sets. The pull is the normal quantile of t's
    probability; the degrees of freedom are Welch and Satterthwaite's, n - 1 where s dominates.
    """
    difference = measured.mean - value
    within = abs(difference) <= unit / 2 * (1 + 1e-9)
    if measured.n < FEWEST_SEEDS or measured.stdev is None:
        return Deviation(difference, None, None, within)
    ours = measured.stdev**2 * (1 / measured.n + (1 / runs if error is None else 0))
    known = (error or 0.0) ** 2 + sampling_variance
    if ours + known <= (1e-12 * abs(value)) ** 2:
        return Deviation(difference, None, None, within)
    total = ours + known + (unit / 2) ** 2 / 3
    degrees = total**2 / (ours**2 / (measured.n - 1)) if ours else math.inf
    stderr = math.sqrt(total)
    return Deviation(difference, stderr, _normal_quantile(difference / stderr, degrees), within)


def chi_squared(pulls: Sequence[float]) -> tuple[float, float]:
    """The sum of the squares of independent pulls, and the probability of a larger one."""
    from scipy.special import chdtrc

    total = math.fsum(pull**2 for pull in pulls)
    return total, float(chdtrc(len(pulls), total))


def sampling_variance(sampling: float | None, samples: int, theirs: int | None) -> float:
    """Of our set of samples and of theirs, by the standard error on ours; 0 where they are the same (`theirs` None)."""
    if theirs is None or sampling is None:
        return 0.0
    return sampling**2 * (1 + samples / theirs)


def _normal_quantile(t: float, degrees: float) -> float:
    from scipy.special import ndtr, ndtri, stdtr

    below = stdtr(degrees, -abs(t)) if math.isfinite(degrees) else ndtr(-abs(t))
    return math.copysign(float(-ndtri(max(float(below), 1e-300))), t)
