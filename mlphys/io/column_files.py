"""Tables in binary files, whose columns are arrays of one number or text a row: FITS, HDF5, MATLAB's, npz."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.io import array_files
from mlphys.io.csvfile import Row
from mlphys.io.npz import Header


def is_table(path: Path) -> bool:
    """Whether a file of this name holds several arrays."""
    return array_files.is_known(path) and not array_files.parts(path)


def columns(path: Path) -> dict[str, Header]:
    """The columns: arrays of one axis, as long as most of them. Raises UserError where there is none."""
    headers = array_files.headers(path)
    lengths = Counter(header.shape[0] for header in headers.values() if len(header.shape) == 1)
    if not lengths:
        shapes = ", ".join(f"{name} {header.shape}" for name, header in list(headers.items())[:5]) or "no arrays"
        raise UserError(
            f"{path}: a table has columns of one number a row; received {shapes}; "
            "data: {name: array} reads arrays of more axes"
        )
    most = max(lengths, key=lambda length: (lengths[length], length))
    return {name: header for name, header in headers.items() if header.shape == (most,)}


def rows(path: Path) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, and the rows as cells of text, numbered from 1. Numbers are written in full."""
    headers = columns(path)
    return list(headers), _rows(path, headers)


def _rows(path: Path, headers: dict[str, Header]) -> Iterator[Row]:
    values = array_files.read(path, headers)
    for i, row in enumerate(zip(*(values[name] for name in headers), strict=True), 1):
        yield i, [_cell(value) for value in row]


def _cell(value: np.generic) -> str:
    """A number as Python writes it, a truth value as 0 or 1, a text without blanks around it."""
    plain = value.item()
    return plain.strip() if isinstance(plain, str) else repr(int(plain) if isinstance(plain, bool) else plain)


def left_out(path: Path) -> str:
    """The arrays that are no columns, in words; empty without any."""
    others = [name for name in array_files.headers(path) if name not in columns(path)]
    others += array_files.unread(path)
    if not others:
        return ""
    names = f"{', '.join(others[:5])}{', ...' if len(others) > 5 else ''}"
    return f"{len(others)} arrays are no columns of one number a row, and not read: {names}"
