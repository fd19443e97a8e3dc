"""A built network: its variables by name, and its layers as Keras models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

MEASURING = (20021406, 0)  # the state of all random numbers with which a measurement begins


@dataclass(frozen=True, kw_only=True)
class Network:
    """The variables of a model by name. Kinds of models with encoders, decoders or stages have subclasses.

    `weights` are what is saved, by the names of shapes.Row.weights; `seeds` the states of the layers that draw
    random numbers, set at the start of each epoch; `state` are other variables that training changes, such as
    Markov chains: saved in checkpoints, not with the weights. `layers` are Keras models that end at each layer,
    none for a model without layers; `activations` the names of their activations.
    """

    weights: Mapping[str, Any]
    seeds: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    compiles_in_xla: bool
    evaluated_at_once: int  # samples; larger batches are not faster and need more memory
    separable: bool = False  # layers treat the samples of a batch independently
    layers: Mapping[str, Any] = field(default_factory=dict)
    activations: Mapping[str, str] = field(default_factory=dict)
    draws: int = 1  # how often the loss of a sample is drawn in evaluation

    def weight_arrays(self) -> dict[str, np.ndarray]:
        """A copy of the weights, by name."""
        return {name: variable.numpy() for name, variable in self.weights.items()}

    def measure_alike(self) -> None:
        """Reset the random layers to the states of every measurement; the start of an epoch sets its own."""
        for state in self.seeds.values():
            state.assign(MEASURING)

    def load_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set all weights, by name."""
        for name, variable in self.weights.items():
            variable.assign(arrays[name])

    def keras_models(self) -> dict[str, Any]:
        """What of it is a Keras model: the whole as `model`, and its parts `encoder` and `decoder`."""
        return {}

    def keras_layers(self, names: Iterable[str]) -> dict[str, Any]:
        """Keras's layer objects of these names."""
        return {name: self.layers[name].layers[-1] for name in names}


@dataclass(frozen=True, kw_only=True)
class LayeredNetwork(Network):
    """A chain of layers as one Keras model."""

    model: Any

    def keras_models(self) -> dict[str, Any]:
        return {"model": self.model}

    def arranged(self, x: Any) -> Any:
        """Samples x in the shape that the first layer takes; x itself where it has it."""
        return arranged(x, self.model.input_shape[1:])


def arranged(x: Any, shape: Sequence[int]) -> Any:
    """A batch x (n, ...) as (n, *shape); x itself where it has this shape."""
    from keras import ops

    return x if tuple(x.shape[1:]) == tuple(shape) else ops.reshape(x, (-1, *shape))
