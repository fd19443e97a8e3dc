"""Training of one phase: its samples, in memory or block by block, and its backend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.networks import keras_internals
from mlphys.networks.compiled import Measurement, Pass, metric_means, traversed
from mlphys.networks.phases import Gradient
from mlphys.networks.tensorflow import accelerators
from mlphys.numerics import chunked
from mlphys.schema.samples import Split
from mlphys.training.backend import Backend, Measured, batch_size, choose
from mlphys.training.prefetch import Blocks, Change
from mlphys.training.tracking import Tracker


class Engine:
    """One phase: a chunk of an epoch is one call of compiled code.

    `train` are the samples of every epoch, unless `start_epoch` gives others. State persists between calls, so the
    division of an epoch into chunks changes no bit of the result.

    Samples in memory are gathered inside the call. Lazy arrays, and samples that change every epoch, come in blocks:
    they are copied into a buffer of constant shape, from which the same call gathers; the next block is prefetched.
    """

    def __init__(self, phase: Gradient, train: Split):
        steps = phase.settings.steps_per_epoch
        self.batch_size = batch_size(phase.plan, len(train))
        self.samples = steps * self.batch_size if steps else len(train)
        self.batches = math.ceil(self.samples / self.batch_size)
        self._phase = phase
        self._train = train
        self._held: Split | None = None
        self._order = np.arange(self.samples, dtype=np.int32)
        self._blocks: Blocks | None = None
        self._tracker = Tracker(phase)
        self._sums = np.zeros(1 + len(phase.metrics) + len(self._tracker.names))
        phase.optimizer.build(list(phase.trained))
        backend = choose(phase.plan, len(train), accelerators()).backend
        self._steps = backend(phase, self.batch_size, self.samples, self._variables())

    @property
    def traces(self) -> int:
        return self._steps.traces

    def start_epoch(
        self,
        order: np.ndarray,
        seeds: Mapping[str, np.ndarray],
        train: Split | None = None,
        change: Change | None = None,
    ) -> None:
        """Start an epoch: set the order of the samples and the states of the random layers, reset the sums.

        `change(block, number)` transforms the samples of each block, in their order, into the network's inputs.
        """
        fed = self._train if train is None else train
        if change or isinstance(fed.x, chunked.LazyArray):
            self._blocks = Blocks(fed, order, change, self.batch_size)
            order = np.arange(self.samples) % self._blocks.samples
        elif train is not None or self._held is None:
            self._set_samples(fed)
        self._order = order.astype(np.int32)
        self._steps.begin(self._order, seeds)

    def train(self, start: int, stop: int) -> dict[str, float]:
        """Train on the batches start <= i < stop; return the means of the metrics of the epoch so far.

        The batches of an epoch must be trained in order.
        """
        while True:
            end = stop
            if self._blocks:
                self._load_block(start)
                end = min(stop, self._blocks.end(start))
            self._sums = self._steps.train(start, end)
            if end == stop:
                return metric_means(self._phase.metrics, self._sums)
            start = end

    def sync_network(self) -> None:
        """Copy the trained weights into the Keras variables."""
        self._steps.sync_network()

    def measurement(self, split: Split) -> Measured:
        """The metrics of a split with the current weights, as `means` of what this returns."""
        return self._steps.measurement(split) or _KerasMeasured(self._steps, Measurement(self._phase, split))

    def tracked(self) -> dict[str, float | None]:
        """The tracked quantities of each layer, means over the epoch so far."""
        sums = self._sums
        return self._tracker.means(sums[1 + len(self._phase.metrics) :], sums[0], self.batches)

    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return self._steps.learning_rate()

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the next steps, of an optimizer without a schedule; the rest of the state keeps its bits."""
        variable = keras_internals.learning_rate(self._phase.optimizer)
        [name] = [name for name, other in self._variables().items() if other is variable]
        self.restore({**self.state(), name: np.asarray(rate, np.float32)})

    def state(self) -> dict[str, np.ndarray]:
        """A copy of the state that persists between epochs."""
        return self._steps.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._steps.restore(state)

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of everything that a step changes, for rewinding within an epoch."""
        return self._steps.snapshot()

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._steps.restore_snapshot(snapshot)

    def traversed(self, step: int) -> Pass:
        """Evaluate the samples of a step with the current weights."""
        self._load_block(step)
        assert self._held
        rows = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        self.sync_network()
        return traversed(self._phase.network, self._phase.cost, self._held.at(rows), True, self._phase.trained)

    def _load_block(self, batch: int) -> None:
        """Load the block that contains a batch, if samples come in blocks."""
        if self._blocks and (block := self._blocks.holding(batch)) is not None:
            self._set_samples(block)

    def _set_samples(self, split: Split) -> None:
        """Set the samples in memory from which batches are gathered."""
        self._held = split
        self._steps.set_samples(split)

    def _variables(self) -> dict[str, Any]:
        weights = {f"weights/{name}": variable for name, variable in self._phase.network.weights.items()}
        slots = {f"optimizer/{i}": variable for i, variable in enumerate(self._phase.optimizer.variables)}
        others = {f"state/{name}": variable for name, variable in self._phase.network.state.items()}
        return weights | slots | others


@dataclass(frozen=True)
class _KerasMeasured:
    """The metrics of a split, computed by Keras's layers with the current weights of a backend."""

    steps: Backend
    measurement: Measurement

    def means(self) -> dict[str, float]:
        self.steps.sync_network()
        return self.measurement.means()
