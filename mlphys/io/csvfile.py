"""CSV files of spreadsheets and instruments, in any common layout."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum, csv_layout
from mlphys.io.csv_layout import Layout

MOST_BYTES = 500_000_000
LARGEST = float(np.finfo(np.float32).max)

Row = tuple[int, list[str]]  # line number, stripped cells


@contextmanager
def opened(path: Path, layout: Layout | None = None) -> Iterator[Iterator[Row]]:
    """The rows of a file, blank ones and comments left out, the names of its columns first where it has them.

    Without `layout` it is detected. Raises UserError for what is not a regular file, too large, no
    text, or not CSV.
    """
    layout = layout or find_layout(path)
    try:
        with path.open(encoding=layout.encoding, newline="") as file:
            for _ in range(layout.first):
                file.readline()
            yield _rows(path, file, layout)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in {layout.encoding}; export the table as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def find_layout(path: Path) -> Layout:
    """The layout of a file. Raises UserError for what is not a regular file, too large, or no text."""
    checksum.regular(path)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise UserError(f"{path}: {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} are read; save fewer rows")
    try:
        return csv_layout.find(path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text in UTF-8 or UTF-16; export the table as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _rows(path: Path, file: IO[str], layout: Layout) -> Iterator[Row]:
    delimiter = layout.delimiter
    after_quote = re.compile(rf'" +(?={re.escape(delimiter)}|$)', re.MULTILINE)

    def lines() -> Iterator[str]:
        for number, line in enumerate(file):
            comment = line.lstrip().startswith(csv_layout.COMMENTS)
            if comment and number == 0 and layout.named and layout.comments:
                line = line.lstrip().lstrip("#%/")
            elif (comment and layout.comments) or (number == 1 and layout.units_row):
                line = "\n"
            if delimiter == " ":
                line = " ".join(line.split()) + "\n"
            yield after_quote.sub('"', line) if '" ' in line else line

    reader = csv.reader(lines(), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + layout.first, cells
    except csv.Error as error:
        line = reader.line_num + layout.first
        raise UserError(f"{path}:{line}: not CSV: {error}; export the table as CSV again") from None


def parsed(cell: str) -> float | None:
    """The number in a cell, None for text. Rejects 1_000, which float() accepts."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def plain_numbers(cells: list[str]) -> list[float] | None:
    """Cells that are all finite float32 as Python writes them; None where one is not. Fast."""
    try:
        values = list(map(float, cells))
    except ValueError:
        return None
    finite = max(map(abs, values), default=0) <= LARGEST and not any(map(math.isnan, values))
    return values if finite and "_" not in "".join(cells) else None


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
        return f"{cell} is beyond float32" if abs(value) > LARGEST else f"{cell} is a missing value"
    comma = cell.count(",") == 1 and parsed(cell.replace(",", ".")) is not None
    received = repr(cell if len(cell) <= 40 else f"{cell[:37]}...")
    return f"expected a finite number; received {received}{'; write a decimal point' if comma else ''}"
