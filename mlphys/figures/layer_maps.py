"""The outputs of a network's layers on one page: as numbers in cells, images, bars or color strips."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CHANNELS = 16
SMALL, FEW, BRIEF = 9, 4, 10  # pixels across, channels, and outputs up to which numbers are printed
MOST_CELLS = 32  # side by side, over all blocks
CELL = 0.5  # inches, of a number
MOST_BARS = 64  # outputs; more are a strip of colours
# inches, in rows
WIDTH, HEIGHT, LABEL, TILE, GAP, GUTTER = 9.2, 8.0, 2.15, 1.05, 0.1, 0.4
BAR, STRIP, BETWEEN, LINE, LETTER = 0.75, 0.4, 0.26, 0.21, 0.115


@dataclass(frozen=True)
class Block:
    """The outputs of one layer, channels last: (h, w, c) of an image, (steps, c) of a sequence, or (n,).

    `notes` are printed below the layer's name; `photo` marks three channels that are red, green and blue;
    `classes` are the names of n outputs, `features` those of n inputs; `apart` gives each map its own scale.
    """

    key: str
    name: str
    notes: tuple[str, ...]
    values: np.ndarray
    photo: bool = False
    classes: tuple[str, ...] = ()
    apart: bool = False
    features: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.classes or self.features

    @property
    def tiles(self) -> np.ndarray:
        """The images to draw, (tiles, height, width), or (1, height, width, 3) for a photograph."""
        match self.values.ndim:
            case 3 if self.photo:
                return self.values[None]
            case 3:
                return self.values.transpose(2, 0, 1)[:MOST_CHANNELS]
            case 2:
                return self.values.T[None]
        return self.values[None, None, :]

    @property
    def numbered(self) -> bool:
        """Whether its numbers can be printed."""
        if self.values.ndim == 3:
            height, width, channels = self.values.shape
            return max(height, width) <= SMALL and channels <= FEW and not self.photo
        return self.values.ndim == 1 and len(self.values) <= BRIEF

    def turned(self, width: float) -> bool:
        """Whether the names of the outputs are too long to be written side by side in so many inches."""
        names = self.names
        return bool(names) and LETTER * (max(map(len, names)) + 0.5) > width / len(names)

    def cell_shape(self) -> tuple[int, int]:
        """(down, across) of a numbered block's channels below each other, one cell between two."""
        if self.values.ndim == 1:
            return len(self.values), 1
        height, width, channels = self.values.shape
        return channels * height + channels - 1, width


def page(blocks: Sequence[Block], title: str, caption: str) -> Figure:
    """A page of blocks: a few small ones side by side with their numbers, as on a slide; others in rows."""
    return (_in_numbers if written_in_numbers(blocks) else _in_rows)(blocks, title, caption)


def written_in_numbers(blocks: Sequence[Block]) -> bool:
    """Whether a page of the blocks shows their numbers."""
    cells = sum(block.cell_shape()[1] + 2 for block in blocks if block.numbered)
    return all(block.numbered for block in blocks) and cells <= MOST_CELLS


def _scale(values: np.ndarray, depth: float = 1.0) -> dict[str, Any]:
    """The color scale of a layer: around zero if there are negative values, else gray from zero.

    `depth` is the position of the largest value on the scale.
    """
    limit = (float(abs(values).max()) or 1.0) / depth
    if values.min() < 0:
        return {"cmap": theme.SIGNED, "vmin": -limit, "vmax": limit}
    return {"cmap": "gray_r", "vmin": 0.0, "vmax": limit}


def _empty(width: float, height: float, title: str, caption: str) -> tuple[Figure, Axes]:
    """A figure with axes in inches, y downwards, for what has this size."""
    figure = theme.figure(max(width + 0.3, 7.5), height + 1.2, title, caption)
    axes = figure.subplots()
    axes.set(aspect="equal", xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def _tile(axes: Axes, image: np.ndarray, left: float, top: float, width: float, height: float, **scale: Any) -> None:
    """One image in a pale frame, since zero is white."""
    from matplotlib.patches import Rectangle

    extent = (left, left + width, top + height, top)
    axes.imshow(image, interpolation="nearest", extent=extent, aspect="auto", zorder=1, **scale)
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=theme.PALE, linewidth=0.8, zorder=2))


def _head(axes: Axes, x: float, y: float, block: Block, notes: Sequence[str], **place: Any) -> None:
    """The layer's name, and smaller lines below it; y is the upper edge."""
    axes.text(x, y, block.name, fontsize=13, fontweight="bold", va="top", **place)
    for i, line in enumerate(notes, start=1):
        axes.text(x, y + 0.03 + i * LINE, line, fontsize=11, color=theme.GREY, va="top", **place)


