"""Cells of a table as numbers: missing values are NaN, categories one-hot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from mlphys.errors import UserError
from mlphys.io import csvfile
from mlphys.io.csv_layout import MISSING, Layout
from mlphys.io.csvfile import Row

Categories = Mapping[str, tuple[str, ...]]  # of each column of text its values


@dataclass(frozen=True)
class Cells:
    """How the columns `names` of a file become the features of a sample.

    `missing` are cells of missing values besides the usual ones, as text or as numbers.
    """

    names: tuple[str, ...]
    categories: Categories = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    layout: Layout = field(default_factory=Layout)

    def feature_names(self) -> tuple[str, ...]:
        """`mass`, `detector=H1`, `detector=L1`."""
        each = ([f"{name}={value}" for value in self.categories.get(name, ())] or [name] for name in self.names)
        return tuple(chain.from_iterable(each))

    def number(self, cell: str) -> float:
        """NaN for a missing one. Raises ValueError for what is no finite float32, with the reason."""
        if self.is_missing(cell):
            return math.nan
        return csvfile.number(self.layout.number(cell))

    def is_missing(self, cell: str) -> bool:
        if cell.lower() in MISSING or cell in self.missing:
            return True
        value = csvfile.parsed(self.layout.number(cell)) if self.missing else None
        return value is not None and value in (csvfile.parsed(text) for text in self.missing)

    def features(self, row: Sequence[str], places: Sequence[int]) -> tuple[list[float], dict[str, str]]:
        """The values of a row with its columns at `places`, and for each unusable column the reason."""
        if not self.categories and not self.missing:
            values = csvfile.plain_numbers([row[place] for place in places])
            if values is not None:
                return values, {}
        values = []
        wrong: dict[str, str] = {}
        for name, place in zip(self.names, places, strict=True):
            try:
                if name in self.categories:
                    values += self._one_hot(name, row[place])
                else:
                    values.append(self.number(row[place]))
            except ValueError as error:
                wrong[name] = str(error)
        return values, wrong

    def _one_hot(self, name: str, cell: str) -> list[float]:
        values = self.categories[name]
        if self.is_missing(cell) and cell not in values:
            return [math.nan] * len(values)
        if cell not in values:
            raise ValueError(f"{short(cell)} is none of its categories ({listed(values)})")
        return [float(cell == value) for value in values]


def header(path: Path, layout: Layout, rows: Iterable[Row], named: bool | None) -> tuple[list[str], Iterable[Row]]:
    """The names of the columns, column_1 and so on where the file has none, and the rows below.

    `named` says whether the first line has names; None: as detected. Raises UserError where that is ambiguous.
    """
    rows = iter(rows)
    first = list(islice(rows, 1))
    if not first:
        raise UserError(f"{path}: the first line must name the columns; received nothing")
    line, cells = first[0]
    if named is None and layout.ambiguous:
        raise UserError(
            f"{path}:{line}: {listed(cells)} may be a sample, or numbers that name the columns; write data.header: "
            "false for a sample, true for names"
        )
    if layout.named if named is None else named:
        return cells, rows
    return [f"column_{i}" for i in range(1, len(cells) + 1)], chain(first, rows)


def listed(names: Iterable[str], most: int = 10) -> str:
    """Some names, shortened."""
    some = list(islice(names, most + 1))
    return ", ".join(short(name) for name in some[:most]) + (", ..." if len(some) > most else "")


def short(cell: str) -> str:
    return cell if len(cell) <= 40 else f"{cell[:37]}..."
