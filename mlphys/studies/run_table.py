"""The table of all runs and studies, and the index in the user's cache folder that makes it fast."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_folder import STUDY
from mlphys.studies.where import Where

Row = dict[str, Any]
Progress = Callable[[int, int], None]  # read, of all that are new

VERSION = 1  # of the index; another one is rebuilt
FILES = ("config.yaml", "status.json", "metrics.json", "environment.json", "history.csv", STUDY)
COLUMNS = ("run", "kind", "dataset", "state", "epochs", "metric", "value", "stderr", "baseline", "seconds")


def index_file() -> Path | None:
    """`$XDG_CACHE_HOME/mlphys/runs.json`, by default under ~/.cache; None without a home folder."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return cache / "mlphys" / "runs.json" if cache.is_absolute() else None


def rows(
    root: Path, members: bool = False, progress: Progress | None = None, known: dict[str, Any] | None = None
) -> list[Row]:
    """A row for each run and study under `root`, newest first; with `members` those of studies too.

    What was read before and has not changed comes from the index, or from `known`, which is filled; then the index is
    left as it is.
    """
    indexed = known is None
    known = _index() if known is None else known
    folders = list(_folders(root, members))
    stamps = {str(folder.absolute()): _stamp(folder) for folder in folders}
    new = [key for key, stamp in stamps.items() if known.get(key, {}).get("stamp") != stamp]
    if new:
        from mlphys.studies import run_row  # and with it the config language, which takes a second

    for number, key in enumerate(new, 1):
        known[key] = {"stamp": stamps[key], "row": run_row.read(Path(key))}
        if progress:
            progress(number, len(new))
    if new and indexed:
        _keep(known)
    rows = [{"run": str(folder), **known[str(folder.absolute())]["row"]} for folder in folders]
    for row in rows:
        if row["state"] == "running" and not atomic.held(Path(row["run"])):
            row["state"] = "interrupted"
    return sorted(rows, key=lambda row: str(row.get("started") or ""), reverse=True)


def selected(rows: Sequence[Row], where: Where | None, sort: str | None, columns: Sequence[str]) -> list[Row]:
    """The rows that fulfil a condition, sorted by a key, with `-` before it downwards; rows without it come last.

    Raises UserError for a key that no row has.
    """
    named = [*(where.keys if where else ()), *([sort.removeprefix("-")] if sort else []), *columns]
    known = {key for row in rows for key in row}
    for key in named if rows else ():
        if key not in known:
            from mlphys.schema.suggestions import suggestion

            raise UserError(f"{key}: no run has this key{suggestion(key, sorted(known))}; --json shows all keys")
    matches = [row for row in rows if where is None or where.holds(row)]
    if sort:
        key = sort.removeprefix("-")
        with_key = [row for row in matches if row.get(key) is not None]
        with_key.sort(key=lambda row: _sortable(row[key]), reverse=sort.startswith("-"))
        matches = with_key + [row for row in matches if row.get(key) is None]
    return matches


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _folders(root: Path, members: bool) -> Iterable[Path]:
    """The folders of runs and studies: root/NAME/NUMBER and root/NUMBER."""
    if not os.path.isdir(root):
        raise UserError(f"{root}: no such folder; `mlphys train CONFIG` makes runs/")
    for folder in sorted(path for path in root.iterdir() if os.path.isdir(path) and not path.name.startswith(".")):
        for path in [folder] if _is_one(folder) else _inside(folder):
            if _is_one(path) and not path.is_symlink():
                yield path
                if members:
                    yield from (each for each in _inside(path / "members") if _is_one(each))


def _inside(folder: Path) -> list[Path]:
    """What is in a folder, by number; nothing in one that is none, or that is another user's."""
    try:
        return sorted(folder.iterdir(), key=_by_number)
    except OSError:
        return []


def _is_one(path: Path) -> bool:
    return os.path.lexists(path / "config.yaml") or os.path.lexists(path / STUDY)


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else 0, path.name)


def _stamp(folder: Path) -> list[list[int] | None]:
    """Times and sizes of the files that a row is read from; no numbers of devices, which the index may outlive."""
    stamps: list[list[int] | None] = []
    for name in FILES:
        try:
            facts = os.stat(f"{folder}/{name}", follow_symlinks=False)
            stamps.append([facts.st_mtime_ns, facts.st_size])
        except OSError:
            stamps.append(None)
    return stamps


def _index() -> dict[str, Any]:
    """What is known by path; nothing where the index is missing or damaged."""
    file = index_file()
    if file is None:
        return {}
    try:
        content = json.loads(file.read_bytes())
        known = content["runs"] if content["version"] == VERSION else {}
        return {key: entry for key, entry in known.items() if "state" in entry["row"] and "stamp" in entry}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


def _keep(known: dict[str, Any]) -> None:
    """Write the index, without runs that are gone; a cache folder that cannot be written is no error."""
    file = index_file()
    if file is None:
        return
    existing = {key: entry for key, entry in known.items() if os.path.isdir(key)}
    with contextlib.suppress(UserError, OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(file, json.dumps({"version": VERSION, "runs": existing}, separators=(",", ":")))
