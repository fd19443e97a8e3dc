"""The compiled loops of training, validation and prediction."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mlphys import machine
from mlphys.networks.passes import Pass
from mlphys.networks.phases import Fit, Gradient, Network, Phase
from mlphys.numerics import chunked
from mlphys.schema.data import Split
from mlphys.training import microbatches, native_backend
from mlphys.training.prefetch import Blocks, Change
from mlphys.training.tracking import Tracker, watched

Terms = Callable[[Any, Any, bool], tuple[Mapping[str, Any], Any]]  # of phases.Gradient


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Hold back what TensorFlow's libraries write to stderr on their own; an exception shows it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def _absent(*modules: str) -> Iterator[None]:
    """Importing one of these fails in here, unless it is imported already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# Keras can do without these, whose import takes a second, and mlphys does not use what they are there for.
with _without_notices(), _absent("sklearn", "matplotlib", "matplotlib.pyplot"):
    import keras  # noqa: F401 - now, so that it is not imported with them later
    import tensorflow as tf

    if microbatches.shared and "TF_NUM_INTRAOP_THREADS" not in os.environ:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    for accelerator in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(accelerator, True)  # else it takes all there is
    tf.config.list_logical_devices()
    tf.get_logger().setLevel("ERROR")  # it warns of retracing, which pieces of samples of several sizes cannot avoid


class Engine:
    """One phase: a chunk of an epoch is one call of compiled code.

    `train` are the samples of every epoch, unless `start_epoch` brings others. All that a step
    changes is kept from call to call, so how an epoch is cut into chunks changes no bit of the result.
    `traces` counts how often Python code was turned into a graph.

    Samples in memory are gathered by the order inside the call. Stored ones, and those that each
    epoch sees changed, come in blocks: batch after batch is laid into a buffer, whose shape never
    changes, and the same call gathers from there; the next block is read while one is trained.
    """

    def __init__(self, phase: Gradient, train: Split):
        steps = phase.settings.steps_per_epoch
        self.batch_size = _batch_size(phase, len(train))
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
        if made := chain_of(phase, len(train)):
            self._steps: _Steps = native_backend.Steps(phase, made, self._variables(), _rates(phase.optimizer))
        else:
            self._steps = _Graph(phase, self._tracker, self.batch_size, self.samples, self._variables())

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
        if change or isinstance(fed.x, chunked.Stored):
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
                return _means(self._phase.metrics, self._sums)
            start = end

    def settle(self) -> None:
        """Give the network its weights as they are now trained."""
        self._steps.settle()

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

    def moment(self) -> dict[str, np.ndarray]:
        """A copy of all that a step changes, for the middle of an epoch."""
        return self._steps.moment()

    def rewind(self, moment: Mapping[str, np.ndarray]) -> None:
        self._steps.rewind(moment)

    def traversed(self, step: int) -> Pass:
        """The samples of a step through the net as it is now."""
        self._lay(step)
        assert self._held
        rows = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        self.settle()
        x, y = self._held.x[rows], self._held.y[rows]
        return traversed(self._phase.network, self._phase.terms, x, y, True, self._phase.trained)

    def _lay(self, batch: int) -> None:
        """The block that holds a batch, if samples come in blocks."""
        if self._blocks and (block := self._blocks.holding(batch)) is not None:
            self._hold(block)

    def _hold(self, split: Split) -> None:
        """Samples in memory, from which a step gathers."""
        self._held = split
        self._steps.hold(split)

    def _variables(self) -> dict[str, Any]:
        weights = {f"weights/{name}": variable for name, variable in self._phase.network.weights.items()}
        slots = {f"optimizer/{i}": variable for i, variable in enumerate(self._phase.optimizer.variables)}
        others = {f"state/{name}": variable for name, variable in self._phase.network.state.items()}
        return weights | slots | others


def chain_of(phase: Phase, samples: int) -> native_backend.Chain | None:
    """What is trained by machine code of our own; None: TensorFlow trains this phase."""
    if isinstance(phase, Fit) or devices() or Tracker(phase).names:
        return None
    return native_backend.chain_of(phase, _batch_size(phase, samples))


