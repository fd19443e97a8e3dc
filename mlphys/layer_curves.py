"""A number of each layer against the epoch, coloured from the first layer to the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlphys import looks
from mlphys.picture import NotApplicable, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlphys.run import Run

RAMP, PALEST = "viridis", 0.88  # told apart by the colour-blind; its yellow end is too pale on white
DOTTED = 40  # epochs up to which each gets a dot
MOST_LABELS = 16  # that stand below each other beside the curves
DECADES = 12  # below the largest value: what is smaller is at the lower border


def picture(run: Run, name: str, column: str, track: str, title: str, label: str, caption: str, log: bool) -> Picture:
    """One curve for each column `<column>.<layer>` of history.csv.

    Raises NotApplicable, with the remedy, where there is none.
    """
    rows = run.history
    if not rows:
        raise NotApplicable("no epoch was trained; set training.epochs to at least 1")
    prefix = f"{column}."
    curves = {key: [row[key] for row in rows] for key in rows[0] if key.startswith(prefix)}
    if not curves:
        raise NotApplicable(f"it was not recorded; train it anew with training.track: [{track}]")
    layers = [short(key.removeprefix(prefix)) for key in curves]
    figure = looks.figure(9.5, 6.2, f"{run.name}: {title}", f"{caption}; layers from the first (dark) to the last")
    axes = figure.subplots()
    _draw(axes, list(curves.values()), layers, log)
    axes.set(xlabel="epoch", ylabel=label)
    table = {"phase": [row["phase"] for row in rows], "epoch": [row["epoch"] for row in rows], **curves}
    return Picture(name, figure, table)


def short(layer: str) -> str:
    """`3 Dense` of `layers.3.Dense`, `encoder 0 Dense` of `encoder.0.Dense`."""
    return layer.removeprefix("layers.").replace(".", " ")


def _draw(axes: Axes, curves: Sequence[Sequence[float]], layers: Sequence[str], log: bool) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(curves[0]) + 1)
    low, high = _limits(curves, log)
    if log:
        axes.set_yscale("log")
    axes.set(ylim=(low, high), xlim=(1 - max(0.5, 0.02 * len(epochs)), len(epochs) + 0.02 * len(epochs)))
    ends = []
    for i, curve in enumerate(curves):
        colour = colormaps[RAMP](PALEST * i / max(len(curves) - 1, 1))
        shown = [max(value, low) if math.isfinite(value) else math.nan for value in curve]
        style: dict[str, Any] = {"marker": "o" if len(epochs) <= DOTTED else "", "markersize": 5, "clip_on": False}
        axes.plot(epochs, shown, color=colour, **style)
        ends.append((shown[-1], layers[i], colour))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=looks.PALE, linewidth=0.8)
    _labels(axes, ends, low, high, log)


def _limits(curves: Sequence[Sequence[float]], log: bool) -> tuple[float, float]:
    if not log:
        return 0.0, 1.0
    seen = [value for curve in curves for value in curve if 0 < value < math.inf]
    high = max(seen, default=1.0)
    low = max(min(seen, default=0.1), high / 10**DECADES)
    margin = max((high / low) ** 0.05, 1.3)
    return low / margin, high * margin


def _labels(axes: Axes, ends: Sequence[tuple[float, str, Any]], low: float, high: float, log: bool) -> None:
    """The layers' names at the ends of their curves, moved apart, of many layers every second or third."""
    step = math.ceil(len(ends) / MOST_LABELS)
    chosen = [end for i, end in enumerate(ends) if i % step == 0 or i == len(ends) - 1]

    def height(value: float) -> float:
        if not math.isfinite(value):
            return 1.0
        return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)

    wanted = sorted((height(value), i) for i, (value, _, _) in enumerate(chosen))
    places = _apart([place for place, _ in wanted], 1 / MOST_LABELS)
    for (_, i), place in zip(wanted, places, strict=True):
        value, name, colour = chosen[i]
        end = axes.get_xlim()[1]
        axes.annotate(
            name,
            (end, height(value)),
            (1.05, place),
            xycoords=("data", "axes fraction"),
            textcoords="axes fraction",
            va="center",
            color=colour,
            fontsize=13,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 2, "shrinkB": 2},
        )


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Rising places in [0, 1], each near its own and at least `gap` above the one before."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else place)
    ceiling = 1.0
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved
