"""A checkpoint: the complete training state in one file, except for the rows of history.csv."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mlphys.errors import UserError
from mlphys.io import atomic, checksum
from mlphys.io.history import History
from mlphys.training.early_stopping import Watch

ANOTHER_HISTORY = "history.csv has changed"
KEPT = 2  # the newest may be damaged


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of an epoch.

    `rows`: how many rows of history.csv belong to it; `watch`: the state of early stopping; `fingerprints`: hashes of
    config and data, and versions; `tensors`: the variables, those of the best epoch with the prefix "best/".
    """

    phase: str
    epoch: int
    rows: int
    watch: Watch
    fingerprints: dict[str, str]
    tensors: Mapping[str, np.ndarray]

    def require(self, expected: Mapping[str, np.ndarray]) -> None:
        """Raise Incomplete unless its arrays have the names, shapes and types of `expected`."""
        present, required = (
            {(name, value.shape, value.dtype) for name, value in tensors.items()}
            for tensors in (self.tensors, expected)
        )
        if present != required:
            name = min(present ^ required, key=str)[0]
            raise Incomplete(f"its checkpoint lacks what training needs ({name}); retrain it")


class Incomplete(UserError):
    """An undamaged checkpoint that lacks arrays which this training needs."""


class AnotherHistory(Exception):
    """history.csv does not begin with the rows of the checkpoint."""


def write(folder: Path, checkpoint: Checkpoint, history: History) -> Path:
    """Write the checkpoint, then remove all but the last KEPT. Raises UserError if it cannot be written."""
    facts = {
        "phase": checkpoint.phase,
        "epoch": checkpoint.epoch,
        "rows": checkpoint.rows,
        "history": history.seal(checkpoint.rows),
        "watch": checkpoint.watch.as_dict(),
        "fingerprints": checkpoint.fingerprints,
    }
    text = json.dumps(facts, allow_nan=False)
    tensors = {name: np.asarray(value, order="C") for name, value in checkpoint.tensors.items()}
    path = folder / f"{checkpoint.rows:06d}.safetensors"
    content = save(tensors, metadata={"checkpoint": text, "sha256": _digest(text, tensors)})
    try:
        atomic.make(folder)
    except OSError as error:
        raise atomic.unwritable(folder, error) from None
    atomic.write(path, content)
    _prune(folder)
    return path


def keep_up_to(folder: Path, rows: int) -> None:
    """Remove the checkpoints after `rows` rows of history, from which training resumes."""
    for path in _paths(folder):
        if int(path.stem) > rows:
            atomic.remove(path)
    _prune(folder)  # a killed process may have left old ones


def newest(folder: Path, history: History) -> tuple[Checkpoint | None, dict[Path, str]]:
    """The newest valid checkpoint whose rows are in `history`; and why newer ones are unusable, by path."""
    passed: dict[Path, str] = {}
    for path in reversed(_paths(folder)):
        try:
            return _read(path, history), passed
        except AnotherHistory:
            passed[path] = ANOTHER_HISTORY
        except (UserError, OSError, SafetensorError, KeyError, TypeError, ValueError):
            passed[path] = "damaged"
    return None, passed


def _prune(folder: Path) -> None:
    for old in _paths(folder)[:-KEPT]:
        atomic.remove(old)


def _paths(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob("*.safetensors") if path.stem.isdecimal()]
    return sorted(paths, key=lambda path: int(path.stem))


def _read(path: Path, history: History) -> Checkpoint:
    checksum.regular(path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if metadata["sha256"] != _digest(metadata["checkpoint"], tensors):
        raise ValueError("checksum")
    facts = json.loads(metadata["checkpoint"])
    sha256, watch = facts.pop("history"), Watch.from_dict(facts.pop("watch"))
    checkpoint = Checkpoint(**facts, watch=watch, tensors=tensors)
    if checkpoint.rows != int(path.stem):
        raise ValueError("renamed")
    if not history.begins_with(checkpoint.rows, sha256):
        raise AnotherHistory
    return checkpoint


def _digest(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()
