"""Precision against recall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlphys.figures import theme
from mlphys.figures.class_curves import beside, curves_of, drawn_table, thinned
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.requirements import need_class_probabilities
from mlphys.figures.run_view import ResolvedView, RunView


class PrecisionRecall(Plot):
    """Precision against recall: of the samples taken for a class the fraction that is, and how many of it are found."""

    def check(self, resolved: ResolvedView) -> None:
        need_class_probabilities(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        curves = curves_of(run)
        title = f"{run.name}: average precision {beside(run, curves.split, 'average_precision')}"
        figure = theme.figure(8.4, 6.2, title, f"{curves.caption}; dotted: the precision of choosing at random")
        axes = figure.subplots()
        for color, curve in zip(curves.colors(), curves.drawn, strict=True):
            precision, recall = curve.counts.precision(), curve.counts.efficiency()
            rows = thinned(len(recall))
            axes.plot(recall[rows], precision[rows], color=color, label=curve.label, drawstyle="steps-post")
            axes.axhline(precision[-1], color=color, linestyle=":", linewidth=1.5)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.legend(loc="lower left")
        columns = {
            "recall": lambda counts: counts.efficiency(),
            "precision": lambda counts: counts.precision(),
        }
        yield Picture("precision_recall", figure, drawn_table(curves, columns))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()
