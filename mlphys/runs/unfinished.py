"""What can be measured of a run whose training was interrupted: the weights of its newest checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlphys.io.history import History
from mlphys.schema.fields import Shape
from mlphys.training import checkpoint as checkpoints

BEST, WEIGHTS = "best/", "weights/"


@dataclass(frozen=True)
class Unfinished:
    """The net's weights of the best epoch, with early stopping, or of the last one that was saved."""

    epoch: int
    best: bool
    weights: Mapping[str, np.ndarray]


def newest(path: Path, shapes: Mapping[str, Shape]) -> Unfinished | None:
    """What the newest valid checkpoint of a run holds; None where it lacks some of the weights."""
    checkpoint, _ = checkpoints.newest(path / "checkpoints", History(path / "history.csv"))
    if checkpoint is None:
        return None
    best = checkpoint.watch.best_epoch > 0 and any(name.startswith(BEST) for name in checkpoint.tensors)
    prefix = f"{BEST}{WEIGHTS}" if best else WEIGHTS
    arrays = {name: value for name, value in checkpoint.tensors.items() if name.startswith(prefix)}
    weights = {name.removeprefix(prefix): value for name, value in arrays.items()}
    fits = {name: value.shape for name, value in weights.items()} == dict(shapes)
    finite = all(np.isfinite(value).all() for value in weights.values())
    if not fits or not finite:
        return None
    return Unfinished(checkpoint.watch.best_epoch if best else checkpoint.epoch, best, weights)
