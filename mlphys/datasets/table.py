"""The user's table, from a CSV file, or from columns in FITS, HDF5, MATLAB's files or npz."""

from __future__ import annotations

import difflib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from mlphys.data.labels import check_names, require_few
from mlphys.datasets._table_rows import Beside, Body, Labels
from mlphys.errors import Refusal, UserError
from mlphys.io import checksum, column_files, csv_table, csvfile
from mlphys.io.csv_layout import Layout
from mlphys.io.csv_table import Cells
from mlphys.schema import units
from mlphys.schema.data import DataRequirements, Dataset, Description
from mlphys.schema.fields import as_tuple
from mlphys.schema.paths import absolute
from mlphys.schema.samples import Samples
from mlphys.schema.suggestions import suggestion

MOST_LOSSES = 3  # columns that notes name for what float32 loses
MOST_CATEGORIES = 100  # values of a column of text
MOST_COMPARED = 1000  # names among which a wrong one's neighbour is searched


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else as_tuple(value)


def _found_later(value: Any) -> Any:
    """Columns without their values, which are found in the file."""
    return dict.fromkeys(_names(value), ()) if isinstance(value, str | list | tuple) else value


def _as_text(value: Any) -> Any:
    values = as_tuple(value) if isinstance(value, list | tuple) else (value,)
    return tuple(str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v for v in values)


TEXTS = {"type": "array", "items": {"type": "string"}}
ColumnNames = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, TEXTS]}),
]
CategoryColumns = Annotated[
    dict[str, Annotated[tuple[str, ...], BeforeValidator(as_tuple)]],
    BeforeValidator(_found_later),
    WithJsonSchema({"anyOf": [{"type": "string"}, TEXTS, {"type": "object", "additionalProperties": TEXTS}]}),
]
MissingValues = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_text),
    WithJsonSchema({"type": "array", "items": {"type": ["string", "number"]}}),
]


