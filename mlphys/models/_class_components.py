"""Principal components of the samples of each class, as autoencoders by class and as their baseline."""

from __future__ import annotations

import numpy as np

from mlphys.numerics import pca
from mlphys.schema.samples import Split


def as_autoencoders(train: Split, classes: int, components: int) -> dict[str, np.ndarray]:
    """Weights of linear autoencoders by name: x V^T - m V^T are the codes, m + h V the reconstructions of a class."""
    arrays: dict[str, np.ndarray] = {}
    for k in range(classes):
        fitted = pca.fit(train.x[np.flatnonzero(train.y == k)], components)
        arrays |= {
            f"class_{k}.encoder.0.Dense.kernel": fitted.vectors.T,
            f"class_{k}.encoder.0.Dense.bias": -fitted.vectors @ fitted.mean,
            f"class_{k}.decoder.0.Dense.bias": fitted.mean,
        }
    return arrays


def own_class_error(components: int, split: Split, train: Split) -> float | None:
    """The mean squared error of a split behind so many components of each sample's own class in `train`.

    None where a class has too few training samples.
    """
    total = 0.0
    for k in np.unique(split.y):
        x = split.x[np.flatnonzero(split.y == k)]
        error = pca.error(train.x[np.flatnonzero(train.y == k)], x, components)
        if error is None:
            return None
        total += len(x) * error
    return total / len(split)
