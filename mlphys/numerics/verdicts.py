"""What a network's metrics say that it has not learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SIGMAS = 2  # standard errors by which a result must be better than its baseline
BETTER = {  # metric: the baseline that takes no network, what that answers, and whether large is good
    "accuracy": ("majority_accuracy", "always the most frequent class", True),
    "mse": ("mean_image_mse", "always the mean of the training samples", False),
}
REMEDY = "try another learning_rate, or more epochs"
SMALLER = "try a learning_rate ten times smaller"


def not_learned(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on a split's metrics: one class for every sample, or no better than the baseline of its kind."""
    collapsed = _only_class(metrics.get("per_class", {}))
    if collapsed is not None:
        return [f"predicts {collapsed} for every sample: the network has collapsed; {SMALLER}"]
    return [
        f"{name} is less than two standard errors better than {what} ({metrics[baseline]:.4g}); {REMEDY}"
        for name, (baseline, what, large) in BETTER.items()
        if name in metrics and metrics.get(baseline) is not None and _no_better(metrics, name, baseline, large)
    ]


def _only_class(classes: Mapping[str, Any]) -> str | None:
    """The class that was predicted for every sample, of several: the only one that has a precision."""
    predicted = [name for name, facts in classes.items() if facts["precision"] is not None]
    present = sum(facts["samples"] > 0 for facts in classes.values())
    return predicted[0] if len(predicted) == 1 and present > 1 else None


def _no_better(metrics: Mapping[str, Any], name: str, baseline: str, large: bool) -> bool:
    if large and metrics[baseline] >= 1:  # a split of a single class cannot tell
        return False
    gain = metrics[name] - metrics[baseline] if large else metrics[baseline] - metrics[name]
    return not math.isfinite(gain) or gain < SIGMAS * (metrics.get(f"{name}_stderr") or 0.0)
