"""Phases that are trained by machine code of our own (native/chain.py): dense layers, one behind the other.

They end where Keras would end, up to rounding, and do so in a fraction of the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlphys import environment
from mlphys.native import activation, chain, code, costs, rules
from mlphys.native.chain import Chain, Layer, Place, Room
from mlphys.native.code import Vectors
from mlphys.native.costs import Cost
from mlphys.native.rules import Rule
from mlphys.phases import Gradient, Plain
from mlphys.schema import losses, optimizers
from mlphys.schema.layers import Activation, Dense, Flatten, ReLU, Reshape, Softmax
from mlphys.schema.optimizers import Optimizer
from mlphys.schema.shapes import Row

LARGEST_BATCH = 1024  # samples: the gradient of a weight is added up over all of them at once
PRODUCTS = 100_000  # multiplications of a step that are worth a thread

LOSSES = ("loss", "reconstruction_loss")  # metrics that are the first of what is recorded

# What Keras's optimizers call the numbers that they keep for each weight
SLOTS = {rules.SGD: ("momentums",), rules.Adam: ("_momentums", "_velocities")}


def chain_of(phase: Gradient, batch: int) -> Chain | None:
    """What a phase trains, as a chain; None: there is more to it, or nothing can be compiled here."""
    plain, network = phase.plain, phase.network
    if plain is None or network.seeds or network.state or batch > LARGEST_BATCH or code.vectors() is None:
        return None
    layers, rule = _layers(plain.rows), _rule(phase.settings.optimizer)
    cost = _cost(plain, layers[-1]) if layers else None
    if not layers or rule is None or cost is None:
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
    return found if all(layer.activation in activation.KNOWN for layer in found[:-1]) else []


def _cost(plain: Plain, last: Layer) -> Cost | None:
    classes, known = plain.target == "classes", last.activation in activation.KNOWN
    match plain.loss:
        case losses.CategoricalCrossentropy(label_smoothing=0.0) if classes and last.activation == "softmax":
            return costs.OfClasses(last.outputs)
        case losses.BinaryCrossentropy(label_smoothing=0.0) if not classes and last.activation == "sigmoid":
            return costs.OfOutputs(last.outputs, last.activation, plain.weight, binary=True)
        case losses.MeanSquaredError() if type(plain.loss) is losses.MeanSquaredError and known:
            return costs.OfOutputs(last.outputs, last.activation, plain.weight, classes=classes)
    return None


def _rule(optimizer: Optimizer) -> Rule | None:
    changed = (optimizer.weight_decay, optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
    if any(each is not None for each in changed):
        return None
    if isinstance(optimizer, optimizers.SGD):
        return rules.SGD(optimizer.momentum, optimizer.nesterov)
    if type(optimizer) is optimizers.Adam and not optimizer.amsgrad:
        return rules.Adam(optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    return None


class Steps:
    """The steps of a phase that is a chain."""

    def __init__(self, phase: Gradient, made: Chain):
        vectors = code.vectors()
        assert phase.plain
        assert vectors
        self._phase, self._chain = phase, made
        self._room = Room(made, vectors)
        self._numbers = _aligned(self._room.size)
        self._function = _callable(made, vectors)
        self._classes = made.layers[-1].outputs if phase.plain.target == "classes" else None
        per_sample = sum(layer.inputs * layer.outputs for layer in made.layers)
        blocks = math.ceil(made.batch / self._room.at_once)
        self._threads = max(1, min(environment.threads(), blocks, made.batch * per_sample // PRODUCTS))

    def samples(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Samples and targets as `__call__` takes them: (n, inputs) and (n, outputs)."""
        seen = np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
        if self._chain.same:
            return seen, seen
        if self._classes:
            return seen, np.eye(self._classes, dtype=np.float32)[y]
        return seen, np.ascontiguousarray(y, np.float32).reshape(len(y), -1)

    def __call__(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, rates: np.ndarray, first: int, sums: np.ndarray
    ) -> np.ndarray:
        """Train the steps from `first` on, one for each of the learning rates; the sums of the engine after them.

        The sums go on from those before, number by number: so it does not matter where an epoch is cut.
        """
        steps = int(self._phase.optimizer.iterations)
        scaled = np.ascontiguousarray(self._chain.rule.rates(rates, steps), np.float32)
        places = [0 if name in LOSSES else 1 for name in self._phase.metrics]
        totals = np.array([sums[1 + places.index(i)] for i in range(chain.VALUES)])
        self._fetch()
        self._train((x, y, order, scaled, self._numbers, totals), len(order), first, first + len(rates))
        self._store()
        self._phase.optimizer.iterations.assign(steps + len(rates))
        trained = min((first + len(rates)) * self._chain.batch, len(order)) - first * self._chain.batch
        return np.array([sums[0] + trained, *totals[places]])

    def _train(self, arrays: Sequence[np.ndarray], samples: int, first: int, last: int) -> None:
        barrier = np.zeros(1, np.int64)
        pointers = [array.ctypes.data for array in (*arrays, barrier)]
        gate = threading.Barrier(self._threads)

        def work(thread: int) -> None:
            with contextlib.suppress(threading.BrokenBarrierError):
                gate.wait()  # none begins alone: it would wait for the others for ever
                self._function(*pointers, samples, first, last, thread, self._threads)

        if self._threads == 1:
            return work(0)
        workers = [threading.Thread(target=work, args=(i,)) for i in range(self._threads)]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        finally:
            gate.abort()

    def _fetch(self) -> None:
        self._numbers[:] = 0.0  # the padding too, where a diverged training leaves what is not finite
        for place in self._room.outputs:
            self._matrix(place)[:, place.used] = 1.0  # what the bias sees
        for numbers, variable in self._variables():
            numbers[:] = variable.numpy()

    def _store(self) -> None:
        for numbers, variable in self._variables():
            variable.assign(numbers)

    def _variables(self) -> Iterator[tuple[np.ndarray, Any]]:
        """The numbers in the room, each array with the variable that it is a copy of."""
        optimizer, names = self._phase.optimizer, iter(_weights(self._phase.plain.rows))
        for layer, places in zip(self._chain.layers, self._room.kernels, strict=True):
            for rows in (slice(0, layer.inputs), layer.inputs)[: 1 + layer.bias]:
                weight = self._phase.network.weights[next(names)]
                i = next(i for i, each in enumerate(self._phase.trained) if each is weight)
                slots = (getattr(optimizer, name)[i] for name in SLOTS[type(self._chain.rule)][: len(places) - 1])
                for place, variable in zip(places, (weight, *slots), strict=True):
                    yield self._matrix(place)[rows, : place.used], variable

    def _matrix(self, place: Place) -> np.ndarray:
        return self._numbers[place.start : place.end].reshape(place.rows, place.width)


@functools.cache
def _callable(made: Chain, vectors: Vectors) -> Any:
    """The compiled function: seven pointers, five integers."""
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, *[ctypes.c_int64] * 5)  # it runs without Python's lock
    return kind(chain.steps(made, vectors).address())


def _aligned(size: int) -> np.ndarray:
    """Zeros that begin with a line of the cache."""
    numbers = np.zeros(size + 16, np.float32)
    first = -numbers.ctypes.data % 64 // 4
    return numbers[first : first + size]
