"""Calibration of scores to class probabilities by vector scaling (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Penalties on the squared parameters: above 0 they stay finite for perfectly separable classes
RIDGES = tuple(10.0**-k for k in range(1, 10))
FOLDS = 5
STEPS, CONVERGED = 200, 1e-9


@dataclass(frozen=True)
class Calibration:
    """Scales a (K,) and biases b (K,) of scores, float64, and the `ridge` with which they were fitted."""

    scales: np.ndarray
    biases: np.ndarray
    ridge: float


def fit(scores: np.ndarray, labels: np.ndarray) -> Calibration:
    """The calibration of scores E (n, K) whose classes are `labels` (n,).

    It minimizes the mean of -log p(label) + ridge / 2 |A, B|^2, p = softmax_k(a_k E_k + b_k) = softmax_k(A_k z_k + B_k)
    with z the standardized scores: multinomial logistic regression in which each class has its own score as its one
    feature. Convex, solved by Newton's method, deterministic. The ridge is the one of RIDGES with the smallest mean of
    -log p(label) in a cross-validation, the larger of equal ones.
    """
    middle, width = scores.mean(axis=0, dtype=np.float64), scores.std(axis=0, dtype=np.float64)
    width = np.where(width > 0, width, 1.0)
    z, right = (scores - middle) / width, np.eye(scores.shape[1])[labels]
    ridge = RIDGES[int(np.argmin(_cross_validated(z, right, folds(labels))))]
    a, b = np.split(_minimum(_start(len(width)), z, right, ridge), 2)
    return Calibration(a / width, b - a * middle / width, ridge)


def folds(labels: np.ndarray) -> np.ndarray:
    """The fold of each sample (n,): the samples of a class are dealt in their order, so folds are stratified."""
    dealt = np.empty(len(labels), np.int64)
    dealt[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return dealt


def log_probabilities(scores: np.ndarray) -> np.ndarray:
    """log softmax of scores (n, K)."""
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def _cross_validated(z: np.ndarray, right: np.ndarray, dealt: np.ndarray) -> np.ndarray:
    """The sum over the samples of -log p(label) by the other folds' parameters, for each of RIDGES, largest first."""
    totals = np.zeros(len(RIDGES))
    for fold in np.unique(dealt):
        out, place = dealt == fold, _start(z.shape[1])
        if out.all():
            continue
        for i, ridge in enumerate(RIDGES):
            place = _minimum(place, z[~out], right[~out], ridge)
            totals[i] += out.sum() * _cost(place, z[out], right[out], 0.0)[0]
    return totals


def _start(classes: int) -> np.ndarray:
    return np.concatenate([np.ones(classes), np.zeros(classes)])  # A and B


def _minimum(place: np.ndarray, z: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
    """Newton's method from `place`."""
    value, gradient, hessian = _cost(place, z, right, ridge)
    for _ in range(STEPS):
        if abs(gradient).max() <= CONVERGED:
            break
        step, length = np.linalg.solve(hessian, gradient), 1.0
        while length > CONVERGED and not _cost(place - length * step, z, right, ridge)[0] < value:
            length /= 2
        if length <= CONVERGED:  # no further decrease within rounding
            break
        place = place - length * step
        value, gradient, hessian = _cost(place, z, right, ridge)
    return place


def _cost(place: np.ndarray, z: np.ndarray, right: np.ndarray, ridge: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient (2K,) and second derivatives (2K, 2K) of what `fit` minimizes; right (n, K) is one-hot."""
    n, classes = z.shape
    a, b = np.split(place, 2)
    s = a * z + b
    s = s - s.max(axis=1, keepdims=True)
    normal = np.log(np.exp(s).sum(axis=1, keepdims=True))
    p = np.exp(s - normal)
    value = float((normal[:, 0] - (right * s).sum(axis=1)).mean() + ridge / 2 * place @ place)
    slopes = np.concatenate([((p - right) * z).mean(axis=0), (p - right).mean(axis=0)])
    features = np.concatenate([p * z, p], axis=1)
    hessian = ridge * np.eye(2 * classes) - features.T @ features / n
    k, squares, firsts = np.arange(classes), (p * z**2).mean(axis=0), (p * z).mean(axis=0)
    hessian[k, k] += squares
    hessian[k, k + classes] += firsts
    hessian[k + classes, k] += firsts
    hessian[k + classes, k + classes] += p.mean(axis=0)
    return value, slopes + ridge * place, hessian
