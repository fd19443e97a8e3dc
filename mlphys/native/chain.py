"""What a training step computes, a chain of dense layers with its cost and optimizer, and its numbers in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlphys.native import vector_math
from mlphys.native.dense_loss import Loss
from mlphys.native.llvm import SimdUnit
from mlphys.native.noise import Noise
from mlphys.native.optimizer_step import UpdateRule
from mlphys.native.penalty import NONE, MeanActivity, Penalty
from mlphys.native.vector_math import Activation

TILE_VECTORS = 3  # vectors of a row in a register tile, a block of accumulators
PARTIAL_SUMS = 2  # blocks of kernel columns whose contributions to an input gradient are summed separately
METRICS = 2  # recorded per sample: its loss, and the metric of `dense_loss`
TOTALS = METRICS + 2  # summed over samples: the metrics, the penalty of their batch, their weights
OF_WEIGHTS, OF_OUTPUTS, SLOPES, SQUARES, STEEPNESS = range(5)  # rows of Workspace.penalties
CACHE_LINE = 16  # floats


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
    largest: int | None = None  # so many of a sample's outputs are kept, the others zero (Makhzani & Frey 2014)
    divergence: float | None = None  # of a code drawn from N(m, s^2), the outputs being m and log s^2: its factor

    @property
    def rows(self) -> int:
        """Rows of the kernel including the bias, which is its last row and multiplies a constant input of one."""
        return self.inputs + self.bias

    @property
    def takes_activation(self) -> bool:
        """Whether an activation that follows is the layer's own."""
        return self.activation == "linear" and not (self.noises or self.is_code or self.penalizes_outputs)

    @property
    def is_code(self) -> bool:
        """Whether something is made of the outputs that the next layer takes."""
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
        """Whether the derivative of its outputs cannot be had from the outputs alone."""
        return bool(self.noises or self.largest) or vector_math.needs_input(self.activation)


@dataclass(frozen=True)
class NormLimit:
    """Gradients are shortened to the norm `limit`: that of each weight array, or of all together."""

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
        """The number of the first noise behind a layer, of all in the chain's order; layer -1 are the samples."""
        return sum([len(self.noises), *(each.draws for each in self.layers)][: layer + 1])


@dataclass(frozen=True)
class MatrixView:
    """A row-major matrix in the workspace; its rows of `columns` floats are padded to `stride` floats."""

    start: int
    rows: int
    columns: int
    stride: int

    @property
    def end(self) -> int:
        return self.start + self.rows * self.stride


class Workspace:
    """Offsets of weights, optimizer slots, activations and gradients in one float32 buffer of `size` elements.

    - `kernels[l]`: weights of layer l (rows, outputs), followed by its optimizer slots of the same shape
    - `kernel_gradients[l]`: gradient of a tied layer's kernel, whose own weights are a transposed copy
    - `limited_gradients[l]`: gradient of the weights of layer l (rows, outputs), where its norm is limited;
      `squares[l]`: sum of its squares over each column, of the kernel and of the bias (2, outputs)
    - `activations[l]`: input of layer l (batch, inputs), then a column of ones for the bias; the last is the output
    - `codes[l]`: what is drawn from the outputs of layer l, the input of layer l + 1 (batch, code_size), then ones;
      `spreads[l]`: its distance from the mean; `divergences[l]`: of each sample (1, batch)
    - `slopes[l]`: derivative of the outputs of layer l, for layers that keep it
    - `gradients[l]`: gradient with respect to the pre-activations of layer l (batch, outputs)
    - `partial_sums[l]`: contributions to the gradient of the input of layer l + 1 from each block of its kernel columns
    - `penalties[l]`: of the weights and of the outputs of layer l, summed over each column; derivatives of the latter
      that all samples share; of a contraction, the sum of squared weights, and the factor of the weights in their
      gradient (5, outputs)
    - `targets`: (batch, outputs); `metrics`: (METRICS, batch); `weights`: loss factor and weight of each sample
      (2, batch)
    """

    def __init__(self, chain: Chain, simd: SimdUnit):
        self.tile_rows = simd.accumulators // TILE_VECTORS  # samples, or kernel rows, in a register tile
        self._end, self._simd_width = 0, simd.width
        samples = self._round_up(chain.batch_size, self.tile_rows)
        widths = [chain.layers[0].inputs, *(layer.outputs for layer in chain.layers)]
        self.kernels = [
            [
                self._allocate(self._round_up(layer.rows, self.tile_rows), layer.outputs)
                for _ in range(1 + len(chain.rule.slots))
            ]
            for layer in chain.layers
        ]
        self.kernel_gradients = {
            i: self._allocate(self._round_up(layer.inputs, simd.width), layer.outputs)
            for i, layer in enumerate(chain.layers)
            if layer.tied_to is not None
        }
        limited = chain.layers if chain.norm_limit else ()
        self.limited_gradients = [
            self._allocate(kernel.rows, layer.outputs)
            for layer, (kernel, *_) in zip(limited, self.kernels, strict=False)
        ]
        self.squares = [self._allocate(2, layer.outputs) for layer in limited]
        self.activations = [
            self._allocate(samples, width, self._round_up(width + 1, self.tile_rows)) for width in widths
        ]
        drawn = {i: layer.code_size for i, layer in enumerate(chain.layers) if layer.divergence is not None}
        self.codes = {
            i: self._allocate(samples, size, self._round_up(size + 1, self.tile_rows)) for i, size in drawn.items()
        }
        self.spreads = {i: self._allocate(samples, size) for i, size in drawn.items()}
        self.divergences = {i: self._allocate(1, samples) for i in drawn}
        self.slopes = {
            i: self._allocate(samples, layer.outputs) for i, layer in enumerate(chain.layers) if layer.keeps_slopes
        }
        self.gradients = [self._allocate(samples, layer.outputs) for layer in chain.layers]
        self.partial_sums = [
            [self._allocate(samples, layer.code_size) for _ in range(PARTIAL_SUMS)] for layer in chain.layers[:-1]
        ]
        self.penalties = {
            i: self._allocate(5, layer.outputs)
            for i, layer in enumerate(chain.layers)
            if layer.penalizes_weights or layer.penalizes_outputs
        }
        self.targets = self.activations[0] if chain.shares_targets else self._allocate(samples, widths[-1])
        self.metrics = self._allocate(METRICS, samples)
        self.weights = self._allocate(2, samples) if chain.weighted else None
        self.size = self._end

    def inputs(self, layer: int) -> MatrixView:
        """What a layer multiplies by its kernel."""
        return self.codes.get(layer - 1, self.activations[layer])

    @property
    def multiplied(self) -> list[MatrixView]:
        """The matrices with a column of ones."""
        return [*self.activations, *self.codes.values()]

    def _allocate(self, rows: int, columns: int, min_stride: int = 0) -> MatrixView:
        view = MatrixView(self._end, rows, columns, self._round_up(max(columns, min_stride), self._simd_width))
        self._end = self._round_up(view.end, CACHE_LINE)
        return view

    @staticmethod
    def _round_up(count: int, multiple: int) -> int:
        return math.ceil(count / multiple) * multiple
