"""A trained network, asked about samples of the data's own space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.networks import autodiff
from mlphys.networks.compiled import Mapped, MeanCost, Pass, traversed
from mlphys.networks.cost import Cost
from mlphys.networks.model_kind import ModelKind
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.data import Split

LARGEST_JACOBIANS = 20_000_000  # numbers that are computed at once: 80 MB


class TrainedNetwork:
    """What a run has learned. Samples x have shape (n, *shape) of the data, before preprocessing.

    Points z are samples behind it, as the net sees them, each in a row: float32 (n, d).
    """

    def __init__(self, loaded: ResolvedExperiment, weights: Mapping[str, np.ndarray], fitted: Preprocessing):
        self._loaded = loaded
        self._kind = loaded.experiment.model
        self._fitted = fitted
        self.network = self._kind.build(loaded.net_input, loaded.experiment.seed)
        self.network.load_weights(weights)
        self._compiled: dict[tuple[str, str], Mapped] = {}

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> TrainedNetwork:
        """The same model with other weights, such as the initial ones."""
        return TrainedNetwork(self._loaded, weights, self._fitted)

    def of(self, spec: ModelKind) -> TrainedNetwork:
        """The same weights in another model, such as the one without the last activation."""
        experiment = self._loaded.experiment.model_copy(update={"model": spec})
        return TrainedNetwork(replace(self._loaded, experiment=experiment), self.weights, self._fitted)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """What was learned, by name."""
        return self.network.weight_arrays()

    def seen(self, x: Array) -> np.ndarray:
        """Samples x as points z."""
        return chunked.read(self._split(x).x).reshape(len(x), -1)

    def unseen(self, z: np.ndarray) -> np.ndarray:
        """Points z brought where pictures are, (n, *shape)."""
        return self._fitted.inverse(z.reshape(-1, *self._loaded.net_input.shape))

    def at(self, name: str, z: np.ndarray) -> np.ndarray:
        """An output at points z, its values in a row, float32 (n, m).

        Of those of the kind of model, such as reconstructions, codes, probabilities or outputs, or of a layer.
        """
        key = ("at", name)
        if key not in self._compiled:
            function = self._function(name)
            self._compiled[key] = Mapped(lambda z, y: {"at": function(z)}, self.network.evaluated_at_once)
        return self._compiled[key](_points(z))["at"]

    def jacobians(
        self, name: str, z: np.ndarray, each: Callable[[np.ndarray], np.ndarray] = lambda jacobians: jacobians
    ) -> np.ndarray:
        """J[b, i, j] = d output_i / d z_j at points z, float32 (n, m, d), the output named as in `at`.

        `each(J)` makes something smaller, (k, ...), of the k Jacobians that are computed at once.
        """
        key = ("jacobians", name)
        if key not in self._compiled:
            function, size = self._function(name), self.at(name, z[:1]).shape[1] * z.shape[1]
            self._compiled[key] = Mapped(
                lambda z, y: {"at": autodiff.jacobians(function, z)}, max(1, LARGEST_JACOBIANS // size)
            )
        return self._compiled[key](_points(z), lambda values, rows: {"at": each(values["at"])})["at"]

    def gradients(self, name: str, z: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """sum_i direction_i d output_i / d z_j at points z, float32 (n, d); direction (n, m)."""
        key = ("gradients", name)
        if key not in self._compiled:
            function = self._function(name)
            self._compiled[key] = Mapped(
                lambda z, y: {"at": autodiff.gradients(function, z, y)}, self.network.evaluated_at_once
            )
        return self._compiled[key](Split(z.astype(np.float32), direction.astype(np.float32)))["at"]

    def laplacians(self, name: str, z: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """sum_ij direction_i d^2 output_i / d z_j^2 at points z, float32 (n,); direction (n, m)."""
        key = ("laplacians", name)
        if key not in self._compiled:
            function = self._function(name)
            self._compiled[key] = Mapped(
                lambda z, y: {"at": autodiff.laplacians(function, z, y)}, max(1, LARGEST_JACOBIANS // z.shape[1] ** 2)
            )
        return self._compiled[key](Split(z.astype(np.float32), direction.astype(np.float32)))["at"]

    def _function(self, name: str) -> Callable[[Any], Any]:
        """Points (n, d) -> the output `name` (n, m), inside of a graph."""
        from keras import ops

        network, kind, seen = self.network, self._kind, self._loaded.net_input
        pictured = kind.image_output_shapes(seen)

        def output(z: Any) -> Any:
            x = ops.reshape(z, (-1, *seen.shape))
            if name in network.layers:
                found = network.layers[name](ops.reshape(z, (-1, *network.model.input_shape[1:])), training=False)
            else:
                found = (kind.image_outputs if name in pictured else kind.predictions)(network, x)[name]
            return ops.reshape(found, (-1, math.prod(found.shape[1:])))

        return output

    def predictions(self, x: Array) -> dict[str, np.ndarray]:
        """What the kind of model says of each sample: probabilities, outputs, or codes and errors."""
        return self._predict(self._split(x))

    def image_outputs(self, x: Array) -> dict[str, np.ndarray]:
        """What goes beside the samples' pictures, such as reconstructions, in the space of those."""
        return {name: self._fitted.inverse(values) for name, values in self._picture(self._split(x)).items()}

    def sampled(self, x: Array, lines: int, every: int) -> np.ndarray:
        """Markov chains that start at samples x: what each shows after every so many steps, (n, lines, *shape)."""
        draw = self.network.parts["samples"]
        follow = Mapped(lambda x, y: {"seen": draw(x, lines, every)}, self.network.evaluated_at_once)
        seen = follow(self._split(x))["seen"]
        found = self._fitted.inverse(seen.reshape(-1, *seen.shape[2:]))
        return found.reshape(len(x), lines, *found.shape[1:])

    def decoded(self, codes: np.ndarray) -> np.ndarray:
        """What the decoder makes of codes (n, ...), in the space of the samples' pictures."""
        seen = self._decode(Split(codes.astype(np.float32), np.zeros((len(codes), 0), np.float32)))
        return self._fitted.inverse(seen["samples"])

    def staged(self, x: Array) -> np.ndarray:
        """What a stack makes of samples through its first stage alone, the first two, ...: (stages, n, *shape)."""
        found = self._through_stages(self._split(x))
        return np.stack([self._fitted.inverse(found[str(i)]) for i in range(len(found))])

    def layers(self, x: Array) -> dict[str, np.ndarray]:
        """The output of every layer, by the names of `Run.rows`; empty for a model without layers."""
        return self._trace(self._split(x)) if self.network.layers else {}

    def losses(self, split: Split, parameters: np.ndarray) -> np.ndarray:
        """The mean loss, penalties included, of a split at each of m sets of parameters (m, p), float64 (m,).

        The p parameters are the weights one after the other, as the network names them. The network keeps its own.
        """
        kept = self.network.weight_arrays()
        seen = self._fitted.split(split)
        try:
            return self._mean_cost(seen, np.atleast_2d(parameters))
        finally:
            self.network.load_weights(kept)

    @property
    def initial(self) -> dict[str, np.ndarray]:
        """The weights as the seed draws them, by name."""
        return self._kind.build(self._loaded.net_input, self._loaded.experiment.seed).weight_arrays()

    @property
    def trained_weights(self) -> list[str]:
        """The names of the weights that training moves, in the order of the gradients that `traversed` gives."""
        names = {id(variable): name for name, variable in self.network.weights.items()}
        return [names[id(variable)] for variable in self.network.model.trainable_variables]

    def traversed(self, split: Split) -> Pass:
        """A batch of samples x and y through the net and back, as it is evaluated: nothing drawn at random."""
        seen, trained = self._fitted.split(split), list(self.network.model.trainable_variables)
        return traversed(self.network, self._cost, seen.x, seen.y, False, trained)

    @cached_property
    def _cost(self) -> Cost:
        experiment = self._loaded.experiment
        cost: Cost = self._kind.cost(experiment.training, self._loaded.net_input, self.network)
        return cost

    @cached_property
    def _mean_cost(self) -> MeanCost:
        return MeanCost(self.network, self._cost)

    @cached_property
    def _predict(self) -> Mapped:
        return Mapped(lambda x, y: self._kind.predictions(self.network, x), self.network.evaluated_at_once)

    @cached_property
    def _picture(self) -> Mapped:
        return Mapped(lambda x, y: self._kind.image_outputs(self.network, x), self.network.evaluated_at_once)

    @cached_property
    def _decode(self) -> Mapped:
        from keras import ops

        decoder, shape = self.network.parts["decoder"], self._loaded.net_input.shape

        def samples(codes: Any, y: Any) -> dict[str, Any]:
            codes = ops.reshape(codes, (-1, *decoder.input_shape[1:]))
            return {"samples": ops.reshape(decoder(codes, training=False), (-1, *shape))}

        return Mapped(samples, self.network.evaluated_at_once)

    @cached_property
    def _through_stages(self) -> Mapped:
        from keras import ops

        parts, shape = self.network.parts, self._loaded.net_input.shape
        stages = sum(name.startswith("stage ") for name in parts)

        def reconstructions(x: Any, y: Any) -> dict[str, Any]:
            found, codes = {}, x
            for i in range(stages):
                encoder = parts[f"encoder {i}"]
                codes = encoder(ops.reshape(codes, (-1, *encoder.input_shape[1:])), training=False)
                back = codes
                for j in range(i, -1, -1):
                    decoder = parts[f"decoder {j}"]
                    back = decoder(ops.reshape(back, (-1, *decoder.input_shape[1:])), training=False)
                found[str(i)] = ops.reshape(back, (-1, *shape))
            return found

        return Mapped(reconstructions, self.network.evaluated_at_once)

    @cached_property
    def _trace(self) -> Mapped:
        from keras import ops

        layers = self.network.layers

        def outputs(x: Any, y: Any) -> dict[str, Any]:
            x = ops.reshape(x, (-1, *self.network.model.input_shape[1:]))
            return {name: layer(x, training=False) for name, layer in layers.items()}

        return Mapped(outputs, self.network.evaluated_at_once)

    def _split(self, x: Array) -> Split:
        return Split(self._fitted.apply(x), np.zeros((len(x), 0), np.float32))


def _points(z: np.ndarray) -> Split:
    return Split(z.astype(np.float32, copy=False), np.zeros((len(z), 0), np.float32))
