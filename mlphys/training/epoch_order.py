"""The order in which an epoch takes its samples, and the initial states of its random layers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mlphys.numerics.randomness import rng


def shuffled(seed: int, phase: str, epoch: int, taken: int, samples: int) -> np.ndarray:
    """Indices of the `taken` samples of an epoch: the next part of an endless sequence of shuffled passes over all."""
    start, stop = (epoch - 1) * taken, epoch * taken
    first, last = start // samples, math.ceil(stop / samples)
    passes = [rng(seed, f"order/{phase}", number + 1).permutation(samples) for number in range(first, last)]
    return np.concatenate(passes)[start - first * samples : stop - first * samples]


def in_order(epoch: int, taken: int, samples: int) -> np.ndarray:
    """The same without shuffling."""
    return np.arange((epoch - 1) * taken, epoch * taken) % samples


def layer_seeds(seed: int, phase: str, epoch: int, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Initial state of each random layer in an epoch, uint32 (2,)."""
    return {name: rng(seed, f"{phase}/{name}", epoch).integers(2**32, size=2, dtype=np.uint32) for name in names}