def _batch_size(phase: Gradient, samples: int) -> int:
    size = phase.settings.batch_size
    return samples if size == "all" else min(int(size), samples)


class _Steps(Protocol):
    """The steps of a phase, by a graph or by machine code; see Engine for what is asked of them."""

    traces: int

    def hold(self, split: Split) -> None: ...

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None: ...

    def train(self, start: int, stop: int) -> np.ndarray:
        """The number of samples and the sums of the metrics, of the epoch so far."""

    def settle(self) -> None: ...

    def learning_rate(self) -> float: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None: ...

    def moment(self) -> dict[str, np.ndarray]: ...

    def rewind(self, moment: Mapping[str, np.ndarray]) -> None: ...


class _Graph:
    """A chunk of an epoch as a graph of TensorFlow, in which all that a step changes is a variable."""

    def __init__(self, phase: Gradient, tracker: Tracker, batch_size: int, samples: int, variables: dict[str, Any]):
        self.batch_size, self.samples = batch_size, samples
        self.batches = math.ceil(samples / batch_size)
        self.traces = 0
        self._phase, self._tracker, self._variables = phase, tracker, variables
        self._x = self._y = self._order = None
        # float64: sums over a hundred thousand samples keep all digits that are printed
        self._sums = tf.Variable(np.zeros(1 + len(phase.metrics) + len(tracker.names)), dtype=tf.float64)
        self._chunk = tf.function(self._train_chunk, jit_compile=phase.network.compiles_in_xla, autograph=False)

    def hold(self, split: Split) -> None:
        self._x, self._y = tf.constant(split.x), tf.constant(split.y)

    def begin(self, order: np.ndarray, seeds: Mapping[str, np.ndarray]) -> None:
        self._order = tf.constant(order)
        self._sums.assign(tf.zeros_like(self._sums))
        for name, variable in self._phase.network.seeds.items():
            variable.assign(seeds[name])

    def train(self, start: int, stop: int) -> np.ndarray:
        return self._chunk(self._x, self._y, self._order, tf.constant(start), tf.constant(stop)).numpy()

    def settle(self) -> None:
        """The network's variables are those that are trained."""

    def learning_rate(self) -> float:
        return float(self._phase.optimizer.learning_rate)

    def state(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        for name, variable in self._variables.items():
            variable.assign(state[name])

    def moment(self) -> dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self._changing().items()}

    def rewind(self, moment: Mapping[str, np.ndarray]) -> None:
        for name, variable in self._changing().items():
            variable.assign(moment[name])

    def _changing(self) -> dict[str, Any]:
        seeds = {f"seeds/{name}": variable for name, variable in self._phase.network.seeds.items()}
        return self._variables | seeds | {"sums": self._sums}

    def _train_chunk(self, x: Any, y: Any, order: Any, start: Any, stop: Any) -> Any:
        self.traces += 1
        with _side_by_side(self._phase):
            return self._batches_trained(x, y, order, start, stop)

    def _batches_trained(self, x: Any, y: Any, order: Any, start: Any, stop: Any) -> Any:
        whole = self.samples // self.batch_size
        size = self.batch_size

        def step(i: Any) -> tuple[Any]:
            rows = tf.slice(order, [i * size], [size])
            self._step(tf.gather(x, rows), tf.gather(y, rows))
            return (i + 1,)

        def smaller_step() -> Any:
            rows = order[whole * size :]
            self._step(tf.gather(x, rows), tf.gather(y, rows))
            return whole

        tf.while_loop(lambda i: i < tf.minimum(stop, whole), step, (start,))
        if whole < self.batches:
            tf.cond(stop > whole, smaller_step, lambda: whole)
        return self._sums.read_value()

    def _step(self, x: Any, y: Any) -> None:
        sizes = microbatches.sizes(self._phase, x.shape[0], bool(devices()))
        if len(sizes) == 1:
            gradients, sums, outputs = self._passed(x, y, 1.0)
        else:
            cut = zip(tf.split(x, sizes), tf.split(y, sizes), strict=True)
            found = [self._passed(*part, size / x.shape[0]) for part, size in zip(cut, sizes, strict=True)]
            gradients = [_added(of_parts) for of_parts in zip(*(part[0] for part in found), strict=True)]
            sums = tf.add_n([part[1] for part in found])
            outputs = {name: tf.concat([part[2][name] for part in found], axis=0) for name in found[0][2]}
        self._phase.optimizer.apply(gradients, list(self._phase.trained))
        if self._tracker.names:
            sums = tf.concat([sums, tf.stack(self._tracker.sums(gradients, outputs, sums[0]))], axis=0)
        self._sums.assign_add(sums)

    def _passed(self, x: Any, y: Any, share: float) -> tuple[list[Any], Any, dict[str, Any]]:
        """Gradients, sums of the metrics, and outputs that are tracked, of a part with this share of its batch."""
        from mlphys.networks.layers import simd_conv

        phase, x = self._phase, simd_conv.of_data(x)
        with self._tracker.watching() as outputs, tf.GradientTape() as tape:
            values, penalty = phase.terms(x, y, True)
            cost = share * (tf.reduce_mean(values["loss"]) + penalty)
        gradients = tape.gradient(cost, [variable.value for variable in phase.trained])
        return gradients, _sums(phase.metrics, values, penalty), outputs


