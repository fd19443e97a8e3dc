"""What a training step computes: a chain of dense layers with its loss, penalties and update rule."""

from __future__ import annotations

from dataclasses import dataclass

from mlphys.native import vector_math
from mlphys.native.dense_loss import Loss
from mlphys.native.noise import Noise
from mlphys.native.optimizer_step import UpdateRule
from mlphys.native.penalty import NONE, MeanActivity, Penalty
from mlphys.native.vector_math import Activation


@dataclass(frozen=True)
class DenseLayer:
    """activation(x W + b), then each noise, then the `largest` outputs, or the code drawn from them.

    Penalties of outputs are of those that are left: of the `largest` alone.
    """

    inputs: int
    outputs: int
    activation: Activation
    bias: bool
    noises: tuple[Noise, ...] = ()
    kernel_penalty: Penalty = NONE
    bias_penalty: Penalty = NONE
    output_penalty: Penalty = NONE  # mean over the batch
    mean_activity: MeanActivity | None = None
    contraction: float = 0.0  # the factor of |dy/dx|^2 (Rifai et al. 2011), mean over the batch
    tied_to: int | None = None  # the layer whose transposed kernel it has
    largest: int | None = None  # so many of a sample's outputs are kept, the others set to zero (Makhzani & Frey 2014)
    divergence: float | None = None  # weight of KL(N(m, s^2) || N(0, 1)), the code drawn from outputs m, log s^2

    @property
    def rows(self) -> int:
        """Rows of the kernel including the bias, which is its last row and multiplies a constant input of one."""
        return self.inputs + self.bias

    @property
    def takes_activation(self) -> bool:
        """Whether an activation layer that follows can be merged into this one."""
        return self.activation == "linear" and not (self.noises or self.is_code or self.penalizes_outputs)

    @property
    def is_code(self) -> bool:
        """Whether the next layer takes a code: the largest of the outputs, or one drawn from them."""
        return self.largest is not None or self.divergence is not None

    @property
    def code_size(self) -> int:
        """Numbers of a sample that the next layer takes."""
        return self.outputs if self.divergence is None else self.outputs // 2

    @property
    def draws(self) -> int:
        """Random numbers for each element that the next layer takes."""
        return len(self.noises) + (self.divergence is not None)

    @property
    def penalizes_weights(self) -> bool:
        return bool(self.kernel_penalty or self.bias_penalty)

    @property
    def penalizes_outputs(self) -> bool:
        return bool(self.output_penalty or self.mean_activity or self.contraction)

    @property
    def keeps_slopes(self) -> bool:
        """Whether the derivative of its outputs is no function of these alone, so that the forward pass stores it."""
        return bool(self.noises or self.largest) or vector_math.needs_input(self.activation)


@dataclass(frozen=True)
class NormLimit:
    """Gradient clipping by the norm of each weight array (Keras's clipnorm), or of all `together` (global_clipnorm)."""

    limit: float
    together: bool = False


@dataclass(frozen=True)
class Chain:
    """What a step computes. `target_is_input`: the targets are the samples themselves, as in an autoencoder. `noises`
    are those of the samples on their way into the first layer. `weighted`: each sample has a factor of its loss, as of
    its class, and a weight in the step and in all sums."""

    layers: tuple[DenseLayer, ...]
    loss: Loss
    rule: UpdateRule
    batch_size: int
    target_is_input: bool
    noises: tuple[Noise, ...] = ()
    weighted: bool = False
    norm_limit: NormLimit | None = None

    @property
    def shares_targets(self) -> bool:
        """Whether the input of the first layer is the targets."""
        return self.target_is_input and not self.noises

    def tied(self, i: int) -> list[int]:
        """The layers that have the transposed kernel of layer i."""
        return [j for j, layer in enumerate(self.layers) if layer.tied_to == i]

    def first_noise(self, layer: int) -> int:
        """Index of the first noise behind a layer among all in the chain's order; layer -1 are the samples."""
        return sum([len(self.noises), *(each.draws for each in self.layers)][: layer + 1])
