"""Keras's losses with Keras's arguments, and the loss of Boltzmann machines."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

from mlphys.schema import registry
from mlphys.schema.fields import NotNegative, Positive, Rate
from mlphys.schema.spec import Choice, Spec


class Loss(Spec):
    """`formula` is one sample's loss, p the output and t the one-hot target.

    `over_outputs`: Keras takes the mean over the outputs, which `loss_per: sample` turns into a
    sum. `probabilities`: p must be between 0 and 1.
    """

    for_classes: ClassVar[bool] = False  # a classifier can be trained with it
    for_values: ClassVar[bool] = False  # a regressor or an autoencoder can

    @abstractmethod
    def formula(self) -> str: ...

    def over_outputs(self) -> bool:
        return False

    def probabilities(self) -> bool:
        return True


def _smoothed(share: float, kinds: str) -> str:
    """The target after label smoothing, for a loss with `kinds` classes."""
    return f" with t replaced by {1 - share:g} t + {share:g}/{kinds}" if share else ""


class CategoricalCrossentropy(Loss):
    """Cross-entropy of the classes' probabilities, -log p of the true class."""

    for_classes = True
    label_smoothing: Rate = 0.0
    """The part of a label's probability that is spread evenly over all classes."""

    def formula(self) -> str:
        return f"-sum_k t_k log p_k{_smoothed(self.label_smoothing, 'K')}"


class CategoricalFocalCrossentropy(Loss):
    """Cross-entropy in which samples that are classified well count less (Lin et al. 2017)."""

    for_classes = True
    alpha: NotNegative = 0.25
    """The factor of the loss."""
    gamma: NotNegative = 2.0
    """The exponent with which samples that are classified well count less."""
    label_smoothing: Rate = 0.0
    """The part of a label's probability that is spread evenly over all classes."""

    def formula(self) -> str:
        smoothed = _smoothed(self.label_smoothing, "K")
        return f"-sum_k {self.alpha:g} (1 - p_k)^{self.gamma:g} t_k log p_k{smoothed}"


class BinaryCrossentropy(Loss):
    """Cross-entropy of each output by itself, between 0 and 1."""

    for_classes = True
    for_values = True
    label_smoothing: Rate = 0.0
    """How far the targets 0 and 1 are moved towards 1/2; 1 would be all the way."""

    def formula(self) -> str:
        return f"-[t log p + (1 - t) log(1 - p)]{_smoothed(self.label_smoothing, '2')}"

    def over_outputs(self) -> bool:
        return True


class Elementwise(Loss):
    """The mean over the outputs of a function of p - t."""

    def over_outputs(self) -> bool:
        return True

    def probabilities(self) -> bool:
        return False


class MeanSquaredError(Elementwise):
    """The mean of (p - t)^2 over the outputs."""

    for_classes = True
    for_values = True

    def formula(self) -> str:
        return "(p - t)^2"


class MeanAbsoluteError(Elementwise):
    """The mean of |p - t| over the outputs."""

    for_classes = True
    for_values = True

    def formula(self) -> str:
        return "|p - t|"


class KLDivergence(Loss):
    """The Kullback-Leibler divergence of the probabilities from the target's."""

    for_classes = True

    def formula(self) -> str:
        return "sum_k t_k log(t_k / p_k)"


class CategoricalHinge(Loss):
    """The margin between the true class and the best other one."""

    for_classes = True

    def formula(self) -> str:
        return "max(0, 1 + max_k (1 - t_k) p_k - sum_k t_k p_k)"

    def probabilities(self) -> bool:
        return False


class Huber(Elementwise):
    """Quadratic for small errors, linear for large ones (Huber 1964)."""

    for_values = True
    delta: Positive = 1.0
    """The error at which the quadratic loss becomes a linear one."""

    def formula(self) -> str:
        return (
            f"huber(p - t): (p - t)^2 / 2 up to {self.delta:g}, beyond {self.delta:g} |p - t| - {self.delta**2 / 2:g}"
        )


class LogCosh(Elementwise):
    """log cosh(p - t): quadratic for small errors, linear for large ones."""

    for_values = True

    def formula(self) -> str:
        return "log cosh(p - t)"


class FreeEnergyDifference(Loss):
    """The loss of a Boltzmann machine; v_k is a sample of its Markov chain."""

    def formula(self) -> str:
        return "F(v) - F(v_k)"

    def probabilities(self) -> bool:
        return False


LOSSES = registry.classes(__name__, Loss)
CLASSIFIER_LOSSES = {name: kind for name, kind in LOSSES.items() if kind.for_classes}
REGRESSION_LOSSES = {name: kind for name, kind in LOSSES.items() if kind.for_values}

# Keras's other names; labels are encoded one-hot here, so that sparse ones have the same cross-entropy
SPARSE = "sparse_categorical_crossentropy"
ALIASES = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "bce": "BinaryCrossentropy",
    "kld": "KLDivergence",
    SPARSE: "CategoricalCrossentropy",
}

LossField = Annotated[Loss, Choice("loss", LOSSES, ALIASES)]
