"""The metrics of a split by machine code: the forward pass of a chain of dense layers, without noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from mlphys.native import dense_step, processor
from mlphys.native.chain import Chain
from mlphys.native.optimizer_step import SGD
from mlphys.native.penalty import NONE, Penalty
from mlphys.native.workspace import TOTALS, Workspace
from mlphys.networks.compiled import metric_means
from mlphys.numerics import chunked
from mlphys.schema.samples import Split
from mlphys.training.step_calls import aligned, compiled, sums_by_metric, together

AT_ONCE = 256  # samples: more leave the cache
Piece = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, targets, and loss factor and weight of each sample


def measured_chain(chain: Chain, split: Split) -> Chain | None:
    """What evaluation computes of a chain; None if that is more than metrics and the penalties of weights."""
    if any(layer.penalizes_outputs or layer.divergence is not None for layer in chain.layers):
        return None
    layers = tuple(replace(layer, noises=(), kernel_penalty=NONE, bias_penalty=NONE) for layer in chain.layers)
    return replace(
        chain,
        layers=layers,
        noises=(),
        rule=SGD(),
        norm_limit=None,
        batch_size=AT_ONCE,
        weighted=split.weights is not None,
    )


class NativeMeasurement:
    """The metrics of a split with the current `kernels`, which training changes: padded, the bias their last row."""

    def __init__(
        self, trained: Chain, kernels: Sequence[np.ndarray], chain: Chain, pieces: Callable[[], Iterable[Piece]],
        threads: int, metrics: Sequence[str],
    ):  # fmt: skip
        """`pieces()` are the samples in order, each but the last of a multiple of AT_ONCE."""
        simd = processor.simd_unit()
        assert simd
        self._trained, self._kernels, self._chain = trained, kernels, chain
        self._pieces, self._threads, self._metrics = pieces, threads, metrics
        workspace = Workspace(chain, simd)
        self._buffer = aligned(workspace.size)
        for view in workspace.multiplied:
            self._buffer[view.start : view.end].reshape(view.rows, view.stride)[:, view.columns] = 1.0
        self._copies = [self._buffer[kernel.start : kernel.end] for kernel, *_ in workspace.kernels]
        self._function = compiled(dense_step.measuring_steps, chain, simd)

    def means(self) -> dict[str, float]:
        for copy, kernel in zip(self._copies, self._kernels, strict=True):
            copy[:] = kernel.reshape(-1)
        sums = np.zeros(TOTALS)
        for piece in self._pieces():
            self._add(piece, sums)
        sums[2] = sums[3] * self._penalty()
        return metric_means(tuple(self._metrics), sums_by_metric(sums, self._metrics))

    def _add(self, piece: Piece, sums: np.ndarray) -> None:
        """Add the totals of a piece, sample by sample, so that pieces do not change their bits."""
        barrier, unused, samples = np.zeros(1, np.int64), np.zeros(2, np.float32), len(piece[0])
        order = np.arange(samples, dtype=np.int32)
        arrays = (*piece, order, unused, unused, self._buffer, sums, barrier)

        def work(thread: int) -> None:
            pointers = [array.ctypes.data for array in arrays]
            self._function(*pointers, samples, 0, math.ceil(samples / AT_ONCE), thread, self._threads)

        together(self._threads, work)

    def _penalty(self) -> float:
        """The penalty of the weights."""
        total = 0.0
        for layer, kernel in zip(self._trained.layers, self._kernels, strict=True):
            total += _value(layer.kernel_penalty, kernel[: layer.inputs, : layer.outputs])
            if layer.bias:
                total += _value(layer.bias_penalty, kernel[layer.inputs, : layer.outputs])
        return total


def _value(penalty: Penalty, weights: np.ndarray) -> float:
    if not penalty:
        return 0.0
    exact = weights.astype(np.float64)
    return penalty.l1 * float(np.abs(exact).sum()) + penalty.l2 * float((exact**2).sum())


def pieces(split: Split) -> Iterator[Split]:
    """A split in parts that fit into memory, each but the last of a multiple of AT_ONCE samples."""
    step = max(1, chunked.at_once(split.x, len(split), chunked.LARGEST_PIECE) // AT_ONCE) * AT_ONCE
    for start in range(0, len(split), step):
        part = split.at(slice(start, start + step))
        yield replace(part, x=chunked.read(part.x))


def factors_and_weights(split: Split) -> np.ndarray:
    """The factor of the loss, which is one in evaluation, and the weight of each sample, (n, 2)."""
    result = np.ones((len(split), 2), np.float32)
    if split.weights is not None:
        result[:, 1] = split.weights
    return result
