"""A quantity of each layer against the epoch, colored by the layer's position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlphys.errors import NotApplicable
from mlphys.figures import log_axis, theme
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RAMP, PALEST = "viridis", 0.82  # colour-blind safe; its yellow end is too pale on white
DOTTED = 40  # epochs up to which each has a dot
MOST_LABELS = 16  # labels beside the curves
DECADES = 12  # below the largest value; smaller values are drawn at the lower border


def picture(
    run: RunView, name: str, column: str, track: str, title: str, label: str, caption: str, log: bool
) -> Picture:
    """One curve for each column `<column>.<layer>` of history.csv.

    Raises NotApplicable, with the remedy, where there is none.
    """
    rows = run.history
    if not rows:
        raise NotApplicable("no epoch was trained; set training.epochs to at least 1")
    prefix = f"{column}."
    measured = [key for key in rows[0] if key.startswith(prefix)]
    curves = {key: [math.nan if row[key] is None else row[key] for row in rows] for key in measured}
    if not curves:
        raise NotApplicable(f"it was not recorded; retrain with training.track: [{track}]")
    layers = [short(key.removeprefix(prefix)) for key in curves]
    low, high = limits(list(curves.values())) if log else (0.0, 1.0)
    caption += "; layers from the first (dark) to the last"
    if any(value < low for curve in curves.values() for value in curve):
        caption += "; values below the axis are drawn at its end"
    figure = theme.figure(9.5, 6.2, f"{run.name}: {title}", caption)
    axes = figure.subplots()
    _draw(axes, list(curves.values()), layers, (low, high), log)
    axes.set(xlabel="epoch", ylabel=label)
    table = {"phase": [row["phase"] for row in rows], "epoch": [row["epoch"] for row in rows], **curves}
    return Picture(name, figure, table)


def short(layer: str) -> str:
    """`3 Dense` of `layers.3.Dense`, `encoder 0 Dense` of `encoder.0.Dense`."""
    return layer.removeprefix("layers.").replace(".", " ")


def _draw(
    axes: Axes, curves: Sequence[Sequence[float]], layers: Sequence[str], limits: tuple[float, float], log: bool
) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(curves[0]) + 1)
    low, high = limits
    if log:
        logarithmic(axes, low, high)
    axes.set(ylim=(low, high), xlim=(1 - max(0.5, 0.02 * len(epochs)), len(epochs) + 0.02 * len(epochs)))
    ends = []
    for i, curve in enumerate(curves):
        colour = colormaps[RAMP](PALEST * i / max(len(curves) - 1, 1))
        shown = [max(value, low) if math.isfinite(value) else math.nan for value in curve]
        style: dict[str, Any] = {"marker": "o" if len(epochs) <= DOTTED else "", "markersize": 5, "clip_on": False}
        axes.plot(epochs, shown, color=colour, **style)
        last = next((value for value in reversed(shown) if math.isfinite(value)), math.nan)
        ends.append((last, layers[i], colour))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=theme.PALE, linewidth=0.8)
    _labels(axes, ends, low, high, log)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """The y axis from low to high."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_axis.label(axes.yaxis)


def limits(curves: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Of a logarithmic axis for these curves: at most `DECADES` below the largest value."""
    values = [value for curve in curves for value in curve if 0 < value < math.inf]
    high = max(values, default=1.0)
    low = max(min(values, default=0.1), high / 10**DECADES)
    margin = max((high / low) ** 0.05, 1.3)
    return low / margin, high * margin


def _labels(axes: Axes, ends: Sequence[tuple[float, str, Any]], low: float, high: float, log: bool) -> None:
    """Layer names at the ends of their curves, spread apart; of many layers every second or third."""
    step = math.ceil(len(ends) / MOST_LABELS)
    chosen = [end for i, end in enumerate(ends) if i % step == 0 or i == len(ends) - 1]

    def height(value: float) -> float:
        if not math.isfinite(value):
            return 1.0
        return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)

    line = {"arrowstyle": "-", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 2, "relpos": (0, 0.5)}
    style: dict[str, Any] = {"va": "center", "fontsize": 13, "annotation_clip": False}
    style |= {"xycoords": ("data", "axes fraction"), "textcoords": "axes fraction"}
    targets = sorted((height(value), i) for i, (value, _, _) in enumerate(chosen))
    places = _apart([place for place, _ in targets], 1 / MOST_LABELS)
    for (own, i), place in zip(targets, places, strict=True):
        _, name, colour = chosen[i]
        start = axes.get_xlim()[1], own
        axes.annotate(name, start, (1.05, place), color=colour, arrowprops={**line, "color": colour}, **style)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending positions moved as little as possible (least squares) to be `gap` apart, then into [0, 1]."""
    blocks: list[list[float]] = []  # of positions minus their gaps, each moved to the mean of its block
    for i, place in enumerate(places):
        blocks.append([place - i * gap])
        while len(blocks) > 1 and _mean(blocks[-2]) >= _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    moved = [_mean(block) + i * gap for i, block in enumerate(block for block in blocks for _ in block)]
    ceilings = [1 - (len(moved) - 1 - i) * gap for i in range(len(moved))]
    return [max(min(place, ceiling), i * gap) for i, (place, ceiling) in enumerate(zip(moved, ceilings, strict=True))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
