"""Scatter plots in the plane or on a line, colored by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme
from mlphys.figures.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's eight, with gray for yellow, which is invisible on white; then the same with other markers
COLOURS = (*theme.LINES, theme.INK, "#999999")
MARKERS = "ox^"
BINS = 60
STRETCHED = 4  # times longer than high: then a unit is not as long in both directions
LETTER = (0.03, 0.05)  # the size of a name's letter, as a fraction of the axes


@dataclass(frozen=True)
class Projection:
    """Points (n, 1) or (n, 2), the names of their axes, and a description of the projection."""

    points: np.ndarray
    axes: tuple[str, ...]
    method: str = ""


@dataclass(frozen=True)
class Colouring:
    """The class of each point, (n,), and the class names; a single nameless class without colors.

    `note` says why classes have no colors.
    """

    labels: np.ndarray
    classes: Sequence[str]
    note: str = ""


def colouring(labels: np.ndarray, classes: Sequence[str]) -> Colouring:
    """One color per class, if there are not too many to distinguish."""
    if 0 < len(classes) <= len(COLOURS) * len(MARKERS):
        return Colouring(labels, [theme.short(name) for name in classes])
    note = f"{len(classes)} classes are too many to be told apart" if classes else ""
    return Colouring(np.zeros(len(labels), dtype=int), [""], note)


def picture(
    name: str, title: str, notes: Sequence[str], projection: Projection, labels: np.ndarray, classes: Sequence[str]
) -> Picture:
    """Plot of points for the first samples of a split; `labels` are used if there are classes."""
    coloured = colouring(labels, classes)
    caption = "; ".join(note for note in (*notes, projection.method, coloured.note) if note)
    points = projection.points
    figure = (_plane if points.shape[1] == 2 else _histograms)(points, coloured, projection.axes, title, caption)
    of_class = {"label": [classes[label] for label in labels]} if classes else {}
    columns = {name: list(column) for name, column in zip(("first", "second"), points.T, strict=False)}
    return Picture(name, figure, {"index": list(range(len(points))), **of_class, **columns})


def scatter(axes: Axes, points: np.ndarray, coloured: Colouring, alpha: float = 0.7) -> None:
    """Draw points (n, 2), with a legend if there are classes."""
    from matplotlib.lines import Line2D

    labels, classes = coloured.labels, coloured.classes
    size = 12 if len(points) > 1000 else 40
    for k in range(0, len(classes), len(COLOURS)):
        # classes with the same marker are drawn in the order of the samples, so that none hides the others
        some = (labels >= k) & (labels < k + len(COLOURS))
        colours = [_style(label)["color"] for label in labels[some]]
        x, y = points[some].T
        axes.scatter(x, y, c=colours, marker=_style(k)["marker"], s=size, linewidths=1, alpha=alpha)
    if classes != [""]:
        handles = [Line2D([], [], linestyle="", markersize=8, **_style(k)) for k in range(len(classes))]
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "handletextpad": 0.2}
        axes.legend(handles, classes, **place, ncols=1 if len(classes) <= 12 else 2)


def _style(k: int) -> dict[str, Any]:
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k // len(COLOURS)]}


def _plane(points: np.ndarray, coloured: Colouring, names: Sequence[str], title: str, caption: str) -> Figure:
    extent = np.ptp(points, axis=0)
    shape = min(max(extent[1] / (extent[0] or 1.0), 0.45), 0.85)
    figure = theme.figure(10, 8 * shape + 1.7, title, caption)
    axes = figure.subplots()
    scatter(axes, points, coloured)
    axes.set(xlabel=names[0], ylabel=names[1])
    if extent.max() <= STRETCHED * extent.min():
        axes.set_aspect("equal", adjustable="datalim")
    if coloured.classes != [""]:
        _names(axes, points, coloured)
    return figure


def _names(axes: Axes, points: np.ndarray, coloured: Colouring) -> None:
    """Class names at the medians, except those that would overlap; the legend has all of them."""
    from matplotlib.patheffects import withStroke

    labels, classes = coloured.labels, coloured.classes
    room = np.array([LETTER[0] * max(len(name) for name in classes), LETTER[1]]) * np.ptp(points, axis=0)
    occupied: list[np.ndarray] = []
    for k in np.unique(labels):
        place = np.median(points[labels == k], axis=0)
        if all((abs(place - other) > room).any() for other in occupied):
            occupied.append(place)
            halo = [withStroke(linewidth=4, foreground="white")]
            style: dict[str, Any] = {
                "color": _style(k)["color"],
                "fontsize": 20,
                "fontweight": "bold",
                "path_effects": halo,
            }
            x, y = place
            axes.text(x, y, classes[k], ha="center", va="center", **style)


def _histograms(points: np.ndarray, coloured: Colouring, names: Sequence[str], title: str, caption: str) -> Figure:
    """One histogram per class, with the same bins and scale."""
    labels, classes = coloured.labels, coloured.classes
    edges = np.histogram_bin_edges(points, BINS)
    counts = [np.histogram(points[labels == k], edges)[0] for k in range(len(classes))]
    highest = max(int(count.max()) for count in counts)
    figure = theme.figure(10, min(max(0.6 * len(classes), 4), 8) + 1.5, title, caption)
    axes = figure.subplots()
    for k, count in enumerate(counts):
        axes.stairs(0.9 * count / highest - k, edges, baseline=-k, fill=True, color=_style(k)["color"])
    axes.set_yticks(range(0, -len(classes), -1), classes)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=names[0], ylabel=f"samples (the highest bin has {highest:,})")
    return figure
