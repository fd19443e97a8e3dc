"""Backend that trains chains of dense layers with generated machine code (native/dense_step.py).

The result is Keras's, up to rounding, in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mlphys import machine
from mlphys.native import dense_loss, dense_step, llvm, optimizer_step, vector_math
from mlphys.native.dense_loss import Loss
from mlphys.native.dense_step import Chain, DenseLayer, MatrixView, Workspace
from mlphys.native.llvm import SimdUnit
from mlphys.native.optimizer_step import UpdateRule
from mlphys.networks import keras_internals
from mlphys.networks.cost import DataTerm, LayerPenalties, Term
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.tensorflow import tf
from mlphys.schema import losses, optimizers
from mlphys.schema.data import Split
from mlphys.schema.layers import Activation, Dense, Flatten, ReLU, Reshape, Softmax
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import Row, weight_shapes

# Above these TensorFlow is faster: its matrix products are blocked for the cache
LARGEST_BATCH = 1024  # samples
LARGEST_NET = 1_000_000  # weights
PRODUCTS = 100_000  # multiplications per step that justify a further thread

LOSSES = ("loss", "reconstruction_loss")  # metrics that are the loss of `dense_loss`; others are its metric

# Attribute names of Keras's optimizer slots
SLOTS = {optimizer_step.SGD: ("momentums",), optimizer_step.Adam: ("_momentums", "_velocities")}


class Unsupported(Exception):
    """There is no machine code for a phase; the text gives the reason."""


class NotGenerated(Unsupported):
    """A layer, term or setting is not part of the generated steps. Single operations of it may still have machine
    code, as convolutions have."""

    def __init__(self, what: str):
        super().__init__(f"{what} has no machine code for whole steps")


def dense_chain(plan: Plan, batch: int) -> Chain:
    """The chain of layers, loss and update rule that a phase trains. Raises Unsupported."""
    if llvm.simd_unit() is None:
        raise Unsupported("nothing can be compiled for this processor")
    if tracked := {"gradient_norms", "saturation"} & set(plan.settings.track):
        raise NotGenerated(f"track: {', '.join(sorted(tracked))}")
    if plan.weighted:
        raise NotGenerated("data.weights")
    if plan.rows is None:
        raise Unsupported("its model is more than a chain of layers")
    data = _data_term(plan.terms)
    layers = _layers(plan.rows)
    loss, rule = _loss(data, layers[-1]), _rule(plan.settings.optimizer)
    chain = Chain(tuple(layers), loss, rule, batch, target_is_input=data.target == "x")
    if set(plan.trained) != set(weight_shapes(plan.rows)):
        raise Unsupported("some of its weights are not trained")
    if batch > LARGEST_BATCH:
        raise Unsupported(f"batches of more than {LARGEST_BATCH} samples")
    if sum(layer.inputs * layer.outputs for layer in layers) > LARGEST_NET:
        raise Unsupported(f"more than {LARGEST_NET} weights")
    return chain


def _data_term(terms: Sequence[Term]) -> DataTerm:
    """The data term of a cost that has no other effective term. Raises Unsupported."""
    data, *others = terms
    for term in others:
        if type(term) is not LayerPenalties or term.formulas():
            raise NotGenerated(f"the term {term}")
    if type(data) is not DataTerm:
        raise NotGenerated(f"the loss {data}")
    return data


def _layers(rows: Sequence[Row]) -> list[DenseLayer]:
    """The dense layers of a chain, with the activation layers that follow them merged in. Raises Unsupported."""
    layers: list[DenseLayer] = []
    for row in rows:
        match row.layer:
            case Flatten() | Reshape():
                continue
            case Dense() as dense if len(row.input_shape) == 1 and not row.tied_to:
                name = dense.activation or "linear"
                layers.append(DenseLayer(row.input_shape[0], dense.units, name, dense.use_bias))
            case Activation(activation=name) if layers and layers[-1].activation == "linear":
                layers[-1] = layers[-1].with_activation(name)
            case ReLU() as relu if relu == ReLU() and layers and layers[-1].activation == "linear":
                layers[-1] = layers[-1].with_activation("relu")
            case Softmax() if layers and layers[-1].activation == "linear":
                layers[-1] = layers[-1].with_activation("softmax")
            case other:
                tied = " with tied weights" if row.tied_to else ""
                raise NotGenerated(f"layer {type(other).__name__}{tied}")
    if not layers:
        raise Unsupported("it has no Dense layer")
    for layer in layers[:-1]:
        if layer.activation not in vector_math.SUPPORTED:
            raise NotGenerated(f"activation {layer.activation}")
    return layers


def _loss(data: DataTerm, last: DenseLayer) -> Loss:
    classes, supported = data.target == "classes", last.activation in vector_math.SUPPORTED
    match data.loss:
        case losses.CategoricalCrossentropy(label_smoothing=0.0) if classes and last.activation == "softmax":
            return dense_loss.SoftmaxCrossentropy(last.outputs)
        case losses.BinaryCrossentropy(label_smoothing=0.0) if not classes and last.activation == "sigmoid":
            return dense_loss.ElementwiseLoss(last.outputs, last.activation, data.weight, binary=True)
        case losses.MeanSquaredError() if supported:
            return dense_loss.ElementwiseLoss(last.outputs, last.activation, data.weight, classes=classes)
    raise NotGenerated(f"{type(data.loss).__name__} behind {last.activation} outputs")


def _rule(optimizer: Optimizer) -> UpdateRule:
    if type(optimizer) not in (optimizers.SGD, optimizers.Adam):
        raise NotGenerated(f"optimizer {type(optimizer).__name__}")
    for key in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"):
        if getattr(optimizer, key) is not None:
            raise NotGenerated(key)
    if isinstance(optimizer, optimizers.SGD):
        return optimizer_step.SGD(optimizer.momentum, optimizer.nesterov)
    assert isinstance(optimizer, optimizers.Adam)
    if optimizer.amsgrad:
        raise NotGenerated("amsgrad")
    return optimizer_step.Adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)


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
        simd = llvm.simd_unit()
        assert simd
        assert phase.plan.rows
        chain = dense_chain(phase.plan, batch_size)
        self._phase, self._chain, self._variables, self._rows = phase, chain, variables, phase.plan.rows
        self._workspace = Workspace(chain, simd)
        self._buffer = _aligned(self._workspace.size)
        self._function = _compiled_steps(chain, simd)
        products = [layer.inputs * layer.outputs for layer in chain.layers]
        largest = chain.layers[products.index(max(products))]
        most = math.ceil(largest.outputs / simd.width)  # threads that own a vector of its columns
        threads = min(machine.threads(), machine.cores(), most)  # they wait for each other; no bit depends on them
        self._threads = max(1, min(threads, chain.batch_size * sum(products) // PRODUCTS))
        self._classes = chain.layers[-1].outputs if _data_term(phase.plan.terms).target == "classes" else None
        self._columns = [0 if name in LOSSES else 1 for name in phase.metrics]
        self._sums = np.zeros(1 + dense_step.METRICS)
        self._rates = keras_internals.Rates(phase.optimizer, tf)
        now = {name: np.array(variable.numpy()) for name, variable in variables.items()}
        self._state = dict(now)
        names = {id(variable): name for name, variable in variables.items()}
        self._steps = self._state[names[id(phase.optimizer.iterations)]]
        for variable, view in self._variable_views():
            self._state[names[id(variable)]] = view
        self.restore(now)

    def set_samples(self, split: Split) -> None:
        self._x = np.ascontiguousarray(split.x, np.float32).reshape(len(split), -1)
        if self._chain.target_is_input:
            self._t = self._x
        elif self._classes:
            self._t = np.eye(self._classes, dtype=np.float32)[split.y]
        else:
            self._t = np.ascontiguousarray(split.y, np.float32).reshape(len(split), -1)

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        self._order = order
        self._sums[:] = 0.0

    def train(self, start: int, stop: int) -> np.ndarray:
        """Sums are added sample by sample, so the chunks of an epoch do not change their bits."""
        first = int(self._steps)
        step_sizes = self._chain.rule.step_sizes(self._rates(first, stop - start), first).astype(np.float32)
        totals, barrier = self._sums[1:], np.zeros(1, np.int64)
        arrays = (self._x, self._t, self._order, step_sizes, self._buffer, totals, barrier)
        samples = len(self._order)

        def work(thread: int) -> None:  # keeps the arrays alive if an interrupt ends `train`
            pointers = [array.ctypes.data for array in arrays]
            self._function(*pointers, samples, start, stop, thread, self._threads)

        _together(self._threads, work)
        self._steps += stop - start
        self._sums[0] += min(stop * self._chain.batch_size, samples) - start * self._chain.batch_size
        return np.array([self._sums[0], *totals[self._columns]])

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
        for view in self._workspace.activations:
            self._array(view)[:, view.columns] = 1.0  # the input of the bias
        for name, variable in self._variables.items():
            self._state[name][...] = state[name]
            variable.assign(state[name])
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
            for rows in (slice(0, layer.inputs), layer.inputs)[: 1 + layer.bias]:
                weight = self._phase.network.weights[next(names)]
                i = next(i for i, each in enumerate(self._phase.trained) if each is weight)
                slots = keras_internals.slots(optimizer, SLOTS[type(self._chain.rule)][: len(views) - 1], i)
                for view, variable in zip(views, (weight, *slots), strict=True):
                    yield variable, self._array(view)[rows, : view.columns]

    def _array(self, view: MatrixView) -> np.ndarray:
        return self._buffer[view.start : view.end].reshape(view.rows, view.stride)


def _together(threads: int, work: Callable[[int], None]) -> None:
    """Run work(0), work(1), ..., each on its own thread, starting when all threads are ready: they use barriers."""
    if threads == 1:
        return work(0)
    gate = threading.Barrier(threads)

    def begin(thread: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            gate.wait()
            work(thread)

    workers = [threading.Thread(target=begin, args=(i,)) for i in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    except BaseException:
        gate.abort()
        for worker in workers:
            if worker.is_alive():  # it writes to the workspace until its steps are done
                worker.join()
        raise


@functools.cache
def _compiled_steps(chain: Chain, simd: SimdUnit) -> Any:
    """The compiled function of seven pointers and five integers; ctypes releases the GIL while it runs."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, *[ctypes.c_int64] * 5)
    return signature(dense_step.training_steps(chain, simd).address())


def _aligned(size: int) -> np.ndarray:
    """Zeros, aligned to a cache line of 64 bytes."""
    buffer = np.zeros(size + 16, np.float32)
    first = -buffer.ctypes.data % 64 // 4
    return buffer[first : first + size]
