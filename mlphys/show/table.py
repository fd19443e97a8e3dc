"""Tables of text for a terminal."""

from __future__ import annotations

import io
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from mlphys.terminal import printable

NARROWEST = 25  # characters of a wrapped column


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns of text, numbers to the right; the last column is wrapped at the terminal's width.

    Where that leaves no room for it every cell gets a line of its own: no number is ever cut.
    """
    columns = [printable(column) for column in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size((120, 24)).columns
    needed = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    gaps = 3 * (len(columns) - 1) + 2
    wrapped = not all(_is_number(row[-1]) for row in cells)
    if sum(needed) + gaps > width and not (wrapped and width - gaps - sum(needed[:-1]) >= NARROWEST):
        return "\n".join(_folded(columns, row, width) for row in cells)
    if sum(needed) + gaps <= width and all(cell.isascii() for row in [columns, *cells] for cell in row):
        return _aligned(columns, cells, needed)
    return _drawn(columns, cells, width)


def _folded(columns: Sequence[str], row: Sequence[str], width: int) -> str:
    """A row as a heading with a line for each other cell."""
    label = max(map(len, columns[1:]), default=0) + 2
    lines = [f"{columns[0]} {row[0]}" if _is_number(row[0]) else row[0]]
    for column, cell in [pair for pair in zip(columns[1:], row[1:], strict=True) if pair[1]]:
        first = f"  {column:{label}}"
        lines += textwrap.wrap(
            cell, max(width, label + 20), initial_indent=first, subsequent_indent=" " * len(first),
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
    return "\n".join(lines)


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """The table of `_drawn` where nothing is wrapped and every sign is one column wide, in a hundredth of the time."""
    numbers = [all(_is_number(row[i]) for row in rows) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        placed = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, numbers, strict=True)
        )
        return f" {'   '.join(placed)}".rstrip()

    rule = f" {'─' * (sum(widths) + 3 * (len(widths) - 1))}"
    return "\n".join([line(columns), rule, *map(line, rows)]).strip("\n")


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        numbers = all(_is_number(row[i]) for row in rows)
        drawn.add_column(column, justify="right" if numbers else "left", no_wrap=i < len(columns) - 1)
    for row in rows:
        drawn.add_row(*row)
    out = io.StringIO()
    # neither for a notebook nor with the colors of FORCE_COLOR: it is text
    plain = Console(
        file=out, force_jupyter=False, force_terminal=False, color_system=None, width=width, highlight=False
    )
    plain.print(drawn, markup=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def _is_number(cell: str) -> bool:
    return cell.replace(".", "").replace(" +- ", "").replace("-", "").replace("e", "").isdigit()