def _in_numbers(blocks: Sequence[Block], title: str, caption: str) -> Figure:
    """The blocks side by side, their numbers in the cells, as on a slide."""
    heads = [max(LETTER * max(len(block.name), *(len(line) for line in block.notes)), 0.8) for block in blocks]
    names = [LETTER * max((len(name) for name in block.names), default=0) for block in blocks]
    cells = [CELL * block.cell_shape()[1] for block in blocks]
    widths = [max(head, cell + name) for head, cell, name in zip(heads, cells, names, strict=True)]
    arrow, top = 0.7, 0.2 + LINE * (1 + max(len(block.notes) for block in blocks))
    tallest = CELL * max(block.cell_shape()[0] for block in blocks)
    figure, axes = _empty(sum(widths) + arrow * (len(blocks) - 1), top + tallest, title, caption)
    left = 0.0
    for block, width in zip(blocks, widths, strict=True):
        down, across = block.cell_shape()
        middle, first = left + width / 2, top + (tallest - CELL * down) / 2
        _head(axes, middle, first - top, block, block.notes, ha="center")
        _cells(axes, block, middle - CELL * across / 2, first)
        if block is not blocks[-1]:
            tail, tip = ((left + width + x, top + tallest / 2) for x in (0.12, arrow - 0.12))
            axes.annotate("", tip, tail, arrowprops={"arrowstyle": "-|>", "color": theme.GREY, "linewidth": 1.8})
        left += width + arrow
    return figure