class Table(Dataset):
    """Your own table: a CSV file with a line that names the columns, or FITS, HDF5, MATLAB's, npz.

    How it is written is found out: encoding, delimiter, decimal commas, lines above the names, a line
    of units below; `header: false` is for a file without names, whose columns are column_1 and so on.
    `features` are the columns of x; null: all but the target. `target` is the column to be predicted from
    them, or a list of columns of numbers; null: none, for autoencoders. `target_is`: null takes text
    as classes and numbers as numbers, or what the kind of model needs. `categories` are columns of
    text that become a 0 or 1 for each value. `missing`: rows with missing cells (empty, ?, NA, nan and
    those of `missing_values`, such as -9999) are refused, dropped, or filled with the mean of training.
    """

    HAS_COLUMNS: ClassVar[bool] = True
    OWN_FILES: ClassVar[bool] = True
    PATH_KEYS: ClassVar[tuple[str, ...]] = ("path",)

    name: Literal["table"]
    path: str
    """The CSV file, or one of FITS, HDF5, MATLAB's or npz with an array for each column. Example: events.csv"""
    header: bool | None = None
    """Whether the first line names the columns; null: found out. Without names they are column_1 and so on."""
    features: ColumnNames | None = None
    """The columns that the network sees; null is all but the target. Example: [pt, eta, phi]"""
    target: ColumnNames | None = None
    """The column, or columns, that the network predicts; null: there are none, for autoencoders. Example: mass"""
    target_is: Literal["classes", "numbers"] | None = None
    """Whether the target holds class labels or numbers; null: text is a class label."""
    categories: CategoryColumns = Field({})
    """Features of text that become a 0 or 1 for each of their values. Example: [detector]"""
    missing: Literal["refuse", "drop", "mean"] = "refuse"
    """Rows with missing cells are refused, left out, or filled with the mean of the training samples."""
    missing_values: MissingValues = ()
    """Cells that stand for missing values, beside empty ones, ?, NA and nan. Example: [-999, -9999]"""
    signals: bool | None = None
    """Whether a row is a signal, (steps, 1), for layers such as Conv1D; null: as the first layer needs it."""

    weights: str | None = None
    """The column with the weight of each sample in the loss and in every metric, such as that of simulated
    events; null: all count alike. Example: weight
    """
    negative_weights: Literal["absolute"] | None = None
    """absolute: the loss takes |w| of negative weights, and metrics keep their sign; null refuses negative weights in
    training, whose loss has no lower bound. Example: absolute
    """

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)

    def for_model(self, requirements: DataRequirements) -> Self:
        signals = requirements.signals if self.signals is None else self.signals
        if requirements.targets == "classes" and not self.target:
            raise Refusal(("data", "target"), "this kind of model needs labels; name the column that holds them")
        if requirements.targets == "classes" and len(self.target or ()) > 1:
            raise Refusal(("data", "target"), "several targets are numbers; classes have one column")
        targets = self.target_is or (requirements.targets if self.target else None)
        return self.model_copy(update={"target_is": targets, "signals": signals})

    def resolved(self) -> Self:
        """Features and categories by their names, so that a run knows them when the file is gone."""
        with self.opened() as (_, header, rows):
            columns = _columns(Path(self.path), header, self)
            features = tuple(columns)[: len(columns) - len(self.target or ())]
            return self.model_copy(update={"features": features, "categories": self._categories(columns, rows)})

    def feature_names(self) -> tuple[str, ...]:
        return self.cells().feature_names()

    def weighted(self) -> bool:
        return self.weights is not None

    def takes_absolute_weights(self) -> bool:
        return self.negative_weights is not None

    def target_names(self) -> tuple[str, ...]:
        return self.target or ()

    def cells(self, layout: Layout | None = None) -> Cells:
        """How the columns of the features are read, here and in later files."""
        return Cells(self.features or (), self.categories, self.missing_values, layout or Layout())

    @contextmanager
    def opened(self) -> Iterator[tuple[Layout, list[str], Iterable[csvfile.Row]]]:
        """How the file is written, the names of its columns, and the rows of cells below."""
        path = Path(self.path)
        if column_files.is_table(path):
            yield Layout(), *column_files.rows(path)
            return
        layout = csvfile.find_layout(path)
        with csvfile.opened(path, layout) as rows:
            yield layout, *csv_table.header(path, layout, rows, self.header)

    def _categories(self, columns: dict[str, int], rows: Iterable[csvfile.Row]) -> dict[str, tuple[str, ...]]:
        for name in self.categories:
            if name not in columns or name in (self.target or ()):
                raise Refusal(("data", "categories"), f"{name} is no feature{suggestion(name, columns)}")
        unknown = [name for name, values in self.categories.items() if not values]
        categories: dict[str, set[str]] = {name: set() for name in unknown}
        for _, row in rows if unknown else ():
            for name in unknown:
                if columns[name] < len(row) and not self.cells().is_missing(row[columns[name]]):
                    categories[name].add(row[columns[name]])
        for name, values in categories.items():
            if len(values) > MOST_CATEGORIES:
                text = (
                    f"{name} has {len(values)} different values, at most {MOST_CATEGORIES} are categories; leave it out"
                )
                raise Refusal(("data", "categories"), text)
        return {name: values or tuple(sorted(categories[name])) for name, values in self.categories.items()}

    @field_validator("path")
    @classmethod
    def _wherever_the_run_is(cls, path: str) -> str:
        return absolute(path)

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Table:
        twice = [name for name, n in Counter((*(self.features or ()), *(self.target or ()))).items() if n > 1]
        if twice:
            raise ValueError(f"features and target name {', '.join(twice)} twice; name a column once")
        if self.weights is not None and self.weights in (*(self.features or ()), *(self.target or ())):
            raise ValueError(f"weights: {self.weights} is a feature or the target too; name a column once")
        if self.target_is and not self.target:
            raise ValueError(f"target_is: {self.target_is} needs a target; name its column")
        if self.target_is == "classes" and len(self.target or ()) > 1:
            raise ValueError("several targets are numbers; classes have one column")
        return self

    def describe(self) -> Description:
        """Read the whole file: its header has neither the number of samples nor the classes."""
        table = self.read()
        shape = (*table.x.shape[1:], 1) if self.signals else table.x.shape[1:]
        return Description(shape, table.classes, len(table.x), test_samples=None, target_shape=table.y.shape[1:])

    def load(self) -> Samples:
        table = self.read()
        x_units, losses = units.decide_with_losses(table.x.dtype, 2 if self.signals else 1, lambda: [_known(table.x)])
        names = self.feature_names() or [f"column {i + 1}" for i in range(table.x.shape[1])]
        x = x_units.converted(table.x)
        lost = [f"{Path(self.path).name}: {names[loss.feature[0]]} has {loss}" for loss in losses[:MOST_LOSSES]]
        return Samples(
            x[..., None] if self.signals else x, table.y, files=(checksum.record(Path(self.path)),), units=x_units,
            notes=(*table.notes, *lost), weights=table.weights, groups=table.groups,
        )  # fmt: skip

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        path = folder / "own.csv"
        rows = [f"{i},{i * i},{'odd' if i % 2 else 'even'}" for i in range(20)]
        path.write_text("\n".join(["number,square,kind", *rows]))
        return {"name": "table", "path": str(path), "target": "kind"}

    def read(self) -> Contents:
        """Read the table. Raises UserError for other files, missing columns and unusable cells."""
        path, targets = Path(self.path), self.target or ()
        with self.opened() as (layout, header, rows):
            columns = _columns(path, header, self)
            rows = iter(rows)
            first = next(rows, None)
            if first is None:
                raise UserError(f"{path}: no samples: there is nothing below the names of the columns")
            labels = _labels(path, self, columns, layout, *first)
            spec = (
                self
                if self.features
                else self.model_copy(update={"features": tuple(columns)[: len(columns) - len(targets)]})
            )
            beside = _beside(path, header, self)
            body = Body(path, spec.cells(layout), columns, targets, labels, self.missing, beside)
            x, y, dropped = body.read(chain([first], rows), len(header))
        for name, values in zip(targets, y.T, strict=True):
            if len(values) and (values == values[0]).all():
                raise UserError(f"{path}: the target {name} is the same in every row: there is nothing to learn")
        notes = self._notes(layout, header, columns, len(x), dropped)
        weights = np.array(beside.weights, np.float32) if self.weights else None
        groups = np.array(beside.groups, np.int64) if self.split_by() else None
        if labels is None:
            units.require_resolved(path, targets, y)
            return Contents(x, np.ascontiguousarray(y, np.float32), (), notes, weights, groups)
        require_few(str(path), targets[0], len(labels.names), len(x))
        rank = np.argsort(labels.order()).astype(np.int32)
        classes = tuple(labels.names[k] for k in labels.order())
        check_names(str(path), classes)
        return Contents(x, rank[y[:, -1].astype(int)], classes, notes, weights, groups)

    def _notes(
        self, layout: Layout, header: list[str], columns: dict[str, int], rows: int, dropped: int
    ) -> tuple[str, ...]:
        notes = [layout.note()] if layout.note() else []
        if dropped:
            notes.append(f"{dropped} of {rows + dropped} rows have missing cells and are left out")
        used = {*columns, self.weights, self.split_by()}
        if unused := [name for name in header if name not in used]:
            notes.append(f"{len(unused)} of {len(header)} columns are not used: {csv_table.listed(unused, 5)}")
        if column_files.is_table(Path(self.path)) and (others := column_files.left_out(Path(self.path))):
            notes.append(others)
        return tuple(f"{Path(self.path).name}: {note}" for note in notes)


