"""Grids of small images or curves, in labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE, GAP = 0.8, 0.3  # inches: width of an image, gap between groups of rows
PAD = 0.03
BEYOND = 0.2  # of the samples' range: images beyond it are mentioned in the caption
MARGIN = 0.05  # of a signal's span
TITLE = 0.3  # inches, of a line of titles
ROUNDING = 1e-6  # of a range: where preprocessing is undone, 0 is not quite 0
LETTER = 0.12  # inches, of a row's label


def page(
    images: np.ndarray,
    samples: np.ndarray,
    labels: Sequence[str],
    title: str,
    caption: str,
    above: Sequence[str] = (),
    grouped: int = 0,
    each: Sequence[Sequence[str]] = (),
) -> Figure:
    """Images (rows, columns, height, width, channels) on the gray or color scale of some samples.

    Signals (rows, columns, steps[, channels]) are drawn as curves on the scale of these samples.
    `above` labels the columns, `each` the images of each row; there is a gap after every `grouped` rows.
    """
    lines, count, *shape = images.shape
    tile = TILE * (min(max(shape[0] / shape[1], 0.3), 2) if len(shape) == 3 else 1)
    gaps = [line for line in range(1, lines) if grouped and line % grouped == 0]
    label = LETTER * max(len(part) for label in labels for part in label.splitlines())
    size = max(TILE * count + label + 0.3, 9), (tile + 0.06) * lines + GAP * len(gaps) + 1.3 + 0.3 * bool(above)
    size = size[0], size[1] + TITLE * len(each)
    scale = low, high = span(samples) if len(shape) == 3 else extent(samples)
    beyond = max(low - float(images.min()), float(images.max()) - high)
    if beyond > BEYOND * (high - low):
        ends = (0.0 if abs(end) < ROUNDING * (high - low) else end for end in scale)
        caption += "; what is below {:.2g} or above {:.2g} is drawn as these".format(*ends)
    figure = theme.figure(*size, title, caption)
    layout: Any = figure.get_layout_engine()
    layout.set(h_pad=PAD, w_pad=PAD, hspace=0, wspace=0)
    ratios = [part for line in range(lines) for part in ((GAP / tile, 1) if line in gaps else (1,))]
    grid = figure.add_gridspec(len(ratios), count, height_ratios=ratios)
    for line in range(lines):
        place = line + sum(gap <= line for gap in gaps)
        panels = [figure.add_subplot(grid[place, column]) for column in range(count)]
        for column, panel in enumerate(panels):
            (tile_image if len(shape) == 3 else tile_signal)(panel, images[line, column], *scale)
            if above and line == 0:
                panel.set_title(above[column], fontsize=12, color=theme.GREY)
            if each and column < len(each[line]):
                panel.set_title(each[line][column], fontsize=12)
        panels[0].set_ylabel(labels[line], rotation=0, ha="right", va="center")
    return figure


def span(samples: np.ndarray) -> tuple[float, float]:
    """The range of the samples, at least from 0 to 1."""
    return float(samples.min(initial=0.0)), float(samples.max(initial=1.0))


def extent(samples: np.ndarray) -> tuple[float, float]:
    """The range of the signals, with a margin."""
    low, high = float(samples.min(initial=np.inf)), float(samples.max(initial=-np.inf))
    if not low < high:
        low, high = (low - 0.5, low + 0.5) if low == high else (0.0, 1.0)
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def tile_signal(panel: Axes, signal: np.ndarray, low: float, high: float) -> None:
    """Draw a signal (steps[, channels]), one color per channel."""
    panel.set_prop_cycle(color=theme.LINES)
    panel.plot(signal.clip(low, high), linewidth=1.2)
    panel.set(xticks=[], yticks=[], xlim=(0, len(signal) - 1), ylim=(low, high))
    panel.spines[:].set(visible=True, color=theme.PALE)


def tile_image(panel: Axes, image: np.ndarray, low: float, high: float) -> None:
    if image.shape[-1] == 3:
        panel.imshow(((image - low) / (high - low)).clip(0, 1))
    else:
        panel.imshow(image[..., 0], cmap="gray_r", vmin=low, vmax=high)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set(visible=True, color=theme.PALE)


def table(images: np.ndarray, rows: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, list]:
    """One row per value of images (rows, columns, height, width, channels) or signals (..., steps[, channels]).

    `rows` are values for each row of images; `columns` for each column of them, or (rows, columns) for each image.
    """
    line, column, *places = np.indices(images.shape).reshape(images.ndim, -1)
    labels = {name: np.asarray(values)[line].tolist() for name, values in rows.items()}
    for name, values in columns.items():
        each = np.broadcast_to(np.asarray(values), images.shape[:2])
        labels[name] = each[line, column].tolist()
    axes = ("row", "column", "channel") if len(places) == 3 else ("step", "channel")[: len(places)]
    named = dict(zip(axes, (place.tolist() for place in places), strict=True))
    return {**labels, **named, "value": list(images.ravel())}
