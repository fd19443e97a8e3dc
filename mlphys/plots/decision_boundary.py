"""Decision boundaries in the plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, theme
from mlphys.figures.example_experiments import classifier_of_points
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked, metrics
from mlphys.schema.layers import text
from mlphys.schema.samples import SplitInMemory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINE = 301  # grid points along each side
COARSE = 6  # stride of the points in the table: 51 x 51
MARGIN = 0.08  # around the samples, as a fraction of their range
MOST = 2_000  # samples drawn
FAINT, FULL = 0.07, 0.43  # color intensity of a region for equally probable classes, and for a certain class
STRETCHED = 3  # times longer than high: then a unit is not as long in both directions
TINY = 1e-30  # lower bound of probabilities


@dataclass(frozen=True)
class Plane:
    """Predictions on a grid: columns (w,), rows (h,), probabilities (h, w, classes)."""

    columns: np.ndarray
    rows: np.ndarray
    probabilities: np.ndarray


class DecisionBoundary(Plot):
    """The decision regions of a classifier in the plane, with the samples."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        _need_plane(run)
        split = run.shown_split()
        whole, classes = getattr(run.dataset(), split), run.data["classes"]
        samples = SplitInMemory(chunked.read(whole.x), whole.y, whole.weights)
        plane = _plane(run, samples.x)
        probabilities = run.trained.predictions(samples.x)["probabilities"]
        guesses = probabilities.argmax(axis=1)
        right = int((guesses == samples.y).sum())
        accuracy = theme.measured(*metrics.accuracy(samples.y, probabilities, samples.weights))
        caption = f"{len(samples):,} {split} samples; a region's colour is as deep as its class is probable"
        caption += "" if samples.weights is None else "; accuracy by weight"
        if len(samples) > MOST:
            caption += f"; the first {MOST:,} drawn"
        shape = np.ptp(plane.rows) / np.ptp(plane.columns)
        drawn = min(max(shape, 0.5), 1.0)
        figure = theme.figure(10, 7 * drawn + 1.6, f"{run.name}: decision boundary, accuracy {accuracy}", caption)
        axes = figure.subplots()
        across, up = named_values.of_plane(run)
        axes.set(xlabel=across, ylabel=up, box_aspect=drawn if max(shape, 1 / shape) > STRETCHED else shape)
        _regions(axes, plane)
        _samples(axes, samples.x[:MOST], samples.y[:MOST], guesses[:MOST], [theme.short(name) for name in classes])
        _legend(axes, f"misclassified\n({len(samples) - right:,})")
        yield Picture("decision_boundary", figure, _table(plane, samples, probabilities, classes))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_points()


def _need_plane(run: RunView) -> None:
    outputs = run.config.model.prediction_shapes(run.loaded.net_input)
    if "probabilities" not in outputs:
        raise NotApplicable("only a model of kind: classifier distinguishes classes")
    shape, classes = tuple(run.data["shape"]), run.data["classes"]
    if shape != (2,):
        raise NotApplicable(f"a sample of {text(shape)} is not a point of the plane")
    if len(classes) > len(theme.LINES):
        raise NotApplicable(f"{len(classes)} classes; the colours of {len(theme.LINES)} can be told apart")


def _plane(run: RunView, x: np.ndarray) -> Plane:
    low, high = x.min(axis=0), x.max(axis=0)
    margin = MARGIN * np.where(high > low, high - low, 1)
    columns, rows = np.linspace(low - margin, high + margin, FINE, dtype=np.float32).T
    places = np.stack([values.ravel() for values in np.meshgrid(columns, rows)], axis=1)
    return Plane(columns, rows, run.trained.predictions(places)["probabilities"].reshape(FINE, FINE, -1))


def _regions(axes: Axes, plane: Plane) -> None:
    """Colours, and a line wherever the most probable class changes."""
    from matplotlib.colors import to_rgb

    p = plane.probabilities
    classes = p.shape[-1]
    equal = 1 / classes
    sure = ((p.max(axis=-1).clip(equal, 1) - equal) / (1 - equal))[..., None]
    colours = np.array([to_rgb(colour) for colour in theme.LINES[:classes]])[p.argmax(axis=-1)]
    depth = FAINT + (FULL - FAINT) * sure
    extent = (*plane.columns[[0, -1]], *plane.rows[[0, -1]])
    axes.imshow(1 - depth * (1 - colours), origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    # differences of log p equal those of the logits: no steps where p is almost 0 or 1
    scores = np.log(np.maximum(p, TINY)) if p.min() >= 0 else p
    for k in range(classes if classes > 2 else 1):
        lead = scores[..., k] - np.delete(scores, k, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            axes.contour(plane.columns, plane.rows, lead, [0], colors=theme.INK, linewidths=1.6, zorder=2)


def _samples(axes: Axes, x: np.ndarray, y: np.ndarray, guesses: np.ndarray, classes: Sequence[str]) -> None:
    size = 30 if len(x) <= 400 else 16
    for k, name in enumerate(classes):
        axes.scatter([], [], s=70, color=theme.LINES[k], label=name)
    wrong = guesses != y
    for some, edge, thick, grown in ((~wrong, "white", 0.5, 1), (wrong, theme.INK, 1.8, 2.4)):
        colours = [theme.LINES[label] for label in y[some]]
        first, second = x[some].T
        axes.scatter(first, second, c=colours, s=grown * size, edgecolors=edge, linewidths=thick, zorder=3 + thick)


def _legend(axes: Axes, mistakes: str) -> None:
    axes.scatter([], [], s=80, facecolors="none", edgecolors=theme.INK, linewidths=1.8, label=mistakes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)


def _table(plane: Plane, samples: SplitInMemory, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, list]:
    """The table: some points of the grid, then the samples."""
    grid = [values.ravel() for values in np.meshgrid(plane.columns[::COARSE], plane.rows[::COARSE])]
    of_grid = plane.probabilities[::COARSE, ::COARSE].reshape(-1, len(classes))
    x, y, p = samples.x[:MOST], samples.y[:MOST], np.concatenate([of_grid, probabilities[:MOST]])
    return {
        "part": ["grid"] * len(of_grid) + ["sample"] * len(x),
        "x1": [*grid[0], *x[:, 0]],
        "x2": [*grid[1], *x[:, 1]],
        "true": [""] * len(of_grid) + [classes[label] for label in y],
        "predicted": [classes[k] for k in p.argmax(axis=1)],
        **{f"probability {name}": list(p[:, k]) for k, name in enumerate(classes)},
    }
