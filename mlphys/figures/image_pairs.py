"""Pairs of small images, one above the other, each on its own color scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Between pairs, within one, and for the label above it; a tile's longer side is 1.
GAP, SLIT, SIGN = 0.12, 0.05, 0.32
POINTS = 11


def evenly(count: int, most: int) -> list[int]:
    """At most `most` evenly spaced indices from 0 to count - 1."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, most)).round()]


def draw(
    axes: Axes,
    upper: Sequence[np.ndarray],
    lower: Sequence[np.ndarray],
    labels: Sequence[str],
    across: int,
    lower_signed: bool = True,
) -> None:
    """Images (height, width), `across` pairs per line, each with a label above."""
    height, width = upper[0].shape
    tall, wide = height / max(height, width), width / max(height, width)
    below = wide * lower[0].shape[0] / lower[0].shape[1]
    pitch = tall + SLIT + below + SIGN + GAP
    for i, label in enumerate(labels):
        line, place = divmod(i, across)
        left, top = place * (wide + GAP), line * pitch
        for image, start, side in ((upper[i], top, tall), (lower[i], top + tall + SLIT, below)):
            signed = image is upper[i] or lower_signed
            largest = float(np.abs(image).max()) or 1.0
            axes.imshow(
                image,
                cmap=theme.SIGNED if signed else "gray",
                vmin=-largest if signed else 0,
                vmax=largest,
                interpolation="nearest",
                extent=(left, left + wide, start + side, start),
            )
        axes.text(left + wide / 2, top - 0.04, label, ha="center", va="bottom", fontsize=POINTS)
    lines = math.ceil(len(labels) / across)
    axes.set(xlim=(-GAP, across * (wide + GAP)), ylim=(lines * pitch - SIGN, -SIGN - GAP), aspect="equal")
    axes.set_axis_off()
