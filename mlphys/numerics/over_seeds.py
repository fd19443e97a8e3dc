"""A number measured for several seeds: its mean, and the two kinds of error that it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class OverSeeds:
    """n values of one metric, each of another seed, all on the same samples.

    `stdev` s is the standard deviation over seeds, with n - 1; `stderr` s / sqrt(n) the standard error of the mean,
    both None for one seed. `sampling` is the error that the finite number of samples leaves: the root mean square of
    the standard errors, which averaging over seeds does not lower, since the samples are the same.
    """

    n: int
    mean: float
    stdev: float | None
    stderr: float | None
    sampling: float | None


def over_seeds(values: Sequence[float], stderrs: Sequence[float | None] = ()) -> OverSeeds:
    """Of at least one value. `stderrs` are the standard errors of each, by the samples that it was measured on."""
    n = len(values)
    mean = math.fsum(values) / n
    stdev = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
    known = [error for error in stderrs if error is not None]
    sampling = math.sqrt(math.fsum(error**2 for error in known) / len(known)) if known else None
    return OverSeeds(n, mean, stdev, None if stdev is None else stdev / math.sqrt(n), sampling)


def over_folds(values: Sequence[float], stderrs: Sequence[float | None] = ()) -> OverSeeds:
    """The same of one value for each of k >= 2 folds, which share training samples.

    The variance of the mean is s^2 (1 / k + n_validation / n_train), with n_validation / n_train = 1 / (k - 1) (Nadeau
    and Bengio 2003). Each sample is measured in one fold, so that `sampling` is sqrt(k) smaller than that of a fold.
    """
    summary = over_seeds(values, stderrs)
    if summary.stdev is None:
        return summary
    k = summary.n
    stderr = summary.stdev * math.sqrt(1 / k + 1 / (k - 1))
    return replace(
        summary, stderr=stderr, sampling=None if summary.sampling is None else summary.sampling / math.sqrt(k)
    )
