"""Backward pass of a batch through a chain of dense layers: gradients with respect to the pre-activations."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from mlphys.native import vector_math
from mlphys.native.chain import Chain
from mlphys.native.drawn_code import DrawnCode
from mlphys.native.emission import Emission
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Index
from mlphys.native.output_penalty import OutputPenalty
from mlphys.native.sliding_window import split_evenly
from mlphys.native.workspace import PARTIAL_SUMS, TILE_VECTORS, Workspace

CACHED = 64 * 1024  # weights that stay in the cache of a core while all samples pass through them


class DenseBackward(Emission):
    """From the gradients of the outputs to those of all layers."""

    def __init__(self, ir: Function, chain: Chain, workspace: Workspace):
        super().__init__(ir, chain, workspace)
        self.penalties = OutputPenalty(ir, chain, workspace)
        self.codes = DrawnCode(ir, chain, workspace)

    def gradients(self, count: Index, barrier: Callable[[], None]) -> None:
        """The gradients of all layers for `count` samples."""
        ir, workspace = self.ir, self.workspace
        blocks, own_samples = self.blocks(count), self.share(count)
        for i in range(len(self.chain.layers) - 1, 0, -1):
            self._input_gradient(i, blocks)
            barrier()
            if i - 1 in workspace.codes:
                with ir.loop(*own_samples) as sample:
                    self.codes.backpropagate(i - 1, sample, count)
            else:
                self._add_partial_sums(i - 1, count)
            barrier()

    def _input_gradient(self, i: int, blocks: Index) -> None:
        """The gradient of the input of layer i, as one partial sum for each block of kernel columns.

           kernel (rows x columns)
        column block 0  column block 1    A thread sums over one column block, the one of most of its own columns.
        +--------------+--------------+   Threads of the same column block divide its rows; a single thread computes
        | rows of      | rows of      |   both column blocks.
        | thread 0     | thread 2     |   For each sample block of `tile_rows` and up to TILE_VECTORS kernel rows, a
        +--------------+--------------+   register tile holds one vector of sums over the columns per pair (sample,
        | thread 1     | thread 3     |   row), which is reduced to a scalar at the end.
        +--------------+--------------+
        """
        ir, layer = self.ir, self.chain.layers[i]
        kernel, *_ = self.workspace.kernels[i]
        (own, stop), rank, sharing = self._column_blocks()
        vectors = kernel.stride // ir.simd_width
        for size, run in itertools.groupby(split_evenly(layer.inputs, TILE_VECTORS), len):
            row_tiles = list(run)
            at_once = max(1, CACHED // (size * kernel.stride // PARTIAL_SUMS))
            first_tile, last_tile = self.share(len(row_tiles), rank, sharing)
            with (
                ir.loop(own, stop) as column_block,
                ir.loop(first_tile, last_tile, at_once) as tiles,
                ir.loop(0, blocks) as block,
            ):
                start, end = (
                    ir.mul(ir.sdiv(ir.mul(each, vectors), PARTIAL_SUMS), ir.simd_width)
                    for each in (column_block, ir.add(column_block, 1))
                )
                with ir.loop(tiles, ir.smin(ir.add(tiles, at_once), last_tile)) as row_tile:
                    row = ir.add(ir.mul(row_tile, size), row_tiles[0][0])
                    self._sum_tile(i, block, (row, size), column_block, (start, end))

    def _column_blocks(self) -> tuple[tuple[Index, Index], Index, Index]:
        """Start and stop of this thread's column blocks; its rank among the threads that share them; their number."""
        ir = self.ir
        own = ir.sdiv(ir.mul(self.thread, PARTIAL_SUMS), self.threads)
        first_thread, stop_thread = (
            ir.sdiv(ir.add(ir.mul(block, self.threads), PARTIAL_SUMS - 1), PARTIAL_SUMS)
            for block in (own, ir.add(own, 1))
        )
        single = ir.icmp("eq", self.threads, 1)
        stop = ir.select_i64(single, PARTIAL_SUMS, ir.add(own, 1))
        return (own, stop), ir.sub(self.thread, first_thread), ir.sub(stop_thread, first_thread)

    def _sum_tile(
        self, i: int, block: Index, rows: tuple[Index, int], column_block: Index, columns: tuple[Index, Index]
    ) -> None:
        """The partial sums of a register tile, a block of samples by some rows of the kernel: first, and how many."""
        ir, tile_rows, (row, size) = self.ir, self.workspace.tile_rows, rows
        gradients, partial_sums = self.workspace.gradients[i], self.workspace.partial_sums[i - 1]
        kernel, *_ = self.workspace.kernels[i]
        first = ir.mul(block, tile_rows)
        sums = self.tile(tile_rows, size)
        d, w = self.row(gradients, first), self.row(kernel, row)
        with ir.loop(*columns, ir.simd_width) as column:
            values = [ir.load(ir.gep(d, (s, gradients.stride), (column, 1))) for s in range(tile_rows)]
            for r in range(size):
                weight = ir.load(ir.gep(w, (r, kernel.stride), (column, 1)))
                for s in range(tile_rows):
                    ir.store(sums[s, r], ir.fma(values[s], weight, ir.load(sums[s, r])))
        distance = partial_sums[1].start - partial_sums[0].start
        target = ir.gep(self.row(partial_sums[0], first), (column_block, distance), (row, 1))
        for (s, r), total in sums.items():
            value = ir.reduce_add(ir.load(total))
            ir.store_scalar(ir.gep(target, (s, partial_sums[0].stride), (r, 1)), value)

    def _add_partial_sums(self, i: int, count: Index) -> None:
        """The gradient with respect to the pre-activations of layer i, for this thread's columns."""
        ir, layer, gradients = self.ir, self.chain.layers[i], self.workspace.gradients[i]
        start, stop = (ir.mul(each, ir.simd_width) for each in self.share(gradients.stride // ir.simd_width))
        if layer.penalizes_outputs:
            self.penalties.begin(i, count, (start, stop))
        with ir.loop(0, count) as sample, ir.loop(start, stop, ir.simd_width) as column:
            a, b = (ir.load(self.element(part, sample, column)) for part in self.workspace.partial_sums[i])
            total = ir.fadd(a, b)
            if layer.penalizes_outputs:
                total = ir.fadd(total, self.penalties.slope(i, count, sample, column))
            if layer.keeps_slopes:
                total = ir.fmul(total, ir.load(self.element(self.workspace.slopes[i], sample, column)))
            elif layer.activation != "linear":
                y = ir.load(self.element(self.workspace.activations[i + 1], sample, column))
                total = vector_math.backpropagate(ir, layer.activation, y, total)
            ir.store(self.element(gradients, sample, column), total)
