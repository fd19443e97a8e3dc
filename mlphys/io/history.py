"""history.csv: one row per epoch, append-only."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_folder import RunFolder

MOST_EPOCHS = 200_000
MOST_COLUMNS = 512
MOST_QUANTITIES = 40  # each gets a panel in a picture
LONGEST_PHASE = 100
LARGEST_NUMBER = 1e100  # of a metric; a loss in float32 stays far below
BOOKKEEPING = {"phase", "epoch", "seconds", "learning_rate"}


def quantities(columns: Iterable[str]) -> list[str]:
    """The columns of metrics, without tracked quantities, whose names contain dots."""
    return [name for name in columns if name not in BOOKKEEPING and "." not in name]


def rows(text: str, where: str) -> list[dict[str, Any]]:
    """The rows of the file's content, numbers as numbers, None for what another phase measures.

    The row that a killed process left half written is none. Raises UserError for what no training writes.
    """
    lines = text.splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    try:
        columns, *cells = csv.reader(whole) if whole else [[]]
    except csv.Error as error:
        raise _damaged(where, str(error)) from None
    if len(cells) > MOST_EPOCHS:
        raise _damaged(where, f"{len(cells)} rows, expected at most {MOST_EPOCHS}")
    if not {"phase", "epoch", "loss"} <= {*columns} or len({*columns}) < len(columns):
        raise _damaged(where, "its first line must name phase, epoch, loss and each column once")
    if len(columns) > MOST_COLUMNS or len(quantities(columns)) > MOST_QUANTITIES:
        raise _damaged(where, f"{len(columns)} columns, more than a training writes")
    return [_row(columns, row, f"{where}:{line}") for line, row in enumerate(cells, start=2)]


def _row(columns: Sequence[str], cells: Sequence[str], where: str) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise _damaged(where, f"{len(cells)} values for {len(columns)} columns")
    row = {name: _value(name, cell, where) for name, cell in zip(columns, cells, strict=True)}
    if not row["phase"] or len(row["phase"]) > LONGEST_PHASE or not 1 <= (row["epoch"] or 0) <= MOST_EPOCHS:
        raise _damaged(where, f"expected a phase and an epoch from 1 to {MOST_EPOCHS}")
    return row


def _value(name: str, cell: str, where: str) -> Any:
    if name == "phase":
        return cell
    if not cell:
        return None
    try:
        value = int(cell) if name == "epoch" else float(cell)
    except ValueError:
        raise _damaged(where, f"{name} is no number") from None
    if abs(value) <= LARGEST_NUMBER:
        return value
    if "." in name:  # a norm of a layer that overflowed
        return None
    raise _damaged(where, f"{name} is not finite, or beyond {LARGEST_NUMBER:g}")


def _damaged(where: str, why: str) -> UserError:
    return UserError(f"{where}: damaged: {why}; retrain the experiment")


class History:
    """The history.csv of a run. The first row sets the columns."""

    def __init__(self, path: Path):
        self.path = path
        self._folder = RunFolder(path.parent)
        self._columns: list[str] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row. Raises UserError if that fails, possibly leaving part of the row."""
        new = not self._columns
        columns = self._columns or list(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
        self._folder.append(self.path.name, text.getvalue().encode(), new)
        self._columns = columns

    def seal(self, rows: int) -> str:
        """Make the rows durable (fsync); return the SHA-256 of the header and the first `rows` rows."""
        with self._folder.opened(self.path.name) as file:
            try:
                os.fsync(file.fileno())
            except OSError as error:
                raise atomic.unwritable(self.path, error) from None
        head = self._head(rows)
        if head is None:
            raise UserError(f"{self.path}: another program changed it while the run was trained; retrain it")
        return hashlib.sha256(head).hexdigest()

    def begins_with(self, rows: int, sha256: str) -> bool:
        """Whether the header and the first rows have this SHA-256."""
        try:
            head = self._head(rows)
        except UserError:
            return False
        return head is not None and hashlib.sha256(head).hexdigest() == sha256

    def cut(self, rows: int) -> None:
        """Truncate the file to the first `rows` rows, which must exist. Raises UserError if that is not permitted."""
        if not rows:
            self._folder.remove(self.path.name)
            return
        head = self._head(rows) or b""
        self._folder.truncate(self.path.name, len(head))
        self._columns = next(csv.reader(head.decode().splitlines()))

    def _head(self, rows: int) -> bytes | None:
        """The bytes of the header and the first `rows` rows; None if there are fewer complete rows."""
        with self._folder.opened(self.path.name) as file:
            try:
                lines = list(islice(file, rows + 1))
            except OSError as error:
                raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        return b"".join(lines) if len(lines) == rows + 1 and lines[-1].endswith(b"\n") else None
