"""The noise of machine code in NumPy, double precision."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mlphys.native.noise import Dropout, GaussianDropout, GaussianNoise, Noise


def philox(low: np.ndarray, high: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Philox2x32-10 (Salmon et al. 2011)."""
    words, others, key = low.astype(np.uint64), np.full_like(low, high % 2**32, dtype=np.uint64), key % 2**32
    for _ in range(10):
        product = words * np.uint64(0xD256D193)
        words, others = (product >> np.uint64(32)) ^ np.uint64(key) ^ others, product & np.uint64(0xFFFFFFFF)
        key = (key + 0x9E3779B9) % 2**32
    return words, others


def disturbed(
    noises: Sequence[Noise], values: np.ndarray, seeds: Iterator[np.ndarray], batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The values (samples, columns) of a batch after the noises, and the factors of their derivatives."""
    factors = np.ones_like(values)
    for noise, (key, count) in zip(noises, seeds, strict=False) if noises else ():
        words, others = philox(np.arange(values.size).reshape(values.shape), int(count) + batch, int(key))
        factor = np.ones_like(values)
        if isinstance(noise, Dropout):
            factor = (words >= noise.rate * 2**32) / (1 - noise.rate)
        drawn = normal(words, others)
        if isinstance(noise, GaussianDropout):
            factor = 1 + np.sqrt(noise.rate / (1 - noise.rate)) * drawn
        added = noise.stddev * drawn if isinstance(noise, GaussianNoise) else 0.0
        values, factors = values * factor + added, factors * factor
    return values, factors


def standard_normal(shape: tuple[int, int], seed: np.ndarray, batch: int) -> np.ndarray:
    """Normal numbers for a batch (samples, columns)."""
    key, count = seed
    return normal(*philox(np.arange(math.prod(shape)).reshape(shape), int(count) + batch, int(key)))


def normal(words: np.ndarray, others: np.ndarray) -> np.ndarray:
    u = ((words >> np.uint64(1)).astype(float) + 0.5) / 2**31
    v = others.astype(np.uint32).view(np.int32).astype(float).reshape(others.shape) / 2**31
    return np.sqrt(-2 * np.log(u)) * np.sin(np.pi / 2 * v)
