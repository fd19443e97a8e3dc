"""Predicted against true values of a regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlphys.figures import theme
from mlphys.figures.example_experiments import regressor_of_points
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_target_numbers
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.figures.target_panels import predicted_targets, table_of


class PredictedAgainstTrue(Plot):
    """The predictions of a regressor against the true values, for each target in its own units."""

    def check(self, resolved: ResolvedView) -> None:
        need_target_numbers(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        targets = predicted_targets(run)
        figure, panels = targets.panels(f"{run.name}: predicted against true", f"{targets.caption}; dotted: equal")
        for target, axes in panels:
            true, output = target.true[targets.drawn], target.predicted[targets.drawn]
            ends = [float(np.min([true, output])), float(np.max([true, output]))]
            axes.plot(ends, ends, color=theme.GREY, linestyle=":", linewidth=2, zorder=3)
            axes.scatter(true, output, s=14, color=theme.BLUE, alpha=0.4, linewidths=0, rasterized=True)
            axes.set(xlabel=f"true {target.name}", ylabel=f"predicted {target.name}")
            axes.set_title(target.quality, loc="left", color=theme.GREY)
        yield Picture("predicted_against_true", figure, table_of(targets))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return regressor_of_points()
