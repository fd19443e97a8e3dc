"""history.csv: a row for each epoch, appended and never changed."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mlphys.errors import UserError
from mlphys.io import atomic, checksum

BOOKKEEPING = {"phase", "epoch", "seconds", "learning_rate"}


def quantities(columns: Iterable[str]) -> list[str]:
    """The measured columns. What is tracked of layers and weights is none: their names, and only theirs, hold dots."""
    return [name for name in columns if name not in BOOKKEEPING and "." not in name]


class History:
    """The file of one run. The first row sets the columns."""

    def __init__(self, path: Path):
        self.path = path
        self._columns: list[str] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """Raises UserError when it cannot be written; then a part of the row may stand at the end."""
        new = not self._columns
        columns = self._columns or list(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
        try:
            with self.path.open("wb" if new else "ab") as file:
                file.write(text.getvalue().encode())
            if new:
                atomic.sync_folder(self.path.parent)
        except OSError as error:
            raise atomic.unwritable(self.path, error) from None
        self._columns = columns

    def seal(self, rows: int) -> str:
        """Make the rows outlast a power cut; the sha256 of the first so many, header included."""
        try:
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            head = self._head(rows)
        except OSError as error:
            raise atomic.unwritable(self.path, error) from None
        if head is None:
            raise UserError(f"{self.path}: another program changed it while the run was trained; retrain it")
        return hashlib.sha256(head).hexdigest()

    def begins_with(self, rows: int, sha256: str) -> bool:
        """Whether its first rows are those that were sealed."""
        try:
            checksum.regular(self.path)
            head = self._head(rows)
        except (UserError, OSError):
            return False
        return head is not None and hashlib.sha256(head).hexdigest() == sha256

    def cut(self, rows: int) -> None:
        """Drop all rows behind the first so many, which must be there. Raises UserError when that is not allowed."""
        if not rows:
            atomic.remove(self.path)
            return
        try:
            head = self._head(rows) or b""
            with self.path.open("r+b") as file:
                file.truncate(len(head))
        except OSError as error:
            raise atomic.unwritable(self.path, error) from None
        self._columns = next(csv.reader(head.decode().splitlines()))

    def _head(self, rows: int) -> bytes | None:
        """The header and so many rows; None where there are fewer whole ones."""
        with self.path.open("rb") as file:
            lines = list(islice(file, rows + 1))
        return b"".join(lines) if len(lines) == rows + 1 and lines[-1].endswith(b"\n") else None
