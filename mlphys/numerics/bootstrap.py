"""Standard errors by the bootstrap over samples, seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice

import numpy as np

from mlphys.numerics.randomness import rng

RESAMPLES = 100
FEWEST = 20
RESAMPLES_OF_MEANS = 200  # the error is known to 5 %
MOST_COUNTS = 4_000_000  # of resamples drawn at once
LARGEST_BLOCK = 200_000  # weights that a statistic gets at once: they stay in the cache
MOST_COUNTED = 20_000_000  # samples of all resamples together: a few seconds
MOST_KEPT = 4_000_000  # counts, a byte each


def resamples(samples: int, each: int = 1) -> int:
    """How often `samples` samples are drawn again, if a resample takes `each` passes over them."""
    return int(np.clip(MOST_COUNTED // max(1, samples * each), FEWEST, RESAMPLES))


def stderr(statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, each: int = 1) -> np.ndarray:
    """Standard deviations (k,) of k numbers over resamples of n samples (Poisson: Chamandy et al. 2012).

    In each resample a sample of `weights` (n,) counts as often as a Poisson number of mean 1 says. `statistic` takes
    the weights of several resamples, (r, n), and gives its numbers for each, (r, k); NaN, where those that count have
    no weight, are left out.
    """
    n, estimates = len(weights), []
    number, at_once = resamples(n, each), max(1, LARGEST_BLOCK // max(1, n))
    draws = iter(_kept_draws(n, number)) if n * number <= MOST_KEPT else _draws(n, number)
    with np.errstate(divide="ignore", invalid="ignore"):
        while block := [weights * counts for counts in islice(draws, at_once)]:
            estimates.append(statistic(np.stack(block)))
    return np.nanstd(np.concatenate(estimates), axis=0, ddof=1)


def _draws(n: int, number: int) -> Iterator[np.ndarray]:
    """How often each of n samples counts, uint8 (n,), in each resample; the same ones every time, and never none."""
    random = rng(0, "bootstrap")
    for _ in range(number):
        counts = random.poisson(1.0, n)
        while n and not counts.any():
            counts = random.poisson(1.0, n)
        yield counts.astype(np.uint8)


@lru_cache(maxsize=2)
def _kept_draws(n: int, number: int) -> tuple[np.ndarray, ...]:
    """The draws, kept for the next metric of as many samples: all trainings of a study have those."""
    return tuple(_draws(n, number))


def stderr_of_means(
    values: np.ndarray | Callable[[], Iterable[np.ndarray]], statistic: Callable[[np.ndarray], np.ndarray], n: int = 0
) -> float | None:
    """Standard error of a function of the means of values (n, q) over n samples, by the bootstrap (Efron 1979).

    `values` may also give them in pieces (m, q), `n` in all. `statistic` takes means (k, q) to (k,). Samples are drawn
    with replacement, the same ones every time. None for a single sample.
    """
    pieces = values if callable(values) else lambda: [values]
    n = n if callable(values) else len(values)
    if n < 2:
        return None
    random, estimates, left = rng(0, "bootstrap"), [], RESAMPLES_OF_MEANS
    while left:
        at_once = min(left, max(1, MOST_COUNTS // n))
        counts = random.multinomial(n, np.full(n, 1 / n), size=at_once).astype(np.float64)
        estimates.append(statistic(_totals(counts, pieces()) / n))
        left -= at_once
    return float(np.concatenate(estimates).std(ddof=1))


def _totals(counts: np.ndarray, pieces: Iterable[np.ndarray]) -> np.ndarray:
    """Sums (k, q) of values that come in pieces (m, q), each counted as often as counts (k, n) say."""
    start = 0
    totals: np.ndarray = np.zeros((len(counts), 0))
    product = totals
    for piece in pieces:
        if not start:
            totals, product = (np.zeros((len(counts), piece.shape[1])) for _ in range(2))
        np.matmul(counts[:, start : start + len(piece)], piece, out=product)
        totals += product
        start += len(piece)
    return totals
