"""A cloud of points and its covariance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, scatter, theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 5_000  # points


class DataCloud(Plot):
    """Samples of two features with their mean and the eigenvectors of their covariance."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if "components" not in run.weights:
            kind = run.config.model.kind
            raise NotApplicable(f"kind: {kind} has no components; train a model of kind: pca for this picture")
        mean, vectors = run.weights["mean"], run.weights["components"]
        if len(mean) != 2:
            raise NotApplicable(f"needs samples of 2 features; these have {len(mean)}; `components` shows any number")
        train = run.dataset().train
        points = chunked.read(run.preprocessing.apply(chunked.read(train.x))).reshape(len(train), 2)
        if len(vectors) == 1:
            vectors = np.stack([vectors[0], vectors[0][::-1] * [-1, 1]])
        largest = np.take_along_axis(vectors, abs(vectors).argmax(axis=1)[:, None], axis=1)
        vectors = vectors * np.sign(largest)  # the sign of an eigenvector is free
        deviations = np.sqrt(run.weights["variances"])
        caption = "; ".join(
            [f"{len(points):,} training samples" + (f", the first {MOST:,} drawn" if len(points) > MOST else "")]
            + [_inside(points, mean, vectors, deviations)]
            + (["behind data.preprocess"] if run.preprocessing.steps else [])
        )
        figure = theme.figure(10, 7.5, f"{run.name}: mean and principal axes", caption)
        axes = figure.subplots()
        classes, drawn = run.data["classes"], points[:MOST]
        scatter.scatter(axes, drawn, scatter.colouring(train.y[:MOST], classes), alpha=0.35)
        _ellipses(axes, mean, vectors, deviations)
        _arrows(axes, mean, vectors, deviations)
        across, up = named_values.of_plane(run)
        axes.set(xlabel=across, ylabel=up)
        axes.set_aspect("equal", adjustable="datalim")
        tips = mean + deviations[:, None] * vectors
        names = [classes[label] for label in train.y[:MOST]] if classes else [""] * len(drawn)
        what = [*["sample"] * len(drawn), "mean", "mean + sqrt(variance 1) v1", "mean + sqrt(variance 2) v2"]
        places = np.concatenate([drawn, mean[None], tips])
        yield Picture(
            "data_cloud",
            figure,
            {"what": what, "label": [*names, "", "", ""], "first": list(places[:, 0]), "second": list(places[:, 1])},
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "moons", "samples": 100, "validation": 20, "test": 20},
            "model": {"kind": "pca", "components": 2},
        }


def _inside(points: np.ndarray, mean: np.ndarray, vectors: np.ndarray, deviations: np.ndarray) -> str:
    """The fractions of the samples in the two ellipses, compared with a normal distribution."""
    scaled = (points - mean) @ vectors.T / np.where(deviations > 0, deviations, 1)
    radii = (scaled**2).sum(axis=1)
    inside = " and ".join(f"{100 * (radii <= k**2).mean():.0f} % within {k}σ" for k in (1, 2))
    normal = " and ".join(f"{100 * (1 - math.exp(-(k**2) / 2)):.0f} %" for k in (1, 2))
    return f"{inside} (of a normal distribution {normal})"


def _ellipses(axes: Axes, mean: np.ndarray, vectors: np.ndarray, deviations: np.ndarray) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for k, style in ((1, "-"), (2, "--")):
        axes.plot(*(mean + k * (circle * deviations) @ vectors).T, style, color=theme.INK, linewidth=1.5, zorder=3)


def _arrows(axes: Axes, mean: np.ndarray, vectors: np.ndarray, deviations: np.ndarray) -> None:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=4, foreground="white")]
    for i, (vector, deviation) in enumerate(zip(vectors, deviations, strict=True), start=1):
        arrow = {
            "arrowstyle": "-|>",
            "color": theme.INK,
            "linewidth": 3,
            "mutation_scale": 22,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        axes.annotate("", xy=mean + deviation * vector, xytext=tuple(mean), arrowprops=arrow, zorder=4)
        axes.annotate(
            f"v{i}, σ = {deviation:.3g}", xy=mean + deviation * vector, xytext=tuple(14 * vector),
            textcoords="offset points", fontsize=15, fontweight="bold", path_effects=halo, zorder=5,
            ha="left" if vector[0] >= 0 else "right", va="bottom" if vector[1] >= 0 else "top",
        )  # fmt: skip
    axes.plot(*mean, "o", color="white", markeredgecolor=theme.INK, markeredgewidth=2, markersize=9, zorder=5)
