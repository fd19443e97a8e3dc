"""One phase under way: its samples, in memory or block by block, and the backend that takes its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlphys.networks.compiled import Pass, metric_means, traversed
from mlphys.networks.phases import Gradient
from mlphys.networks.tensorflow import accelerators
from mlphys.numerics import chunked
from mlphys.schema.data import Split
from mlphys.training.backend import batch_size, choose
from mlphys.training.prefetch import Blocks, Change
from mlphys.training.tracking import Tracker


class Engine:
    """One phase: a chunk of an epoch is one call of compiled code.

    `train` are the samples of every epoch, unless `start_epoch` brings others. All that a step
    changes is kept from call to call, so how an epoch is cut into chunks changes no bit of the result.
    `traces` counts how often Python code was turned into a graph.

    Samples in memory are gathered by the order inside the call. Lazy arrays, and those that each
    epoch sees changed, come in blocks: batch after batch is laid into a buffer, whose shape never
    changes, and the same call gathers from there; the next block is read while one is trained.
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
        """Set the order of the samples and the states of the random layers, and forget the sums.

        `change(block, number)` makes of the samples of each block, in their order, what the net sees of them.
        """
        fed = self._train if train is None else train
        if change or isinstance(fed.x, chunked.LazyArray):
            self._blocks = Blocks(fed, order, change, self.batch_size)
            order = np.arange(self.samples) % self._blocks.samples
        elif train is not None or self._held is None:
            self._hold(fed)
        self._order = order.astype(np.int32)
        self._steps.begin(self._order, seeds)

    def train(self, start: int, stop: int) -> dict[str, float]:
        """Train on the batches start <= i < stop of the epoch; the means of the metrics so far in it.

        Those of one epoch are asked for one after the other.
        """
        while True:
            end = stop
            if self._blocks:
                self._lay(start)
                end = min(stop, self._blocks.end(start))
            self._sums = self._steps.train(start, end)
            if end == stop:
                return metric_means(self._phase.metrics, self._sums)
            start = end

    def sync_network(self) -> None:
        """Give the network its weights as they are now trained."""
        self._steps.sync_network()

    def tracked(self) -> dict[str, float | None]:
        """What is tracked of each layer, means over the whole epoch."""
        sums = self._sums
        return self._tracker.means(sums[1 + len(self._phase.metrics) :], sums[0], self.batches)

    def learning_rate(self) -> float:
        """Of the next step."""
        return self._steps.learning_rate()

    def state(self) -> dict[str, np.ndarray]:
        """A copy of all that training changes and an epoch's start does not set."""
        return self._steps.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._steps.restore(state)

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of all that a step changes, for the middle of an epoch."""
        return self._steps.snapshot()

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self._steps.restore_snapshot(snapshot)

    def traversed(self, step: int) -> Pass:
        """The samples of a step through the net as it is now."""
        self._lay(step)
        assert self._held
        rows = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        self.sync_network()
        x, y = self._held.x[rows], self._held.y[rows]
        return traversed(self._phase.network, self._phase.cost, x, y, True, self._phase.trained)

    def _lay(self, batch: int) -> None:
        """The block that holds a batch, if samples come in blocks."""
        if self._blocks and (block := self._blocks.holding(batch)) is not None:
            self._hold(block)

    def _hold(self, split: Split) -> None:
        """Samples in memory, from which a step gathers."""
        self._held = split
        self._steps.set_samples(split)

    def _variables(self) -> dict[str, Any]:
        weights = {f"weights/{name}": variable for name, variable in self._phase.network.weights.items()}
        slots = {f"optimizer/{i}": variable for i, variable in enumerate(self._phase.optimizer.variables)}
        others = {f"state/{name}": variable for name, variable in self._phase.network.state.items()}
        return weights | slots | others
