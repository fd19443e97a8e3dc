"""Metrics of class probabilities beyond accuracy: how well they rank samples, and whether they are frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlphys.numerics import bootstrap, discrimination, reliability
from mlphys.numerics.uncertainty import at_the_edge, effective_size, mean_stderr, weighted_mean

REJECTIONS = {"efficiency_at_90_percent_rejection": 0.9, "efficiency_at_99_percent_rejection": 0.99}
MOST_RANKED = 100  # classes, each against all others
UNDEFINED = "average_precision, efficiencies, ece and temperature are not defined with negative weights"


def probability_metrics(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None
) -> dict[str, float | None]:
    """`nll`, the mean of -log p(label), and the expected calibration error `ece`, with their standard errors.

    With a negative weight `ece` is None.
    """
    losses = reliability.log_losses(probabilities, labels)
    measured = {"nll": weighted_mean(losses, weights), "nll_stderr": mean_stderr(losses, weights)}
    if weights is not None and weights.min() < 0:
        return {**measured, "ece": None, "ece_stderr": None}
    confidence, right = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels

    def errors(counted: np.ndarray) -> np.ndarray:
        return np.array([[reliability.calibration_error(confidence, right, each)] for each in counted])

    each = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    [stderr] = bootstrap.stderr(errors, each)
    return {**measured, "ece": reliability.calibration_error(confidence, right, each), "ece_stderr": float(stderr)}


def ranking_metrics(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`auc`, `average_precision`, and of two classes efficiencies at given rejections; and the first two of each class.

    Of two classes the second is the positive one, the first the background. Of more, each class is ranked against all
    others, and the metric is the mean over the classes. Empty where a class has no samples, or there are too many.
    """
    each = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    counts = np.bincount(labels, each, minlength=probabilities.shape[1])
    if (counts <= 0).any() or not 2 <= len(counts) <= MOST_RANKED:
        return {}, []
    classes = [1] if len(counts) == 2 else range(len(counts))
    positive = {k: labels == k for k in classes}
    areas = {k: discrimination.area(probabilities[:, k], positive[k], each) for k in classes}
    rankings = [discrimination.Ranking(probabilities[:, k], positive[k]) for k in classes]
    rejections = tuple(REJECTIONS.values()) if len(counts) == 2 else ()
    values, errors = _precisions(rankings, each, rejections)
    per_class = [
        {"auc": areas[k].value, "auc_stderr": areas[k].stderr, **_with_error("average_precision", values[i], errors[i])}
        for i, k in enumerate(classes)
    ]
    if len(counts) == 2:
        metrics = dict(per_class[0])
        for i, name in enumerate(REJECTIONS, start=1):
            metrics |= _with_error(name, values[i], errors[i])
        return metrics, []
    influence = np.mean([area.influence for area in areas.values()], axis=0)
    mean = float(np.mean([area.value for area in areas.values()]))
    metrics = {"auc": mean, "auc_stderr": at_the_edge(mean, mean_stderr(influence, weights), effective_size(each))}
    return metrics | _with_error("average_precision", values[-1], errors[-1]), per_class


def _precisions(
    rankings: list[discrimination.Ranking], weights: np.ndarray, rejections: tuple[float, ...]
) -> tuple[list[float | None], list[float | None]]:
    """Average precision of each ranking, of the first the efficiency at each rejection, and the mean of the first.

    And their standard errors; None with a negative weight.
    """

    def statistic(counted: np.ndarray) -> np.ndarray:
        precisions = np.stack([ranking.average_precision(counted) for ranking in rankings], axis=-1)
        first = rankings[0].counts(counted) if rejections else None
        efficiencies = [first.efficiency_at(rejection)[..., None] for rejection in rejections] if first else []
        return np.concatenate([precisions, *efficiencies, precisions.mean(axis=-1, keepdims=True)], axis=-1)

    if weights.min() < 0:
        none: list[float | None] = [None] * (len(rankings) + len(rejections) + 1)
        return none, none
    values = statistic(weights)
    errors = bootstrap.stderr(statistic, weights, each=len(rankings))  # without resamples that lack a class
    sizes = [effective_size(weights[ranking.positive]) for ranking in rankings]
    sizes = [*sizes, *[sizes[0]] * len(rejections), effective_size(weights)]
    edges = [
        at_the_edge(float(value), float(error), size) for value, error, size in zip(values, errors, sizes, strict=True)
    ]
    return values.tolist(), edges


def _with_error(name: str, value: float | None, stderr: float | None) -> dict[str, float | None]:
    return {name: value, f"{name}_stderr": stderr}
