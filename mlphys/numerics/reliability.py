"""Whether probabilities are frequencies: calibration error and temperature scaling (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlphys.numerics.uncertainty import effective_size, fraction_stderr, weighted_mean

BINS = 15  # of equal width in confidence, as in Guo et al. 2017
SMALLEST = 1e-7  # probabilities are bounded below by it, as in Keras
COLDEST, HOTTEST = 0.01, 100.0  # temperatures
STEPS, CONVERGED = 100, 1e-10
FLAT = 1e-12  # curvature of the loss below which the data leave the temperature open


@dataclass(frozen=True)
class Bins:
    """Samples by confidence: edges (bins + 1,), and for each bin weight, mean confidence, accuracy and its error.

    Means of empty bins are NaN.
    """

    edges: np.ndarray
    weight: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    stderr: np.ndarray


def bins(confidences: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None, number: int = BINS) -> Bins:
    """Bins of the largest probability (n,) of each sample; `right`: whether that class is the true one."""
    weights = np.ones(len(right)) if weights is None else weights
    edges = np.linspace(0, 1, number + 1)
    place = _bin(confidences, number)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, minlength=number)

    weight = summed(weights)
    safe = np.where(weight > 0, weight, np.nan)
    accuracy = summed(weights * right) / safe
    squares = summed(weights**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = weight**2 / squares
    errors = [fraction_stderr(p * n, n) if n > 0 else np.nan for p, n in zip(accuracy, sizes, strict=True)]
    return Bins(edges, weight, summed(weights * confidences) / safe, accuracy, np.array(errors))


def calibration_error(confidences: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    """The expected calibration error (Naeini, Cooper & Hauskrecht 2015): the mean over the samples of
    |accuracy - confidence| of their bin."""
    gaps = np.bincount(_bin(confidences, BINS), weights * (right - confidences), minlength=BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def _bin(confidences: np.ndarray, number: int) -> np.ndarray:
    return np.minimum((confidences * number).astype(int), number - 1)


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log p(label) of each sample, float64 (n,)."""
    p = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(p, SMALLEST, 1))


@dataclass(frozen=True)
class Temperature:
    """T of p^(1/T), normalized, and its standard error; None at the ends of the range and for perfect classes."""

    value: float
    stderr: float | None

    def applied(self, probabilities: np.ndarray) -> np.ndarray:
        """The scaled probabilities, float64 (n, K); the likeliest class stays the same."""
        return _softened(_logs(probabilities), 1 / self.value)


def temperature(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Temperature:
    """The temperature with the smallest mean of -log p(label), weights >= 0; convex in 1/T, by Newton's method."""
    logs = _logs(probabilities)
    own = logs[np.arange(len(labels)), labels]
    beta = 1.0
    for _ in range(STEPS):
        slopes, curvature = _slopes(logs, own, beta, weights)
        slope = weighted_mean(slopes, weights)
        step = slope / curvature if curvature > 0 else np.sign(slope) * beta
        new = float(np.clip(beta - step, max(beta / 4, 1 / HOTTEST), min(beta * 4, 1 / COLDEST)))
        converged, beta = abs(new - beta) <= CONVERGED * beta, new
        if converged:
            break
    slopes, curvature = _slopes(logs, own, beta, weights)
    if not 1 / HOTTEST < beta < 1 / COLDEST or curvature < FLAT:
        return Temperature(1 / beta, None)
    size = len(labels) if weights is None else effective_size(weights)
    error = np.sqrt(weighted_mean(slopes**2, weights) / size) / curvature  # sandwich: the model may be wrong
    return Temperature(1 / beta, float(error / beta**2))


def _slopes(logs: np.ndarray, own: np.ndarray, beta: float, weights: np.ndarray | None) -> tuple[np.ndarray, float]:
    """First derivative of each sample's loss (n,) and the mean second derivative with respect to beta = 1/T."""
    p = _softened(logs, beta)
    means = (p * logs).sum(axis=1)
    return means - own, weighted_mean((p * logs**2).sum(axis=1) - means**2, weights)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities.astype(np.float64), SMALLEST, 1))


def _softened(logs: np.ndarray, beta: float) -> np.ndarray:
    scaled = beta * logs
    p = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)
