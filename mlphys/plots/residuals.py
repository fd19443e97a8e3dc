"""Residuals of a regression: their distribution, and how they depend on the true value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme
from mlphys.figures.example_experiments import regressor_of_points
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_target_numbers
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.figures.target_panels import Predicted, predicted_targets, table_of
from mlphys.numerics.uncertainty import mean_stderr, weighted_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 40
SLICES = 10  # of the true value, with as many samples each
FEWEST = 5  # samples of a slice


class Residuals(Plot):
    """Residuals, predicted minus true, for each target: against the true value with their mean, and their histogram."""

    def check(self, resolved: ResolvedView) -> None:
        need_target_numbers(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        targets = predicted_targets(run)
        caption = f"{targets.caption}; orange: the mean in slices of equally many samples, with its standard error"
        figure, panels = targets.panels(f"{run.name}: residuals, predicted - true", caption)
        for target, axes in panels:
            _draw(axes, target, targets.weights, targets.drawn)
        yield Picture("residuals", figure, table_of(targets))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return regressor_of_points()


def _draw(axes: Axes, target: Predicted, weights: np.ndarray | None, drawn: np.ndarray) -> None:
    residuals = target.predicted - target.true
    axes.axhline(0, color=theme.GREY, linestyle=":", linewidth=2)
    axes.scatter(target.true[drawn], residuals[drawn], s=14, color=theme.BLUE, alpha=0.4, linewidths=0, rasterized=True)
    places, means, errors = _sliced(target.true, residuals, weights)
    axes.errorbar(places, means, errors, color=theme.VERMILLION, marker="o", markersize=6, capsize=3, linewidth=2)
    axes.set(xlabel=f"true {target.name}", ylabel="predicted - true")
    mean = theme.measured(weighted_mean(residuals, weights), mean_stderr(residuals, weights))
    axes.set_title(f"mean {mean}", loc="left", color=theme.GREY)
    beside = axes.inset_axes((1.02, 0, 0.2, 1), sharey=axes)
    beside.hist(residuals, BINS, weights=weights, orientation="horizontal", color=theme.SKY)
    beside.axis("off")


def _sliced(true: np.ndarray, residuals: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Mean true value, mean residual and its standard error of slices of the true value."""
    slices = np.array_split(np.argsort(true, kind="stable"), max(1, min(SLICES, len(true) // FEWEST)))
    rows = []
    for some in slices:
        of_slice = None if weights is None else weights[some]
        if of_slice is not None and of_slice.sum() <= 0:
            continue
        error = mean_stderr(residuals[some], of_slice)
        rows.append((true[some].mean(), weighted_mean(residuals[some], of_slice), error or 0.0))
    places, means, errors = np.array(rows).reshape(-1, 3).T
    return places, means, errors
