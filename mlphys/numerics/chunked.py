"""Samples that may be larger than memory: arrays on disk and in memory are read in the same chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

LARGEST_RESIDENT = 250_000_000  # values of an array that is read into memory: 1 GB of float32
LARGEST_PIECE = 16_000_000  # values of a chunk: 64 MB
AT_ONCE = 5000  # samples, where they are small

Indices = slice | np.ndarray


@dataclass(frozen=True)
class LazyArray:
    """n samples on disk, each float32 of shape `sample`.

    `fetch(rows)` reads the samples with the indices `rows`, int64 (k,); `rows` are the indices of these samples.
    """

    sample: tuple[int, ...]
    rows: np.ndarray
    fetch: Callable[[np.ndarray], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.sample)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Indices) -> LazyArray:
        """Some of the samples; nothing is read."""
        return replace(self, rows=self.rows[indices])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray], sample: tuple[int, ...]) -> LazyArray:
        """`function` applied to these samples when they are read, each result of shape `sample`."""
        fetch = self.fetch
        return LazyArray(sample, self.rows, lambda rows: function(fetch(rows)))


Array = np.ndarray | LazyArray  # samples (n, ...)


def lazy_array(samples: int, sample: tuple[int, ...], fetch: Callable[[np.ndarray], np.ndarray]) -> LazyArray:
    """All samples of a file; `fetch(rows)` reads some of them."""
    return LazyArray(sample, np.arange(samples), fetch)


def read(x: Array) -> np.ndarray:
    """All of x in memory."""
    return x.fetch(x.rows) if isinstance(x, LazyArray) else x


def at_once(x: Array, most: int, values: int) -> int:
    """Number of samples of x per chunk: `most`, or fewer, so that a chunk has at most `values` values."""
    return max(1, min(most, values // max(1, math.prod(x.shape[1:]))))


def pieces(x: Array) -> Iterator[np.ndarray]:
    """Iterate over x in chunks. Chunk borders do not depend on where x is stored, so sums have the same bytes."""
    step = at_once(x, AT_ONCE, LARGEST_PIECE)
    for start in range(0, len(x), step):
        yield read(x[start : start + step])


def mean(x: Array) -> np.ndarray:
    """The mean sample, float64."""
    total = np.zeros(x.shape[1:])
    for piece in pieces(x):
        total += piece.sum(axis=0, dtype=np.float64)
    return total / len(x)


def mean_square(x: Array, around: np.ndarray) -> np.ndarray:
    """Mean squared difference from `around`, float64, for each value of a sample."""
    total = np.zeros(x.shape[1:])
    for piece in pieces(x):
        total += np.square(piece - around, dtype=np.float64).sum(axis=0)
    return total / len(x)


def extremes(x: Array) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and maximum over the samples, for each value of a sample."""
    low, high = np.full(x.shape[1:], np.inf, np.float32), np.full(x.shape[1:], -np.inf, np.float32)
    for piece in pieces(x):
        low, high = np.minimum(low, piece.min(axis=0)), np.maximum(high, piece.max(axis=0))
    return low, high
