"""CSV files with comma, semicolon or tab, with or without a byte order mark."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum

MOST_BYTES = 500_000_000
LARGEST = float(np.finfo(np.float32).max)

Row = tuple[int, list[str]]  # line number, stripped cells


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Row]]:
    """The rows of a file except blank ones; the delimiter is detected in the first line.

    Raises UserError for a file that is not regular, too large, not UTF-8, or not CSV.
    """
    checksum.regular(path)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise UserError(f"{path}: {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} are read; save fewer rows")
    reader = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            unquoted = re.sub(r'"[^"]*"', "", next((line for line in file if line.strip()), ""))
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=unquoted.count), skipinitialspace=True, strict=True)
            rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
            yield (row for row in rows if any(row[1]))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8; export the table as CSV in UTF-8") from None
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise UserError(f"{path}:{line}: not CSV: {error}; export the table as CSV again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def parsed(cell: str) -> float | None:
    """The number in a cell, None for text. Rejects 1_000, which float() accepts."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def number(cell: str) -> float:
    """The number in a cell. Raises ValueError, with the reason, unless it is a finite float32."""
    value = parsed(cell)
    if value is None or not abs(value) <= LARGEST:
        raise ValueError(refusal(cell))
    return value


def refusal(cell: str) -> str:
    """Why a cell is not a number."""
    if not cell:
        return "the cell is empty"
    value = parsed(cell)
    if value is not None and math.isfinite(value):
        return f"{cell} is beyond float32"
    comma = cell.count(",") == 1 and parsed(cell.replace(",", ".")) is not None
    received = repr(cell if len(cell) <= 40 else f"{cell[:37]}...")
    return f"expected a finite number; received {received}{'; write a decimal point' if comma else ''}"
