"""A histogram of each named feature of a table, for each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NAMED = 30  # features with a picture of their own; more are a spectrum or a signal, drawn as curves
ACROSS = 4
BINS = 30
TAIL = 0.002  # of the values beyond each end of the axis, so that an outlier does not hide the others


def figure(classes: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Histograms of samples (n, features), one panel a feature and one line a class, each with its own area of 1.

    The features of a table have units of their own, so that no axis fits two of them.
    """
    from matplotlib.figure import Figure

    across = min(ACROSS, len(names))
    down = math.ceil(len(names) / across)
    fig = Figure(figsize=(3.2 * across, 2.4 * down + 0.8), layout="constrained")
    panels = fig.subplots(down, across, squeeze=False).ravel()
    for unused in panels[len(names) :]:
        unused.remove()
    every = np.concatenate(list(classes.values()))
    for k, (name, axes) in enumerate(zip(names, panels, strict=False)):
        edges = _edges(every[:, k])
        for label, samples in classes.items():
            counts = np.histogram(samples[:, k], edges)[0]
            axes.stairs(counts / max(1, len(samples)) / np.diff(edges), edges, label=label, linewidth=1.8)
        axes.set_xlabel(name, fontsize=12, parse_math=False)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.spines[["left", "top", "right"]].set_visible(False)
    if len(classes) > 1:
        for text in fig.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4).texts:
            text.set_parse_math(False)
    return fig


def _edges(values: np.ndarray) -> np.ndarray:
    """The bins from the smallest to the largest value, or between quantiles where outliers lie far beyond these."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return np.linspace(0, 1, BINS + 1)
    low, high = (float(value) for value in (finite.min(), finite.max()))
    inner = np.quantile(finite, [TAIL, 1 - TAIL])
    if high - low > 5 * (inner[1] - inner[0]) > 0:
        low, high = (float(value) for value in inner)
    if high <= low:
        low, high = low - 0.5 * max(1, abs(low)), high + 0.5 * max(1, abs(high))
    return np.linspace(low, high, BINS + 1)
