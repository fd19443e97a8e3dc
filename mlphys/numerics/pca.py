"""Principal component analysis (Pearson 1901): the bound for any linear autoencoder (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.numerics.randomness import rng

MOST_FEATURES = 4096  # up to here the full covariance matrix is diagonalized, above only its leading subspace
MANY_FEATURES = 1024  # more: no other eigenvectors than the leading are computed
OVERSAMPLED = 10  # additional directions in the subspace iteration
PASSES = 8  # over the samples, each a power of the covariance


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


_latest: tuple[weakref.ref[Array], int, Components] | None = None


def fit(x: Array, components: int) -> Components:
    """The leading components of samples x of shape (n, ...), each taken as a vector of its d values.

    Of the same samples as before they are kept: an evaluation needs them for the metrics and for the page.
    """
    global _latest
    if _latest is None or _latest[0]() is not x or _latest[1] != components:
        _latest = weakref.ref(x), components, _fit(x, components)
    return _latest[2]


def _fit(x: Array, components: int) -> Components:
    mean = chunked.mean(x).reshape(-1)
    if len(mean) > MOST_FEATURES:
        return _randomized(x, mean, components)
    covariance = np.zeros((len(mean), len(mean)))
    for centred in _centred(x, mean):
        covariance += centred.T @ centred
    covariance /= len(x)
    if len(mean) > MANY_FEATURES:
        from scipy.linalg import eigh

        variances, vectors = eigh(covariance, subset_by_index=(max(0, len(mean) - components), len(mean) - 1))
        total = np.trace(covariance)
    else:
        variances, vectors = np.linalg.eigh(covariance)
        total = np.maximum(variances, 0).sum()
    largest = slice(None, -components - 1, -1)
    return Components(mean, _signed(vectors[:, largest].T), np.maximum(variances[largest], 0), float(total))


def count(x: Array, components: int | float) -> int:
    """Number of components that explain a fraction of the variance of samples (n, ...); a count is kept."""
    if isinstance(components, int):
        return components
    features = math.prod(x.shape[1:])
    leading = fit(x, features)
    explained = np.cumsum(leading.variances)
    return min(int(np.searchsorted(explained, components * leading.total)) + 1, len(x) - 1, features)


def _centred(x: Array, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Centered samples chunk by chunk, in the dtype of x."""
    for piece in chunked.pieces(x):
        yield piece.reshape(len(piece), -1) - mean.astype(piece.dtype)


def _randomized(x: Array, mean: np.ndarray, components: int) -> Components:
    """Randomized subspace iteration (Halko, Martinsson & Tropp 2011)."""
    start = rng(0, "randomized components").standard_normal((len(mean), min(components + OVERSAMPLED, len(mean))))
    basis = image = start
    total = 0.0
    for _ in range(PASSES):
        basis, _ = np.linalg.qr(image)
        image, total = np.zeros_like(basis), 0.0
        for centred in _centred(x, mean):
            image += centred.T @ (centred @ basis.astype(centred.dtype))
            total += float(np.vdot(centred, centred))
    variances, turned = np.linalg.eigh(basis.T @ image / len(x))  # of the covariance within the basis
    largest = slice(None, -components - 1, -1)
    vectors = (basis @ turned[:, largest]).T
    return Components(mean, _signed(vectors), np.maximum(variances[largest], 0), total / len(x))


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Fix the signs, which LAPACK chooses differently on different machines."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return vectors * np.where(largest < 0, -1, 1).astype(vectors.dtype)


def error(train: Array, x: Array, components: int) -> float | None:
    """Mean squared error per value of x (n, ...), projected on the components of `train`.

    None if that many components span everything in which `train` can vary.
    """
    if components > most(train):
        return None
    return errors(fit(train, components), x, [components])[0]


def most(train: Array) -> int:
    """The largest number of components that does not span everything in which `train` can vary."""
    return min(len(train) - 1, math.prod(train.shape[1:])) - 1


def errors(leading: Components, x: Array, counts: Sequence[int]) -> list[float]:
    """Mean squared error per value of x (n, ...), projected on the first k components, for each k in `counts`."""
    lost = np.zeros(len(counts))
    for piece in chunked.pieces(x):
        centred = piece.reshape(len(piece), -1) - leading.mean
        explained = np.cumsum(np.square(centred @ leading.vectors.T).sum(axis=0))
        # Pythagoras: squared error = squared norm - squared norm of the projection
        lost += float((centred**2).sum()) - explained[np.array(counts) - 1]
    return [float(value) for value in lost / math.prod(x.shape)]
