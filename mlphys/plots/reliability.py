"""Reliability diagram (Niculescu-Mizil & Caruana 2005), with temperature scaling (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.class_curves import OTHERWISE, beside
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.requirements import need_class_probabilities
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import reliability
from mlphys.numerics.reliability import Bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Reliability(Plot):
    """How often the likeliest class is right, against its probability; with the temperature that fits validation."""

    def check(self, resolved: ResolvedView) -> None:
        need_class_probabilities(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        split, predictions = predicted(run, "probabilities", OTHERWISE)
        weights = predictions.get("weights")
        if weights is not None and weights.min() < 0:
            raise NotApplicable("some samples have negative weights: an accuracy in a bin could be anything")
        labels = predictions["labels"]
        bins_by_name = {"as predicted": _bins(predictions["probabilities"], labels, weights)}
        temperature = run.metrics.get(split, {}).get("temperature")
        if temperature:
            scaled = reliability.Temperature(temperature, None).applied(predictions["probabilities"])
            bins_by_name[f"temperature {temperature:.3g}"] = _bins(scaled, labels, weights)
        caption = f"{len(labels):,} {split} samples in {reliability.BINS} bins; bars: one standard error"
        caption += "; the temperature is fitted to validation" if temperature else ""
        title = f"{run.name}: calibration error {beside(run, split, 'ece')}, nll {beside(run, split, 'nll')}"
        figure = theme.figure(8.4, 7.4, title, caption)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for (name, bins), color in zip(bins_by_name.items(), theme.LINES, strict=False):
            _draw(above, below, name, bins, color)
        above.plot([0, 1], [0, 1], color=theme.GREY, linestyle=":", linewidth=2, label="calibrated", zorder=1)
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        # above the axes: with few samples a bin may lie anywhere in them
        above.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        below.set(xlabel="probability of the likeliest class", ylabel="share of\nsamples")
        yield Picture("reliability", figure, _table(bins_by_name))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def _bins(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> Bins:
    right = probabilities.argmax(axis=1) == labels
    return reliability.bins(probabilities.max(axis=1).astype(np.float64), right, weights)


def _draw(above: Axes, below: Axes, name: str, bins: Bins, color: str) -> None:
    filled = bins.weight > 0
    bars: dict[str, Any] = {"color": color, "marker": "o", "markersize": 6, "capsize": 3, "label": name}
    above.errorbar(bins.confidence[filled], bins.accuracy[filled], bins.stderr[filled], **bars)
    below.stairs(bins.weight / bins.weight.sum(), bins.edges, color=color, linewidth=2)


def _table(bins_by_name: Mapping[str, Bins]) -> dict[str, list[object]]:
    table: dict[str, list[object]] = {
        key: [] for key in ("probabilities", "from", "to", "weight", "confidence", "accuracy", "accuracy_stderr")
    }
    for name, bins in bins_by_name.items():
        for i in np.flatnonzero(bins.weight > 0).tolist():
            row = (
                name, bins.edges[i], bins.edges[i + 1], bins.weight[i], bins.confidence[i], bins.accuracy[i],
                bins.stderr[i],
            )  # fmt: skip
            for column, value in zip(table.values(), row, strict=True):
                column.append(value if isinstance(value, str) else float(value))
    return table
