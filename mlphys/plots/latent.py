"""The codes that an encoder gives the samples, coloured by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlphys import looks, pca
from mlphys.picture import Picture, predicted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mlphys.run import Run

MOST = 5_000  # points
# Okabe and Ito's eight, with grey for their yellow, which is not seen on white; then these with other markers.
COLOURS = (*looks.LINES, looks.INK, "#999999")
MARKERS = "ox^"
BINS = 60
STRETCHED = 4  # times longer than high: then a unit is not as long in both directions
LETTER = (0.03, 0.05)  # the size of a name's letter, as a fraction of the axes


@dataclass(frozen=True)
class Projection:
    """points (n, 1) or (n, 2), the names of their axes, and how they were made of the codes."""

    points: np.ndarray
    axes: tuple[str, ...]
    method: str = ""


def draw(run: Run) -> Iterator[Picture]:
    import numpy as np

    kind = run.config.model.kind
    otherwise = f"a {kind} has no codes; train a model of kind: autoencoder for this picture"
    split, predictions = predicted(run, "codes", otherwise)
    codes, classes = predictions["codes"], run.data["classes"]
    projection = _projection(codes.reshape(len(codes), -1))
    points, labels = projection.points[:MOST], predictions["labels"][:MOST]
    notes = [f"the first {MOST:,} drawn"] if len(codes) > MOST else []
    notes += [projection.method] if projection.method else []
    coloured = 0 < len(classes) <= len(COLOURS) * len(MARKERS)
    if classes and not coloured:
        notes.append(f"{len(classes)} classes are too many to be told apart")
    figure = (_scatter if points.shape[1] == 2 else _histograms)(
        points,
        labels if coloured else np.zeros(len(points), dtype=int),
        [looks.short(name) for name in classes] if coloured else [""],
        projection.axes,
        f"{run.name}: codes of {len(codes):,} {split} samples",
        "; ".join(notes),
    )
    of_class = {"label": [classes[label] for label in labels]} if classes else {}
    columns = {name: list(column) for name, column in zip(("first", "second"), points.T, strict=False)}
    yield Picture("latent", figure, {"index": list(range(len(points))), **of_class, **columns})


def _projection(codes: np.ndarray) -> Projection:
    if codes.shape[1] > 2:
        return _principal(codes)
    return Projection(codes, ("code",) if codes.shape[1] == 1 else ("first number of the code", "second number"))


def _principal(codes: np.ndarray) -> Projection:
    """On the first two eigenvectors of the codes' covariance, their signs such that the largest entry is positive."""
    import numpy as np

    found = pca.fit(codes.astype(np.float64), 2)
    largest = np.take_along_axis(found.vectors, abs(found.vectors).argmax(axis=1)[:, None], axis=1)
    points = (codes - found.mean) @ (found.vectors * np.sign(largest)).T
    first, second = (f"{100 * share:.2g} %" for share in found.variances / (found.total or 1.0))
    axes = f"first principal component ({first} of the variance)", f"second ({second})"
    return Projection(points, axes, f"codes of {codes.shape[1]:,} numbers on their first two principal components")


def _style(k: int) -> dict[str, Any]:
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k // len(COLOURS)]}


def _scatter(
    points: np.ndarray, labels: np.ndarray, classes: Sequence[str], names: Sequence[str], title: str, caption: str
) -> Figure:
    import numpy as np
    from matplotlib.lines import Line2D

    extent = np.ptp(points, axis=0)
    shape = min(max(extent[1] / (extent[0] or 1.0), 0.45), 0.85)
    figure = looks.figure(10, 8 * shape + 1.7, title, caption)
    axes = figure.subplots()
    size = 12 if len(points) > 1000 else 40
    for k in range(0, len(classes), len(COLOURS)):
        # classes of one marker lie in the samples' order, so that none hides the others
        some = (labels >= k) & (labels < k + len(COLOURS))
        colours = [_style(label)["color"] for label in labels[some]]
        axes.scatter(*points[some].T, c=colours, marker=_style(k)["marker"], s=size, linewidths=1, alpha=0.7)
    axes.set(xlabel=names[0], ylabel=names[1])
    if extent.max() <= STRETCHED * extent.min():
        axes.set_aspect("equal", adjustable="datalim")
    if classes != [""]:
        _names(axes, points, labels, classes)
        handles = [Line2D([], [], linestyle="", markersize=8, **_style(k)) for k in range(len(classes))]
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "handletextpad": 0.2}
        axes.legend(handles, classes, **place, ncols=1 if len(classes) <= 12 else 2)
    return figure


def _names(axes: Axes, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    """A class's name at its median, unless another name is in its way: the legend has them all."""
    import numpy as np
    from matplotlib.patheffects import withStroke

    room = np.array([LETTER[0] * max(len(name) for name in classes), LETTER[1]]) * np.ptp(points, axis=0)
    taken: list[np.ndarray] = []
    for k in np.unique(labels):
        place = np.median(points[labels == k], axis=0)
        if all((abs(place - other) > room).any() for other in taken):
            taken.append(place)
            halo = [withStroke(linewidth=4, foreground="white")]
            style = {"color": _style(k)["color"], "fontsize": 20, "fontweight": "bold", "path_effects": halo}
            axes.text(*place, classes[k], ha="center", va="center", **style)


def _histograms(
    points: np.ndarray, labels: np.ndarray, classes: Sequence[str], names: Sequence[str], title: str, caption: str
) -> Figure:
    """A class below the other, in the same bins and at the same scale."""
    import numpy as np

    edges = np.histogram_bin_edges(points, BINS)
    counts = [np.histogram(points[labels == k], edges)[0] for k in range(len(classes))]
    highest = max(int(count.max()) for count in counts)
    figure = looks.figure(10, min(max(0.6 * len(classes), 4), 8) + 1.5, title, caption)
    axes = figure.subplots()
    for k, count in enumerate(counts):
        axes.stairs(0.9 * count / highest - k, edges, baseline=-k, fill=True, color=_style(k)["color"])
    axes.set_yticks(range(0, -len(classes), -1), classes)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=names[0], ylabel=f"samples (the highest bin has {highest:,})")
    return figure
