"""Training steps of a chain of dense layers, compiled as one multi-threaded function.

A step of a small network takes 0.1 ms, too little to dispatch operations to threads. The threads therefore live for a
whole chunk of steps. Each owns a block of columns of every kernel and updates it in registers, so weights never move
between cores; only activations and gradients of a batch are shared. A barrier separates the layers.
The order of every sum is fixed: the number of threads changes no bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from mlphys.native import noise, vector_math
from mlphys.native.chain import METRICS, PARTIAL_SUMS, TILE_VECTORS, Chain, MatrixView, Workspace
from mlphys.native.dense_loss import Rows
from mlphys.native.drawn_code import DrawnCode
from mlphys.native.emission import Emission
from mlphys.native.kernel_update import KernelUpdate
from mlphys.native.largest import keep_largest
from mlphys.native.llvm import ZERO, Function, Index, Pointer, SimdUnit, Vector, constant
from mlphys.native.output_penalty import OutputPenalty
from mlphys.native.sliding_window import split_evenly
from mlphys.native.totals import Totals

SPINS = 2000  # polls of a barrier before a thread yields its core
CACHED = 64 * 1024  # weights that stay in the cache of a core while all samples pass through them


def training_steps(chain: Chain, simd: SimdUnit) -> Function:
    """(x, targets, weights, order, seeds, factors, workspace, totals, barrier, samples, first, last, thread, threads):
    train steps first to last - 1 of an epoch of `samples` samples, as thread number `thread` of `threads`.

    `order` (samples,) are int32 indices into the rows of x, targets and weights, which are loss factor and weight of a
    sample; `seeds` (draws, 2) are 32-bit words for this epoch, of each noise and each drawn code in the chain's order;
    `factors` are the rule's for these steps. The sums over samples of the metrics, of the batches' penalties and of the
    weights are added to `totals` (TOTALS,), float64. `barrier` is an int64 that the threads share, initially zero.
    """
    return _StepBuilder(chain, simd).training()


def measuring_steps(chain: Chain, simd: SimdUnit) -> Function:
    """The same without any training: the sums over samples of the metrics and of the weights alone."""
    return _StepBuilder(chain, simd).measuring()


class _StepBuilder(Emission):
    """The function `training_steps` or `measuring_steps` under construction."""

    def __init__(self, chain: Chain, simd: SimdUnit):
        pointers = ("x", "targets", "weights", "order", "seeds", "factors", "workspace", "totals", "barrier")
        integers = ("samples", "first", "last", "thread", "threads")
        super().__init__(Function(pointers, integers, simd.width), chain, Workspace(chain, simd))
        self.penalties = OutputPenalty(self.ir, chain, self.workspace)
        self.codes = DrawnCode(self.ir, chain, self.workspace)

    def training(self) -> Function:
        ir, chain = self.ir, self.chain
        update = KernelUpdate(ir, chain, self.workspace).update
        for count, totals in self._batches():
            self._gradients(count)
            of_step = ir.gep(ir.pointer("factors"), (ir.sub(self.step, ir.integer("first")), chain.rule.factors))
            factors = [ir.load_scalar(ir.gep(of_step, (i, 1))) for i in range(chain.rule.factors)]
            update(count, factors, self._barrier)
            with ir.if_then(ir.icmp("eq", self.thread, 0)):
                totals.add_metrics(count)
            self._barrier()
            if self.workspace.penalties or self.workspace.divergences:
                with ir.if_then(ir.icmp("eq", self.thread, 0)):
                    totals.add_penalties(count)
        return ir

    def measuring(self) -> Function:
        ir = self.ir
        for count, totals in self._batches():
            with ir.if_then(ir.icmp("eq", self.thread, 0)):
                totals.add_metrics(count)
            self._barrier()
        return ir

    def _batches(self) -> Iterator[tuple[Index, Totals]]:
        """Loop over the batches, each with its samples' losses: how many they are, and the sums to add to."""
        ir, chain = self.ir, self.chain
        with ir.flush_denormals():
            self.expected_arrivals = ir.alloca("i64", 0)
            totals = Totals(ir, chain, self.workspace)
            with ir.loop(ir.integer("first"), ir.integer("last")) as step:
                self.step = step
                start = ir.mul(step, chain.batch_size)
                count = ir.smin(chain.batch_size, ir.sub(ir.integer("samples"), start))
                self._losses(start, count)
                yield count, totals

    def _losses(self, start: Index, count: Index) -> None:
        """Outputs, losses, and gradients of the outputs, of `count` samples; `start` is the number of the first in the
        order of the epoch."""
        ir, workspace, chain = self.ir, self.workspace, self.chain
        blocks, own_samples = self._blocks(count), self.share(count)
        self._gather(start, own_samples)
        self._barrier()
        for i in range(len(chain.layers)):
            self._forward(i, blocks, count)
            self._barrier()
            if largest := chain.layers[i].largest:
                with ir.loop(*own_samples) as sample:
                    row, slopes = (
                        self.row(each, sample) for each in (workspace.activations[i + 1], workspace.slopes[i])
                    )
                    keep_largest(ir, row, slopes, chain.layers[i].outputs, largest)
                self._barrier()
            if i in workspace.codes:
                with ir.loop(*own_samples) as sample:
                    self.codes.draw(i, self.step, sample, count)
                self._barrier()
        with ir.loop(*own_samples) as sample:
            metrics = [self.element(workspace.metrics, i, sample) for i in range(METRICS)]
            matrices = [workspace.activations[-1], workspace.targets, workspace.gradients[-1]]
            matrices += [workspace.slopes[len(chain.layers) - 1]] if chain.layers[-1].keeps_slopes else []
            chain.loss.emit(ir, Rows(*(self.row(each, sample) for each in matrices)), metrics, count)
            if workspace.weights:
                self._weigh(sample, workspace.weights)
        self._barrier()

    def _blocks(self, count: Index) -> Index:
        """Register tiles of so many samples."""
        tile_rows = self.workspace.tile_rows
        return self.ir.sdiv(self.ir.add(count, tile_rows - 1), tile_rows)

    def _gradients(self, count: Index) -> None:
        """The gradients of all layers from those of the outputs."""
        ir, workspace, chain = self.ir, self.workspace, self.chain
        blocks, own_samples = self._blocks(count), self.share(count)
        for i in range(len(chain.layers) - 1, 0, -1):
            self._backward(i, blocks)
            self._barrier()
            if i - 1 in workspace.codes:
                with ir.loop(*own_samples) as sample:
                    self.codes.backpropagate(i - 1, sample, count)
            else:
                self._add_partial_sums(i - 1, count)
            self._barrier()

    def _gather(self, start: Index, samples: tuple[Index, Index]) -> None:
        ir, workspace = self.ir, self.workspace
        with ir.loop(*samples) as sample:
            source = ir.load_i32(ir.gep(ir.pointer("order"), (start, 1), (sample, 1)))
            self._copy_row(ir.pointer("x"), source, workspace.activations[0], sample)
            if self.chain.noises:
                self._disturb_row(sample)
            if workspace.weights:
                for i in range(2):
                    value = ir.load_scalar(ir.gep(ir.pointer("weights"), (source, 2), (i, 1)))
                    ir.store_scalar(self.element(workspace.weights, i, sample), value)
            if not self.chain.shares_targets:
                self._copy_row(ir.pointer("targets"), source, workspace.targets, sample)

    def _weigh(self, sample: Index, weights: MatrixView) -> None:
        """Multiply loss and gradient of a sample by its factors."""
        ir, workspace = self.ir, self.workspace
        factor, weight = (ir.load_scalar(self.element(weights, i, sample)) for i in range(2))
        loss = self.element(workspace.metrics, 0, sample)
        ir.store_scalar(loss, ir.product(ir.load_scalar(loss), factor))
        both, gradients = ir.broadcast(ir.product(factor, weight)), workspace.gradients[-1]
        with ir.loop(0, gradients.columns, ir.simd_width) as column:
            place = self.element(gradients, sample, column)
            ir.store(place, ir.fmul(both, ir.load(place)))

    def _copy_row(self, data: Pointer, source: Index, matrix: MatrixView, target: Index) -> None:
        ir = self.ir
        source_row, target_row = ir.gep(data, (source, matrix.columns)), self.row(matrix, target)
        in_vectors = matrix.columns // ir.simd_width * ir.simd_width
        with ir.loop(0, in_vectors, ir.simd_width) as i:
            ir.store(ir.gep(target_row, (i, 1)), ir.load(ir.gep(source_row, (i, 1))))
        with ir.loop(in_vectors, matrix.columns) as i:
            ir.store_scalar(ir.gep(target_row, (i, 1)), ir.load_scalar(ir.gep(source_row, (i, 1))))

    def _disturb_row(self, sample: Index) -> None:
        """Add the noise of the samples to one of them."""
        ir, inputs = self.ir, self.workspace.activations[0]
        with ir.loop(0, inputs.columns, ir.simd_width) as column:
            place = self.element(inputs, sample, column)
            noisy, _ = self._disturbed(-1, sample, column, ir.load(place), ZERO)
            ir.store(place, noisy)
        if inputs.columns % ir.simd_width:
            ir.store_scalar(self.element(inputs, sample, inputs.columns), constant(1.0))

    def _disturbed(self, i: int, sample: Index, column: Index, y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        """Outputs of layer i, and their slopes, after its noises; layer -1 are the samples."""
        ir, chain = self.ir, self.chain
        element = ir.add(ir.mul(sample, self.workspace.activations[i + 1].columns), column)
        for number, each in enumerate(chain.noises if i < 0 else chain.layers[i].noises, chain.first_noise(i)):
            seed = ir.gep(ir.pointer("seeds"), (number, 2))
            y, slope = each.apply(ir, noise.draw(ir, seed, self.step, element), y, slope)
        return y, slope

    def _forward(self, i: int, blocks: Index, count: Index) -> None:
        """The outputs of layer i, in register tiles of samples x vectors of kernel columns."""
        ir, layer, tile_rows = self.ir, self.chain.layers[i], self.workspace.tile_rows
        inputs, outputs = self.workspace.inputs(i), self.workspace.activations[i + 1]
        kernel, *_ = self.workspace.kernels[i]
        for column, width in self.column_tiles(kernel):
            with ir.loop(0, blocks) as block:
                first = ir.mul(block, tile_rows)
                sums = self.tile(tile_rows, width)
                x, w = self.row(inputs, first), self.column(kernel, column)
                with ir.loop(0, layer.rows) as row:
                    kernel_row = ir.gep(w, (row, kernel.stride))
                    weights = [ir.load(ir.gep(kernel_row, (j, ir.simd_width))) for j in range(width)]
                    for s in range(tile_rows):
                        value = ir.broadcast(ir.load_scalar(ir.gep(x, (s, inputs.stride), (row, 1))))
                        for j in range(width):
                            ir.store(sums[s, j], ir.fma(value, weights[j], ir.load(sums[s, j])))
                out = ir.gep(self.row(outputs, first), (column, ir.simd_width))
                for (s, j), total in sums.items():
                    ir.store(ir.gep(out, (s, outputs.stride), (j, ir.simd_width)), ir.load(total))
                if layer.keeps_slopes or layer.activation not in ("linear", "softmax"):
                    with ir.loop(0, tile_rows) as sample:
                        for j in range(width):
                            self._activate(i, ir.add(first, sample), ir.mul(ir.add(column, j), ir.simd_width))
        if layer.outputs % ir.simd_width:  # the last vector's padding has overwritten the bias's column of ones
            vectors = kernel.stride // ir.simd_width
            owns_last = ir.icmp("eq", self.share(vectors)[1], vectors)
            with ir.if_then(owns_last), ir.loop(0, count) as sample:
                ir.store_scalar(self.element(outputs, sample, layer.outputs), constant(1.0))

    def _activate(self, i: int, sample: Index, column: Index) -> None:
        """From pre-activations to outputs of layer i, for a vector of its columns."""
        ir, layer = self.ir, self.chain.layers[i]
        place = self.element(self.workspace.activations[i + 1], sample, column)
        if layer.keeps_slopes:
            y, slope = vector_math.activate_with_slope(ir, layer.activation, ir.load(place))
            y, slope = self._disturbed(i, sample, column, y, slope)
            ir.store(self.element(self.workspace.slopes[i], sample, column), slope)
        else:
            y = vector_math.activate(ir, layer.activation, ir.load(place))
        ir.store(place, y)

    def _backward(self, i: int, blocks: Index) -> None:
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
        ir, layer, tile_rows = self.ir, self.chain.layers[i], self.workspace.tile_rows
        gradients, partial_sums = self.workspace.gradients[i], self.workspace.partial_sums[i - 1]
        kernel, *_ = self.workspace.kernels[i]
        own = ir.sdiv(ir.mul(self.thread, PARTIAL_SUMS), self.threads)
        first_thread, stop_thread = (
            ir.sdiv(ir.add(ir.mul(block, self.threads), PARTIAL_SUMS - 1), PARTIAL_SUMS)
            for block in (own, ir.add(own, 1))
        )
        single = ir.icmp("eq", self.threads, 1)
        stop = ir.select_i64(single, PARTIAL_SUMS, ir.add(own, 1))
        rank, sharing = ir.sub(self.thread, first_thread), ir.sub(stop_thread, first_thread)
        vectors, distance = kernel.stride // ir.simd_width, partial_sums[1].start - partial_sums[0].start
        for size, run in itertools.groupby(split_evenly(layer.inputs, TILE_VECTORS), len):
            row_tiles = list(run)
            at_once = max(1, CACHED // (size * kernel.stride // PARTIAL_SUMS))
            first_tile, last_tile = self.share(len(row_tiles), rank, sharing)
            with (
                ir.loop(own, stop) as column_block,
                ir.loop(first_tile, last_tile, at_once) as tiles,
                ir.loop(0, blocks) as block,
            ):
                columns = [
                    ir.mul(ir.sdiv(ir.mul(each, vectors), PARTIAL_SUMS), ir.simd_width)
                    for each in (column_block, ir.add(column_block, 1))
                ]
                with ir.loop(tiles, ir.smin(ir.add(tiles, at_once), last_tile)) as row_tile:
                    row = ir.add(ir.mul(row_tile, size), row_tiles[0][0])
                    first = ir.mul(block, tile_rows)
                    sums = self.tile(tile_rows, size)
                    d, w = self.row(gradients, first), self.row(kernel, row)
                    with ir.loop(columns[0], columns[1], ir.simd_width) as column:
                        values = [ir.load(ir.gep(d, (s, gradients.stride), (column, 1))) for s in range(tile_rows)]
                        for r in range(size):
                            weight = ir.load(ir.gep(w, (r, kernel.stride), (column, 1)))
                            for s in range(tile_rows):
                                ir.store(sums[s, r], ir.fma(values[s], weight, ir.load(sums[s, r])))
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

    def _barrier(self) -> None:
        self.ir.barrier(self.ir.pointer("barrier"), self.expected_arrivals, self.threads, SPINS)