def _cells(axes: Axes, block: Block, left: float, top: float) -> None:
    """The channels below each other, or n outputs as a column; (left, top) is the upper left corner."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    tiles = block.tiles if block.values.ndim == 3 else block.values[None, :, None]
    scale, written = _scale(block.values, 0.75), _each if block.features else _writer(block.values)
    colours, norm = colormaps[scale["cmap"]], Normalize(scale["vmin"], scale["vmax"])
    height, width = tiles.shape[1:]
    for tile in tiles:
        _tile(axes, tile, left, top, CELL * width, CELL * height, **scale)
        for row in range(height):
            for column in range(width):
                red, green, blue, _ = colours(norm(tile[row, column]))
                ink = theme.INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
                x, y = left + CELL * (column + 0.5), top + CELL * (row + 0.5)
                axes.text(x, y, written(tile[row, column]), ha="center", va="center", fontsize=13, color=ink)
        lines: dict[str, Any] = {"color": theme.PALE, "linewidth": 0.8}
        axes.hlines([top + CELL * row for row in range(1, height)], left, left + CELL * width, **lines)
        axes.vlines([left + CELL * column for column in range(1, width)], top, top + CELL * height, **lines)
        top += CELL * (height + 1)
    for i, name in enumerate(block.names):
        axes.text(left + 1.2 * CELL, top - CELL * (len(block.names) + 0.5 - i), name, va="center", fontsize=13)


def _writer(values: np.ndarray) -> Callable[[float], str]:
    """A formatter for the numbers of a layer: whole numbers as integers, others with about two digits."""
    largest = float(abs(values).max())
    places = 0 if (values == values.round()).all() or largest >= 100 else 1 if largest >= 10 else 2
    return lambda value: f"{value:.{places}f}".replace("-", "−") if value else "0"


def _each(value: float) -> str:
    """Two digits of a value whose neighbours have other units."""
    return f"{float(f'{value:.2g}'):g}".replace("-", "−")


@dataclass(frozen=True)
class Column:
    """Layout of blocks in a column: inches, and the number of tiles side by side."""

    width: float
    across: int

    @property
    def tile(self) -> float:
        return min(TILE, (self.width + GAP) / self.across - GAP)

    def size(self, block: Block) -> tuple[float, float]:
        """Width and height of one image of a block; a single image is large."""
        height, width = block.values.shape[:2]
        longer = TILE if len(block.tiles) == 1 else self.tile
        return longer * max(width / max(height, width), 0.2), longer * max(height / max(height, width), 0.2)

    def height(self, block: Block) -> float:
        """Inches of a block, its label included."""
        if block.values.ndim == 3:
            drawn = math.ceil(len(block.tiles) / self.across) * (self.size(block)[1] + GAP) - GAP
        elif _has_bars(block):
            names = LETTER * max(map(len, block.names)) if block.turned(self.width) else LINE
            drawn = BAR + (names if block.names else 0) + 0.1
        else:
            drawn = _strip_height(block)
        return max(drawn, 3 * LINE)

    def total(self, blocks: Sequence[Block]) -> float:
        return sum(self.height(block) + BETWEEN for block in blocks) - BETWEEN


ALONE = (Column(WIDTH, MOST_CHANNELS // 2), Column(WIDTH, MOST_CHANNELS))
BESIDE = Column(4.6, MOST_CHANNELS // 2)


def _in_rows(blocks: Sequence[Block], title: str, caption: str) -> Figure:
    """Blocks in rows, in two columns if there are many."""
    column = next((column for column in ALONE if column.total(blocks) <= HEIGHT), BESIDE)
    parts = _halves(blocks) if column is BESIDE else [blocks]
    width = len(parts) * (LABEL + column.width + GUTTER) - GUTTER
    figure, axes = _empty(width, max(column.total(part) for part in parts), title, caption)
    for i, part in enumerate(parts):
        left, top = i * (LABEL + column.width + GUTTER), 0.0
        for block in part:
            _head(axes, left, top, block, [", ".join(block.notes), _span(block.values)])
            _row(axes, block, left + LABEL, top, column)
            top += column.height(block) + BETWEEN
    return figure


def _halves(blocks: Sequence[Block]) -> list[Sequence[Block]]:
    """Encoder and decoder, or the first half and the second."""
    decoder = [i for i, block in enumerate(blocks) if block.key.startswith("decoder")]
    cut = decoder[0] if decoder else math.ceil(len(blocks) / 2)
    return [blocks[:cut], blocks[cut:]]


def _span(values: np.ndarray) -> str:
    """The smallest and the largest value, to the third digit of the larger."""
    largest = float(abs(values).max()) or 1.0
    places = max(0, 2 - math.floor(math.log10(largest)))
    low, high = (f"{round(float(value), places) + 0.0:g}" for value in (values.min(), values.max()))
    return f"{low} to {high}".replace("-", "−")


def _row(axes: Axes, block: Block, left: float, top: float, column: Column) -> None:
    """Draw images as tiles, a few outputs as bars, many as a color strip."""
    if _has_bars(block):
        _bars(axes, block, left, top, column.width)
    elif block.values.ndim == 3:
        _maps(axes, block, left, top, column)
    else:
        _tile(axes, block.tiles[0], left, top, column.width, _strip_height(block), **_scale(block.values))


def _has_bars(block: Block) -> bool:
    return block.values.ndim == 1 and len(block.values) <= MOST_BARS


def _strip_height(block: Block) -> float:
    return min(max(STRIP, 0.08 * block.tiles.shape[1]), 1.2)


def _maps(axes: Axes, block: Block, left: float, top: float, column: Column) -> None:
    width, height = column.size(block)
    scale = {} if block.photo else _scale(block.values)
    for i, image in enumerate(block.tiles):
        line, place = divmod(i, column.across)
        if block.photo:
            low, high = min(0.0, float(image.min())), max(1.0, float(image.max()))
            image = (image - low) / (high - low)
        if block.apart:
            scale = _scale(image)
        _tile(axes, image, left + place * (width + GAP), top + line * (height + GAP), width, height, **scale)


def _bars(axes: Axes, block: Block, left: float, top: float, width: float) -> None:
    """One bar per output; of classes the most probable one is highlighted."""
    values, count = block.values, len(block.values)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    unit = BAR / ((high - low) or 1.0)
    zero = top + 0.1 + unit * high
    longest = max((len(name) for name in block.names), default=0)
    step = min(width / count, max(0.6, LETTER * (longest + 1)))
    middles = left + step * (np.arange(count) + 0.5)
    colours = [theme.VERMILLION if value > 0 else theme.BLUE for value in values] if low < 0 else [theme.GREY] * count
    best = int(values.argmax()) if block.classes else None
    if block.classes:
        colours = [theme.VERMILLION if k == best else theme.GREY for k in range(count)]
    if block.names:
        turned, size = block.turned(width), min(12.0, 72 * step)
        for k, name in enumerate(block.names):
            style: dict[str, Any] = {"fontweight": "bold" if k == best else "normal", "rotation": 90 if turned else 0}
            axes.text(middles[k], top + 0.17 + BAR, name, ha="center", va="top", fontsize=size, **style)
    axes.bar(middles, -unit * values, width=0.8 * step, bottom=zero, color=colours)
    axes.hlines(zero, left, left + step * count, color=theme.GREY, linewidth=0.8)
