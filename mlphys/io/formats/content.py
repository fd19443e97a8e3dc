"""What a reading process tells of the arrays in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Described:
    """An array: its shape and dtype, or why it is not read."""

    shape: tuple[int, ...] = ()
    dtype: str = "<f8"
    refusal: str = ""


class Unreadable(Exception):
    """What is wrong with the file, in words that the user can act on."""


def plain(values: np.ndarray) -> np.ndarray:
    """The same numbers or texts in the processor's byte order and in C order; texts as str."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
