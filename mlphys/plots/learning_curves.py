"""Learning curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.io.history import quantities

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, Any]]

DECADES = 2  # a loss over a larger range has a logarithmic axis
LETTER = 0.022  # of the width of the axes: a letter of a phase's name
ROUNDING = 1e-5  # of a float32 mean
SHORTEST = 4  # letters of a phase's name
DOTTED = 40  # epochs up to which each has a dot


class LearningCurves(Plot):
    """Loss and metrics against the epoch, in training and validation, with the test result."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if not run.config.model.ITERATIVE:
            raise NotApplicable("its weights are computed at once: there is no curve")
        if not run.history:
            raise NotApplicable("no epoch was trained; set training.epochs to at least 1")
        rows = [{name: math.nan if value is None else value for name, value in row.items()} for row in run.history]
        last_of = {name: i for i, row in enumerate(run.history, start=1) for name in row if row[name] is not None}
        metrics = [name for name in quantities(rows[0]) if name in last_of and not name.startswith("validation_")]
        if not metrics:
            raise NotApplicable("history.csv has no loss in any epoch")
        metrics = [name for name in metrics if sum(row[name] is not None for row in run.history) > 1] or metrics
        same = [name for name in metrics if name != "loss" and _is_the_loss(run.history, name)]
        metrics = [name for name in metrics if name not in same]
        saved_epoch, which = _kept(run, rows)
        across = theme.style().across(min(len(metrics), 3), 5.8)
        down = math.ceil(len(metrics) / across)
        figure = theme.figure(max(5.8 * across, 7), 5.0 * down + 0.5, f"{run.name}: learning curves")
        axes = figure.subplots(down, across, squeeze=False).ravel()
        for metric, panel in zip(metrics, axes, strict=False):
            last = last_of[metric]
            shown, why = (saved_epoch, which) if saved_epoch <= last else (last, "last of its phase")
            _curves(panel, rows, metric, shown)
            if run.config.model.measures_all_in(str(rows[shown - 1]["phase"])):
                _test(panel, metric, shown, run.metrics.get("test", {}))
            _axes(panel, rows, metric, shown)
            if metric == "loss" and same:
                panel.set_ylabel(" = ".join(["loss", *same]).replace("_", " "))
            if metric == "loss" and run.config.data.target_scaling is not None:
                panel.set_ylabel(f"{panel.get_ylabel()}, of scaled targets")
            _legend(panel, f"epoch {shown} ({why})")
        for unused in axes[len(metrics) :]:
            unused.remove()
        columns = [name for metric in metrics for name in (metric, f"validation_{metric}") if name in rows[0]]
        table = {name: [row[name] for row in rows] for name in ("phase", "epoch", *columns)}
        yield Picture("learning_curves", figure, table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _is_the_loss(history: Rows, metric: str) -> bool:
    """Whether a metric, in training and validation, is the loss under another name."""
    pairs = [(f"{split}{metric}", f"{split}loss") for split in ("", "validation_")]
    return "loss" in history[0] and all(_equal(row.get(name), row.get(loss)) for row in history for name, loss in pairs)


def _equal(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return math.isclose(value, other, rel_tol=ROUNDING)


def _kept(run: RunView, rows: Rows) -> tuple[int, str]:
    """The epoch of the saved weights, counted through all phases, and why."""
    training = run.config.training
    if training.early_stopping or any(phase.early_stopping for phase in (training.phases or {}).values()):
        best = (rows[-1]["phase"], run.status.get("best_epoch"))
        for i, row in enumerate(rows, start=1):
            if (row["phase"], row["epoch"]) == best:
                return i, "best"
    return len(rows), "last"


def _spans(rows: Rows) -> list[tuple[str, range]]:
    """The phases and their epochs, counted through all phases."""
    phases = itertools.groupby(range(1, len(rows) + 1), key=lambda epoch: rows[epoch - 1]["phase"])
    return [(phase, range(first := next(epochs), first + 1 + len(list(epochs)))) for phase, epochs in phases]


def _curves(axes: Axes, rows: Rows, metric: str, marked_epoch: int) -> None:
    """One line per phase, not connected with the next phase."""
    curves = [("training", metric, theme.BLUE), ("validation", f"validation_{metric}", theme.VERMILLION)]
    for name, column, colour in [curve for curve in curves if curve[1] in rows[0]]:
        label = f"{name} {theme.measured(rows[marked_epoch - 1][column])}"
        style: dict[str, Any] = {"color": colour, "marker": "o" if len(rows) <= DOTTED else "", "markersize": 5}
        for i, (_, epochs) in enumerate(_spans(rows)):
            values = [rows[epoch - 1][column] for epoch in epochs]
            axes.plot(epochs, values, **style, label="" if i else label)
        marked_value, marked_colour = rows[marked_epoch - 1][column], colour
    axes.plot(marked_epoch, marked_value, "o", color=marked_colour, markersize=11)


def _test(axes: Axes, metric: str, marked_epoch: int, test: Mapping[str, Any]) -> None:
    if test.get(metric) is not None:
        value, error = test[metric], test.get(f"{metric}_stderr")
        style: dict[str, Any] = {"color": theme.INK, "marker": "D", "markersize": 7, "capsize": 5, "zorder": 5}
        label = f"test {theme.measured(value, error)}"
        axes.errorbar(marked_epoch, value, error, **style, linestyle="none", label=label)


def _axes(axes: Axes, rows: Rows, metric: str, marked_epoch: int) -> None:
    from matplotlib.ticker import MaxNLocator

    values = [row[name] for name in (metric, f"validation_{metric}") for row in rows if name in row]
    finite = [value for value in values if math.isfinite(value)]
    if metric == "loss" and finite and min(finite) > 0 and max(finite) / min(finite) > 10**DECADES:
        axes.set_yscale("log")
        log_axis.label(axes.yaxis)
    border = max(0.5, 0.02 * len(rows))
    axes.set(xlim=(1 - border, len(rows) + border), xlabel="epoch", ylabel=metric.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    axes.axvline(marked_epoch, color=theme.GREY, linestyle=":", linewidth=1.5, zorder=0)
    spans = _spans(rows)
    for phase, epochs in spans if len(spans) > 1 else ():
        if epochs.start > 1:
            axes.axvline(epochs.start - 0.5, color=theme.GREY, linewidth=1)
        middle, top = (epochs.start + epochs.stop - 1) / 2, axes.get_xaxis_transform()
        name = _fitting(theme.short(phase), len(epochs) / len(rows))
        axes.text(middle, 1.0, name, transform=top, ha="center", va="bottom", color=theme.GREY)


def _fitting(name: str, share: float) -> str:
    """A phase's name above its part of the axes, or its number, or nothing if the space is too small."""
    number = name.rpartition("_")[2]
    candidates = [name, number] if number.isdecimal() else [name, theme.short(name, max(SHORTEST, int(share / LETTER)))]
    return next((text for text in candidates if len(text) * LETTER <= share), "")


def _legend(axes: Axes, title: str) -> None:
    """The legend above the axes and the phase names, where it hides no curve."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.08 if axes.texts else 1.01)}
    tight: dict[str, Any] = {"borderaxespad": 0, "borderpad": 0.2, "handlelength": 1.3, "columnspacing": 1}
    axes.legend(**place, **tight, ncols=2, title=title, alignment="left", fontsize=12.5, title_fontsize=12.5)
