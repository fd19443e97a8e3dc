"""Phases that are trained by machine code of our own (native/dense_step.py): dense layers, one behind the other.

They end where Keras would end, up to rounding, and do so in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlphys import machine
from mlphys.native import dense_loss, dense_step, llvm, optimizer_step, vector_math
from mlphys.native.dense_loss import Cost
from mlphys.native.dense_step import Chain, Layer, Place, Room
from mlphys.native.llvm import Vectors
from mlphys.native.optimizer_step import Rule
from mlphys.networks import keras_internals
from mlphys.networks.cost import DataTerm, LayerPenalties, Term
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.tensorflow import tf
from mlphys.schema import losses, optimizers
from mlphys.schema.data import Split
from mlphys.schema.layers import Activation, Dense, Flatten, ReLU, Reshape, Softmax
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import Row, weights

# Beyond these TensorFlow is faster: it goes through large matrices block by block
LARGEST_BATCH = 1024  # samples
LARGEST_NET = 1_000_000  # weights
PRODUCTS = 100_000  # multiplications of a step that are worth a thread

LOSSES = ("loss", "reconstruction_loss")  # metrics that are the first of what is recorded

# What Keras's optimizers call the numbers that they keep for each weight
SLOTS = {optimizer_step.SGD: ("momentums",), optimizer_step.Adam: ("_momentums", "_velocities")}


class Unsupported(Exception):
    """What a phase has that there is no machine code for; the text says what."""


def dense_chain(plan: Plan, batch: int) -> Chain:
    """What a phase trains with batches of so many samples. Raises Unsupported."""
    if llvm.vectors() is None:
        raise Unsupported("nothing can be compiled for this processor")
    if followed := {"gradient_norms", "saturation"} & set(plan.settings.track):
        raise Unsupported(f"track: {', '.join(sorted(followed))} has no machine code")
    if plan.rows is None:
        raise Unsupported("its model is more than a chain of layers")
    data = _data_term(plan.terms)
    layers = _layers(plan.rows)
    made = Chain(tuple(layers), _cost(data, layers[-1]), _rule(plan.settings.optimizer), batch, same=data.target == "x")
    if set(plan.trained) != set(weights(plan.rows)):
        raise Unsupported("some of its weights are not trained")
    if batch > LARGEST_BATCH:
        raise Unsupported(f"batches of more than {LARGEST_BATCH} samples")
    if sum(layer.inputs * layer.outputs for layer in layers) > LARGEST_NET:
        raise Unsupported(f"more than {LARGEST_NET} weights")
    return made


def _data_term(terms: Sequence[Term]) -> DataTerm:
    """The one term of a cost that is nothing but a loss; a term of another type is not known."""
    data, *others = terms
    for term in others:
        if type(term) is not LayerPenalties or term.formulas():
            raise Unsupported(f"the term {term} has no machine code")
    if type(data) is not DataTerm:
        raise Unsupported(f"the loss {data} has no machine code")
    return data


def _layers(rows: Sequence[Row]) -> list[Layer]:
    """The dense layers of a chain of rows."""
    found: list[Layer] = []
    for row in rows:
        match row.layer:
            case Flatten() | Reshape():
                continue
            case Dense() as dense if len(row.input_shape) == 1 and not row.tied_to:
                name = dense.activation or "linear"
                found.append(Layer(row.input_shape[0], dense.units, name, dense.use_bias))
            case Activation(activation=name) if found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation(name)
            case ReLU() as layer if layer == ReLU() and found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation("relu")
            case Softmax() if found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation("softmax")
            case layer:
                tied = " with tied weights" if row.tied_to else ""
                raise Unsupported(f"layer {type(layer).__name__}{tied} has no machine code")
    if not found:
        raise Unsupported("it has no Dense layer")
    for layer in found[:-1]:
        if layer.activation not in vector_math.KNOWN:
            raise Unsupported(f"activation {layer.activation} has no machine code")
    return found


def _cost(data: DataTerm, last: Layer) -> Cost:
    classes, known = data.target == "classes", last.activation in vector_math.KNOWN
    match data.loss:
        case losses.CategoricalCrossentropy(label_smoothing=0.0) if classes and last.activation == "softmax":
            return dense_loss.OfClasses(last.outputs)
        case losses.BinaryCrossentropy(label_smoothing=0.0) if not classes and last.activation == "sigmoid":
            return dense_loss.OfOutputs(last.outputs, last.activation, data.weight, binary=True)
        case losses.MeanSquaredError() if known:
            return dense_loss.OfOutputs(last.outputs, last.activation, data.weight, classes=classes)
    raise Unsupported(f"{type(data.loss).__name__} behind {last.activation} outputs has no machine code")


def _rule(optimizer: Optimizer) -> Rule:
    if type(optimizer) not in (optimizers.SGD, optimizers.Adam):
        raise Unsupported(f"optimizer {type(optimizer).__name__} has no machine code")
    for key in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"):
        if getattr(optimizer, key) is not None:
            raise Unsupported(f"{key} has no machine code")
    if isinstance(optimizer, optimizers.SGD):
        return optimizer_step.SGD(optimizer.momentum, optimizer.nesterov)
    assert isinstance(optimizer, optimizers.Adam)
    if optimizer.amsgrad:
        raise Unsupported("amsgrad has no machine code")
    return optimizer_step.Adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)


class NativeBackend:
    """Whole steps of a chain of dense layers. It knows what `dense_chain` lists, and refuses everything else.

    The workspace of the machine code owns the numbers; Keras's variables are copies, which `sync_network` and
    `restore` refresh.
    """

    name = "machine code"
    traces = 0

    @staticmethod
    def refusal(plan: Plan, batch: int, accelerators: Sequence[str]) -> str | None:
        """What it does not know of a phase; None: it knows all of it."""
        if accelerators:
            return "an accelerator takes them"
        try:
            dense_chain(plan, batch)
        except Unsupported as reason:
            return str(reason)
        return None

    def __init__(self, phase: Gradient, batch_size: int, samples: int, variables: Mapping[str, Any]):
        vectors = llvm.vectors()
        assert vectors
        assert phase.plan.rows
        made = dense_chain(phase.plan, batch_size)
        self._phase, self._chain, self._variables, self._rows = phase, made, variables, phase.plan.rows
        self._room = Room(made, vectors)
        self._numbers = _aligned(self._room.size)
        self._function = _callable(made, vectors)
        products = [layer.inputs * layer.outputs for layer in made.layers]
        most = math.ceil(made.layers[products.index(max(products))].outputs / vectors.lanes)  # that have columns in it
        self._threads = max(1, min(machine.threads(), most, made.batch * sum(products) // PRODUCTS))
        self._classes = made.layers[-1].outputs if _data_term(phase.plan.terms).target == "classes" else None
        self._columns = [0 if name in LOSSES else 1 for name in phase.metrics]
        self._sums = np.zeros(1 + dense_step.VALUES)
        self._rates = keras_internals.rates(phase.optimizer, tf)
        now = {name: np.array(variable.numpy()) for name, variable in variables.items()}
        self._state = dict(now)
        names = {id(variable): name for name, variable in variables.items()}
        self._steps = self._state[names[id(phase.optimizer.iterations)]]
        for variable, numbers in self._places():
            self._state[names[id(variable)]] = numbers
        self.restore(now)

    def hold(self, split: Split) -> None:
        self._x = np.ascontiguousarray(split.x, np.float32).reshape(len(split), -1)
        if self._chain.same:
            self._t = self._x
        elif self._classes:
            self._t = np.eye(self._classes, dtype=np.float32)[split.y]
        else:
            self._t = np.ascontiguousarray(split.y, np.float32).reshape(len(split), -1)

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        self._order = order
        self._sums[:] = 0.0

    def train(self, start: int, stop: int) -> np.ndarray:
        """The sums grow number by number: so it does not matter where an epoch is cut."""
        first = int(self._steps)
        rates = self._chain.rule.rates(self._rates(first, stop - start), first).astype(np.float32)
        totals, barrier = self._sums[1:], np.zeros(1, np.int64)
        arrays = (self._x, self._t, self._order, rates, self._numbers, totals, barrier)
        samples = len(self._order)

        def work(thread: int) -> None:  # holds the arrays, should it be left alone by an interrupt
            pointers = [array.ctypes.data for array in arrays]
            self._function(*pointers, samples, start, stop, thread, self._threads)

        _together(self._threads, work)
        self._steps += stop - start
        self._sums[0] += min(stop * self._chain.batch, samples) - start * self._chain.batch
        return np.array([self._sums[0], *totals[self._columns]])

    def learning_rate(self) -> float:
        return float(self._rates(int(self._steps), 1)[0])

    def sync_network(self) -> None:
        for name, variable in self._variables.items():
            if name.startswith("weights/"):
                variable.assign(self._state[name])

    def state(self) -> dict[str, np.ndarray]:
        return {name: values.copy() for name, values in self._state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._numbers[:] = 0.0  # the padding too, where a diverged training leaves what is not finite
        for place in self._room.outputs:
            self._matrix(place)[:, place.used] = 1.0  # what the bias sees
        for name, variable in self._variables.items():
            self._state[name][...] = state[name]
            variable.assign(state[name])

    def snapshot(self) -> dict[str, np.ndarray]:
        return self.state() | {"sums": self._sums.copy()}

    def restore_snapshot(self, snapshot: Mapping[str, np.ndarray]) -> None:
        self.restore(snapshot)
        self._sums[:] = snapshot["sums"]

    def _places(self) -> Iterator[tuple[Any, np.ndarray]]:
        """The variables of the layers, each with its place in the room."""
        optimizer, names = self._phase.optimizer, iter(weights(self._rows))
        for layer, places in zip(self._chain.layers, self._room.kernels, strict=True):
            for rows in (slice(0, layer.inputs), layer.inputs)[: 1 + layer.bias]:
                weight = self._phase.network.weights[next(names)]
                i = next(i for i, each in enumerate(self._phase.trained) if each is weight)
                slots = keras_internals.slots(optimizer, SLOTS[type(self._chain.rule)][: len(places) - 1], i)
                for place, variable in zip(places, (weight, *slots), strict=True):
                    yield variable, self._matrix(place)[rows, : place.used]

    def _matrix(self, place: Place) -> np.ndarray:
        return self._numbers[place.start : place.end].reshape(place.rows, place.width)


def _together(threads: int, work: Callable[[int], None]) -> None:
    """work(0), work(1), ... at the same time; none of them begins before all can, as they wait for each other."""
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
            if worker.is_alive():  # it writes into the room until its steps are done
                worker.join()
        raise


@functools.cache
def _callable(made: Chain, vectors: Vectors) -> Any:
    """The compiled function: seven pointers, five integers."""
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, *[ctypes.c_int64] * 5)  # it runs without Python's lock
    return kind(dense_step.steps(made, vectors).address())


def _aligned(size: int) -> np.ndarray:
    """Zeros that begin with a line of the cache."""
    numbers = np.zeros(size + 16, np.float32)
    first = -numbers.ctypes.data % 64 // 4
    return numbers[first : first + size]