def _rates(optimizer: Any) -> Callable[[int, int], np.ndarray]:
    """The function (first, count) -> learning rates of so many steps, from the one with the number `first`."""
    rate = optimizer._learning_rate  # what is public is that of the next step alone
    if not callable(rate):
        return lambda first, count: np.full(count, rate.numpy())
    scheduled = tf.function(lambda steps: tf.map_fn(rate, steps, fn_output_signature=tf.float32), autograph=False)
    return lambda first, count: scheduled(tf.range(first, first + count, dtype=tf.int64)).numpy()


def traversed(network: Network, terms: Terms, x: Any, y: Any, training: bool, trained: Sequence[Any] = ()) -> Pass:
    """Not compiled: for a look at single batches. In `training` the random layers draw.

    Gradients are taken where `trained` weights are given.
    """
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    with watched(network, network.layers) as outputs, tf.GradientTape() as tape:
        values, penalty = terms(x, y, training)
        cost = tf.reduce_mean(values["loss"]) + penalty
    outputs = {name: outputs[name] for name in network.layers if name in outputs}
    sources = {"weights": [variable.value for variable in trained], "outputs": outputs if trained else {}}
    found = tape.gradient(cost, sources)
    return Pass(
        x.numpy(),
        y.numpy(),
        {name: output.numpy() for name, output in outputs.items()},
        values["loss"].numpy(),
        [
            np.zeros(weight.shape, np.float32) if gradient is None else gradient.numpy()
            for weight, gradient in zip(trained, found["weights"], strict=True)
        ],
        {name: slope.numpy() for name, slope in found["outputs"].items() if slope is not None},
    )


class Measurement:
    """The metrics of a network over a split, compiled, without training it."""

    def __init__(self, phase: Phase, split: Split):
        self._phase = phase
        self._split = split
        resident = not isinstance(split.x, chunked.Stored)
        self._tensors = [(tf.constant(split.x), tf.constant(split.y))] if resident else None
        self._compiled = tf.function(self._measure, reduce_retracing=True, autograph=False)

    def means(self) -> dict[str, float]:
        sums = tf.zeros([1 + len(self._phase.metrics)], tf.float64)
        for x, y in self._tensors or _pieces(self._split, self._phase.network.evaluated_at_once):
            sums = self._compiled(x, y, sums)
        return _means(self._phase.metrics, sums.numpy())

    def _measure(self, x: Any, y: Any, sums: Any) -> Any:
        def of_piece(x: Any, y: Any) -> Any:
            with _side_by_side(self._phase):
                values, penalty = self._phase.terms(x, y, False)
            return _sums(self._phase.metrics, values, penalty)

        return _summed(of_piece, x, y, self._phase.network.evaluated_at_once, sums)


