"""A trained network, asked about samples of the data's own space."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from mlphys.config import Loaded
from mlphys.preprocessing import Preprocessing
from mlphys.schema.data import Split
from mlphys.training import engine


class TrainedNetwork:
    """What a run has learned. Samples x have shape (n, *shape) of the data, before preprocessing."""

    def __init__(self, loaded: Loaded, weights: Mapping[str, np.ndarray], fitted: Preprocessing):
        self._loaded = loaded
        self._kind = loaded.experiment.kind()
        self._fitted = fitted
        self.network = self._kind.build(loaded.experiment.model, loaded.net_input, loaded.experiment.seed)
        engine.load_weights(self.network, weights)

    def predictions(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """What the kind of model says of each sample: probabilities, outputs, or codes and errors."""
        return self._predict(self._split(x))

    def pictured(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """What goes beside the samples' pictures, such as reconstructions, in the space of those."""
        return {name: self._fitted.inverse(values) for name, values in self._picture(self._split(x)).items()}

    def sampled(self, x: np.ndarray, lines: int, every: int) -> np.ndarray:
        """Markov chains that start at samples x: what each shows after every so many steps, (n, lines, *shape)."""
        draw = self.network.parts["samples"]
        follow = engine.Mapped(lambda x, y: {"seen": draw(x, lines, every)}, self.network.evaluated_at_once)
        seen = follow(self._split(x))["seen"]
        found = self._fitted.inverse(seen.reshape(-1, *seen.shape[2:]))
        return found.reshape(len(x), lines, *found.shape[1:])

    def layers(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The output of every layer, by the names of `Run.rows`; empty for a model without layers."""
        return self._trace(self._split(x)) if self.network.layers else {}

    def losses(self, split: Split, parameters: np.ndarray) -> np.ndarray:
        """The mean loss, penalties included, of a split at each of m sets of parameters (m, p), float64 (m,).

        The p parameters are the weights one after the other, as the network names them. The network keeps its own.
        """
        kept = engine.weights_of(self.network)
        seen = self._fitted.split(split)
        try:
            return self._mean_cost(seen, np.atleast_2d(parameters))
        finally:
            engine.load_weights(self.network, kept)

    @property
    def initial(self) -> dict[str, np.ndarray]:
        """The weights as the seed draws them, by name."""
        model, seed = self._loaded.experiment.model, self._loaded.experiment.seed
        return engine.weights_of(self._kind.build(model, self._loaded.net_input, seed))

    @cached_property
    def _mean_cost(self) -> engine.MeanCost:
        terms = self._kind.terms(
            self._loaded.experiment.model, self._loaded.experiment.training, self._loaded.net_input, self.network
        )
        return engine.MeanCost(self.network, terms)

    @cached_property
    def _predict(self) -> engine.Mapped:
        return engine.Mapped(lambda x, y: self._kind.predictions(self.network, x), self.network.evaluated_at_once)

    @cached_property
    def _picture(self) -> engine.Mapped:
        return engine.Mapped(lambda x, y: self._kind.pictured(self.network, x), self.network.evaluated_at_once)

    @cached_property
    def _trace(self) -> engine.Mapped:
        from keras import ops

        layers = self.network.layers

        def outputs(x: Any, y: Any) -> dict[str, Any]:
            x = ops.reshape(x, (-1, *self.network.model.input_shape[1:]))
            return {name: layer(x, training=False) for name, layer in layers.items()}

        return engine.Mapped(outputs, self.network.evaluated_at_once)

    def _split(self, x: np.ndarray) -> Split:
        return Split(self._fitted.apply(x), np.zeros((len(x), 0), np.float32))
