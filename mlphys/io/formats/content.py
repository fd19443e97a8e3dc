"""Descriptions of the arrays in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_GROWTH = 1032  # no deflate stream grows by a larger factor


@dataclass(frozen=True)
class Described:
    """Shape and dtype of an array, or the reason why it cannot be read."""

    shape: tuple[int, ...] = ()
    dtype: str = "<f8"
    refusal: str = ""


class Unreadable(Exception):
    """An unreadable file; the text is for the user."""


def plain(values: np.ndarray) -> np.ndarray:
    """The numbers or texts in native byte order and C order; texts as str."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
