"""Panels of a few predicted numbers, one for each target: what the pictures of regressions share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlphys.figures import theme
from mlphys.figures.picture import predicted
from mlphys.figures.requirements import need_target_numbers
from mlphys.figures.run_view import RunView
from mlphys.numerics.randomness import rng

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 5000  # of a panel
ACROSS = 3  # panels


@dataclass(frozen=True)
class Predicted:
    """One target: its name, true values and predictions of n samples, float64, and how good they are, as text."""

    name: str
    true: np.ndarray
    predicted: np.ndarray
    quality: str


@dataclass(frozen=True)
class PredictedTargets:
    """All targets of a split, with the weights of its samples (n,) and the indices of those that are drawn."""

    split: str
    targets: Sequence[Predicted]
    weights: np.ndarray | None
    drawn: np.ndarray

    @property
    def caption(self) -> str:
        """How many samples are drawn, of how many."""
        samples = len(self.targets[0].true)
        shown = "" if len(self.drawn) == samples else f", {len(self.drawn):,} drawn at random"
        return f"{samples:,} {self.split} samples{shown}"

    def panels(self, title: str, caption: str) -> tuple[Figure, Iterator[tuple[Predicted, Axes]]]:
        """A figure with axes for each target."""
        across = theme.style().across(min(ACROSS, len(self.targets)), 5.4)
        down = math.ceil(len(self.targets) / across)
        figure = theme.figure(max(5.4 * across, 7), 5.2 * down, title, caption)
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for empty in axes[len(self.targets) :]:
            empty.set_visible(False)
        return figure, zip(self.targets, axes, strict=False)


def predicted_targets(run: RunView) -> PredictedTargets:
    """The predictions of a regressor of a few numbers. Raises NotApplicable where there are none."""
    need_target_numbers(run.loaded)
    split, arrays = predicted(run, "outputs", "only a model of kind: regressor predicts numbers")
    true, outputs = (arrays[name].astype(np.float64) for name in ("labels", "outputs"))
    metrics = run.metrics.get(split, {})
    names = run.loaded.net_input.target_names or tuple(f"y_{k}" for k in range(true.shape[1]))
    targets = []
    for k, name in enumerate(names):
        facts = metrics.get("per_target", {}).get(name, metrics if len(names) == 1 else {})
        r2 = facts.get("r2")
        quality = "" if r2 is None else f"R² {theme.measured(r2, facts.get('r2_stderr'))}"
        targets.append(Predicted(theme.short(name, 30), true[:, k], outputs[:, k], quality))
    most = min(MOST_POINTS, len(true))
    drawn = np.sort(rng(0, "drawn samples").permutation(len(true))[:most])
    return PredictedTargets(split, targets, arrays.get("weights"), drawn)


def table_of(predicted: PredictedTargets) -> dict[str, list[object]]:
    """The drawn samples of each target: true value, prediction and their difference."""
    table: dict[str, list[object]] = {"target": [], "sample": [], "true": [], "predicted": [], "residual": []}
    for target in predicted.targets:
        true, output = target.true[predicted.drawn], target.predicted[predicted.drawn]
        table["target"] += [target.name] * len(predicted.drawn)
        table["sample"] += predicted.drawn.tolist()
        table["true"] += true.tolist()
        table["predicted"] += output.tolist()
        table["residual"] += (output - true).tolist()
    return table
