"""Progress and outcome of a phase of training, and the protocol of what records them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from mlphys.errors import UserError
from mlphys.training.checkpoint import Checkpoint
from mlphys.training.early_stopping import Watch
from mlphys.training.plateau import Plateau


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `stopped` is "early_stopping", "epochs" or "target"."""

    weights: dict[str, np.ndarray]
    best_epoch: int
    stopped: str


class Diverged(UserError):
    """The loss is not finite; `outcome` has the last finite weights."""

    def __init__(self, text: str, outcome: Outcome):
        super().__init__(text)
        self.outcome = outcome


@dataclass(frozen=True)
class Progress:
    """State at the end of an epoch: current and best variables, and the number of rows of history."""

    epoch: int
    rows: int
    state: Mapping[str, np.ndarray]
    best: Mapping[str, np.ndarray]
    watch: Watch
    plateau: Plateau | None = None

    @classmethod
    def resumed(cls, start: Checkpoint) -> Self:
        state = {name: value for name, value in start.tensors.items() if not name.startswith("best/")}
        best = {name[5:]: value for name, value in start.tensors.items() if name.startswith("best/")}
        return cls(start.epoch, start.rows, state, best, start.watch, start.plateau)


class Recorder(Protocol):
    """Where training records history and checkpoints: a run directory, or memory in tests."""

    def row(self, row: Mapping[str, Any]) -> None: ...

    def checkpoint(self, checkpoint: Checkpoint) -> None: ...

    def snapshot(self, epoch: int, weights: Mapping[str, np.ndarray]) -> None: ...


def weights_of(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights among the variables of a checkpoint, by their names in the network."""
    return {name.removeprefix("weights/"): value for name, value in tensors.items() if name.startswith("weights/")}
