"""The baseline of Kaggle's Galaxy Challenge: what the colour of the central pixel says of the targets."""

from __future__ import annotations

import numpy as np

from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import root
from mlphys.numerics.uncertainty import weighted_mean

GROUPS = 20  # of similar colours
Weights = np.ndarray | None  # (samples,)


def error(
    x: Array, y: np.ndarray, train: Array, targets: np.ndarray, weights: Weights = None, train_weights: Weights = None
) -> float | None:
    """The rmse of images x (n, height, width, channels) with targets y (n, k), each predicted as the mean target of the
    training images with a similar central pixel.

    The central pixels of the training images are parted into 20 groups by k-means, or as many as there are colours;
    `targets` (m, k) are those of the training images. None where negative `weights` make the mean square negative.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    colours = _central(train)
    groups = min(GROUPS, len(np.unique(colours, axis=0)))
    with threadpool_limits(1):  # the order of sums over threads would change the last digits
        means = KMeans(groups, n_init=1, random_state=0).fit(colours)
        nearest = means.predict(_central(x))
    counted = np.ones(len(targets)) if train_weights is None else train_weights.astype(np.float64)
    of_groups = np.stack([_mean(targets, counted * (means.labels_ == k), counted) for k in range(groups)])
    return root(weighted_mean(np.square(of_groups[nearest] - y).mean(axis=1), weights))["rmse"]


def _mean(targets: np.ndarray, of_group: np.ndarray, of_all: np.ndarray) -> np.ndarray:
    """The mean target of a group by its weights; that of all samples where those of the group do not sum above 0."""
    mean: np.ndarray = np.average(targets, axis=0, weights=of_group if of_group.sum() > 0 else of_all)
    return mean


def _central(x: Array) -> np.ndarray:
    """The pixel in the middle of each image, float64 (n, channels)."""
    height, width = x.shape[1] // 2, x.shape[2] // 2
    return np.concatenate([piece[:, height, width].astype(np.float64) for piece in chunked.pieces(x)])
