"""The phases of training that a kind of model defines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlphys.networks.cost import Batch, Cost, Term
from mlphys.networks.network import Network
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row
from mlphys.schema.training import Training

if TYPE_CHECKING:
    import numpy as np

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A gradient phase, as far as it follows from the config, for the choice of a backend.

    `rows` are the chain of layers from x to the prediction, None for other models; `trained` are the
    names of the weights that the optimizer moves, in its order.
    """

    name: str
    settings: Training
    terms: tuple[Term, ...]
    trained: tuple[str, ...]
    rows: tuple[Row, ...] | None = None
    most_samples: int | None = None  # if the phase uses fewer samples than the training split has
    weighted: bool = False  # the samples have weights
    code: int | None = None  # the rows of an autoencoder up to its code


@dataclass(frozen=True)
class Gradient:
    """A plan with the network that it trains.

    `forward` and `recorded` make a Cost of its terms, and `metrics` are the names of what that gives, "loss" first.
    `prepare` computes the samples of this phase from preprocessed ones with the initial weights of the phase;
    with `corruption` x is corrupted before every epoch, and y are the clean samples.
    """

    plan: Plan
    forward: Callable[[Any, Any, bool], Batch]
    recorded: Callable[[Batch, Any, Any], Tensors]
    metrics: tuple[str, ...]
    network: Network
    optimizer: Any
    prepare: Callable[[Split], Split] | None = None
    corruption: Corruption | None = None
    only_train: bool = False  # `prepare` applies to training samples only

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
        """Whether the cost of a batch is the sample-weighted mean over its parts."""
        return self.cost.separable and self.network.separable


@dataclass(frozen=True)
class Fit:
    """A phase that solves for its weights directly.

    `fit(train, validation)` returns some of `network.weights` by name, and the numbers `tracked`, which become columns
    of history.csv; `cost` gives the recorded values, `metrics` their names.
    """

    name: str
    fit: Callable[[Split, Split], Mapping[str, np.ndarray]]
    cost: Cost
    metrics: tuple[str, ...]
    network: Network
    tracked: tuple[str, ...] = ()


Phase = Gradient | Fit
