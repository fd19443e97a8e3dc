"""What a kind of model hands to the engine: the phases of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlphys.networks.cost import Batch, Cost, Term
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import Split
from mlphys.schema.shapes import Row
from mlphys.schema.training import Training

if TYPE_CHECKING:
    import numpy as np

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """A built Keras model and its variables by name.

    `weights` are what is saved, by the names of shapes.Row.weight_shapes; `seeds` the states of the
    layers that draw random numbers, set anew at the start of each epoch; `state` is what training
    changes beside the weights, such as Markov chains: it is kept for a resume, not with the weights.
    `parts` are models of their own that share its layers, such as an autoencoder's "encoder"; `layers`
    end at each layer; `activations` are the names of what their outputs have gone through. `measures`
    are functions of a batch with a value for each sample, beside what a kind always tells; `noise` is
    the source of random numbers of a code that is drawn.
    """

    model: Any
    weights: Mapping[str, Any]
    seeds: Mapping[str, Any]
    compiles_in_xla: bool
    evaluated_at_once: int  # samples; larger batches are not faster and need more memory
    separable: bool = False  # no layer looks from one sample of a batch at another
    parts: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    layers: Mapping[str, Any] = field(default_factory=dict)
    activations: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    noise: Any = None

    def weight_arrays(self) -> dict[str, np.ndarray]:
        """A copy of the weights, by name."""
        return {name: variable.numpy() for name, variable in self.weights.items()}

    def load_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set all weights, by name."""
        for name, variable in self.weights.items():
            variable.assign(arrays[name])

    def keras_layers(self, names: Iterable[str]) -> dict[str, Any]:
        """Keras's layer objects of these names."""
        return {name: self.layers[name].layers[-1] for name in names}


@dataclass(frozen=True)
class Plan:
    """A phase that follows a gradient, as far as the config tells it: what a backend of its steps decides by.

    `rows` are the chain of layers from x to the prediction, None where the way is more than that; `trained` are the
    names of the weights that the optimizer moves, in its order.
    """

    name: str
    settings: Training
    terms: tuple[Term, ...]
    trained: tuple[str, ...]
    rows: tuple[Row, ...] | None = None
    most_samples: int | None = None  # where the phase sees fewer than the training split has


@dataclass(frozen=True)
class Gradient:
    """A plan with the network that it trains.

    `forward` and `recorded` make a Cost of its terms, and `metrics` are the names of what that gives, "loss" first.
    `prepare` makes of samples as the net sees them those of this phase, with the weights that the phase
    begins with; with `corruption` x is corrupted before every epoch, and y the clean samples.
    """

    plan: Plan
    forward: Callable[[Any, Any, bool], Batch]
    recorded: Callable[[Batch, Any, Any], Tensors]
    metrics: tuple[str, ...]
    network: Network
    optimizer: Any
    prepare: Callable[[Split], Split] | None = None
    corruption: Corruption | None = None
    only_train: bool = False  # `prepare` is for the training samples alone

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def settings(self) -> Training:
        return self.plan.settings

    @cached_property
    def cost(self) -> Cost:
        return Cost(self.plan.terms, self.forward, self.recorded)

    @cached_property
    def trained(self) -> tuple[Any, ...]:
        """The variables that the optimizer moves."""
        return tuple(self.network.weights[name] for name in self.plan.trained)

    @property
    def separable(self) -> bool:
        """Whether the cost of a batch is the mean of its parts', weighted by their samples."""
        return self.cost.separable and self.network.separable


@dataclass(frozen=True)
class Fit:
    """A phase that computes its weights at once.

    `fit(train, validation)` gives them by the names of `network.weights`, and leaves the others as they are;
    `cost` is what is recorded of them, `metrics` the names of its values.
    """

    name: str
    fit: Callable[[Split, Split], Mapping[str, np.ndarray]]
    cost: Cost
    metrics: tuple[str, ...]
    network: Network


Phase = Gradient | Fit
