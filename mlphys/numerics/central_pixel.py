"""The baseline of Kaggle's Galaxy Challenge: what the colour of the central pixel says of the targets."""

from __future__ import annotations

import numpy as np

from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array

GROUPS = 20  # of similar colours


def error(x: Array, y: np.ndarray, train: Array, targets: np.ndarray) -> float:
    """The rmse of images x (n, height, width, channels) with targets y (n, k), each predicted as the mean target of the
    training images with a similar central pixel.

    The central pixels of the training images are parted into 20 groups by k-means, or as many as there are colours;
    `targets` (m, k) are those of the training images.
    """
    from sklearn.cluster import KMeans

    colours = _central(train)
    groups = min(GROUPS, len(np.unique(colours, axis=0)))
    means = KMeans(groups, n_init=1, random_state=0).fit(colours)
    of_groups = np.stack([targets[means.labels_ == k].mean(axis=0, dtype=np.float64) for k in range(groups)])
    return float(np.sqrt(np.mean((of_groups[means.predict(_central(x))] - y) ** 2)))


def _central(x: Array) -> np.ndarray:
    """The pixel in the middle of each image, float64 (n, channels)."""
    height, width = x.shape[1] // 2, x.shape[2] // 2
    return np.concatenate([piece[:, height, width].astype(np.float64) for piece in chunked.pieces(x)])
