"""Samples of a table as a table: named features, colored by their standardized values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.data.feature_histograms import MOST_NAMED
from mlphys.figures import theme
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FITTED = 10_000  # training samples for mean and standard deviation
LIMIT = 3.0  # standard deviations, the ends of the color scale
STANDARDIZED = "color: standard deviations from the mean of training, the numbers as in the data"
UNNAMED = ("first feature", "second feature", "third feature")
CELL, LINE = 0.95, 0.36  # inches


def names(run: RunView) -> tuple[str, ...]:
    """The features' names, if a sample is a few numbers, each by itself, and no curve."""
    feature_names = tuple(run.config.data.feature_names())
    shape = tuple(run.data["shape"])
    if not feature_names and len(shape) == 1 and shape[0] <= len(UNNAMED):
        return UNNAMED[: shape[0]]  # a line through two or three numbers would say nothing
    return feature_names if len(feature_names) <= MOST_NAMED else ()


def of_plane(run: RunView) -> tuple[str, str]:
    """The names of the axes of a plane in which samples are points."""
    across, up = names(run)
    return theme.short(across), theme.short(up)


def standardized(run: RunView, samples: np.ndarray) -> np.ndarray:
    """Samples (n, features) less the mean of training samples, in units of their standard deviation."""
    train = chunked.read(run.dataset().train.x[:FITTED]).astype(np.float64)
    spread = train.std(axis=0)
    return (samples - train.mean(axis=0)) / np.where(spread > 0, spread, 1)


def figure(
    values: np.ndarray, scaled: np.ndarray, labels: Sequence[str], features: Sequence[str], title: str, caption: str
) -> Figure:
    """A table of `values` (rows, features), each cell colored by `scaled`."""
    width = max(1.6 + CELL * len(features) + 0.09 * max(map(len, labels)), 9)
    fig = theme.figure(width, LINE * len(values) + 2.2, title, caption)
    axes = fig.subplots()
    image = axes.imshow(scaled, cmap=theme.SIGNED, vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if abs(scaled[row, column]) > 0.6 * LIMIT else theme.INK
        text = f"{value:.4g}".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=11, color=ink)
    axes.set_yticks(range(len(values)), labels, fontsize=11)
    turned: dict[str, Any] = {"rotation": 30, "ha": "left"} if max(map(len, features)) > 8 else {}
    axes.set_xticks(range(len(features)), [theme.short(name, 20) for name in features], fontsize=12, **turned)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    fig.colorbar(image, ax=axes, label="standard deviations", shrink=min(1.0, 2.5 / (LINE * len(values) + 0.5)))
    return fig
