"""Compiled evaluation of a network on whole splits: outputs, metrics of a phase, cost for many sets of weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys import machine
from mlphys.networks import keras_internals
from mlphys.networks.cost import WEIGHTS, Cost, mean_loss
from mlphys.networks.network import Network
from mlphys.networks.phases import Phase
from mlphys.networks.tensorflow import accelerators, operation_threads, tf
from mlphys.numerics import chunked
from mlphys.schema.samples import Split

MOST_PARTS = 8  # of a batch: each has operations of its own in the graph, and takes .3 s to trace


@dataclass(frozen=True)
class Pass:
    """A forward and backward pass: samples, outputs by layer, losses (n,), and the gradient of each trained weight.

    `slopes` is the gradient of the cost with respect to those outputs that it depends on.
    """

    x: np.ndarray
    y: np.ndarray
    outputs: Mapping[str, np.ndarray]
    losses: np.ndarray
    gradients: Sequence[np.ndarray]
    slopes: Mapping[str, np.ndarray]


def traversed(network: Network, cost: Cost, split: Split, training: bool, trained: Sequence[Any] = ()) -> Pass:
    """A pass that is not compiled, for single batches. In `training` the random layers draw; otherwise with the same
    random numbers every time.

    Gradients are taken where `trained` weights are given.
    """
    if not training:
        network.measure_alike()
    x, y = tf.convert_to_tensor(split.x), tf.convert_to_tensor(split.y)
    with keras_internals.watched(network.keras_layers(network.layers)) as outputs, tf.GradientTape() as tape:
        values, penalty = cost(x, y, training, split.weights)
        total = mean_loss(values) + penalty
    outputs = {name: outputs[name] for name in network.layers if name in outputs}
    sources = {"weights": [variable.value for variable in trained], "outputs": outputs if trained else {}}
    gradients = tape.gradient(total, sources)
    return Pass(
        x.numpy(),
        y.numpy(),
        {name: output.numpy() for name, output in outputs.items()},
        values["loss"].numpy(),
        [
            np.zeros(weight.shape, np.float32) if gradient is None else gradient.numpy()
            for weight, gradient in zip(trained, gradients["weights"], strict=True)
        ],
        {name: slope.numpy() for name, slope in gradients["outputs"].items() if slope is not None},
    )


class Measurement:
    """The metrics of a network over a split, compiled, without training it."""

    def __init__(self, phase: Phase, split: Split):
        self._phase = phase
        self._split = split
        resident = not isinstance(split.x, chunked.LazyArray)
        self._tensors = [_tensors(split)] if resident else None
        self._compiled = tf.function(self._measure, reduce_retracing=True, autograph=False)

    def means(self) -> dict[str, float]:
        self._phase.network.measure_alike()
        sums = tf.zeros([1 + len(self._phase.metrics)], tf.float64)
        for arrays in self._tensors or _pieces(self._split, self._phase.network.evaluated_at_once):
            sums = self._compiled(arrays, sums)
        return metric_means(self._phase.metrics, sums.numpy())

    def _measure(self, arrays: Arrays, sums: Any) -> Any:
        def of_piece(x: Any, y: Any, weights: Any = None) -> Any:
            with fast_convolutions(self._phase.network):
                values, penalty = self._phase.cost(x, y, False, weights)
            return metric_sums(self._phase.metrics, values, penalty)

        return _summed(of_piece, arrays, self._phase.network.evaluated_at_once, sums)


Arrays = tuple[Any, ...]  # x and y of a split, and its weights if it has any


def _tensors(split: Split) -> Arrays:
    weights = () if split.weights is None else (tf.constant(split.weights),)
    return tf.constant(chunked.read(split.x)), tf.constant(split.y), *weights


def _summed(of_piece: Callable[..., Any], arrays: Arrays, at_once: int, sums: Any) -> Any:
    """`of_piece` of so many samples at a time, added to `sums`."""
    samples = arrays[0].shape[0]
    if samples is not None and samples <= at_once:  # a loop takes half of a short training to compile
        return sums + of_piece(*arrays)

    def add(start: Any, sums: Any) -> tuple[Any, Any]:
        rows = slice(start, start + at_once)
        return start + at_once, sums + of_piece(*(array[rows] for array in arrays))

    return tf.while_loop(lambda start, sums: start < tf.shape(arrays[0])[0], add, (0, sums))[1]


def _pieces(split: Split, multiple: int) -> Iterator[Arrays]:
    """A split as tensors of so many samples, or of several times as many."""
    step = max(1, chunked.at_once(split.x, len(split), chunked.LARGEST_PIECE) // multiple) * multiple
    for start in range(0, len(split), step):
        yield _tensors(split.at(slice(start, start + step)))


class Mapped:
    """`function(x, y)`, compiled, applied to whole splits."""

    def __init__(self, function: Callable[[Any, Any], Mapping[str, Any]], at_once: int):
        self._compiled = tf.function(function, reduce_retracing=True, autograph=False)
        self._at_once = at_once

    def __call__(
        self,
        split: Split,
        then: Callable[[dict[str, np.ndarray], slice], dict[str, np.ndarray]] = lambda values, rows: values,
    ) -> dict[str, np.ndarray]:
        """So many samples at a time, joined along the first axis.

        `then(values, rows)` makes something smaller of each piece before they are joined.
        """
        pieces: list[dict[str, np.ndarray]] = []
        for start in range(0, len(split), self._at_once):
            rows = slice(start, start + self._at_once)
            values = self._compiled(tf.constant(chunked.read(split.x[rows])), tf.constant(split.y[rows]))
            pieces.append(then({name: value.numpy() for name, value in values.items()}, rows))
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


class MeanCost:
    """The mean cost of a split, float64, as a function of the weights: `cost` is that of a phase.

    Where the weights are set is compiled too: a loss landscape needs it at tens of thousands of points.
    """

    def __init__(self, network: Network, cost: Cost):
        self._network, self._cost = network, cost
        self._compiled = tf.function(self._costs, reduce_retracing=True, autograph=False)

    def __call__(self, split: Split, parameters: np.ndarray) -> np.ndarray:
        """At each row of `parameters` (m, p), all weights one after the other; the network is left at the last."""
        places = tf.constant(parameters, tf.float32)
        resident = not isinstance(split.x, chunked.LazyArray)
        at_once = len(split) if resident else self._network.evaluated_at_once
        sums = sum(self._compiled(arrays, places).numpy() for arrays in _pieces(split, at_once))
        return sums[:, 1] / sums[:, 0]

    def _costs(self, arrays: Arrays, parameters: Any) -> Any:
        variables = list(self._network.weights.values())
        sizes = [math.prod(variable.shape) for variable in variables]

        def of_piece(x: Any, y: Any, weights: Any = None) -> Any:
            return metric_sums(("loss",), *self._cost(x, y, False, weights))

        def at(place: Any) -> Any:
            for variable, values in zip(variables, tf.split(place, sizes), strict=True):
                variable.assign(tf.reshape(values, variable.shape))
            self._network.measure_alike()
            return _summed(of_piece, arrays, self._network.evaluated_at_once, tf.zeros([2], tf.float64))

        # one point after the other: they share the variables
        return tf.map_fn(at, parameters, fn_output_signature=tf.float64, parallel_iterations=1)


def simd_width(network: Network) -> int | None:
    """How many samples our own convolutions take at once; None: they are not used, as in XLA and on accelerators."""
    from mlphys.networks.layers.interleaved import width

    return None if accelerators() or network.compiles_in_xla else width()


def fast_convolutions(network: Network, parts: int | None = None) -> contextlib.AbstractContextManager[None]:
    """Convolutions of few channels by our own code, which takes one core for each of the parts of a batch."""
    from mlphys.networks.layers import simd_conv

    cores = operation_threads() or machine.threads()
    parts = min(machine.threads(), MOST_PARTS) if parts is None else parts
    return simd_conv.enabled(min(1.0, parts / cores) if simd_width(network) else 0.0, parts)


def metric_sums(metrics: tuple[str, ...], values: Mapping[str, Any], penalty: Any) -> Any:
    """The number of samples and the sum of each metric; the penalty counts once a sample. With weights, by weight."""
    if WEIGHTS in values:
        weights = tf.cast(values[WEIGHTS], tf.float64)
        samples = tf.reduce_sum(weights)
        sums = [tf.reduce_sum(weights * tf.cast(values[name], tf.float64)) for name in metrics]
    else:
        samples = tf.cast(tf.shape(values["loss"])[0], tf.float64)
        sums = [tf.reduce_sum(tf.cast(values[name], tf.float64)) for name in metrics]
    sums[metrics.index("loss")] += samples * tf.cast(penalty, tf.float64)
    return tf.stack([samples, *sums])


def metric_means(metrics: tuple[str, ...], sums: np.ndarray) -> dict[str, float]:
    """The mean of each metric, from their `metric_sums`."""
    return {name: float(total / sums[0]) for name, total in zip(metrics, sums[1:], strict=False)}
