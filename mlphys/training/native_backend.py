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
from mlphys.networks.phases import Gradient, Plain
from mlphys.schema import losses, optimizers
from mlphys.schema.data import Split
from mlphys.schema.layers import Activation, Dense, Flatten, ReLU, Reshape, Softmax
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import Row

# Beyond these TensorFlow is faster: it goes through large matrices block by block
LARGEST_BATCH = 1024  # samples
LARGEST_NET = 1_000_000  # weights
PRODUCTS = 100_000  # multiplications of a step that are worth a thread

LOSSES = ("loss", "reconstruction_loss")  # metrics that are the first of what is recorded

# What Keras's optimizers call the numbers that they keep for each weight
SLOTS = {optimizer_step.SGD: ("momentums",), optimizer_step.Adam: ("_momentums", "_velocities")}


def chain_of(phase: Gradient, batch: int) -> Chain | None:
    """What a phase trains, as a chain; None: there is more to it, or nothing can be compiled here."""
    plain, network = phase.plain, phase.network
    if plain is None or network.seeds or network.state or batch > LARGEST_BATCH or llvm.vectors() is None:
        return None
    layers, rule = _layers(plain.rows), _rule(phase.settings.optimizer)
    cost = _cost(plain, layers[-1]) if layers else None
    if rule is None or cost is None or sum(layer.inputs * layer.outputs for layer in layers) > LARGEST_NET:
        return None
    if {id(each) for each in phase.trained} != {id(network.weights[name]) for name in _weights(plain.rows)}:
        return None
    return Chain(tuple(layers), cost, rule, batch, same=plain.target == "x")


def _weights(rows: Sequence[Row]) -> list[str]:
    return [name for row in rows for name in row.weights()]


def _layers(rows: Sequence[Row]) -> list[Layer]:
    """The dense layers of a chain of rows; none if anything else in it computes."""
    found: list[Layer] = []
    for row in rows:
        match row.layer:
            case Flatten() | Reshape():
                continue
            case Dense() as dense if len(row.input_shape) == 1 and not row.tied_to and not dense.penalized():
                name = dense.activation or "linear"
                found.append(Layer(row.input_shape[0], dense.units, name, dense.use_bias))
            case Activation(activation=name) if found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation(name)
            case ReLU() as layer if layer == ReLU() and found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation("relu")
            case Softmax() if found and found[-1].activation == "linear":
                found[-1] = found[-1].with_activation("softmax")
            case _:
                return []
    return found if all(layer.activation in vector_math.KNOWN for layer in found[:-1]) else []


def _cost(plain: Plain, last: Layer) -> Cost | None:
    classes, known = plain.target == "classes", last.activation in vector_math.KNOWN
    match plain.loss:
        case losses.CategoricalCrossentropy(label_smoothing=0.0) if classes and last.activation == "softmax":
            return dense_loss.OfClasses(last.outputs)
        case losses.BinaryCrossentropy(label_smoothing=0.0) if not classes and last.activation == "sigmoid":
            return dense_loss.OfOutputs(last.outputs, last.activation, plain.weight, binary=True)
        case losses.MeanSquaredError() if type(plain.loss) is losses.MeanSquaredError and known:
            return dense_loss.OfOutputs(last.outputs, last.activation, plain.weight, classes=classes)
    return None


def _rule(optimizer: Optimizer) -> Rule | None:
    changed = (optimizer.weight_decay, optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
    if any(each is not None for each in changed):
        return None
    if isinstance(optimizer, optimizers.SGD):
        return optimizer_step.SGD(optimizer.momentum, optimizer.nesterov)
    if type(optimizer) is optimizers.Adam and not optimizer.amsgrad:
        return optimizer_step.Adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    return None


class Steps:
    """The steps of a phase that is a chain.

    `variables` are those of the engine, by its names; `rates(first, count)` gives the learning rates of so many
    steps. The numbers lie in the room of the machine code: Keras's variables get them by `settle` and `restore`.
    """

    traces = 0

    def __init__(
        self, phase: Gradient, made: Chain, variables: Mapping[str, Any], rates: Callable[[int, int], np.ndarray]
    ):
        vectors = llvm.vectors()
        assert phase.plain
        assert vectors
        self._phase, self._chain, self._variables = phase, made, variables
        self._room = Room(made, vectors)
        self._numbers = _aligned(self._room.size)
        self._function = _callable(made, vectors)
        products = [layer.inputs * layer.outputs for layer in made.layers]
        most = math.ceil(made.layers[products.index(max(products))].outputs / vectors.lanes)  # that have columns in it
        self._threads = max(1, min(machine.threads(), most, made.batch * sum(products) // PRODUCTS))
        self._classes = made.layers[-1].outputs if phase.plain.target == "classes" else None
        self._columns = [0 if name in LOSSES else 1 for name in phase.metrics]
        self._sums = np.zeros(1 + dense_step.VALUES)
        self._rates = rates
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

    def settle(self) -> None:
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

    def moment(self) -> dict[str, np.ndarray]:
        return self.state() | {"sums": self._sums.copy()}

    def rewind(self, moment: Mapping[str, np.ndarray]) -> None:
        self.restore(moment)
        self._sums[:] = moment["sums"]

    def _places(self) -> Iterator[tuple[Any, np.ndarray]]:
        """The variables of the layers, each with its place in the room."""
        assert self._phase.plain
        optimizer, names = self._phase.optimizer, iter(_weights(self._phase.plain.rows))
        for layer, places in zip(self._chain.layers, self._room.kernels, strict=True):
            for rows in (slice(0, layer.inputs), layer.inputs)[: 1 + layer.bias]:
                weight = self._phase.network.weights[next(names)]
                i = next(i for i, each in enumerate(self._phase.trained) if each is weight)
                slots = (getattr(optimizer, name)[i] for name in SLOTS[type(self._chain.rule)][: len(places) - 1])
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
