"""Kernels and samples as small images of pixels, without axes and text."""

from __future__ import annotations

import io
import math

import numpy as np

from mlphys.figures import theme

MOST_KERNELS, MOST_SAMPLES = 64, 10
SMALLEST = 28  # pixels of a tile's shorter side
GAP = 2  # pixels


def kernels(images: np.ndarray) -> np.ndarray:
    """Weights (filters, height, width) as pixels (height, width, 3), blue below zero and red above."""
    shown = images[:MOST_KERNELS]
    largest = float(np.abs(shown).max(initial=0)) or 1.0
    depth = (np.abs(shown) / largest)[..., None]
    low, high = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in (theme.BLUE, theme.VERMILLION))
    tiles = 255 + depth * (np.where(shown[..., None] < 0, low, high) - 255)
    across = math.ceil(math.sqrt(len(shown)))
    return _sheet(tiles, across)


def pairs(x: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Samples (n, height, width, 1 or 3) above their reconstructions, on the range of the samples."""
    x, below = x[:MOST_SAMPLES], reconstructions[:MOST_SAMPLES]
    lowest, largest = float(x.min()), float(x.max())
    tiles = np.concatenate([x, below])
    tiles = 255 * (tiles.clip(lowest, largest) - lowest) / ((largest - lowest) or 1.0)
    return _sheet(np.broadcast_to(tiles, (*tiles.shape[:-1], 3)), len(x))


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def _sheet(tiles: np.ndarray, across: int) -> np.ndarray:
    """Tiles (n, height, width, 3), magnified, in rows, as bytes."""
    factor = math.ceil(SMALLEST / min(tiles.shape[1:3]))
    large = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = large.shape[1] + GAP, large.shape[2] + GAP
    sheet = np.full((height * math.ceil(len(tiles) / across) - GAP, width * across - GAP, 3), 255, np.uint8)
    for i, tile in enumerate(large):
        row, column = height * (i // across), width * (i % across)
        sheet[row : row + height - GAP, column : column + width - GAP] = tile.round()
    return sheet
