"""The model of one class in an energy classifier: a tied autoencoder, or principal components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from mlphys.errors import Refusal
from mlphys.models._projection_error import ProjectionError
from mlphys.networks import autoencoder, penalized
from mlphys.networks.cost import Term
from mlphys.networks.stage import Stage
from mlphys.numerics.activations import ACTIVATIONS, Known
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import Description
from mlphys.schema.fields import Count
from mlphys.schema.layers import Dense
from mlphys.schema.losses import BinaryCrossentropy, Loss
from mlphys.schema.shapes import LARGEST_NETWORK
from mlphys.schema.spec import Spec as Block
from mlphys.schema.training import Training


class Autoencoder(Block):
    """`units` hidden units of an `activation`, and the decoder with the encoder's kernel, transposed.

    `output: null` is sigmoid for a binary cross-entropy and linear otherwise. Corruption, sparsity (l1 or kl)
    and contraction are those of kind: autoencoder.
    """

    noun: ClassVar[str] = "hidden units"
    path: ClassVar[tuple[str, ...]] = ("model", "of", "autoencoder")

    units: Count
    """The number of hidden units. Example: 30"""
    activation: Known = "sigmoid"
    """The activation of the hidden units."""
    output: Literal["linear", "sigmoid"] | None = None
    """The activation of the output; null is sigmoid for binary cross-entropy, otherwise linear."""
    corruption: Corruption | None = None
    """What is done to the inputs in training, while the targets stay clean. Example: {masking: 0.3}"""
    __annotations__ |= penalized.fields(deterministic=True)  # a key for each such file in networks/penalties/

    def completed(self, loss: Loss | None) -> Self:
        """With the output that belongs to the loss, where the config leaves it open."""
        if self.output is not None:
            return self
        return self.model_copy(update={"output": "sigmoid" if isinstance(loss, BinaryCrossentropy) else "linear"})

    def stage(self, values: int) -> Stage:
        """The autoencoder of samples of so many values."""
        return Stage(
            encoder=[Dense(units=self.units, activation=self.activation)],
            decoder=[Dense(units=values, activation=self.output)],
            corruption=self.corruption,
            tied=True,
            **{key: getattr(self, key) for key in penalized.fields(deterministic=True)},
        )

    def require_size(self, values: int, classes: int) -> None:
        """Raise Refusal for more weights than a network may have."""
        _require_weights((*self.path, "units"), classes, values, self.units)

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for penalties and losses that leave no energy, and settings that no class can have."""
        if training.augmentation is not None:
            text = (
                "each class is trained on its samples one after the other, as they are; leave it out, or use corruption"
            )
            raise Refusal(("training", "augmentation"), text)
        for penalty in penalized.given(self):
            if reason := penalty.why_no_energy():
                raise Refusal((*self.path, *reason.path), reason.text)
        if isinstance(training.loss, BinaryCrossentropy) and self.output == "linear":
            raise Refusal(
                (*self.path, "output"), "BinaryCrossentropy takes values between 0 and 1; write output: sigmoid"
            )
        autoencoder.check_penalties(self.stage(math.prod(description.shape)), self.path, description)
        for name, settings in (training.phases or {}).items():
            if settings.labels is not None:
                raise Refusal(
                    ("training", "phases", name, "labels"), "only a head is trained with labels; leave it out"
                )
        for key, monitor in training.of_phase("train").monitors().items():
            if monitor.removeprefix("validation_") == "accuracy":
                text = f"{monitor} is that of all classes together, known after training; monitor validation_loss"
                raise Refusal(("training", key, "monitor"), text)

    def cost_formula(self, stage: Stage, terms: Sequence[Term], values: int) -> str:
        return autoencoder.cost_formula(stage, terms)

    def energy_formula(self) -> str:
        visible = "+ b x" if self.output == "sigmoid" else "- |x - b|^2 / 2"
        hidden = ACTIVATIONS[self.activation].antiderivative_formula
        return f"E_k(x) = sum_j {hidden} {visible}, s = x W + c, with W, c and b of class k"

    def trains(self) -> bool:
        """Whether its weights are found by gradient descent."""
        return True


class PCA(Block):
    """So many principal components: the best linear autoencoder, by eigenvectors."""

    shorthand: ClassVar[str] = "components"
    noun: ClassVar[str] = "principal components"
    path: ClassVar[tuple[str, ...]] = ("model", "of", "pca")

    components: Count
    """The number of principal components of each class. Example: 10"""

    def completed(self, loss: Loss | None) -> Self:
        return self

    def stage(self, values: int) -> Stage:
        """The components as a linear autoencoder."""
        return Stage(encoder=[Dense(units=self.components)], decoder=[Dense(units=values)], tied=True)

    def require_size(self, values: int, classes: int) -> None:
        """Raise Refusal for more components than a sample has values, and more weights than a network may have."""
        if self.components > values:
            raise Refusal((*self.path, "components"), f"{self.components} components of {values} values; lower it")
        _require_weights((*self.path, "components"), classes, values, self.components)

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for settings of a training that there is not."""
        if training != Training(loss=training.loss, loss_per=training.loss_per):
            raise Refusal(("training",), "components are computed at once, by eigenvectors: leave training out")

    def cost_formula(self, stage: Stage, terms: Sequence[Term], values: int) -> str:
        [own] = ProjectionError(values).formulas()
        return f"mean over its samples of  {own}"

    def energy_formula(self) -> str:
        return "E_k(x) = -|x - m - V^T V (x - m)|^2 / 2, m and V of class k"

    def trains(self) -> bool:
        return False


def _require_weights(path: tuple[str, ...], classes: int, values: int, units: int) -> None:
    if classes * units * values > LARGEST_NETWORK:
        raise Refusal(path, f"{classes} x {values} x {units} weights are more than {LARGEST_NETWORK}; lower it")
