"""How far samples are from the nearest of others, and how rare such a distance is."""

from __future__ import annotations

import numpy as np

AT_ONCE = 20_000_000  # distances that are in memory together: 80 MB


def distances(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of each sample (n, ...) the root mean square difference to the nearest of `known` (m, ...), float64 (n,)."""
    x, known = (samples.reshape(len(samples), -1).astype(np.float32) for samples in (x, known))
    squares = np.square(known).sum(axis=1)
    distances = np.empty(len(x))
    step = max(1, AT_ONCE // max(1, len(known)))
    for start in range(0, len(x), step):
        some = x[start : start + step]
        nearest = (squares - 2 * some @ known.T).argmin(axis=1)
        # of the nearest alone without the cancellation of the expanded square
        distances[start : start + step] = np.square(some - known[nearest]).mean(axis=1, dtype=np.float64)
    return np.sqrt(distances)


def share_below(values: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """The share of the calibration values that are smaller than each value, float64 (n,)."""
    return np.searchsorted(np.sort(calibration), values, side="left") / len(calibration)
