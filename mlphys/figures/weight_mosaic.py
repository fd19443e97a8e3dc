"""Many small images of signed numbers on one page, with one colour scale around zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTH, HEIGHT = 10.0, 5.6  # inches, at most, for the tiles together
LARGEST_TILE = 1.5  # inches
GAP, NUMBER = 0.12, 0.36  # between tiles, and for the numbers beside them; a tile's longer side is 1
SIGN = 0.3  # the width of a letter of a strip's label
THINNEST = 0.3  # the height of a tile with a single row
SMALLEST = 5  # points of a number that is still worth writing


class Page:
    """The layout of the tiles: the channels of a strip side by side, and several strips in a line.

    A tile alone has its label above it, a strip of several to its left.
    """

    def __init__(self, shape: tuple[int, ...], longest: int):
        strips, channels, height, width = shape
        longer = max(height, width)
        self.width, self.height = width / longer, max(height / longer, THINNEST)
        self.margin = 0 if channels == 1 else NUMBER + SIGN * longest
        self.right = self.margin + channels * (self.width + GAP)
        self.down = self.height + (NUMBER if channels == 1 else GAP)
        best = min(range(1, strips + 1), key=lambda across: self._ugliness(across, strips))
        self.lines = math.ceil(strips / best)
        self.across = math.ceil(strips / self.lines)
        size = self.across * self.right, self.lines * self.down
        self.inch = min(LARGEST_TILE, WIDTH / size[0], HEIGHT / size[1])
        self.inches = size[0] * self.inch, size[1] * self.inch
        sign = min(self.right / longest, 0.5 * NUMBER) if channels == 1 else min(SIGN, 0.5 * self.height)
        self.points = min(14, 72 * self.inch * sign / 0.65)  # a sign is 0.65 of its height wide

    def _ugliness(self, across: int, strips: int) -> float:
        """How far from a slide's proportions, plus the fraction of empty places, plus torn columns."""
        lines = math.ceil(strips / across)
        proportion = across * self.right / (lines * self.down)
        torn = 0.5 * (across - 1) if self.margin else 0
        return abs(math.log(proportion * HEIGHT / WIDTH)) + (across * lines - strips) / strips + torn

    def corner(self, strip: int, channel: int) -> tuple[float, float]:
        """Left and upper edge of a tile; y grows downwards."""
        # Tiles alone read like words; strips continue at the top of the next column.
        line, place = divmod(strip, self.across) if not self.margin else divmod(strip, self.lines)[::-1]
        return place * self.right + self.margin + channel * (self.width + GAP), line * self.down


def mosaic(
    images: np.ndarray,
    limit: float,
    quantity: str,
    labels: Sequence[str],
    title: str,
    caption: str,
    channel_labels: Sequence[str] = (),
) -> Figure:
    """images (strips, channels, height, width), coloured from -limit to limit; a label a strip, by default numbers of
    the channels."""
    strips, channels = images.shape[:2]
    page = Page(images.shape, max(1, *(len(label) for label in labels)))
    figure = theme.figure(max(page.inches[0] + 1.9, 6.5), page.inches[1] + 1.5, title, caption)
    axes = figure.subplots()
    tiles = _tiles(axes, page, images, limit)
    beyond = "both" if abs(images).max() > limit else "neither"
    figure.colorbar(tiles[0], ax=axes, label=quantity, extend=beyond, pad=0.02, aspect=28, shrink=0.9)
    _frames(axes, page, strips, channels)
    _numbers(axes, page, labels, channel_labels or [str(channel) for channel in range(channels)])
    return figure


def _tiles(axes: Axes, page: Page, images: np.ndarray, limit: float) -> list[AxesImage]:
    """One image a tile; `imshow`, which updates the axes and copies the colours, takes ten times as long."""
    import matplotlib
    from matplotlib.colors import Normalize
    from matplotlib.image import AxesImage

    axes.set_aspect("equal")
    colours, norm, tiles = matplotlib.colormaps[theme.SIGNED], Normalize(-limit, limit), []
    for strip, of_channels in enumerate(images):
        for channel, image in enumerate(of_channels):
            left, top = page.corner(strip, channel)
            extent = (left, left + page.width, top + page.height, top)
            tile = AxesImage(axes, cmap=colours, norm=norm, interpolation="nearest", extent=extent)
            tile.set_data(image)
            tile.set_clip_path(axes.patch)
            axes.add_image(tile)
            tiles.append(tile)
    return tiles


def _frames(axes: Axes, page: Page, strips: int, channels: int) -> None:
    """Pale edges, because a zero is as pale as the page."""
    from matplotlib.collections import PolyCollection

    corners = [page.corner(strip, channel) for strip in range(strips) for channel in range(channels)]
    w, h = page.width, page.height
    frames = [((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y in corners]
    axes.add_collection(PolyCollection(frames, facecolors="none", edgecolors=theme.PALE, linewidths=0.8))
    right, bottom = max(x for x, _ in corners) + w, max(y for _, y in corners) + h
    axes.set(xlim=(-GAP, right + GAP), ylim=(bottom + GAP, -NUMBER))
    axes.set_axis_off()


def _numbers(axes: Axes, page: Page, labels: Sequence[str], channel_labels: Sequence[str]) -> None:
    channels = len(channel_labels)
    if page.points < SMALLEST:
        return
    for strip, label in enumerate(labels):
        x, y = page.corner(strip, 0)
        if channels == 1:
            axes.text(x + page.width / 2, y - 0.04, label, ha="center", va="bottom", fontsize=page.points)
        else:
            axes.text(x - GAP, y + page.height / 2, label, ha="right", va="center", fontsize=page.points)
    for place in range(page.across if channels > 1 else 0):
        for channel in range(channels):
            x, y = page.corner(place * page.lines, channel)
            axes.text(
                x + page.width / 2, y - 0.06, channel_labels[channel], ha="center", va="bottom",
                fontsize=min(page.points, 72 * page.inch * 0.3), color=theme.GREY,
            )  # fmt: skip
