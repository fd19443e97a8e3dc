"""Rows of small images that are compared with each other, each row with its label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE, GAP = 0.8, 0.3  # inches: an image's width, and what stands between groups of rows
PAD = 0.03
BEYOND = 0.2  # of the samples' span: what images go further than this is told
LETTER = 0.12  # inches, of a row's label


def page(
    images: np.ndarray,
    samples: np.ndarray,
    labels: Sequence[str],
    title: str,
    caption: str,
    above: Sequence[str] = (),
    grouped: int = 0,
) -> Figure:
    """Images (rows, columns, height, width, channels) on the scale of grey, or of colours, of some samples.

    `above` labels the columns; after every `grouped` rows there is a gap.
    """
    lines, count, height, width = images.shape[:4]
    tile = TILE * min(max(height / width, 0.3), 2)
    gaps = [line for line in range(1, lines) if grouped and line % grouped == 0]
    label = LETTER * max(len(part) for label in labels for part in label.splitlines())
    size = max(TILE * count + label + 0.3, 9), (tile + 0.06) * lines + GAP * len(gaps) + 1.3 + 0.3 * bool(above)
    scale = low, high = span(samples)
    beyond = max(low - float(images.min()), float(images.max()) - high)
    if beyond > BEYOND * (high - low):
        caption += f"; what is below {low:.2g} or above {high:.2g} is drawn as these"
    figure = theme.figure(*size, title, caption)
    layout: Any = figure.get_layout_engine()
    layout.set(h_pad=PAD, w_pad=PAD, hspace=0, wspace=0)
    ratios = [part for line in range(lines) for part in ((GAP / tile, 1) if line in gaps else (1,))]
    grid = figure.add_gridspec(len(ratios), count, height_ratios=ratios)
    for line in range(lines):
        place = line + sum(gap <= line for gap in gaps)
        panels = [figure.add_subplot(grid[place, column]) for column in range(count)]
        for column, panel in enumerate(panels):
            tile_image(panel, images[line, column], *scale)
            if above and line == 0:
                panel.set_title(above[column], fontsize=12, color=theme.GREY)
        panels[0].set_ylabel(labels[line], rotation=0, ha="right", va="center")
    return figure


def span(samples: np.ndarray) -> tuple[float, float]:
    """From 0 to 1, and as far beyond as the samples go."""
    return float(samples.min(initial=0.0)), float(samples.max(initial=1.0))


def tile_image(panel: Axes, image: np.ndarray, low: float, high: float) -> None:
    if image.shape[-1] == 3:
        panel.imshow(((image - low) / (high - low)).clip(0, 1))
    else:
        panel.imshow(image[..., 0], cmap="gray_r", vmin=low, vmax=high)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set(visible=True, color=theme.PALE)


def table(images: np.ndarray, rows: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, list]:
    """A row for each number of images (rows, columns, height, width, channels).

    `rows` are values for each row of images; `columns` for each column of them, or (rows, columns) for each image.
    """
    line, column, *places = np.indices(images.shape).reshape(5, -1)
    found = {name: np.asarray(values)[line].tolist() for name, values in rows.items()}
    for name, values in columns.items():
        each = np.broadcast_to(np.asarray(values), images.shape[:2])
        found[name] = each[line, column].tolist()
    named = dict(zip(("row", "column", "channel"), (place.tolist() for place in places), strict=True))
    return {**found, **named, "value": list(images.ravel())}
