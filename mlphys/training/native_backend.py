"""Backend that trains chains of dense layers with generated machine code (native/dense_step.py).

The result is Keras's, up to rounding, in a fraction of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mlphys import machine
from mlphys.native import dense_step, processor
from mlphys.native.workspace import TOTALS, MatrixView, Workspace
from mlphys.networks import keras_internals
from mlphys.networks.cost import ClassWeightedTerm
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.tensorflow import tf
from mlphys.numerics import chunked
from mlphys.schema.samples import Split
from mlphys.schema.shapes import weight_shapes
from mlphys.training.native_chain import data_term, dense_chain
from mlphys.training.native_layers import generators
from mlphys.training.native_measurement import NativeMeasurement, Piece, factors_and_weights, measured_chain, pieces
from mlphys.training.step_calls import aligned, compiled, sums_by_metric, together
from mlphys.training.unsupported import Unsupported

PRODUCTS = 100_000  # multiplications per step that justify a further thread


class NativeBackend:
    """Training steps of a chain of dense layers: what `dense_chain` accepts.

    The workspace of the machine code owns the numbers; Keras's variables are copies, which `sync_network` and
    `restore` refresh.
    """

    name: ClassVar[str] = "machine code"
    traces = 0

    @staticmethod
    def refusal(plan: Plan, batch: int, accelerators: Sequence[str]) -> str | None:
        """Why this backend cannot train a phase; None if it can."""
        if accelerators:
            return "an accelerator takes them"
        try:
            dense_chain(plan, batch)
        except Unsupported as reason:
            return str(reason)
        return None

    def __init__(self, phase: Gradient, batch_size: int, samples: int, variables: Mapping[str, Any]):
        simd = processor.simd_unit()
        assert simd
        assert phase.plan.rows
        chain = dense_chain(phase.plan, batch_size)
        self._phase, self._chain, self._variables, self._rows = phase, chain, variables, phase.plan.rows
        self._workspace = Workspace(chain, simd)
        self._buffer = aligned(self._workspace.size)
        self._function = compiled(dense_step.training_steps, chain, simd)
        products = [layer.inputs * layer.outputs for layer in chain.layers]
        largest = chain.layers[products.index(max(products))]
        most = math.ceil(largest.outputs / simd.width)  # threads that own a vector of its columns
        threads = min(machine.threads(), machine.cores(), most)  # they wait for each other; no bit depends on them
        self._threads = max(1, min(threads, chain.batch_size * sum(products) // PRODUCTS))
        self._data = data_term(phase.plan.terms)
        self._classes = chain.layers[-1].outputs if self._data.target == "classes" else None
        self._sums = np.zeros(TOTALS)
        self._random = generators(self._rows)
        self._rates = keras_internals.Rates(phase.optimizer, tf)
        now = {name: np.array(variable.numpy()) for name, variable in variables.items()}
        self._state = dict(now)
        names = {id(variable): name for name, variable in variables.items()}
        self._steps = self._state[names[id(phase.optimizer.iterations)]]
        self._scalars = {
            key: self._state[names[id(variable)]]
            for key, variable in keras_internals.scalars(phase.optimizer, chain.rule.scalars(0)).items()
        }
        for variable, view in self._variable_views():
            self._state[names[id(variable)]] = view
        self.restore(now)

    def set_samples(self, split: Split) -> None:
        self._x, self._t = self._samples(split)
        self._weights = factors_and_weights(split) if self._chain.weighted else np.ones((0, 2), np.float32)
        if isinstance(self._data, ClassWeightedTerm):
            assert self._data.weights is not None, "the labels were not read"
            self._weights[:, 0] = np.take(self._data.weights, split.y)

    def _samples(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets, a row for each sample."""
        x = np.ascontiguousarray(split.x, np.float32).reshape(len(split), -1)
        if self._chain.target_is_input:
            return x, x
        if self._classes and self._classes > 1:
            return x, np.eye(self._classes, dtype=np.float32)[split.y]
        return x, np.ascontiguousarray(split.y, np.float32).reshape(len(split), -1)

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        self._order = order
        self._seeds = np.array([seeds[name] for name in self._random], np.uint32)
        self._sums[:] = 0.0

    def train(self, start: int, stop: int) -> np.ndarray:
        """Sums are added sample by sample, so the chunks of an epoch do not change their bits."""
        first = int(self._steps)
        factors = self._chain.rule.step_factors(self._rates(first, stop - start), first).astype(np.float32, "C")
        barrier = np.zeros(1, np.int64)
        of_samples = self._x, self._t, self._weights, self._order
        arrays = (*of_samples, self._seeds, factors, self._buffer, self._sums, barrier)
        samples = len(self._order)

        def work(thread: int) -> None:  # keeps the arrays alive if an interrupt ends `train`
            pointers = [array.ctypes.data for array in arrays]
            self._function(*pointers, samples, start, stop, thread, self._threads)

        together(self._threads, work)
        self._steps += stop - start
        for key, value in self._chain.rule.scalars(int(self._steps)).items():
            self._scalars[key][...] = value
        return sums_by_metric(self._sums, self._phase.metrics)

    def measurement(self, split: Split) -> NativeMeasurement | None:
        """The metrics of a split with the current weights; None where machine code does not compute all of them."""
        chain = measured_chain(self._chain, split)
        if chain is None:
            return None
        weights = [self._array(kernel) for kernel, *_ in self._workspace.kernels]

        def data(part: Split) -> Piece:
            return *self._samples(part), factors_and_weights(part)

        stored = isinstance(split.x, chunked.LazyArray)  # it is read again for every measurement
        held = [] if stored else [data(split)]
        return NativeMeasurement(
            self._chain, weights, chain, lambda: map(data, pieces(split)) if stored else held,
            self._threads, self._phase.metrics,
        )  # fmt: skip

    def learning_rate(self) -> float:
        return float(self._rates(max(0, int(self._steps) - 1), 1)[0])

    def sync_network(self) -> None:
        for name, variable in self._variables.items():
            if name.startswith("weights/"):
                variable.assign(self._state[name])

    def state(self) -> dict[str, np.ndarray]:
        return {name: values.copy() for name, values in self._state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._buffer[:] = 0.0  # the padding too, in which a diverged training leaves NaN
        for view in self._workspace.multiplied:
            self._array(view)[:, view.columns] = 1.0  # the input of the bias
        for name, variable in self._variables.items():
            self._state[name][...] = state[name]
            variable.assign(state[name])
        for layer, (copy, *_) in zip(self._chain.layers, self._workspace.kernels, strict=True):
            if layer.tied_to is not None:
                kernel, *_ = self._workspace.kernels[layer.tied_to]
                transposed = self._array(kernel)[: layer.outputs, : layer.inputs].T
                self._array(copy)[: layer.inputs, : layer.outputs] = transposed
        self._rates.read()

    def snapshot(self) -> dict[str, np.ndarray]:
        return self.state() | {"sums": self._sums.copy()}

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.restore(snapshot)
        self._sums[:] = snapshot["sums"]

    def _variable_views(self) -> Iterator[tuple[Any, np.ndarray]]:
        """The variables of layers and optimizer, each with its array in the workspace."""
        optimizer, names = self._phase.optimizer, iter(weight_shapes(self._rows))
        for layer, views in zip(self._chain.layers, self._workspace.kernels, strict=True):
            own: list[slice | int] = [slice(0, layer.inputs)] if layer.tied_to is None else []
            for rows in [*own, layer.inputs] if layer.bias else own:
                weight = self._phase.network.weights[next(names)]
                i = next(i for i, each in enumerate(self._phase.trained) if each is weight)
                slots = keras_internals.slots(optimizer, self._chain.rule.slots, i)
                for view, variable in zip(views, (weight, *slots), strict=True):
                    yield variable, self._array(view)[rows, : view.columns]

    def _array(self, view: MatrixView) -> np.ndarray:
        return self._buffer[view.start : view.end].reshape(view.rows, view.stride)
