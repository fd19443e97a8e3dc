"""Who takes the steps of a phase: the fastest backend that knows all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from mlphys.networks.phases import Gradient, Plan
from mlphys.schema.data import Split
from mlphys.training.native_backend import NativeBackend
from mlphys.training.tensorflow_backend import TensorFlowBackend


class Backend(Protocol):
    """The steps of a phase. All that a step changes is kept from call to call; see Engine for what is asked of it."""

    name: ClassVar[str]

    @property
    def traces(self) -> int:
        """How often Python code was turned into a graph."""

    @staticmethod
    def refusal(plan: Plan, batch: int, accelerators: Sequence[str]) -> str | None:
        """What it does not know of a phase with batches of so many samples; None: it knows all of it."""

    def __init__(self, phase: Gradient, batch_size: int, samples: int, variables: Mapping[str, Any]):
        """`variables` are all that training changes, by the names that a checkpoint has for them."""

    def set_samples(self, split: Split) -> None:
        """Samples in memory, from which steps gather."""

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        """Set the order of the samples and the states of the random layers, and forget the sums."""

    def train(self, start: int, stop: int) -> np.ndarray:
        """Train on the batches start <= i < stop; the number of samples and the sums of the metrics so far."""

    def sync_network(self) -> None:
        """Copy the trained weights into Keras's variables."""

    def learning_rate(self) -> float:
        """Of the next step."""

    def state(self) -> dict[str, np.ndarray]:
        """A copy of all that training changes and an epoch's start does not set."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None: ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of all that a step changes, for the middle of an epoch."""

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None: ...


BACKENDS: tuple[type[Backend], ...] = (NativeBackend, TensorFlowBackend)  # the fastest first


@dataclass(frozen=True)
class Choice:
    """A backend, and why each faster one was not taken, by its name."""

    backend: type[Backend]
    refusals: Mapping[str, str]

    def __str__(self) -> str:
        reasons = "; ".join(self.refusals.values())
        return f"steps by {self.backend.name}" + (f": {reasons}" if reasons else "")


def choose(plan: Plan, samples: int, accelerators: Sequence[str] = ()) -> Choice:
    """The backend of a phase that is trained on so many samples; it depends on nothing that is measured."""
    refusals: dict[str, str] = {}
    for backend in BACKENDS:
        reason = backend.refusal(plan, batch_size(plan, samples), accelerators)
        if reason is None:
            return Choice(backend, refusals)
        refusals[backend.name] = reason
    raise AssertionError("the last backend knows every phase")


def batch_size(plan: Plan, samples: int) -> int:
    """How many samples a batch has, of so many."""
    seen = min(samples, plan.most_samples or samples)
    size = plan.settings.batch_size
    return seen if size == "all" else min(int(size), seen)
