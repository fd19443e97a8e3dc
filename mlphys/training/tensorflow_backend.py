"""Backend that trains with TensorFlow: a chunk of an epoch is one call of a compiled graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mlphys.networks import keras_internals, xla
from mlphys.networks.compiled import fast_convolutions, metric_sums
from mlphys.networks.cost import mean_loss
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.tensorflow import accelerators, tf
from mlphys.schema.samples import Split
from mlphys.training import microbatches
from mlphys.training.tracking import Tracker


class TensorFlowBackend:
    """Trains every phase. A chunk of an epoch is one graph, in which everything that a step changes is a variable."""

    name: ClassVar[str] = "TensorFlow"

    @staticmethod
    def refusal(plan: Plan, batch: int, accelerators: Sequence[str]) -> None:
        """None: it accepts every phase."""

    def __init__(self, phase: Gradient, batch_size: int, samples: int, variables: Mapping[str, Any]):
        self.batch_size, self.samples = batch_size, samples
        self.batches = math.ceil(samples / batch_size)
        self.traces = 0
        self._phase, self._tracker, self._variables = phase, Tracker(phase), variables
        self._order = None
        self._arrays: tuple[Any, ...] = ()  # x, y, and weights if the samples have any
        # float64: sums over a hundred thousand samples keep all digits that are printed
        self._sums = tf.Variable(np.zeros(1 + len(phase.metrics) + len(self._tracker.names)), dtype=tf.float64)
        self._chunk = tf.function(self._train_chunk, jit_compile=phase.network.compiles_in_xla, autograph=False)

    def set_samples(self, split: Split) -> None:
        weights = () if split.weights is None else (tf.constant(split.weights),)
        self._arrays = tf.constant(split.x), tf.constant(split.y), *weights

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        self._order = tf.constant(order)
        self._sums.assign(tf.zeros_like(self._sums))
        for name, variable in self._phase.network.seeds.items():
            variable.assign(seeds[name])

    def train(self, start: int, stop: int) -> np.ndarray:
        return self._chunk(self._arrays, self._order, tf.constant(start), tf.constant(stop)).numpy()

    def measurement(self, split: Split) -> None:
        """None: Keras's layers do."""

    def sync_network(self) -> None:
        """Nothing to do: the network's variables are trained themselves."""

    def learning_rate(self) -> float:
        return keras_internals.last_rate(self._phase.optimizer)

    def state(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        for name, variable in self._variables.items():
            variable.assign(state[name])

    def snapshot(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._changing().items()}

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None:
        for name, variable in self._changing().items():
            variable.assign(snapshot[name])

    def _changing(self) -> dict[str, Any]:
        seeds = {f"seeds/{name}": variable for name, variable in self._phase.network.seeds.items()}
        return {**self._variables, **seeds, "sums": self._sums}

    def _train_chunk(self, arrays: tuple[Any, ...], order: Any, start: Any, stop: Any) -> Any:
        self.traces += 1
        whole = self.samples // self.batch_size
        size = self.batch_size

        def step(i: Any) -> tuple[Any]:
            rows = tf.slice(order, [i * size], [size])
            self._step(*(tf.gather(array, rows) for array in arrays))
            return (i + 1,)

        def smaller_step() -> Any:
            rows = order[whole * size :]
            self._step(*(tf.gather(array, rows) for array in arrays))
            return whole

        with xla.tracing(for_xla=self._phase.network.compiles_in_xla):
            tf.while_loop(lambda i: i < tf.minimum(stop, whole), step, (start,))
            if whole < self.batches:
                tf.cond(stop > whole, smaller_step, lambda: whole)
        return self._sums.read_value()

    def _step(self, *arrays: Any) -> None:
        samples = arrays[0].shape[0]
        sizes = microbatches.sizes(self._phase, samples, bool(accelerators()))
        if len(sizes) == 1:
            with fast_convolutions(self._phase.network):
                gradients, sums, outputs = self._passed(1.0, *arrays)
        else:
            cut = zip(*(tf.split(array, sizes) for array in arrays), strict=True)
            with fast_convolutions(self._phase.network, parts=1):
                parts = [self._passed(size / samples, *part) for part, size in zip(cut, sizes, strict=True)]
            gradients = [_added(of_parts) for of_parts in zip(*(part[0] for part in parts), strict=True)]
            sums = tf.add_n([part[1] for part in parts])
            outputs = {name: tf.concat([part[2][name] for part in parts], axis=0) for name in parts[0][2]}
        self._phase.optimizer.apply(gradients, list(self._phase.trained))
        if self._tracker.names:
            sums = tf.concat([sums, tf.stack(self._tracker.sums(gradients, outputs, sums[0]))], axis=0)
        self._sums.assign_add(sums)

    def _passed(self, share: float, x: Any, y: Any, weights: Any = None) -> tuple[list[Any], Any, dict[str, Any]]:
        """Gradients, metric sums and tracked outputs of a micro-batch that is the fraction `share` of its batch."""
        from mlphys.networks.layers import simd_conv

        phase, x = self._phase, simd_conv.without_gradient(x)
        with self._tracker.watching() as outputs, tf.GradientTape() as tape:
            values, penalty = phase.cost(x, y, True, weights)
            cost = share * (mean_loss(values) + penalty)
        gradients = tape.gradient(cost, [variable.value for variable in phase.trained])
        return gradients, metric_sums(phase.metrics, values, penalty), outputs


def _added(gradients: Sequence[Any]) -> Any:
    """The sum of gradients; None if the cost does not depend on the weight."""
    return None if any(gradient is None for gradient in gradients) else tf.add_n(gradients)
