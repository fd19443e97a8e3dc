"""The receiver operating characteristic (ROC)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import log_axis, theme
from mlphys.figures.class_curves import ClassCurve, beside, curves_of, drawn_table, thinned
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_class_probabilities
from mlphys.figures.run_view import ResolvedView, RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Roc(Plot):
    """The ROC curve: the fraction of a class that is found against the fraction of the others that is taken for it.

    Of two classes the second is found. Beside it, as usual for a search, what is rejected of the background, 1 / the
    second fraction, against the efficiency.
    """

    def check(self, resolved: ResolvedView) -> None:
        need_class_probabilities(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        curves = curves_of(run)
        title = f"{run.name}: ROC, area {beside(run, curves.split, 'auc')}"
        figure, (left, right) = theme.row(2, 12, 6, title, curves.caption)
        for color, curve in zip(curves.colors(), curves.drawn, strict=True):
            _draw(left, right, curve, color)
        left.plot([0, 1], [0, 1], color=theme.GREY, linestyle=":", linewidth=2, label="chance")
        left.set(xlabel="background efficiency (false positives)", ylabel="efficiency (true positives)", aspect="equal")
        right.set(xlabel="efficiency", ylabel="rejection, 1 / background efficiency", yscale="log")
        log_axis.label(right.yaxis)
        left.legend(loc="lower right")
        yield Picture(
            "roc",
            figure,
            drawn_table(
                curves,
                {
                    "background_efficiency": lambda counts: counts.background(),
                    "efficiency": lambda counts: counts.efficiency(),
                },
            ),
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def _draw(left: Axes, right: Axes, curve: ClassCurve, color: str) -> None:
    efficiency, background = curve.counts.efficiency(), curve.counts.background()
    rows = thinned(len(efficiency))
    left.plot(np.append(0, background[rows]), np.append(0, efficiency[rows]), color=color, label=curve.label)
    rejected = rows[background[rows] > 0]
    right.plot(efficiency[rejected], 1 / background[rejected], color=color)