def _known(x: np.ndarray) -> np.ndarray:
    """Without the rows that have missing cells."""
    return x[~np.isnan(x).any(axis=1)]


@dataclass(frozen=True)
class Contents:
    """x float64 (n, features), NaN where a cell is missing; y int32 labels (n,) of the classes, or float32 (n, targets)
    without classes. `notes` say how it was read."""

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    weights: np.ndarray | None = None  # float32 (n,)
    groups: np.ndarray | None = None  # int64 (n,)


def _columns(path: Path, header: list[str], dataset: Table) -> dict[str, int]:
    """The position in a row of each feature, followed by the targets."""
    targets = dataset.target or ()
    places = {name: i for i, name in reversed(list(enumerate(header)))}
    for name in (*(dataset.features or ()), *targets, *_named_beside(dataset)):
        if name not in places:
            lower = {column.lower(): column for column in header}
            near = difflib.get_close_matches(name.lower(), list(lower)[:MOST_COMPARED], n=1)
            hint = f"; did you mean {lower[near[0]]}?" if near else ""
            one = "; no comma, semicolon, tab or blank divides its lines" if len(header) == 1 else ""
            raise UserError(
                f"{path}: no column {csv_table.short(name)}{hint} (columns: {csv_table.listed(header)}){one}"
            )
    features = dataset.features or tuple(
        name for name in header if name not in targets and name not in _named_beside(dataset)
    )
    if "" in features:
        raise UserError(f"{path}: column {header.index('') + 1} has no name; name the ones to use in data.features")
    counts = Counter(header)
    twice = [name for name in (*features, *targets, *_named_beside(dataset)) if counts[name] > 1]
    if twice:
        raise UserError(f"{path}: {counts[twice[0]]} columns are called {csv_table.short(twice[0])}; rename one")
    if not features:
        raise UserError(f"{path}: the target {targets[0]} is its only column; add columns of features")
    return {name: places[name] for name in (*features, *targets)}


def _named_beside(dataset: Table) -> tuple[str, ...]:
    """The columns of weights and of groups."""
    return tuple(name for name in (dataset.weights, dataset.split_by()) if name is not None)


def _beside(path: Path, header: list[str], dataset: Table) -> Beside:
    weight, group = (name and (name, header.index(name)) for name in (dataset.weights, dataset.split_by()))
    return Beside(weight or None, group or None, array("d"), array("q"), {})


def _labels(
    path: Path, dataset: Table, columns: dict[str, int], layout: Layout, line: int, row: list[str]
) -> Labels | None:
    """None for a target of numbers: as the key says, else as the target in the first row is no text."""
    if dataset.target_is or dataset.target is None or len(dataset.target) != 1:
        return Labels(True, layout) if dataset.target_is == "classes" else None
    place = columns[dataset.target[0]]
    if place >= len(row):
        return None  # refused for its length
    if not row[place] and dataset.missing == "refuse":
        raise UserError(f"{path}:{line}: {dataset.target[0]}: the cell is empty; fill it, or leave out the row")
    return Labels(False, layout) if csvfile.parsed(layout.number(row[place])) is None else None
