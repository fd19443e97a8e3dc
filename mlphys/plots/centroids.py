"""Centroids of k-means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.schema.layers import text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS, MOST = 10, 50  # images in a line, images
CURVES_ACROSS, MOST_CURVES = 5, 15
DOTTED = 30  # features up to which each has a dot


class Centroids(Plot):
    """The centroids of k-means as images, largest clusters first."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if "centroids" not in run.weights:
            raise NotApplicable(
                f"kind: {run.config.model.kind} has no centroids; train a model of kind: kmeans for this picture"
            )
        shape = tuple(run.data["shape"])
        if not run.preprocessing.invertible:
            raise NotApplicable(f"data.preprocess cannot be undone: the centroids are no samples of {text(shape)}")
        image = len(shape) == 3 and shape[-1] in (1, 3)
        if not image and len(shape) != 1:
            raise NotApplicable(
                f"a centroid of {text(shape)} is neither an image of 1 or 3 channels nor a row of numbers"
            )
        count, shares = len(run.weights["centroids"]), run.weights["shares"].astype(float)
        shown = min(count, MOST if image else MOST_CURVES)
        input_shape = run.loaded.net_input.shape if run.config.data.preprocess else shape
        centers = run.weights["centroids"][:shown].reshape(-1, *input_shape)
        centroids = run.preprocessing.inverse(centers).reshape(-1, *shape)
        title = f"{run.name}: centroids of {count} cluster{'s' if count > 1 else ''}"
        notes = ["below each its share of the training samples"]
        notes += (
            [f"the {shown} largest, which have {100 * shares[:shown].sum():.3g} % of them"] if shown < count else []
        )
        notes += ["brought back to the data's space"] if run.config.data.preprocess else []
        figure = (_images if image else _curves)(centroids, shares[:shown], title, "; ".join(notes))
        yield Picture("centroids", figure, _table(centroids, shares[:shown]))

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "digits", "train": 60, "validation": 30, "test": 30},
            "model": {"kind": "kmeans", "clusters": 3},
        }


def _images(centroids: np.ndarray, shares: np.ndarray, title: str, caption: str) -> Figure:
    count, height, width, channels = centroids.shape
    across, down = min(count, ACROSS), math.ceil(count / ACROSS)
    tile = 1.1 * min(max(height / width, 0.3), 2)
    figure = theme.figure(max(1.15 * across, 9), (tile + 0.28) * down + 1.0, title, caption)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    low, high = min(0.0, float(centroids.min())), max(1.0, float(centroids.max()))
    for panel, centroid, share in zip(panels, centroids, shares, strict=False):
        if channels == 3:
            panel.imshow(((centroid - low) / (high - low)).clip(0, 1))
        else:
            panel.imshow(centroid[..., 0], cmap="gray_r", vmin=low, vmax=high)
        panel.set_xlabel(_percent(share), fontsize=12, color=theme.GREY)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color=theme.PALE)
    for panel in panels[count:]:
        panel.remove()
    return figure


def _curves(centroids: np.ndarray, shares: np.ndarray, title: str, caption: str) -> Figure:
    count, features = centroids.shape
    across, down = min(count, CURVES_ACROSS), math.ceil(count / CURVES_ACROSS)
    figure = theme.figure(max(2.5 * across, 9), 2.1 * down + 1.5, title, caption.replace("below", "above"))
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for panel, centroid, share in zip(panels, centroids, shares, strict=False):
        panel.plot(range(1, features + 1), centroid, color=theme.BLUE, marker="o" if features <= DOTTED else "")
        panel.set_title(_percent(share), fontsize=12, color=theme.GREY)
    panels[0].locator_params(axis="x", integer=True)
    for panel in panels[count:]:
        panel.remove()
    panels[across * (down - 1)].set_xlabel("feature")
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _table(centroids: np.ndarray, shares: np.ndarray) -> dict[str, list]:
    """One row per value of each centroid."""
    number, *places = np.indices(centroids.shape).reshape(centroids.ndim, -1)
    names = ("row", "column", "channel") if len(places) == 3 else ("feature",)
    columns = {name: place.tolist() for name, place in zip(names, places, strict=True)}
    return {"centroid": number.tolist(), "share": shares[number].tolist(), **columns, "value": list(centroids.ravel())}