def _summed(of_piece: Callable[[Any, Any], Any], x: Any, y: Any, at_once: int, sums: Any) -> Any:
    """`of_piece` of so many samples at a time, added to `sums`."""

    def add(start: Any, sums: Any) -> tuple[Any, Any]:
        rows = slice(start, start + at_once)
        return start + at_once, sums + of_piece(x[rows], y[rows])

    return tf.while_loop(lambda start, sums: start < tf.shape(x)[0], add, (0, sums))[1]


def _pieces(split: Split, multiple: int) -> Iterator[tuple[Any, Any]]:
    """A split as tensors of so many samples, or of several times as many."""
    step = max(1, chunked.at_once(split.x, len(split), chunked.LARGEST_PIECE) // multiple) * multiple
    for start in range(0, len(split), step):
        rows = slice(start, start + step)
        yield tf.constant(chunked.read(split.x[rows])), tf.constant(split.y[rows])


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
    """The mean cost of a split, float64, as a function of the weights: `terms` are those of a phase.

    Where the weights are set is compiled too: a landscape asks for it at ten thousands of places.
    """

    def __init__(self, network: Network, terms: Terms):
        self._network, self._terms = network, terms
        self._compiled = tf.function(self._costs, reduce_retracing=True, autograph=False)

    def __call__(self, split: Split, parameters: np.ndarray) -> np.ndarray:
        """At each row of `parameters` (m, p), all weights one after the other; the network is left at the last."""
        places = tf.constant(parameters, tf.float32)
        resident = not isinstance(split.x, chunked.Stored)
        at_once = len(split) if resident else self._network.evaluated_at_once
        sums = sum(self._compiled(x, y, places).numpy() for x, y in _pieces(split, at_once))
        return sums[:, 1] / sums[:, 0]

    def _costs(self, x: Any, y: Any, parameters: Any) -> Any:
        variables = list(self._network.weights.values())
        sizes = [math.prod(variable.shape) for variable in variables]

        def of_piece(x: Any, y: Any) -> Any:
            return _sums(("loss",), *self._terms(x, y, False))

        def at(place: Any) -> Any:
            for variable, values in zip(variables, tf.split(place, sizes), strict=True):
                variable.assign(tf.reshape(values, variable.shape))
            return _summed(of_piece, x, y, self._network.evaluated_at_once, tf.zeros([2], tf.float64))

        # one place after the other: they share the variables
        return tf.map_fn(at, parameters, fn_output_signature=tf.float64, parallel_iterations=1)


def load_weights(network: Network, weights: Mapping[str, np.ndarray]) -> None:
    for name, variable in network.weights.items():
        variable.assign(weights[name])


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """A copy of what `load_weights` sets."""
    return {name: variable.numpy() for name, variable in network.weights.items()}


def devices() -> list[str]:
    """The accelerators in use, empty on a machine with none."""
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def side_by_side(network: Network) -> int | None:
    """How many samples our own convolutions take at once; None: they are not used, as in XLA and on accelerators."""
    from mlphys.networks.layers import simd_conv  # after the engine, which tells TensorFlow what to use

    return None if devices() or network.compiles_in_xla else simd_conv.width()


def _side_by_side(phase: Phase) -> contextlib.AbstractContextManager[None]:
    """Convolutions of few channels by our own code, which takes one core."""
    from mlphys.networks.layers import simd_conv

    cores = 1 if microbatches.shared else machine.threads()
    return simd_conv.used(1 / cores if side_by_side(phase.network) else 0.0)


def _added(gradients: Sequence[Any]) -> Any:
    """None for a weight that the cost does not depend on."""
    return None if any(gradient is None for gradient in gradients) else tf.add_n(gradients)


def _sums(metrics: tuple[str, ...], values: Mapping[str, Any], penalty: Any) -> Any:
    """The number of samples and the sum of each metric; the penalty counts once a sample."""
    samples = tf.cast(tf.shape(values["loss"])[0], tf.float64)
    sums = [tf.reduce_sum(tf.cast(values[name], tf.float64)) for name in metrics]
    sums[metrics.index("loss")] += samples * tf.cast(penalty, tf.float64)
    return tf.stack([samples, *sums])


def _means(metrics: tuple[str, ...], sums: np.ndarray) -> dict[str, float]:
    return {name: float(total / sums[0]) for name, total in zip(metrics, sums[1:], strict=False)}
