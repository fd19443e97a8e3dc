"""The protocol of training backends, and the choice of one for a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from mlphys.networks.phases import Gradient, Plan
from mlphys.schema.samples import Split
from mlphys.training.native_backend import NativeBackend
from mlphys.training.tensorflow_backend import TensorFlowBackend


class Measured(Protocol):
    """A split whose metrics can be measured again and again."""

    def means(self) -> dict[str, float]:
        """The mean of each metric with the current weights."""


class Backend(Protocol):
    """Training steps of a phase. State persists between calls; Engine documents the order of calls."""

    name: ClassVar[str]

    @property
    def traces(self) -> int:
        """Number of times that Python code was traced into a graph."""

    @staticmethod
    def refusal(plan: Plan, batch: int, accelerators: Sequence[str]) -> str | None:
        """Why this backend cannot train a phase with batches of `batch` samples; None if it can."""

    def __init__(self, phase: Gradient, batch_size: int, samples: int, variables: Mapping[str, Any]):
        """`variables`: everything that training changes, by its name in a checkpoint."""

    def set_samples(self, split: Split) -> None:
        """Set the samples in memory from which batches are gathered."""

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        """Start an epoch: set the order of the samples and the states of the random layers, reset the sums."""

    def train(self, start: int, stop: int) -> np.ndarray:
        """Train on the batches start <= i < stop; return count and metric sums of the epoch so far."""

    def measurement(self, split: Split) -> Measured | None:
        """The metrics of a split with the current weights; None: Keras's layers compute them after `sync_network`."""

    def sync_network(self) -> None:
        """Copy the trained weights into Keras's variables."""

    def learning_rate(self) -> float:
        """The learning rate of the last step."""

    def state(self) -> dict[str, np.ndarray]:
        """A copy of the state that persists between epochs."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None: ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of everything that a step changes, for rewinding within an epoch."""

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None: ...


BACKENDS: tuple[type[Backend], ...] = (NativeBackend, TensorFlowBackend)  # fastest first


@dataclass(frozen=True)
class Choice:
    """The chosen backend, and why each faster one cannot train the phase."""

    backend: type[Backend]
    refusals: Mapping[str, str]

    def __str__(self) -> str:
        reasons = "; ".join(self.refusals.values())
        return f"steps by {self.backend.name}" + (f": {reasons}" if reasons else "")


def choose(plan: Plan, samples: int, accelerators: Sequence[str] = ()) -> Choice:
    """The fastest backend that can train a phase on `samples` samples, without any measurement of speed."""
    refusals: dict[str, str] = {}
    for backend in BACKENDS:
        reason = backend.refusal(plan, batch_size(plan, samples), accelerators)
        if reason is None:
            return Choice(backend, refusals)
        refusals[backend.name] = reason
    raise AssertionError("the last backend accepts every phase")


def batch_size(plan: Plan, samples: int) -> int:
    """The batch size of a phase that is trained on `samples` samples."""
    available = min(samples, plan.most_samples or samples)
    size = plan.settings.batch_size
    return available if size == "all" else min(int(size), available)
