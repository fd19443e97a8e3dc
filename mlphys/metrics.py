"""The metrics of a split, each with its standard error and its baseline."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlphys.uncertainty import fraction_stderr, mean_stderr


def classification(
    labels: np.ndarray, probabilities: np.ndarray, losses: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    """The metrics of a classifier on n samples.

    labels (n,), probabilities (n, K), losses (n,) with penalties. Standard errors: of a mean
    from the per-sample values, of a fraction by `fraction_stderr`.
    """
    n, guesses = len(labels), probabilities.argmax(axis=1)
    counts = np.bincount(labels, minlength=len(classes))
    right = np.bincount(labels[guesses == labels], minlength=len(classes))
    guessed = np.bincount(guesses, minlength=len(classes))
    accuracy = right.sum() / n
    present = counts > 0
    recalls = right[present] / counts[present]
    errors = [fraction_stderr(k, m) for k, m in zip(right[present], counts[present], strict=True)]
    return {
        "samples": n,
        "loss": float(losses.mean()),
        "loss_stderr": mean_stderr(losses),
        "accuracy": float(accuracy),
        "accuracy_stderr": fraction_stderr(right.sum(), n),
        "error_rate": float(1 - accuracy),
        "error_rate_stderr": fraction_stderr(right.sum(), n),
        "balanced_accuracy": float(recalls.mean()),
        "balanced_accuracy_stderr": math.hypot(*errors) / len(errors),
        "majority_accuracy": float(counts.max() / n),
        "per_class": {
            name: _of_class(int(counts[k]), int(guessed[k]), int(right[k])) for k, name in enumerate(classes)
        },
    }


def _of_class(count: int, guessed: int, right: int) -> dict[str, Any]:
    """Precision, recall and F1; None where nothing was guessed or there was nothing to find."""
    union = count + guessed - right
    values: dict[str, Any] = {"samples": count}
    for name, of in (("precision", guessed), ("recall", count)):
        values[name] = right / of if of else None
        values[f"{name}_stderr"] = fraction_stderr(right, of) if of else None
    # F1 = 2 q / (1 + q) with q = right / union, a fraction of independent samples
    q = right / union if union else 0.0
    values["f1"] = 2 * q / (1 + q) if union else None
    values["f1_stderr"] = fraction_stderr(right, union) * 2 / (1 + q) ** 2 if union else None
    return values


def surest_mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Indices of wrongly classified samples, those with the most probable wrong class first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order[:most]].astype(np.int32)
