"""Calibration of scores to class probabilities by vector scaling (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-4  # penalty on the squared parameters: keeps them finite for perfectly separable classes
STEPS, CONVERGED = 200, 1e-9


def fit(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales a (K,) and biases b (K,) of scores E (n, K) whose classes are `labels` (n,), float64.

    They minimize the mean of -log p(label), p = softmax_k(a_k E_k + b_k): multinomial logistic regression
    in which each class has its own score as its one feature. Convex, solved by Newton's method, deterministic.
    """
    middle, width = scores.mean(axis=0, dtype=np.float64), scores.std(axis=0, dtype=np.float64)
    width = np.where(width > 0, width, 1.0)
    z, right = (scores - middle) / width, np.eye(scores.shape[1])[labels]
    place = np.concatenate([np.ones(len(width)), np.zeros(len(width))])  # a and b of the standardized scores
    value, gradient, hessian = _cost(place, z, right)
    for _ in range(STEPS):
        if abs(gradient).max() <= CONVERGED:
            break
        step, length = np.linalg.solve(hessian, gradient), 1.0
        while length > CONVERGED and not _cost(place - length * step, z, right)[0] < value:
            length /= 2
        if length <= CONVERGED:  # no further decrease within rounding
            break
        place = place - length * step
        value, gradient, hessian = _cost(place, z, right)
    a, b = np.split(place, 2)
    return a / width, b - a * middle / width


def _cost(place: np.ndarray, z: np.ndarray, right: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient (2K,) and second derivatives (2K, 2K) of what `fit` minimizes; right (n, K) is one-hot."""
    n, classes = z.shape
    a, b = np.split(place, 2)
    s = a * z + b
    s = s - s.max(axis=1, keepdims=True)
    normal = np.log(np.exp(s).sum(axis=1, keepdims=True))
    p = np.exp(s - normal)
    value = float((normal[:, 0] - (right * s).sum(axis=1)).mean() + RIDGE / 2 * place @ place)
    slopes = np.concatenate([((p - right) * z).mean(axis=0), (p - right).mean(axis=0)])
    features = np.concatenate([p * z, p], axis=1)
    hessian = RIDGE * np.eye(2 * classes) - features.T @ features / n
    k, squares, firsts = np.arange(classes), (p * z**2).mean(axis=0), (p * z).mean(axis=0)
    hessian[k, k] += squares
    hessian[k, k + classes] += firsts
    hessian[k + classes, k] += firsts
    hessian[k + classes, k + classes] += p.mean(axis=0)
    return value, slopes + RIDGE * place, hessian
