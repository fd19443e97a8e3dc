"""The rows of a table below the names of its columns, read cell by cell."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.errors import UserError
from mlphys.io import csv_table, csvfile, memory
from mlphys.io.csv_layout import Layout
from mlphys.io.csv_table import Cells

CHECKED_EVERY = 10_000_000  # cells, after which the memory they take is compared with what is free


class Labels:
    """The names of the classes, in order of appearance."""

    def __init__(self, requested: bool, layout: Layout) -> None:
        self.requested = requested
        self.layout = layout
        self.codes: dict[str, int] = {}

    def code(self, cell: str) -> int:
        """Raises ValueError for what names no class. 1, 1.0 and 01 are one label."""
        value = csvfile.parsed(self.layout.number(cell))
        if cell == "" or (value is not None and not math.isfinite(value)):
            raise ValueError(csvfile.refusal(cell))
        if value is not None and not self.requested:
            raise ValueError(f"received {cell} below labels of text; if it is one, write data.target_is: classes")
        name = cell if value is None else repr(value).removesuffix(".0")
        return self.codes.setdefault(name, len(self.codes))

    @property
    def names(self) -> list[str]:
        return list(self.codes)

    def order(self) -> list[int]:
        """The order of the classes: numeric if all are numbers, else alphabetic."""
        values = [csvfile.parsed(name) for name in self.names]
        keys: Sequence[Any] = self.names if None in values else values
        return sorted(range(len(keys)), key=lambda i: keys[i])


@dataclass
class Beside:
    """The weight and the group of each row, from columns beside features and targets; None: there is none."""

    weight: tuple[str, int] | None  # name and place in a row
    group: tuple[str, int] | None
    weights: array[float]
    groups: array[int]
    codes: dict[str, int]

    def read(self, row: list[str], cells: Cells) -> tuple[float, int, dict[str, str]]:
        """The weight, the number of the group, and what is wrong by column."""
        wrong, weight, group = {}, 1.0, 0
        if self.weight:
            name, place = self.weight
            try:
                weight = cells.number(row[place])
            except ValueError as error:
                wrong[name] = str(error)
            if weight != weight:
                wrong[name] = f"received {row[place] or 'an empty cell'}; every sample needs a weight"
        if self.group:
            name, place = self.group
            if cells.is_missing(row[place]):
                wrong[name] = f"received {row[place] or 'an empty cell'}; every sample needs a group"
            else:
                group = self.codes.setdefault(row[place], len(self.codes))
        return weight, group, wrong


@dataclass
class Body:
    """The rows below the names, read cell by cell."""

    path: Path
    cells: Cells
    columns: dict[str, int]
    targets: tuple[str, ...]
    labels: Labels | None
    missing: Literal["refuse", "drop", "mean"]
    beside: Beside

    def read(self, rows: Iterable[csvfile.Row], width: int) -> tuple[np.ndarray, np.ndarray, int]:
        """x float64 (n, features), y float64 (n, targets) and how many rows are dropped for missing cells."""
        places = [self.columns[name] for name in self.cells.names]
        x, y, dropped, wrong, first = array("d"), array("d"), 0, 0, ""
        checked = CHECKED_EVERY
        for line, row in rows:
            self._require_width(line, row, width)
            features, problems = self.cells.features(row, places)
            values, more = self._targets(row)
            problems |= more
            gaps = self._gaps(row) if _any_missing(features, values) else {}
            if gaps and self.missing == "drop" and not problems:
                dropped += 1
                continue
            weight, group, of_beside = self.beside.read(row, self.cells)
            if gaps and (self.missing == "refuse" or any(name in gaps for name in self.targets)):
                problems |= {name: csvfile.refusal(cell) for name, cell in gaps.items()}
            for name in (name for name in self.columns if name in problems):
                wrong += 1
                first = first or f"{self.path}:{line}: {csv_table.short(name)}: {problems[name]}{self._hint(name, row)}"
            for name, problem in of_beside.items():
                wrong += 1
                first = first or f"{self.path}:{line}: {csv_table.short(name)}: {problem}"
            if not wrong:
                if len(x) >= checked:  # the numbers, the same as float32, and those in the order of the splits
                    memory.require(str(self.path), 16 * len(x), "save fewer rows, or name fewer data.features")
                    checked += CHECKED_EVERY
                x.extend(features)
                y.extend(values)
                self.beside.weights.append(weight)
                self.beside.groups.append(group)
        if wrong:
            more_cells = f"; {wrong} cells cannot be used" if wrong > 1 else ""
            raise UserError(f"{first}{more_cells}; correct the file, or leave out these rows or columns")
        if not x:
            raise UserError(f"{self.path}: every row has missing cells; data.missing: mean fills them in")
        values_of_x = np.frombuffer(x).reshape(-1, len(self.cells.feature_names()))
        return values_of_x, np.array(y).reshape(len(values_of_x), len(self.targets)), dropped

    def _require_width(self, line: int, row: list[str], width: int) -> None:
        if len(row) != width:
            raise UserError(
                f"{self.path}:{line}: {len(row)} cells, but the first line names {width} columns; "
                "a cell with the delimiter in it must be quoted"
            )

    def _gaps(self, row: list[str]) -> dict[str, str]:
        """The missing cells of a row, by column."""
        return {name: row[self.columns[name]] for name in self.columns if self._gap(row, name)}

    def _targets(self, row: list[str]) -> tuple[list[float], dict[str, str]]:
        values, wrong = [], {}
        for name in self.targets:
            cell = row[self.columns[name]]
            try:
                if self.labels and not (self.missing == "drop" and self.cells.is_missing(cell)):
                    values.append(float(self.labels.code(cell)))
                else:
                    values.append(math.nan if self.labels else self.cells.number(cell))
            except ValueError as error:
                wrong[name] = str(error)
        return values, wrong

    def _gap(self, row: list[str], name: str) -> bool:
        if self.labels and name in self.targets and self.missing != "drop":
            return False
        return self.cells.is_missing(row[self.columns[name]])

    def _hint(self, name: str, row: list[str]) -> str:
        cell = row[self.columns[name]]
        if self.cells.is_missing(cell):
            return "; data.missing: drop leaves out rows with missing cells, mean fills them in"
        text = (
            csvfile.parsed(cell) is None
            and csvfile.parsed(cell.replace(",", ".")) is None
            and name not in self.cells.categories
        )
        if not text or any(character.isdigit() for character in cell[:1]):
            return ""
        if name in self.targets:
            return f"; if {name} holds labels, write data.target_is: classes" if self.labels is None else ""
        return f"; if {name} holds categories, write data.categories: [{name}]"


def _any_missing(*values: list[float]) -> bool:
    return any(value != value for some in values for value in some)
