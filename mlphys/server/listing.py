"""The runs and studies of a folder, each by an identifier that is no path."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from mlphys.studies import run_table
from mlphys.studies.run_table import Row


class Listing:
    """What is under `root`. A request names a run by its identifier only, so none can reach another file."""

    def __init__(self, root: Path):
        self.root = root
        self._known: dict[str, Any] = {}
        self._paths: dict[str, Path] = {}
        self._lock = threading.Lock()

    def rows(self) -> list[Row]:
        """Those of `mlphys runs`, newest first, with `id` and `title`. Raises UserError where the folder is gone."""
        with self._lock:
            rows = run_table.rows(self.root, known=self._known)
            for row in rows:
                path = Path(row["run"])
                row["title"] = str(path.relative_to(self.root))
                row["id"] = hashlib.sha256(row["title"].encode("utf-8", "surrogateescape")).hexdigest()[:16]
                self._paths[row["id"]] = path
            return rows

    def path(self, identifier: str) -> Path | None:
        """The folder of a run or a study; None where no such one is listed."""
        if identifier not in self._paths:
            self.rows()
        return self._paths.get(identifier)
