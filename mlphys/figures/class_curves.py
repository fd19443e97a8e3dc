"""Curves over a threshold of the probability, for each class: what ROC and precision-recall pictures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import predicted
from mlphys.figures.run_view import RunView
from mlphys.numerics.discrimination import Counts, Ranking

MOST_DRAWN = len(theme.LINES)  # classes
MOST_POINTS = 2000  # of a curve

OTHERWISE = "only a model of kind: classifier distinguishes classes"


@dataclass(frozen=True)
class ClassCurve:
    """The counts above each threshold for one class, and what its line is called."""

    label: str
    counts: Counts


@dataclass(frozen=True)
class ClassCurves:
    """The drawn classes of a split: of two the second, of more those that are ranked worst."""

    split: str
    drawn: Sequence[ClassCurve]
    caption: str

    def colors(self) -> Sequence[str]:
        return theme.LINES[: len(self.drawn)]


def curves_of(run: RunView) -> ClassCurves:
    """The curves of the predictions of a run. Raises NotApplicable where there are none."""
    split, predictions = predicted(run, "probabilities", OTHERWISE)
    labels, probabilities = predictions["labels"], predictions["probabilities"]
    weights = predictions.get("weights", np.ones(len(labels))).astype(np.float64)
    if weights.min() < 0:
        raise NotApplicable("some samples have negative weights: efficiencies would not grow along the curve")
    names, counts = list(run.data["classes"]), np.bincount(labels, weights, minlength=probabilities.shape[1])
    present = [1] if len(names) == 2 else np.flatnonzero((counts > 0) & (counts < counts.sum())).tolist()
    if not present or (len(names) == 2 and (counts == 0).any()):
        raise NotApplicable(f"{split} has samples of one class only")
    curves = [
        ClassCurve(theme.short(names[k]), Ranking(probabilities[:, k], labels == k).counts(weights)) for k in present
    ]
    curves = sorted(curves, key=lambda curve: curve.counts.area())[:MOST_DRAWN]
    caption = f"{len(labels):,} {split} samples"
    if len(names) == 2:
        caption += f"; found is {theme.short(names[1])}, the background is {theme.short(names[0])}"
    elif len(curves) < len(names):
        caption += f"; each class against all others, the {len(curves)} of {len(names)} with the smallest area"
    else:
        caption += "; each class against all others"
    return ClassCurves(split, curves, caption + ("; by weight" if "weights" in predictions else ""))


def beside(run: RunView, split: str, metric: str) -> str:
    """A metric of the split with its error, `unknown` where it was not measured."""
    metrics = run.metrics.get(split, {})
    value = metrics.get(metric)
    return "unknown" if value is None else theme.measured(value, metrics.get(f"{metric}_stderr"))


def thinned(points: int) -> np.ndarray:
    """Indices of at most MOST_POINTS of so many points, the first and the last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(int))


def drawn_table(
    curves: ClassCurves, columns: Mapping[str, Callable[[Counts], np.ndarray]]
) -> dict[str, Sequence[object]]:
    """The points of all curves: class, threshold, and the columns."""
    table: dict[str, list[object]] = {"class": [], "threshold": [], **{name: [] for name in columns}}
    for curve in curves.drawn:
        rows = thinned(len(curve.counts.thresholds))
        table["class"] += [curve.label] * len(rows)
        table["threshold"] += curve.counts.thresholds[rows].tolist()
        for name, of in columns.items():
            table[name] += of(curve.counts)[rows].tolist()
    return dict(table)
