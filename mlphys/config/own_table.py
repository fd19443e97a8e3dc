"""What the columns of a table of the user's are good for, judged by their names and cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.config.commented import Because, Instead
from mlphys.config.experiment import DATASETS
from mlphys.data.labels import FEW
from mlphys.errors import UserError
from mlphys.io import column_files, csvfile
from mlphys.io.csv_table import Cells
from mlphys.schema.suggestions import suggestion

LOOKED_AT = 20_000  # rows
MOST_CATEGORIES = 20  # values of a column of text that become features
RARE = 0.05  # the share of rows with missing cells up to which they are left out
REPEATED = 5  # samples for each whole number, from which on numbers are labels
TARGETS = (
    "target", "targets", "label", "labels", "class", "classes", "category", "y", "signal", "is_signal", "truth",
    "species", "outcome", "diagnosis", "kind", "type",
)  # fmt: skip
WEIGHTS = ("weight", "weights", "event_weight", "eventweight", "sample_weight", "genweight", "mc_weight", "mcweight")
GROUPS = ("run", "run_number", "runnumber", "group", "patient", "subject", "session", "experiment")
TIMES = ("time", "date", "timestamp", "datetime", "mjd", "jd")
NUMBERS = ("", "id", "index", "no", "nr", "number", "row", "event", "event_number", "eventnumber", "unnamed: 0")
STANDINS = (-999.0, -9999.0, -99.0, 999.0, 9999.0, -99999.0, -999.25)


@dataclass(frozen=True)
class Column:
    """The cells of a column: numbers (NaN where one is missing or text), and the different texts."""

    name: str
    numbers: np.ndarray
    texts: frozenset[str]
    missing: np.ndarray  # bool (n,)

    @property
    def is_text(self) -> bool:
        return bool(self.texts)

    @property
    def different(self) -> int:
        return len(self.texts) or len(np.unique(self.numbers[~self.missing]))

    @property
    def is_whole(self) -> bool:
        known = self.numbers[~self.missing]
        return not self.is_text and bool((known == known.round()).all())

    def is_label(self) -> bool:
        """Whether it holds labels: text, or few whole numbers that repeat."""
        repeated = REPEATED * self.different <= len(self.numbers)
        return self.is_text or (self.is_whole and self.different <= FEW and repeated)

    def counts_rows(self) -> bool:
        """Whether it only numbers the rows, or identifies them."""
        if self.is_text:
            return self.different > max(MOST_CATEGORIES, len(self.numbers) // 2)
        known = self.numbers[~self.missing]
        return self.is_whole and self.different == len(known) and bool((np.diff(known) == 1).all())

    def stand_ins(self) -> list[float]:
        """Numbers such as -9999 that stand for missing values: repeated, and far outside of the others."""
        missing_values = []
        for value in STANDINS:
            those = self.numbers == value
            others = self.numbers[~those & ~self.missing]
            if those.sum() < 2 or len(others) < 2:
                continue
            middle, reach = float(np.median(others)), float(others.max() - others.min())
            if abs(value - middle) > 2 * max(reach, 1e-9):
                missing_values.append(value)
        return missing_values


def keys(path: str, targets: Sequence[str], needs_target: bool) -> dict[str, Any]:
    """The block `data` for a table. Raises UserError for an unknown target, or where all columns are left out."""
    header = _header(path)
    names, columns, rows = _read(path, header)
    if "" in names:
        raise UserError(f"{path}: column {names.index('') + 1} has no name; name it in the file's first line")
    for name in targets:
        if name not in columns:
            raise UserError(f"{path}: no column {name}{suggestion(name, names)} (columns: {', '.join(names[:20])})")
    weight = next((name for name in names if name.lower() in WEIGHTS and name not in targets), None)
    target, why = (list(targets), "") if targets else _target(columns, weight, needs_target)
    block: dict[str, Any] = {"name": "table", "path": Because(path, f"{rows} rows, {len(names)} columns")}
    if header is False:
        block["header"] = Because(False, "the first line has numbers only, and is taken for a sample")
    left_out = {
        name: reason
        for name, column in columns.items()
        if name not in target and name != weight and (reason := _why_left_out(column))
    }
    if weight and not needs_target:
        left_out[weight] = "is the weight of a row"
    features = [name for name in names if name not in (*target, weight, *left_out)]
    if not features:
        only = f"; {', '.join(target)} is the target" if target else ""
        raise UserError(f"{path}: no column is left for features: {_reasons(left_out)}{only}".replace(": ;", ":"))
    if left_out:
        block["features"] = Because(features, f"left out: {_reasons(left_out)}")
    if target:
        block["target"] = Because(target if len(target) > 1 else target[0], why or "as you said")
    if weight and needs_target:
        block["weights"] = Because(weight, "the column with the weight of each sample in loss and metrics")
        if (columns[weight].numbers < 0).any():
            block["negative_weights"] = Because("absolute", "the loss takes |w|; metrics keep the signs")
    categories = [name for name in features if columns[name].is_text]
    if categories:
        block["categories"] = Because(categories, "columns of text: a 0 or 1 for each of their values")
    block |= _missing([columns[name] for name in features], [columns[name] for name in target])
    return block | _splits(names)


def column(path: str, name: str) -> Column:
    """A column of a table."""
    return _read(path, _header(path))[1][name]


def _header(path: str) -> bool | None:
    """False where the first line may be a sample; None: found out."""
    return False if not column_files.is_table(Path(path)) and csvfile.find_layout(Path(path)).ambiguous else None


def _read(path: str, header: bool | None) -> tuple[list[str], dict[str, Column], int]:
    table: Any = DATASETS["table"].model_validate({"name": "table", "path": path, "header": header})
    with table.opened() as (layout, names, rows):
        some = list(islice((row for _, row in rows if len(row) == len(names)), LOOKED_AT))
        more = sum(1 for _ in rows)
    if not some:
        raise UserError(f"{path}: no samples: there is nothing below the names of the columns")
    cells = Cells((), layout=layout)
    columns = {name: _column(name, [row[i] for row in some], cells) for i, name in enumerate(names)}
    return names, columns, len(some) + more


def _column(name: str, texts: Sequence[str], cells: Cells) -> Column:
    numbers, missing, different = [], [], set()
    for text in texts:
        missing.append(cells.is_missing(text))
        value = None if missing[-1] else csvfile.parsed(cells.layout.number(text))
        numbers.append(math.nan if value is None else value)
        if value is None and not missing[-1]:
            different.add(text)
    if different:  # some of the labels may be written as numbers
        different |= {text for text, is_missing in zip(texts, missing, strict=True) if not is_missing}
    return Column(name, np.array(numbers), frozenset(different), np.array(missing))


def _target(columns: dict[str, Column], weight: str | None, needed: bool) -> tuple[list[str], str]:
    """The columns that look like the target, and why."""
    names = [name for name in columns if name != weight]
    for target in TARGETS:
        for name in names:
            if name.lower() == target and (needed or columns[name].is_label()):
                return [name], "the column of that name; --target names another"
    if not needed:
        return [], ""
    numbered = [name for name in names if name.lower().startswith(("target_", "y_"))]
    if numbered:
        return numbered, "the columns of such names; --target names others"
    return [names[-1]], "the last column; --target names another"


def _why_left_out(column: Column) -> str:
    if column.different <= 1:
        return "is the same in every row"
    if column.name.lower() in NUMBERS and column.counts_rows():
        return "numbers the rows"
    if column.is_text and column.counts_rows():
        return "is another text in most rows"
    if column.is_text and column.different > MOST_CATEGORIES:
        return f"has {column.different} different texts"
    return ""


def _reasons(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name} {why}" for name, why in left_out.items())


def _missing(features: Sequence[Column], targets: Sequence[Column]) -> dict[str, Any]:
    """What is done with missing cells."""
    block: dict[str, Any] = {}
    stand_ins = sorted({value for column in features for value in column.stand_ins()})
    mask = np.any([column.missing | np.isin(column.numbers, stand_ins) for column in features], axis=0)
    without_target = np.any([column.missing for column in targets], axis=0) if targets else np.zeros(1, bool)
    if without_target.any():
        block["missing"] = Because("drop", f"{int(without_target.sum())} rows have no target: nothing to learn from")
    elif mask.any():
        share = f"{int(mask.sum())} of {len(mask)} rows have missing cells"
        drop = mask.mean() <= RARE
        block["missing"] = Because(
            "drop" if drop else "mean",
            f"{share}: few, left out" if drop else f"{share}: too many to leave out; filled with the mean of training",
        )
    if stand_ins:
        written = [int(value) if value == int(value) else value for value in stand_ins]
        block["missing_values"] = Because(written, "far outside of all others, and repeated: no measured values")
    return block


def _splits(names: Sequence[str]) -> dict[str, Any]:
    """How the splits may have to be drawn instead."""
    group = next((name for name in names if name.lower() in GROUPS), None)
    if group:
        return {"split": Instead({"by": group}, f"keeps rows with the same {group} together in one split")}
    time = next((name for name in names if name.lower() in TIMES), None)
    return {"split": Instead("in_order", f"tests on later {time} than it was trained on")} if time else {}
