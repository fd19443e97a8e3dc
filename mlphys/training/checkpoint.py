"""A checkpoint: the complete training state in one file, except for the rows of history.csv."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mlphys.errors import UserError
from mlphys.io.history import History
from mlphys.io.run_folder import RunFolder
from mlphys.schema.fields import Shape, Whole
from mlphys.training.early_stopping import Watch
from mlphys.training.plateau import Plateau

ANOTHER_HISTORY = "history.csv has changed"
LONGEST_NAME = 200  # characters of a phase, a version, a sha256
KEPT = 2  # the newest may be damaged


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of an epoch.

    `rows`: how many rows of history.csv belong to it; `watch`: the state of early stopping; `plateau`: that of
    reduce_lr_on_plateau; `fingerprints`: hashes of config and data, and versions; `tensors`: the variables, those of
    the best epoch with the prefix "best/".
    """

    phase: str
    epoch: int
    rows: int
    watch: Watch
    fingerprints: dict[str, str]
    tensors: Mapping[str, np.ndarray]
    plateau: Plateau | None = None

    def weight_shapes(self) -> dict[str, Shape]:
        start = "weights/"
        return {name.removeprefix(start): v.shape for name, v in self.tensors.items() if name.startswith(start)}

    def require(self, expected: Mapping[str, np.ndarray]) -> None:
        """Raise Incomplete unless its arrays have the names, shapes and types of `expected`."""
        present, required = (
            {(name, value.shape, value.dtype) for name, value in tensors.items()}
            for tensors in (self.tensors, expected)
        )
        if present != required:
            name = min(present ^ required, key=str)[0]
            raise Incomplete(f"its checkpoint lacks what training needs ({name}); retrain it")


class WatchFacts(BaseModel):
    """What a checkpoint's file holds of early stopping."""

    model_config = ConfigDict(extra="forbid", strict=True)
    best: FiniteFloat | None
    best_epoch: Whole
    waited: Whole
    reached: bool


class PlateauFacts(BaseModel):
    """What a checkpoint's file holds of the reduction of the learning rate."""

    model_config = ConfigDict(extra="forbid", strict=True)
    best: FiniteFloat | None
    waited: Whole


class CheckpointFacts(BaseModel):
    """What a checkpoint's file holds beside the arrays."""

    model_config = ConfigDict(extra="forbid", strict=True)
    phase: Annotated[str, Field(max_length=LONGEST_NAME)]
    epoch: Whole
    rows: Whole
    history: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    watch: WatchFacts
    plateau: PlateauFacts | None = None  # only with reduce_lr_on_plateau
    fingerprints: Annotated[dict[str, Annotated[str, Field(max_length=LONGEST_NAME)]], Field(max_length=100)]


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
    if checkpoint.plateau is not None:
        facts["plateau"] = checkpoint.plateau.as_dict()
    text = json.dumps(facts, allow_nan=False)
    tensors = {name: np.asarray(value, order="C") for name, value in checkpoint.tensors.items()}
    path = folder / f"{checkpoint.rows:06d}.safetensors"
    content = save(tensors, metadata={"checkpoint": text, "sha256": _digest(text, tensors)})
    run = RunFolder(folder.parent)
    run.make(folder.name)
    run.write(f"{folder.name}/{path.name}", content)
    _prune(folder)
    return path


def keep_up_to(folder: Path, rows: int) -> None:
    """Remove the checkpoints after `rows` rows of history, from which training resumes."""
    for path in _paths(folder):
        if int(path.stem) > rows:
            _remove(path)
    _prune(folder)  # a killed process may have left old ones


def newest(folder: Path, history: History) -> tuple[Checkpoint | None, dict[Path, str]]:
    """The newest valid checkpoint whose rows are in `history`; and why newer ones are unusable, by path."""
    passed: dict[Path, str] = {}
    for path in reversed(_paths(folder)):
        try:
            return _read(path, history), passed
        except AnotherHistory:
            passed[path] = ANOTHER_HISTORY
        except (UserError, SafetensorError, KeyError, TypeError, ValueError, RecursionError):
            passed[path] = "damaged"
    return None, passed


def _prune(folder: Path) -> None:
    for old in _paths(folder)[:-KEPT]:
        _remove(old)


def _remove(path: Path) -> None:
    RunFolder(path.parent.parent).remove(f"{path.parent.name}/{path.name}")


def _paths(folder: Path) -> list[Path]:
    names = RunFolder(folder.parent).names(folder.name)
    paths = [folder / name for name in names if re.fullmatch(r"[0-9]{1,9}\.safetensors", name)]
    return sorted(paths, key=lambda path: int(path.stem))


def _read(path: Path, history: History) -> Checkpoint:
    content = RunFolder(path.parent.parent).read(f"{path.parent.name}/{path.name}")
    tensors = load(content)
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    metadata = json.loads(header)["__metadata__"]
    if metadata["sha256"] != _digest(metadata["checkpoint"], tensors):
        raise ValueError("checksum")
    facts = CheckpointFacts.model_validate_json(metadata["checkpoint"])
    if facts.rows != int(path.stem):
        raise ValueError("renamed")
    if not history.begins_with(facts.rows, facts.history):
        raise AnotherHistory
    watch = Watch.from_dict(facts.watch.model_dump())
    plateau = Plateau.from_dict(facts.plateau.model_dump()) if facts.plateau else None
    return Checkpoint(facts.phase, facts.epoch, facts.rows, watch, facts.fingerprints, tensors, plateau)


def _digest(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()
