"""The numbers of a training step in memory: weights, optimizer slots, activations, gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlphys.native.chain import Chain
from mlphys.native.processor import SimdUnit

TILE_VECTORS = 3  # vectors of a row in a register tile, a block of accumulators
PARTIAL_SUMS = 2  # blocks of kernel columns whose contributions to an input gradient are summed separately
METRICS = 2  # recorded per sample: its loss, and the metric of `dense_loss`
TOTALS = METRICS + 2  # summed over samples: the metrics, the penalty of their batch, their weights
OF_WEIGHTS, OF_OUTPUTS, SLOPES, SQUARES, STEEPNESS = range(5)  # rows of Workspace.penalties
CACHE_LINE = 16  # floats


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
        self._allocate_weights(chain)
        self._allocate_batch(chain, round_up(chain.batch_size, self.tile_rows))
        self.size = self._end

    def _allocate_weights(self, chain: Chain) -> None:
        """Weights with their optimizer slots, and the gradients of weights that are kept until all are known."""
        copies, layers = 1 + len(chain.rule.slots), chain.layers
        shapes = [(round_up(layer.rows, self.tile_rows), layer.outputs) for layer in layers]
        self.kernels = [[self._allocate(*shape) for _ in range(copies)] for shape in shapes]
        tied = {i: layer for i, layer in enumerate(layers) if layer.tied_to is not None}
        self.kernel_gradients = {
            i: self._allocate(round_up(layer.inputs, self._simd_width), layer.outputs) for i, layer in tied.items()
        }
        limited = shapes if chain.norm_limit else []
        self.limited_gradients = [self._allocate(*shape) for shape in limited]
        self.squares = [self._allocate(2, outputs) for _, outputs in limited]

    def _allocate_batch(self, chain: Chain, samples: int) -> None:
        """The numbers of a batch, of `samples` samples in complete register tiles."""
        layers = dict(enumerate(chain.layers))
        widths = [chain.layers[0].inputs, *(layer.outputs for layer in chain.layers)]
        self.activations = [self._allocate_with_ones(samples, width) for width in widths]
        drawn = {i: layer.code_size for i, layer in layers.items() if layer.divergence is not None}
        self.codes = {i: self._allocate_with_ones(samples, size) for i, size in drawn.items()}
        self.spreads = {i: self._allocate(samples, size) for i, size in drawn.items()}
        self.divergences = {i: self._allocate(1, samples) for i in drawn}
        self.slopes = {i: self._allocate(samples, layer.outputs) for i, layer in layers.items() if layer.keeps_slopes}
        self.gradients = [self._allocate(samples, layer.outputs) for layer in chain.layers]
        self.partial_sums = [
            [self._allocate(samples, layer.code_size) for _ in range(PARTIAL_SUMS)] for layer in chain.layers[:-1]
        ]
        self.penalties = {
            i: self._allocate(5, layer.outputs)
            for i, layer in layers.items()
            if layer.penalizes_weights or layer.penalizes_outputs
        }
        self.targets = self.activations[0] if chain.shares_targets else self._allocate(samples, widths[-1])
        self.metrics = self._allocate(METRICS, samples)
        self.weights = self._allocate(2, samples) if chain.weighted else None

    def inputs(self, layer: int) -> MatrixView:
        """What a layer multiplies by its kernel."""
        return self.codes.get(layer - 1, self.activations[layer])

    @property
    def multiplied(self) -> list[MatrixView]:
        """The matrices with a column of ones."""
        return [*self.activations, *self.codes.values()]

    def _allocate(self, rows: int, columns: int, min_stride: int = 0) -> MatrixView:
        view = MatrixView(self._end, rows, columns, round_up(max(columns, min_stride), self._simd_width))
        self._end = round_up(view.end, CACHE_LINE)
        return view

    def _allocate_with_ones(self, rows: int, columns: int) -> MatrixView:
        """A matrix with a column of ones behind it, which multiplies the bias."""
        return self._allocate(rows, columns, round_up(columns + 1, self.tile_rows))


def round_up(count: int, multiple: int) -> int:
    return math.ceil(count / multiple) * multiple
