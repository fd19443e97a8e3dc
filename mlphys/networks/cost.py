"""The cost of a phase as a list of terms, which TensorFlow sums, `config explain` prints, and backends know by type."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mlphys.networks import keras_internals
from mlphys.schema.fields import Shape
from mlphys.schema.initializers import Regularizer
from mlphys.schema.losses import Loss
from mlphys.schema.shapes import Row

WEIGHTS = "weights"  # the name of the samples' weights among the values of a cost


@dataclass(frozen=True)
class Batch:
    """The inputs of cost terms for a batch of n samples; None for what a kind of model does not have.

    `x` and `y` are what the model was fed with, `target` and `prediction` (n, m) what a loss compares. The `code`
    (n, ...) of a variational autoencoder are its means, with `log_variance` (n, k); `contraction()` is |dh/dx|_F^2 of
    each sample. `penalties` are those that Keras collects from the layers, `measured` values of each sample on the way.
    """

    x: Any
    y: Any
    training: bool
    target: Any = None
    prediction: Any = None
    code: Any = None
    log_variance: Any = None
    contraction: Callable[[], Any] | None = None
    penalties: Sequence[Any] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    corrupted: bool = False  # x is a corrupted version of the target


class Term(ABC):
    """One summand of a cost. Backends know terms by their type, so each formula is a class.

    `per_sample`: `each` gives a value of each sample, (n,), else one of the batch, (). `separable`: the term of a batch
    is the mean of its parts', weighted by their samples, so that a batch may be split into micro-batches.
    """

    weight: float = 1.0
    per_sample: ClassVar[bool] = True
    separable: ClassVar[bool] = False

    @abstractmethod
    def formulas(self) -> list[str]:
        """The term with its numbers, as lines of `config explain` that are summed; none where it is zero."""

    @abstractmethod
    def each(self, batch: Batch) -> Any:
        """The values before `weighted`; differentiable."""

    def weighted(self, each: Any, batch: Batch) -> Any:
        """What the cost counts of the values that `each` gave."""
        return each if self.weight == 1 else self.weight * each

    def __str__(self) -> str:
        return " + ".join(self.formulas())


@dataclass(frozen=True)
class DataTerm(Term):
    """Keras's loss between prediction and target, a value of each sample.

    `target`: the prediction is compared with x itself, with y, or with y as the number of a class. `shape` is that of
    one prediction; `loss_per: sample` sums over its values where Keras takes the mean.
    """

    separable: ClassVar[bool] = True

    loss: Loss
    target: Literal["x", "y", "classes"]
    shape: Shape
    loss_per: Literal["output", "sample"] | None

    @property
    def weight(self) -> float:  # type: ignore[override]
        return math.prod(self.shape) if self.loss.over_outputs() and self.loss_per == "sample" else 1

    def formulas(self) -> list[str]:
        text = self.loss.formula()
        if self.loss.over_outputs() and math.prod(self.shape) > 1:
            over = "sum_k" if self.loss_per == "sample" else f"1/{math.prod(self.shape)} sum_k"
            text = f"{over} {text}"
        return [text]

    def each(self, batch: Batch) -> Any:
        return keras_loss(self.loss)(batch.target, batch.prediction)


@dataclass(frozen=True)
class TwoClassTerm(DataTerm):
    """The loss of one sigmoid unit p that tells two classes apart: its prediction is the pair 1 - p and p."""

    def formulas(self) -> list[str]:
        return [f"{self.loss.formula()}, t being 1 for the second class"]


@dataclass(frozen=True)
class ClassWeightedTerm(DataTerm):
    """The loss of each sample times the weight of its class, in training only, as in Keras.

    `weights` (classes,) are None until the labels are read that balanced ones follow from.
    """

    weights: tuple[float, ...] | None = None

    def formulas(self) -> list[str]:
        return [f"{formula}, times the weight of the sample's class" for formula in super().formulas()]

    def weighted(self, each: Any, batch: Batch) -> Any:
        from keras import ops

        losses = super().weighted(each, batch)
        if not batch.training:
            return losses
        assert self.weights is not None, "the labels were not read"
        return losses * ops.take(ops.convert_to_tensor(self.weights, "float32"), batch.y)


@dataclass(frozen=True)
class LayerPenalties(Term):
    """The regularizers of a chain of layers, as Keras sums them."""

    per_sample: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    rows: tuple[Row, ...]

    def formulas(self) -> list[str]:
        return [
            value.formula(f"{row.name}.{key.removesuffix('_regularizer')}")
            for row in self.rows
            for key, value in row.layer.arguments().items()
            if isinstance(value, Regularizer) and (row.trainable or key == "activity_regularizer")  # as in Keras
        ]

    def each(self, batch: Batch) -> Any:
        return sum(batch.penalties)


@dataclass(frozen=True)
class Cost:
    """The mean over the samples of the first term, plus the others.

    `forward(x, y, training)` takes a batch through the model; `recorded(batch, each, losses)` gives the other values of
    each sample that history.csv has, from the first term before and after its weight.
    """

    terms: tuple[Term, ...]
    forward: Callable[[Any, Any, bool], Batch]
    recorded: Callable[[Batch, Any, Any], Mapping[str, Any]]

    @property
    def separable(self) -> bool:
        return all(term.separable for term in self.terms)

    def __call__(self, x: Any, y: Any, training: bool, weights: Any = None) -> tuple[dict[str, Any], Any]:
        """The recorded values of each sample, (n,), the first of them called "loss", and the scalar penalty.

        Weights (n,) of the samples are among the values.
        """
        from keras import ops

        batch = self.forward(x, y, training)
        penalty: Any = 0.0
        for term in self.terms[1:]:
            values = term.each(batch)
            penalty += term.weighted(ops.mean(values) if term.per_sample else values, batch)
        values = self._values(batch)
        return (values if weights is None else {**values, WEIGHTS: weights}), penalty

    def of_samples(self, x: Any, y: Any) -> tuple[dict[str, Any], Any]:
        """The same in evaluation, with the penalty of each sample, (n,): its own where a term has one of each sample,
        else that of the batch."""
        from keras import ops

        batch = self.forward(x, y, False)
        values = self._values(batch)
        penalties = ops.zeros_like(values["loss"])
        for term in self.terms[1:]:
            penalties += term.weighted(term.each(batch), batch)
        return values, penalties

    def _values(self, batch: Batch) -> dict[str, Any]:
        first = self.terms[0]
        each = first.each(batch)
        losses = first.weighted(each, batch)
        return {"loss": losses, **self.recorded(batch, each, losses)}


def mean_loss(values: Mapping[str, Any]) -> Any:
    """What a step lowers of the values of a batch: the mean over its samples of the loss times the sample's weight."""
    from keras import ops

    losses = values["loss"]
    return ops.mean(values[WEIGHTS] * losses if WEIGHTS in values else losses)


def formula(terms: Iterable[Term]) -> str:
    """A cost as text: the mean of the first term, then a line for each other summand."""
    return "mean over the samples of  " + "\n    + ".join(text for term in terms for text in term.formulas())


def keras_loss(spec: Loss) -> Any:
    """Keras's loss of the same name, one value a sample."""
    import keras

    return getattr(keras.losses, type(spec).__name__)(**spec.arguments(), reduction=None)


def right_or_wrong(batch: Batch, each: Any, losses: Any) -> dict[str, Any]:
    """The recorded accuracy of a classifier: 1 for each correctly classified sample, else 0."""
    from keras import ops

    return {"accuracy": ops.cast(guesses(batch.prediction) == batch.y, "float32")}


def guesses(probabilities: Any) -> Any:
    """The likeliest class of each sample, (n,) int32.

    Of logits where Keras knows them: then the graph needs no softmax for it, which takes a tenth of a small
    convolutional net's step.
    """
    from keras import ops

    return ops.cast(ops.argmax(keras_internals.logits(probabilities), axis=-1), "int32")
