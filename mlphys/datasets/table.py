"""The user's table, from a CSV file."""

from __future__ import annotations

import difflib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from mlphys.errors import UserError
from mlphys.io import checksum, csvfile
from mlphys.schema.data import Dataset, Description, Samples
from mlphys.schema.fields import as_tuple
from mlphys.schema.paths import absolute


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else as_tuple(value)


ColumnNames = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Table(Dataset):
    """Your own table: a CSV file whose first line names the columns.

    The delimiter is comma, semicolon or tab. `features` are the columns of x; null: all but the
    target. `target` is the column to predict, or a list of numeric columns; null: none, for
    autoencoders. A target of text has classes, a target of numbers is a regression target; labels
    that are numbers need `target_is: classes`.
    """

    OWN_FILES: ClassVar[bool] = True

    name: Literal["table"]
    path: str
    """The CSV file. Example: events.csv"""
    features: ColumnNames | None = None
    """The columns that the network sees; null is all but the target. Example: [pt, eta, phi]"""
    target: ColumnNames | None = None
    """The column, or columns, that the network predicts; null: there are none, for autoencoders. Example: mass"""
    target_is: Literal["classes", "numbers"] | None = None
    """Whether the target holds class labels or numbers; null: text is a class label."""

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)

    def resolved(self) -> Self:
        """Fill in the names of the features, so that a run does not depend on the file."""
        with csvfile.opened(Path(self.path)) as rows:
            _, header = next(rows, (1, []))
            columns = _columns(Path(self.path), header, self)
        return self.model_copy(update={"features": tuple(columns)[: len(columns) - len(self.target or ())]})

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return absolute(path)

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Table:
        twice = [name for name, n in Counter((*(self.features or ()), *(self.target or ()))).items() if n > 1]
        if twice:
            raise ValueError(f"features and target name {', '.join(twice)} twice; name a column once")
        if self.target_is and not self.target:
            raise ValueError(f"target_is: {self.target_is} needs a target; name its column")
        if self.target_is == "classes" and len(self.target or ()) > 1:
            raise ValueError("several targets are numbers; classes have one column")
        return self

    def describe(self) -> Description:
        """Read the whole file, which alone tells the number of samples and the classes."""
        table = self.read()
        return Description(
            table.x.shape[1:], table.classes, len(table.x), test_samples=None, target_shape=table.y.shape[1:]
        )

    def load(self) -> Samples:
        table = self.read()
        return Samples(table.x, table.y, files=(checksum.record(Path(self.path)),))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        path = folder / "own.csv"
        rows = [f"{i},{i * i},{'odd' if i % 2 else 'even'}" for i in range(20)]
        path.write_text("\n".join(["number,square,kind", *rows]))
        return {"name": "table", "path": str(path), "target": "kind"}

    def read(self) -> Contents:
        """Read the table. Raises UserError for other files, missing columns and unusable cells."""
        path, targets = Path(self.path), self.target or ()
        with csvfile.opened(path) as rows:
            _, header = next(rows, (1, []))
            columns = _columns(path, header, self)
            first = next(rows, None)
            if first is None:
                raise UserError(f"{path}: no samples: there is nothing below the names of the columns")
            labels = _labels(path, self, columns, *first)
            values = _values(path, chain([first], rows), len(header), columns, labels)
        for name, y in zip(targets, values[:, len(columns) - len(targets) :].T, strict=True):
            if (y == y[0]).all():
                raise UserError(f"{path}: the target {name} is the same in every row: there is nothing to learn")
        x, y = (part.astype(np.float32, order="C") for part in np.split(values, [len(columns) - len(targets)], axis=1))
        if labels is None:
            return Contents(x, y, ())
        rank = np.argsort(labels.order()).astype(np.int32)
        return Contents(x, rank[values[:, -1].astype(int)], tuple(labels.names[k] for k in labels.order()))


@dataclass(frozen=True)
class Contents:
    """x float32 (n, features); y int32 labels (n,) of the classes, or float32 (n, targets) without classes."""

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]


class Labels:
    """The names of the classes, in order of appearance."""

    def __init__(self, asked_for: bool) -> None:
        self.asked_for = asked_for
        self.codes: dict[str, int] = {}

    def code(self, cell: str) -> int:
        """The index of a label. Raises ValueError for invalid labels. 1, 1.0 and 01 are the same label."""
        value = csvfile.parsed(cell)
        if cell == "" or (value is not None and not math.isfinite(value)):
            raise ValueError(csvfile.refusal(cell))
        if value is not None and not self.asked_for:
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


def _columns(path: Path, header: list[str], dataset: Table) -> dict[str, int]:
    """Column indices of the features, then of the targets."""
    if all(csvfile.parsed(name) is not None for name in header):
        raise UserError(f"{path}: the first line must name the columns; received {', '.join(header) or 'nothing'}")
    targets = dataset.target or ()
    for name in (*(dataset.features or ()), *targets):
        if name not in header:
            lower = {column.lower(): column for column in header}
            near = difflib.get_close_matches(name.lower(), lower, n=1)
            hint = f"; did you mean {lower[near[0]]}?" if near else ""
            one = "; the delimiter must be comma, semicolon or tab" if len(header) == 1 else ""
            raise UserError(f"{path}: no column {name}{hint} (columns: {', '.join(header)}){one}")
    features = dataset.features or tuple(name for name in header if name not in targets)
    if "" in features:
        raise UserError(f"{path}: column {header.index('') + 1} has no name; name the ones to use in data.features")
    twice = [name for name in (*features, *targets) if header.count(name) > 1]
    if twice:
        raise UserError(f"{path}: {header.count(twice[0])} columns are called {twice[0]}; rename one")
    if not features:
        raise UserError(f"{path}: the target {targets[0]} is its only column; add columns of features")
    return {name: header.index(name) for name in (*features, *targets)}


def _labels(path: Path, dataset: Table, columns: dict[str, int], line: int, row: list[str]) -> Labels | None:
    """Labels for classes, None for numbers: according to `target_is`, else to the target in the first row."""
    if dataset.target_is or dataset.target is None or len(dataset.target) != 1:
        return Labels(asked_for=True) if dataset.target_is == "classes" else None
    place = columns[dataset.target[0]]
    if place >= len(row):
        return None  # the wrong length is refused later
    if not row[place]:
        raise UserError(f"{path}:{line}: {dataset.target[0]}: the cell is empty; fill it, or leave out the row")
    return Labels(asked_for=False) if csvfile.parsed(row[place]) is None else None


def _values(
    path: Path, rows: Iterable[csvfile.Row], width: int, columns: dict[str, int], labels: Labels | None
) -> np.ndarray:
    """The columns as float64 (n, columns), with labels in the last one as indices."""
    convert = [csvfile.number] * len(columns)
    if labels:
        convert[-1] = labels.code
    values, wrong, first = array("d"), 0, ""
    for line, row in rows:
        if len(row) != width:
            raise UserError(
                f"{path}:{line}: {len(row)} cells, but the first line names {width} columns; "
                "a cell with the delimiter in it must be quoted"
            )
        for (name, place), number in zip(columns.items(), convert, strict=True):
            try:
                values.append(number(row[place]))
            except ValueError as error:
                wrong += 1
                first = first or f"{path}:{line}: {name}: {error}"
    if wrong:
        more = f"; {wrong} cells cannot be used" if wrong > 1 else ""
        raise UserError(f"{first}{more}; correct the file, or leave out these rows or columns")
    return np.frombuffer(values).reshape(-1, len(columns))
