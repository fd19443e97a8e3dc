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

from mlphys.config.experiment import MODELS
from mlphys.errors import UserError
from mlphys.io import atomic
from mlphys.io.run_files import STUDY
from mlphys.runs.run import Run
from mlphys.schema.document import dotted
from mlphys.schema.messages import suggestion
from mlphys.studies.points import best, main_metric, points
from mlphys.studies.study_file import Study
from mlphys.studies.where import Where

Row = dict[str, Any]
Progress = Callable[[int, int], None]  # read, of all that are new

VERSION = 1  # of the index; another one is rebuilt
FILES = ("config.yaml", "status.json", "metrics.json", "environment.json", "history.csv", STUDY)
COLUMNS = ("run", "kind", "dataset", "state", "epochs", "metric", "value", "stderr", "baseline", "seconds")
SPLITS = ("test", "validation", "train")
BASELINES = ("majority_accuracy", "pca_mse", "mean_target_mse", "mean_image_mse", "corruption_mse")


def index_file() -> Path:
    """`$XDG_CACHE_HOME/mlphys/runs.json`, by default under ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mlphys" / "runs.json"


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
    for number, key in enumerate(new, 1):
        known[key] = {"stamp": stamps[key], "row": _read(Path(key))}
        if progress:
            progress(number, len(new))
    if new and indexed:
        _keep(known)
    found = [{"run": str(folder), **known[str(folder.absolute())]["row"]} for folder in folders]
    for row in found:
        if row["state"] == "running" and not atomic.held(Path(row["run"])):
            row["state"] = "interrupted"
    return sorted(found, key=lambda row: str(row.get("started") or ""), reverse=True)


def selected(found: Sequence[Row], where: Where | None, sort: str | None, columns: Sequence[str]) -> list[Row]:
    """The rows that fulfil a condition, sorted by a key, with `-` before it downwards; rows without it come last.

    Raises UserError for a key that no row has.
    """
    named = [*(where.keys if where else ()), *([sort.removeprefix("-")] if sort else []), *columns]
    known = {key for row in found for key in row}
    for key in named if found else ():
        if key not in known:
            raise UserError(f"{key}: no run has this key{suggestion(key, sorted(known))}; --json shows all keys")
    kept = [row for row in found if where is None or where.holds(row)]
    if sort:
        key = sort.removeprefix("-")
        there = [row for row in kept if row.get(key) is not None]
        there.sort(key=lambda row: _sortable(row[key]), reverse=sort.startswith("-"))
        kept = there + [row for row in kept if row.get(key) is None]
    return kept


def as_csv(found: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().rstrip("\n")


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _folders(root: Path, members: bool) -> Iterable[Path]:
    """The folders of runs and studies: root/NAME/NUMBER and root/NUMBER."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; `mlphys train CONFIG` makes runs/")
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in [folder] if _is_one(folder) else sorted(folder.iterdir(), key=_by_number):
            if _is_one(path) and not path.is_symlink():
                yield path
                if members and (path / "members").is_dir():
                    yield from (each for each in sorted((path / "members").iterdir(), key=_by_number) if _is_one(each))


def _is_one(path: Path) -> bool:
    return os.path.lexists(path / "config.yaml") or os.path.lexists(path / STUDY)


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else 0, path.name)


def _stamp(folder: Path) -> list[list[int] | None]:
    """Times and sizes of the files that a row is read from."""
    found: list[list[int] | None] = []
    for name in FILES:
        try:
            facts = os.stat(folder / name, follow_symlinks=False)
            found.append([facts.st_mtime_ns, facts.st_size])
        except OSError:
            found.append(None)
    return found


def _index() -> dict[str, Any]:
    """What is known by path; nothing where the index is missing or damaged."""
    try:
        content = json.loads(index_file().read_bytes())
        known = content["runs"] if content["version"] == VERSION else {}
        return {key: entry for key, entry in known.items() if "state" in entry["row"] and "stamp" in entry}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


def _keep(known: dict[str, Any]) -> None:
    """Write the index, without runs that are gone; a cache folder that cannot be written is no error."""
    there = {key: entry for key, entry in known.items() if os.path.isdir(key)}
    with contextlib.suppress(UserError, OSError):
        index_file().parent.mkdir(parents=True, exist_ok=True)
        atomic.write(index_file(), json.dumps({"version": VERSION, "runs": there}, separators=(",", ":")))


def _read(folder: Path) -> Row:
    """The row of a run or a study; of a damaged one the reason."""
    try:
        return _study(folder) if os.path.lexists(folder / STUDY) else _run(Run(folder))
    except UserError as error:
        return {"name": folder.parent.name, "state": "damaged", "reason": str(error)}


def _run(run: Run) -> Row:
    config, status, metrics = run.document.data, run.status, run.metrics
    started = run.environment.get("started") if run.folder.has("environment.json") else None
    seconds = sum(float(row.get("seconds") or 0) for row in run.history)
    measured = {f"{split}.{name}": value for split, each in metrics.items() for name, value in each.items()}
    return {
        **_leaves(config, ()),
        **{key: value for key, value in measured.items() if isinstance(value, int | float)},
        "name": _text(config, "name"),
        "kind": _text(config, "model", "kind"),
        "dataset": _text(config, "data", "name"),
        "state": status["state"],
        "epochs": status["epochs"],
        "seconds": round(seconds, 1),
        "started": started,
        **_main(metrics, _text(config, "model", "kind")),
    }


def _study(folder: Path) -> Row:
    content = Study(folder).read()
    done = sum(record.state == "done" for record in content.members)
    row = {
        **_leaves(content.config, ()),
        "name": content.name,
        "kind": "study",
        "dataset": _text(content.config, "data", "name"),
        "state": f"{done} of {content.total} done",
        "members": content.total,
        "seconds": round(sum(record.seconds or 0 for record in content.members), 1),
        "started": None,
    }
    metric = main_metric(content)
    chosen = points(content)[0] if len(points(content)) == 1 else best(content) if content.search else None
    found = chosen.metric(*metric) if chosen and metric else None
    if metric and found:
        row |= {"metric": ".".join(metric), "value": found.mean, "stderr": found.stderr}
    return row


def _main(metrics: dict[str, Any], kind: str | None) -> Row:
    """The main metric of a kind of model, on test if that is measured, and its baseline."""
    measured = MODELS[kind].MEASURED if kind in MODELS else ()
    for split in SPLITS:
        numbers = metrics.get(split, {})
        name = next((name for name in measured if f"{name}_stderr" in numbers), None)
        if name:
            baseline = next((numbers[each] for each in BASELINES if numbers.get(each) is not None), None)
            return {
                "metric": f"{split}.{name}",
                "value": numbers.get(name),
                "stderr": numbers[f"{name}_stderr"],
                "baseline": baseline,
            }
    return {}


def _text(config: Any, *keys: str) -> str | None:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config if isinstance(config, str) else None


def _leaves(value: Any, path: tuple[str | int, ...]) -> Row:
    """The values of a config by their dotted keys; a list of values is one value."""
    if isinstance(value, dict):
        return {key: leaf for part, each in value.items() for key, leaf in _leaves(each, (*path, str(part))).items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {key: leaf for part, each in enumerate(value) for key, leaf in _leaves(each, (*path, part)).items()}
    return {dotted(path): value}
