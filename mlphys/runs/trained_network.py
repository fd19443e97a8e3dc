"""A trained network as a function of samples in the space of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.networks import tensorflow
from mlphys.networks.compiled import Mapped, MeanCost, Pass, traversed
from mlphys.networks.cost import Cost
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import arranged
from mlphys.networks.point_function import PointFunction
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.samples import Split
from mlphys.schema.shapes import trained


class TrainedNetwork:
    """The trained network of a run. Samples x have shape (n, *shape) of the data, before preprocessing.

    Points z are preprocessed samples, flattened: float32 (n, d).
    """

    def __init__(self, loaded: ResolvedExperiment, weights: Mapping[str, np.ndarray], fitted: Preprocessing):
        self._loaded = loaded
        self._kind = loaded.experiment.model
        self._fitted = fitted
        tensorflow.reset_names()
        self.network = self._kind.build(loaded.net_input, loaded.experiment.seed)
        self.network.load_weights(weights)
        self._outputs: dict[str, PointFunction] = {}
        self._layer_outputs: dict[str, PointFunction] = {}
        self._single_layers: dict[str, Mapped] = {}

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> TrainedNetwork:
        """The same model with other weights, such as the initial ones."""
        return TrainedNetwork(self._loaded, weights, self._fitted)

    def of(self, spec: ModelKind) -> TrainedNetwork:
        """The same weights in another model, such as one without the last activation."""
        experiment = self._loaded.experiment.model_copy(update={"model": spec})
        return TrainedNetwork(replace(self._loaded, experiment=experiment), self.weights, self._fitted)

    @property
    def evaluated_at_once(self) -> int:
        """The largest number of samples that is worth computing at once."""
        return self.network.evaluated_at_once

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """What was learned, by name."""
        return self.network.weight_arrays()

    def to_points(self, x: Array) -> np.ndarray:
        """Samples x, preprocessed, as points z."""
        return chunked.read(self._split(x).x).reshape(len(x), -1)

    def to_data_space(self, z: np.ndarray) -> np.ndarray:
        """Points z transformed back, as far as preprocessing is invertible: (n, *shape)."""
        return self._fitted.inverse(z.reshape(-1, *self._loaded.net_input.shape))

    def output(self, name: str) -> PointFunction:
        """An output of the kind of model as a function of points: reconstructions, codes, probabilities, ..."""
        if name not in self._outputs:
            kind, net_input = self._kind, self._loaded.net_input
            outputs = kind.image_outputs if name in kind.image_output_shapes(net_input) else kind.predictions

            def function(z: Any) -> Any:
                values = outputs(self.network, arranged(z, net_input.shape))[name]
                scaling = self._fitted.targets
                return values * scaling.spread + scaling.mean if scaling and name == "outputs" else values

            self._outputs[name] = PointFunction(function, self.network.evaluated_at_once)
        return self._outputs[name]

    def layer_output(self, name: str) -> PointFunction:
        """The output of a layer, by its name in `Run.rows`, as a function of points."""
        if name not in self._layer_outputs:
            layer = self.network.layers[name]

            def function(z: Any) -> Any:
                return layer(arranged(z, layer.input_shape[1:]), training=False)

            self._layer_outputs[name] = PointFunction(function, self.network.evaluated_at_once)
        return self._layer_outputs[name]

    def predictions(self, x: Array) -> dict[str, np.ndarray]:
        """The model's predictions per sample: probabilities, outputs, or codes and errors."""
        return self._fitted.in_target_units(self._predict(self._split(x)))

    def image_outputs(self, x: Array) -> dict[str, np.ndarray]:
        """Images for comparison with the samples, such as reconstructions, in the space of pictures."""
        return {name: self._fitted.inverse(values) for name, values in self._picture(self._split(x)).items()}

    def sampled(self, x: Array, lines: int, every: int) -> np.ndarray:
        """Markov chains that start at samples x: their means after each `every` steps, (n, lines, *shape)."""
        follow = Mapped(
            lambda x, y: {"means": self._kind.sampled(self.network, x, lines, every)}, self.network.evaluated_at_once
        )
        means = follow(self._split(x))["means"]
        pictures = self._fitted.inverse(means.reshape(-1, *means.shape[2:]))
        return pictures.reshape(len(x), lines, *pictures.shape[1:])

    def decoded(self, codes: np.ndarray) -> np.ndarray:
        """Decoded codes (n, ...), in the space of pictures."""
        decoded = self._decode(Split(codes.astype(np.float32), np.zeros((len(codes), 0), np.float32)))
        return self._fitted.inverse(decoded["samples"])

    def staged(self, x: Array) -> np.ndarray:
        """Reconstructions by a stack through the first stage, the first two, ...: (stages, n, *shape)."""
        by_sample = self._through_stages(self._split(x))["stages"]  # (n, stages, *shape)
        by_stage = np.ascontiguousarray(by_sample.swapaxes(0, 1))
        return np.stack([self._fitted.inverse(reconstructions) for reconstructions in by_stage])

    def layers(self, x: Array) -> dict[str, np.ndarray]:
        """The output of every layer, by the names of `Run.rows`; empty for a model without layers."""
        return self._trace(self._split(x)) if self.network.layers else {}

    def layer(self, name: str, x: Array) -> np.ndarray:
        """The output of one of these layers, (n, ...)."""
        if name not in self._single_layers:
            layer = self.network.layers[name]

            def output(x: Any, y: Any) -> dict[str, Any]:
                return {name: layer(arranged(x, layer.input_shape[1:]), training=False)}

            self._single_layers[name] = Mapped(output, self.network.evaluated_at_once)
        return self._single_layers[name](self._split(x))[name]

    def preprocessed(self, x: Array) -> np.ndarray:
        """Samples x as the network takes them, (n, *shape of its input)."""
        return chunked.read(self._split(x).x)

    def losses(self, split: Split, parameters: np.ndarray) -> np.ndarray:
        """The mean loss, penalties included, of a split at each of m sets of parameters (m, p), float64 (m,).

        The p parameters are the weights one after the other, as the network names them. The network keeps its own.
        """
        own_weights = self.network.weight_arrays()
        try:
            return self._mean_cost(self._fitted.split(split), np.atleast_2d(parameters))
        finally:
            self.network.load_weights(own_weights)

    @property
    def initial(self) -> dict[str, np.ndarray]:
        """The random initial weights of the seed, by name."""
        return self._kind.build(self._loaded.net_input, self._loaded.experiment.seed).weight_arrays()

    @property
    def trained_weights(self) -> list[str]:
        """The names of the trained weights, in the order of the gradients of `traversed`."""
        return list(trained(self._kind.rows(self._loaded.net_input)))

    def traversed(self, split: Split) -> Pass:
        """A forward and backward pass of samples x and y in inference mode."""
        preprocessed, moved = self._fitted.split(split), [self.network.weights[name] for name in self.trained_weights]
        return traversed(self.network, self._cost, preprocessed, False, moved)

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
        shape = self._loaded.net_input.shape
        return Mapped(
            lambda codes, y: {"samples": arranged(self._kind.decoded(self.network, codes), shape)},
            self.network.evaluated_at_once,
        )

    @cached_property
    def _through_stages(self) -> Mapped:
        from keras import ops

        shape = self._loaded.net_input.shape

        def reconstructions(x: Any, y: Any) -> dict[str, Any]:
            stages = [arranged(r, shape) for r in self._kind.through_stages(self.network, x)]
            return {"stages": ops.stack(stages, axis=1)}

        return Mapped(reconstructions, self.network.evaluated_at_once)

    @cached_property
    def _trace(self) -> Mapped:
        def outputs(x: Any, y: Any) -> dict[str, Any]:
            return {
                name: layer(arranged(x, layer.input_shape[1:]), training=False)
                for name, layer in self.network.layers.items()
            }

        return Mapped(outputs, self.network.evaluated_at_once)

    def _split(self, x: Array) -> Split:
        return Split(self._fitted.apply(x), np.zeros((len(x), 0), np.float32))
