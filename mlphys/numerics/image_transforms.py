"""Shifts, rotations and scalings of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

DIRECTIONS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # rows down, columns to the right


def four_ways(amount: int) -> Sequence[tuple[int, int]]:
    """Shifts (down, right) by `amount` pixels to the left, right, up and down; a single zero shift for 0."""
    return [(amount * down, amount * right) for down, right in DIRECTIONS] if amount else [(0, 0)]


def shifted(x: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images (n, height, width, channels), shifted by whole pixels, zero-padded."""
    height, width = x.shape[1:3]
    moved = np.zeros_like(x)
    moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = x[
        :, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return moved


def turned(x: np.ndarray, degrees: float) -> np.ndarray:
    """Images (n, height, width, channels), rotated about the center, anticlockwise as displayed."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return _mapped(x, np.array([[cos, sin], [-sin, cos]]))


def scaled(x: np.ndarray, factor: float) -> np.ndarray:
    """Images (n, height, width, channels), magnified by `factor` about the center, cropped to the same size."""
    return _mapped(x, np.eye(2) / factor)


def _mapped(x: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Resample: position p relative to the center gets the value at back @ p, bilinear, zero outside."""
    middle = (np.array(x.shape[1:3]) - 1) / 2
    places = np.indices(x.shape[1:3]).reshape(2, -1) - middle[:, None]
    row, column = back @ places + middle[:, None]
    row, column = np.round(row, 9), np.round(column, 9)  # rotations by 90 degrees are exact
    top, left = np.floor(row), np.floor(column)
    flat = np.zeros((len(x), row.size, x.shape[3]), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - abs(row - top - down)) * (1 - abs(column - left - right))
            r, c = (top + down).astype(int), (left + right).astype(int)
            inside = (r >= 0) & (r < x.shape[1]) & (c >= 0) & (c < x.shape[2])
            flat[:, inside] += weight[inside, None].astype(np.float32) * x[:, r[inside], c[inside]]
    return flat.reshape(x.shape)
