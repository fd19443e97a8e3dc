"""A checkpoint: everything that training needs to go on, in one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mlphys import checksum, files
from mlphys.errors import UserError

KEPT = 2  # the newest may be the one that a bad disk tore


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of an epoch.

    `history` are the rows of history.csv so far, `watch` what early stopping remembers,
    `fingerprints` tell the config and data it belongs to. `tensors` holds the variables, those
    of the best epoch under names that begin with "best/".
    """

    phase: str
    epoch: int
    history: list[dict[str, Any]]
    watch: dict[str, Any]
    fingerprints: dict[str, str]
    tensors: Mapping[str, np.ndarray]


FACTS = [field.name for field in fields(Checkpoint) if field.name != "tensors"]


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint, then drop all but the last KEPT. Raises UserError when it cannot be written."""
    facts = {name: getattr(checkpoint, name) for name in FACTS}
    text = json.dumps(facts, allow_nan=False)
    tensors = {name: np.asarray(value, order="C") for name, value in checkpoint.tensors.items()}
    path = folder / f"{len(checkpoint.history):06d}.safetensors"
    content = save(tensors, metadata={"checkpoint": text, "sha256": _digest(text, tensors)})
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from None
    files.write(path, content)
    for old in _paths(folder)[:-KEPT]:
        files.remove(old)
    return path


def keep_up_to(folder: Path, rows: int) -> None:
    """Drop the checkpoints of more than so many rows of history: training goes on from there anew."""
    for path in _paths(folder):
        if int(path.stem) > rows:
            files.remove(path)


def newest(folder: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The newest checkpoint that verifies, and the damaged ones that were passed over."""
    damaged = []
    for path in reversed(_paths(folder)):
        try:
            return _read(path), damaged
        except (UserError, OSError, SafetensorError, KeyError, TypeError, ValueError):
            damaged.append(path)
    return None, damaged


def _paths(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob("*.safetensors") if path.stem.isdecimal()]
    return sorted(paths, key=lambda path: int(path.stem))


def _read(path: Path) -> Checkpoint:
    checksum.regular(path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if metadata["sha256"] != _digest(metadata["checkpoint"], tensors):
        raise ValueError("checksum")
    return Checkpoint(**json.loads(metadata["checkpoint"]), tensors=tensors)


def _digest(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()
