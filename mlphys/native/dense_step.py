"""Training steps of a chain of dense layers, compiled as one multi-threaded function.

A step of a small network takes 0.1 ms, too little to dispatch operations to threads. The threads therefore live for a
whole chunk of steps. Each owns a block of columns of every kernel and updates it in registers, so weights never move
between cores; only activations and gradients of a batch are shared. A barrier separates the layers.
The order of every sum is fixed: the number of threads changes no bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from mlphys.native import noise, vector_math
from mlphys.native.chain import (
    METRICS,
    OF_OUTPUTS,
    OF_WEIGHTS,
    PARTIAL_SUMS,
    SLOPES,
    TILE_VECTORS,
    Chain,
    MatrixView,
    Workspace,
)
from mlphys.native.llvm import ZERO, Double, Function, Index, Pointer, Scalar, SimdUnit, Vector, constant
from mlphys.native.penalty import Penalty
from mlphys.native.sliding_window import split_evenly

SPINS = 2000  # polls of a barrier before a thread yields its core


def training_steps(chain: Chain, simd: SimdUnit) -> Function:
    """(x, targets, weights, order, seeds, factors, workspace, totals, barrier, samples, first, last, thread, threads):
    train steps first to last - 1 of an epoch of `samples` samples, as thread number `thread` of `threads`.

    `order` (samples,) are int32 indices into the rows of x, targets and weights, which are loss factor and weight of a
    sample; `seeds` (noises, 2) are 32-bit words for this
    epoch, of each noise in the chain's order; `factors` are the rule's for these steps. The sums over samples
    of the metrics, of the batches' penalties and of the weights are added to `totals` (TOTALS,), float64.
    `barrier` is an int64 that the threads share, initially zero.
    """
    return _StepBuilder(chain, simd).build()


class _StepBuilder:
    """The function `training_steps` under construction."""

    def __init__(self, chain: Chain, simd: SimdUnit):
        self.chain, self.workspace = chain, Workspace(chain, simd)
        pointers = ("x", "targets", "weights", "order", "seeds", "factors", "workspace", "totals", "barrier")
        self.ir = Function(pointers, ("samples", "first", "last", "thread", "threads"), simd.width)
        self.buffer = self.ir.pointer("workspace")
        self.thread, self.threads = self.ir.integer("thread"), self.ir.integer("threads")

    def build(self) -> Function:
        ir, chain = self.ir, self.chain
        first, last = ir.integer("first"), ir.integer("last")
        with ir.flush_denormals():
            self.expected_arrivals = ir.alloca("i64", 0)
            self.batch_weight = ir.alloca("double", "0.0")
            with ir.loop(first, last) as step:
                self.step = step
                start = ir.mul(step, chain.batch_size)
                count = ir.smin(chain.batch_size, ir.sub(ir.integer("samples"), start))
                self._forward_and_backward(start, count)
                of_step = ir.gep(ir.pointer("factors"), (ir.sub(step, first), chain.rule.factors))
                factors = [ir.load_scalar(ir.gep(of_step, (i, 1))) for i in range(chain.rule.factors)]
                for i in self.workspace.kernel_gradients:
                    self._update_kernel(i, count, factors)
                if self.workspace.kernel_gradients:
                    self._barrier()
                for i in range(len(chain.layers)):
                    if i not in self.workspace.kernel_gradients:
                        self._update_kernel(i, count, factors)
                with ir.if_then(ir.icmp("eq", self.thread, 0)):
                    self._add_metrics(count)
                self._barrier()
                if self.workspace.penalties:
                    with ir.if_then(ir.icmp("eq", self.thread, 0)):
                        self._add_penalties()
        return ir

    def _forward_and_backward(self, start: Index, count: Index) -> None:
        """The gradients of `count` samples, the first of which is number `start` in the order of the epoch."""
        ir, workspace, chain = self.ir, self.workspace, self.chain
        blocks = ir.sdiv(ir.add(count, workspace.tile_rows - 1), workspace.tile_rows)
        own_samples = self._share(count)
        self._gather(start, own_samples)
        self._barrier()
        for i in range(len(chain.layers)):
            self._forward(i, blocks, count)
            self._barrier()
        with ir.loop(*own_samples) as sample:
            metrics = [self._element(workspace.metrics, i, sample) for i in range(METRICS)]
            outputs, targets = self._row(workspace.activations[-1], sample), self._row(workspace.targets, sample)
            gradient = self._row(workspace.gradients[-1], sample)
            chain.loss.emit(ir, outputs, targets, gradient, metrics, count)
            if workspace.weights:
                self._weigh(sample, workspace.weights)
        self._barrier()
        for i in range(len(chain.layers) - 1, 0, -1):
            self._backward(i, blocks)
            self._barrier()
            self._add_partial_sums(i - 1, count)
            self._barrier()

    def _share(self, count: Index, thread: Index | None = None, threads: Index | None = None) -> tuple[Index, Index]:
        """Start and stop of the share of a thread, by default this one, in range(count)."""
        ir = self.ir
        thread, threads = self.thread if thread is None else thread, self.threads if threads is None else threads
        start = ir.sdiv(ir.mul(count, thread), threads)
        stop = ir.mul(count, ir.add(thread, 1))
        return start, ir.sdiv(stop, threads)

    def _row(self, matrix: MatrixView, row: Index) -> Pointer:
        return self.ir.gep(self.buffer, (matrix.start, 1), (row, matrix.stride))

    def _element(self, matrix: MatrixView, row: Index, column: Index) -> Pointer:
        return self.ir.gep(self.buffer, (matrix.start, 1), (row, matrix.stride), (column, 1))

    def _column(self, matrix: MatrixView, column: Index) -> Pointer:
        """The first row's vector number `column`."""
        return self.ir.gep(self.buffer, (matrix.start, 1), (column, self.ir.simd_width))

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
                    ir.store_scalar(self._element(workspace.weights, i, sample), value)
            if not self.chain.shares_targets:
                self._copy_row(ir.pointer("targets"), source, workspace.targets, sample)

    def _weigh(self, sample: Index, weights: MatrixView) -> None:
        """Multiply loss and gradient of a sample by its factors."""
        ir, workspace = self.ir, self.workspace
        factor, weight = (ir.load_scalar(self._element(weights, i, sample)) for i in range(2))
        loss = self._element(workspace.metrics, 0, sample)
        ir.store_scalar(loss, ir.product(ir.load_scalar(loss), factor))
        both, gradients = ir.broadcast(ir.product(factor, weight)), workspace.gradients[-1]
        with ir.loop(0, gradients.columns, ir.simd_width) as column:
            place = self._element(gradients, sample, column)
            ir.store(place, ir.fmul(both, ir.load(place)))

    def _copy_row(self, data: Pointer, source: Index, matrix: MatrixView, target: Index) -> None:
        ir = self.ir
        source_row, target_row = ir.gep(data, (source, matrix.columns)), self._row(matrix, target)
        in_vectors = matrix.columns // ir.simd_width * ir.simd_width
        with ir.loop(0, in_vectors, ir.simd_width) as i:
            ir.store(ir.gep(target_row, (i, 1)), ir.load(ir.gep(source_row, (i, 1))))
        with ir.loop(in_vectors, matrix.columns) as i:
            ir.store_scalar(ir.gep(target_row, (i, 1)), ir.load_scalar(ir.gep(source_row, (i, 1))))

    def _disturb_row(self, sample: Index) -> None:
        """Add the noise of the samples to one of them."""
        ir, inputs = self.ir, self.workspace.activations[0]
        with ir.loop(0, inputs.columns, ir.simd_width) as column:
            place = self._element(inputs, sample, column)
            noisy, _ = self._disturbed(-1, sample, column, ir.load(place), ZERO)
            ir.store(place, noisy)
        if inputs.columns % ir.simd_width:
            ir.store_scalar(self._element(inputs, sample, inputs.columns), constant(1.0))

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
        inputs, outputs = self.workspace.activations[i], self.workspace.activations[i + 1]
        kernel, *_ = self.workspace.kernels[i]
        for column, width in self._column_tiles(kernel):
            with ir.loop(0, blocks) as block:
                first = ir.mul(block, tile_rows)
                sums = self._tile(tile_rows, width)
                x, w = self._row(inputs, first), self._column(kernel, column)
                with ir.loop(0, layer.rows) as row:
                    kernel_row = ir.gep(w, (row, kernel.stride))
                    weights = [ir.load(ir.gep(kernel_row, (j, ir.simd_width))) for j in range(width)]
                    for s in range(tile_rows):
                        value = ir.broadcast(ir.load_scalar(ir.gep(x, (s, inputs.stride), (row, 1))))
                        for j in range(width):
                            ir.store(sums[s, j], ir.fma(value, weights[j], ir.load(sums[s, j])))
                out = ir.gep(self._row(outputs, first), (column, ir.simd_width))
                for (s, j), total in sums.items():
                    ir.store(ir.gep(out, (s, outputs.stride), (j, ir.simd_width)), ir.load(total))
                if layer.keeps_slopes or layer.activation not in ("linear", "softmax"):
                    with ir.loop(0, tile_rows) as sample:
                        for j in range(width):
                            self._activate(i, ir.add(first, sample), ir.mul(ir.add(column, j), ir.simd_width))
        if layer.outputs % ir.simd_width:  # the last vector's padding has overwritten the bias's column of ones
            vectors = kernel.stride // ir.simd_width
            owns_last = ir.icmp("eq", self._share(vectors)[1], vectors)
            with ir.if_then(owns_last), ir.loop(0, count) as sample:
                ir.store_scalar(self._element(outputs, sample, layer.outputs), constant(1.0))

    def _activate(self, i: int, sample: Index, column: Index) -> None:
        """From pre-activations to outputs of layer i, for a vector of its columns."""
        ir, layer = self.ir, self.chain.layers[i]
        place = self._element(self.workspace.activations[i + 1], sample, column)
        if layer.keeps_slopes:
            y, slope = vector_math.activate_with_slope(ir, layer.activation, ir.load(place))
            y, slope = self._disturbed(i, sample, column, y, slope)
            ir.store(self._element(self.workspace.slopes[i], sample, column), slope)
        else:
            y = vector_math.activate(ir, layer.activation, ir.load(place))
        ir.store(place, y)

    def _tile(self, rows: int, columns: int) -> dict[tuple[int, int], Pointer]:
        """Accumulators of a register tile, initially zero."""
        keys = [(row, column) for row in range(rows) for column in range(columns)]
        return dict(zip(keys, self.ir.accumulators(len(keys)), strict=True))

    def _column_tiles(self, matrix: MatrixView) -> Iterator[tuple[Index, int]]:
        """This thread's vectors of a row in tiles: number of the first vector, and width in vectors."""
        ir, vectors = self.ir, matrix.stride // self.ir.simd_width
        start, stop = self._share(vectors)
        remainder = ir.srem(ir.sub(stop, start), TILE_VECTORS)
        full = ir.sub(stop, remainder)
        if vectors >= TILE_VECTORS:
            with ir.loop(start, full, TILE_VECTORS) as column:
                yield column, TILE_VECTORS
        for width in range(1, min(TILE_VECTORS, vectors + 1)):
            with ir.if_then(ir.icmp("eq", remainder, width)):
                yield full, width

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
            with ir.loop(own, stop) as column_block, ir.loop(0, blocks) as block:
                columns = [
                    ir.mul(ir.sdiv(ir.mul(each, vectors), PARTIAL_SUMS), ir.simd_width)
                    for each in (column_block, ir.add(column_block, 1))
                ]
                with ir.loop(*self._share(len(row_tiles), rank, sharing)) as row_tile:
                    row = ir.add(ir.mul(row_tile, size), row_tiles[0][0])
                    first = ir.mul(block, tile_rows)
                    sums = self._tile(tile_rows, size)
                    d, w = self._row(gradients, first), self._row(kernel, row)
                    with ir.loop(columns[0], columns[1], ir.simd_width) as column:
                        values = [ir.load(ir.gep(d, (s, gradients.stride), (column, 1))) for s in range(tile_rows)]
                        for r in range(size):
                            weight = ir.load(ir.gep(w, (r, kernel.stride), (column, 1)))
                            for s in range(tile_rows):
                                ir.store(sums[s, r], ir.fma(values[s], weight, ir.load(sums[s, r])))
                    target = ir.gep(self._row(partial_sums[0], first), (column_block, distance), (row, 1))
                    for (s, r), total in sums.items():
                        value = ir.reduce_add(ir.load(total))
                        ir.store_scalar(ir.gep(target, (s, partial_sums[0].stride), (r, 1)), value)

    def _add_partial_sums(self, i: int, count: Index) -> None:
        """The gradient with respect to the pre-activations of layer i, for this thread's columns."""
        ir, layer, gradients = self.ir, self.chain.layers[i], self.workspace.gradients[i]
        start, stop = (ir.mul(each, ir.simd_width) for each in self._share(gradients.stride // ir.simd_width))
        if layer.penalizes_outputs:
            self._begin_output_penalty(i, count, (start, stop))
        with ir.loop(0, count) as sample, ir.loop(start, stop, ir.simd_width) as column:
            a, b = (ir.load(self._element(part, sample, column)) for part in self.workspace.partial_sums[i])
            total = ir.fadd(a, b)
            if layer.penalizes_outputs:
                total = ir.fadd(total, self._output_penalty(i, count, sample, column))
            if layer.keeps_slopes:
                total = ir.fmul(total, ir.load(self._element(self.workspace.slopes[i], sample, column)))
            elif layer.activation != "linear":
                y = ir.load(self._element(self.workspace.activations[i + 1], sample, column))
                total = vector_math.backpropagate(ir, layer.activation, y, total)
            ir.store(self._element(gradients, sample, column), total)

    def _begin_output_penalty(self, i: int, count: Index, columns: tuple[Index, Index]) -> None:
        """Penalty and derivative of the outputs of layer i that follow from their means, for some columns."""
        ir, activity, penalties = self.ir, self.chain.layers[i].mean_activity, self.workspace.penalties[i]
        share = ir.broadcast(ir.ratio(1.0, count))
        with ir.loop(*columns, ir.simd_width) as column:
            value = slope = ZERO
            if activity:
                [total] = ir.accumulators(1)
                with ir.loop(0, count) as sample:
                    h = ir.load(self._element(self.workspace.activations[i + 1], sample, column))
                    ir.store(total, ir.fadd(ir.load(total), h))
                mean = ir.fmul(share, ir.load(total))
                value, slope = activity.value(ir, mean), ir.fmul(share, activity.slope(ir, mean))
            ir.store(self._element(penalties, OF_OUTPUTS, column), value)
            ir.store(self._element(penalties, SLOPES, column), slope)

    def _output_penalty(self, i: int, count: Index, sample: Index, column: Index) -> Vector:
        """The derivative of the penalties of the outputs of layer i, whose values are added up."""
        ir, penalty, penalties = self.ir, self.chain.layers[i].output_penalty, self.workspace.penalties[i]
        h, share = (
            ir.load(self._element(self.workspace.activations[i + 1], sample, column)),
            ir.broadcast(ir.ratio(1.0, count)),
        )
        place = self._element(penalties, OF_OUTPUTS, column)
        ir.store(place, ir.fma(share, penalty.value(ir, h), ir.load(place)))
        slope = ir.fma(share, penalty.slope(ir, h), ir.load(self._element(penalties, SLOPES, column)))
        return ir.masked(ir.below(column, penalties.columns), slope)  # weights of padding stay zero

    def _update_kernel(self, i: int, count: Index, factors: Sequence[Scalar]) -> None:
        """Compute the weight gradient of layer i and update weights and slots, for this thread's columns."""
        ir, tile_rows = self.ir, self.workspace.tile_rows
        inputs, gradients = self.workspace.activations[i], self.workspace.gradients[i]
        kernel, *_ = self.workspace.kernels[i]
        tile = ir.alloca(f"[{tile_rows * TILE_VECTORS} x {ir.vector}]", ZERO)
        for column, width in self._column_tiles(gradients):
            with ir.loop(0, kernel.rows, tile_rows) as row:
                sums = self._tile(tile_rows, width)
                x = ir.gep(self.buffer, (inputs.start, 1), (row, 1))
                d = self._column(gradients, column)
                with ir.loop(0, count) as sample:
                    gradient_row = ir.gep(d, (sample, gradients.stride))
                    values = [ir.load(ir.gep(gradient_row, (j, ir.simd_width))) for j in range(width)]
                    input_row = ir.gep(x, (sample, inputs.stride))
                    for r in range(tile_rows):
                        value = ir.broadcast(ir.load_scalar(ir.gep(input_row, (r, 1))))
                        for j in range(width):
                            ir.store(sums[r, j], ir.fma(value, values[j], ir.load(sums[r, j])))
                for (r, j), total in sums.items():
                    ir.store(ir.gep(tile, (r * TILE_VECTORS + j, ir.simd_width)), ir.load(total))
                with ir.loop(0, tile_rows) as tile_row:
                    for j in range(width):
                        place = ir.gep(tile, (tile_row, TILE_VECTORS * ir.simd_width), (j, ir.simd_width))
                        at = ir.mul(ir.add(column, j), ir.simd_width)
                        self._apply_gradient(i, ir.add(row, tile_row), at, place, factors)

    def _apply_gradient(self, i: int, row: Index, column: Index, place: Pointer, factors: Sequence[Scalar]) -> None:
        """Update a vector of weights of layer i by its gradient at `place`; of a tied kernel, keep the gradient."""
        ir, layer = self.ir, self.chain.layers[i]
        in_kernel = ir.icmp("slt", row, layer.inputs)
        if layer.tied_to is not None:
            with ir.if_then(in_kernel):
                ir.store(self._element(self.workspace.kernel_gradients[i], row, column), ir.load(place))
            with ir.if_then(ir.icmp("sge", row, layer.inputs)):
                self._update(i, row, column, ir.load(place), factors)
            return
        columns = column, ir.smin(ir.add(column, ir.simd_width), layer.outputs)
        for j in self.chain.tied(i):
            with ir.if_then(in_kernel), ir.loop(*columns) as each:
                element = ir.gep(place, (ir.sub(each, column), 1))
                transposed = ir.load_scalar(self._element(self.workspace.kernel_gradients[j], each, row))
                ir.store_scalar(element, ir.sum(ir.load_scalar(element), transposed))
        self._update(i, row, column, ir.load(place), factors)
        kernel, *_ = self.workspace.kernels[i]
        for j in self.chain.tied(i):
            copy, *_ = self.workspace.kernels[j]
            with ir.if_then(in_kernel), ir.loop(*columns) as each:
                ir.store_scalar(self._element(copy, each, row), ir.load_scalar(self._element(kernel, row, each)))

    def _update(self, i: int, row: Index, column: Index, gradient: Vector, factors: Sequence[Scalar]) -> None:
        """Update a vector of weights and slots of layer i."""
        ir = self.ir
        places = [self._element(matrix, row, column) for matrix in self.workspace.kernels[i]]
        state = [ir.load(each) for each in places]
        if self.chain.layers[i].penalizes_weights:
            gradient = self._penalized(i, row, column, state[0], gradient)
        for place, value in zip(places, self.chain.rule.update(ir, gradient, factors, state), strict=True):
            ir.store(place, value)

    def _penalized(self, i: int, row: Index, column: Index, weight: Vector, gradient: Vector) -> Vector:
        """A gradient with that of the penalty of its weights, whose value is added up over the rows."""
        ir, layer = self.ir, self.chain.layers[i]
        place = self._element(self.workspace.penalties[i], OF_WEIGHTS, column)
        of_kernel, of_bias = ir.icmp("slt", row, layer.inputs), ir.icmp("eq", row, layer.inputs)
        before = ir.choose(ir.icmp("eq", row, 0), ZERO, ir.load(place))
        bias = layer.bias_penalty if layer.bias else Penalty()  # else the rows behind the kernel are padding
        value = ir.choose(of_kernel, layer.kernel_penalty.value(ir, weight), ZERO)
        slope = ir.choose(of_kernel, layer.kernel_penalty.slope(ir, weight), ZERO)
        if bias:
            value = ir.choose(of_bias, bias.value(ir, weight), value)
            slope = ir.choose(of_bias, bias.slope(ir, weight), slope)
        ir.store(place, ir.fadd(before, value))
        return ir.fadd(gradient, slope)

    def _add_metrics(self, count: Index) -> None:
        """Add the metrics of the samples to their totals, sample by sample, and their weights."""
        ir, weights = self.ir, self.workspace.weights
        ir.emit(f"store double 0.0, ptr {self.batch_weight}")
        with ir.loop(0, count) as sample:
            weight = ir.double(ir.load_scalar(self._element(weights, 1, sample))) if weights else Double("1.0")
            ir.add_to_double(self.batch_weight, weight)
            for i in range(METRICS):
                value = ir.double(ir.load_scalar(self._element(self.workspace.metrics, i, sample)))
                ir.add_to_double(self._total(i), ir.multiply(weight, value) if weights else value)
        ir.add_to_double(self._total(METRICS + 1), ir.load_double(self.batch_weight))

    def _add_penalties(self) -> None:
        """Add the penalty of the batch to its total, once for each sample."""
        ir = self.ir
        penalty = ir.alloca("double", "0.0")
        for i, sums in self.workspace.penalties.items():
            layer = self.chain.layers[i]
            for row in [OF_WEIGHTS] * layer.penalizes_weights + [OF_OUTPUTS] * layer.penalizes_outputs:
                with ir.loop(0, sums.columns) as column:
                    ir.add_to_double(penalty, ir.double(ir.load_scalar(self._element(sums, row, column))))
        ir.add_to_double(self._total(METRICS), ir.multiply(ir.load_double(penalty), ir.load_double(self.batch_weight)))

    def _total(self, i: int) -> Pointer:
        return self.ir.gep(self.ir.pointer("totals"), (i, 1), element="double")

    def _barrier(self) -> None:
        self.ir.barrier(self.ir.pointer("barrier"), self.expected_arrivals, self.threads, SPINS)
