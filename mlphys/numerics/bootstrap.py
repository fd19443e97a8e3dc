"""Standard errors by the bootstrap over samples, seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlphys.numerics.randomness import rng

RESAMPLES = 100
FEWEST = 20
RESAMPLES_OF_MEANS = 200  # the error is known to 5 %
AT_ONCE = 20
LARGEST_BLOCK = 200_000  # weights that a statistic gets at once: they stay in the cache
MOST_COUNTED = 20_000_000  # samples of all resamples together: a few seconds


def resamples(samples: int, each: int = 1) -> int:
    """How often `samples` samples are drawn again, if a resample takes `each` passes over them."""
    return int(np.clip(MOST_COUNTED // max(1, samples * each), FEWEST, RESAMPLES))


def stderr(statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, each: int = 1) -> np.ndarray:
    """Standard deviations (k,) of k numbers over resamples of n samples (Poisson: Chamandy et al. 2012).

    In each resample a sample of `weights` (n,) counts as often as a Poisson number of mean 1 says. `statistic` takes
    the weights of several resamples, (r, n), and gives its numbers for each, (r, k).
    """
    generator, left = rng(0, "bootstrap"), resamples(len(weights), each)
    rows = max(1, LARGEST_BLOCK // max(1, len(weights)))
    found = []
    while left:
        found.append(statistic(np.stack([_resampled(weights, generator) for _ in range(min(rows, left))])))
        left -= min(rows, left)
    return np.nanstd(np.concatenate(found), axis=0, ddof=1)


def _resampled(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The weights of a resample, which has at least one of the samples that count."""
    while True:
        resampled = weights * generator.poisson(1.0, len(weights))
        if resampled.any() or not weights.any():
            return resampled


def stderr_of_means(values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> float | None:
    """Standard error of a function of the means of values (n, q) over n samples, by the bootstrap (Efron 1979).

    `statistic` takes means (k, q) to (k,). Samples are drawn with replacement, the same ones every time. None for a
    single sample.
    """
    n = len(values)
    if n < 2:
        return None
    random, found = rng(0, "bootstrap"), []
    for _ in range(RESAMPLES_OF_MEANS // AT_ONCE):
        counts = random.multinomial(n, np.full(n, 1 / n), size=AT_ONCE)
        found.append(statistic(counts @ values / n))
    return float(np.concatenate(found).std(ddof=1))
