"""Principal component analysis (Pearson 1901): the bound for any linear autoencoder (Baldi & Hornik 1989)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_FEATURES = 4096  # up to here the whole covariance matrix is diagonalized, above that its leading part
AT_ONCE = 5000  # samples that are centred at once: no centred copy of all


@dataclass(frozen=True)
class Components:
    """mean (d,), eigenvectors of the covariance as rows of vectors (k, d), variances (k,), largest first.

    The sign of each vector makes its largest entry positive, as scikit-learn's. `total` is the
    variance in all directions together.
    """

    mean: np.ndarray
    vectors: np.ndarray
    variances: np.ndarray
    total: float


def fit(x: np.ndarray, components: int) -> Components:
    """The leading components of samples x of shape (n, d)."""
    mean = x.mean(axis=0, dtype=np.float64)
    if x.shape[1] > MOST_FEATURES:
        return _randomized(x, mean, components)
    covariance = np.zeros((x.shape[1], x.shape[1]))
    for i in range(0, len(x), AT_ONCE):
        centred = x[i : i + AT_ONCE] - mean.astype(x.dtype)
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / len(x))
    variances = np.maximum(variances, 0)
    largest = slice(None, -components - 1, -1)
    return Components(mean, _signed(vectors[:, largest].T), variances[largest], float(variances.sum()))


def count(x: np.ndarray, components: int | float) -> int:
    """How many components of samples (n, d) hold a fraction of the variance; a count is given back as it is."""
    if isinstance(components, int):
        return components
    found = fit(x, x.shape[1])
    held = np.cumsum(found.variances)
    return min(int(np.searchsorted(held, components * found.total)) + 1, len(x) - 1, x.shape[1])


def _randomized(x: np.ndarray, mean: np.ndarray, components: int) -> Components:
    """Randomized singular value decomposition (Halko, Martinsson & Tropp 2011)."""
    from sklearn.utils.extmath import randomized_svd

    centred = x - mean.astype(x.dtype)
    _, singular, vectors = randomized_svd(centred, components, random_state=0)
    return Components(mean, _signed(vectors), singular**2 / len(x), float(centred.var(axis=0).sum()))


def _signed(vectors: np.ndarray) -> np.ndarray:
    """LAPACK's signs differ from machine to machine."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return vectors * np.where(largest < 0, -1, 1).astype(vectors.dtype)


def error(train: np.ndarray, x: np.ndarray, components: int) -> float | None:
    """Mean squared error per value of x (n, d), projected on the components of `train`.

    None where there are no fewer components than directions in which `train` can vary.
    """
    if components >= min(len(train) - 1, train.shape[1]):
        return None
    found = fit(train, components)
    centred = x - found.mean
    codes = centred @ found.vectors.T
    # Pythagoras: what the projection does not hold is lost
    return float(((centred**2).sum() - (codes**2).sum()) / centred.size)
