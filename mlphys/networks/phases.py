"""What a kind of model hands to the engine: the phases of its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import Split
from mlphys.schema.losses import Loss
from mlphys.schema.shapes import Row
from mlphys.schema.training import Training

if TYPE_CHECKING:
    import numpy as np

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """A built Keras model and its variables by name.

    `weights` are what is saved, by the names of shapes.Row.weights; `seeds` the states of the
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


@dataclass(frozen=True)
class Plain:
    """A cost that is nothing but `weight` times the mean of a loss behind a chain of layers.

    `target` is what the outputs are held against: "x", the samples themselves; "y"; or "classes", y as numbers
    of classes.
    """

    rows: Sequence[Row]
    loss: Loss
    target: Literal["x", "y", "classes"]
    weight: float = 1.0


@dataclass(frozen=True)
class Gradient:
    """A phase that follows the gradient of a cost.

    `terms(x, y, training)` takes a batch of n samples and gives the per-sample values that are
    recorded, each of shape (n,) and the first of them called "loss", and the scalar penalty;
    the cost is the mean loss plus the penalty. `trained` are the variables that the optimizer moves.
    `prepare` makes of samples as the net sees them those of this phase, with the weights that the phase
    begins with; with `corruption` x is corrupted before every epoch, and y the clean samples. `plain` tells
    the cost as data, where it is so simple; regularizers of layers are left out of it.
    """

    name: str
    settings: Training
    terms: Callable[[Any, Any, bool], tuple[Tensors, Any]]
    metrics: tuple[str, ...]
    trained: tuple[Any, ...]
    network: Network
    optimizer: Any
    prepare: Callable[[Split], Split] | None = None
    corruption: Corruption | None = None
    only_train: bool = False  # `prepare` is for the training samples alone
    plain: Plain | None = None
    separable: bool = False  # the cost of a batch is the mean of its parts', weighted by their samples


@dataclass(frozen=True)
class Fit:
    """A phase that computes its weights at once.

    `fit(train, validation)` gives them by the names of `network.weights`, and leaves the others as they are;
    `terms` and `metrics` are those of Gradient.
    """

    name: str
    fit: Callable[[Split, Split], Mapping[str, np.ndarray]]
    terms: Callable[[Any, Any, bool], tuple[Tensors, Any]]
    metrics: tuple[str, ...]
    network: Network


Phase = Gradient | Fit
