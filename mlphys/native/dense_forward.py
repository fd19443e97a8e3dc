"""Forward pass of a batch through a chain of dense layers, and the losses of its samples."""

from __future__ import annotations

from collections.abc import Callable

from mlphys.native import noise, vector_math
from mlphys.native.chain import Chain
from mlphys.native.dense_loss import Rows
from mlphys.native.drawn_code import DrawnCode
from mlphys.native.emission import Emission
from mlphys.native.largest import keep_largest
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Pointer, Vector, constant
from mlphys.native.workspace import METRICS, MatrixView, Workspace


class DenseForward(Emission):
    """The forward pass of one step."""

    def __init__(self, ir: Function, chain: Chain, workspace: Workspace, step: Index):
        super().__init__(ir, chain, workspace)
        self.step = step
        self.codes = DrawnCode(ir, chain, workspace)

    def losses(self, start: Index, count: Index, barrier: Callable[[], None]) -> None:
        """Outputs, losses, and gradients of the outputs, of `count` samples; `start` is the number of the first in the
        order of the epoch."""
        ir, workspace, chain = self.ir, self.workspace, self.chain
        blocks, own_samples = self.blocks(count), self.share(count)
        self._gather(start, own_samples)
        barrier()
        for i in range(len(chain.layers)):
            self._layer(i, blocks, count)
            barrier()
            if chain.layers[i].largest:
                self._keep_largest(i, own_samples)
                barrier()
            if i in workspace.codes:
                with ir.loop(*own_samples) as sample:
                    self.codes.draw(i, self.step, sample, count)
                barrier()
        with ir.loop(*own_samples) as sample:
            self._loss(sample, count)
        barrier()

    def _gather(self, start: Index, samples: tuple[Index, Index]) -> None:
        ir, workspace = self.ir, self.workspace
        with ir.loop(*samples) as sample:
            source = ir.load_i32(ir.gep(ir.pointer("order"), (start, 1), (sample, 1)))
            self._copy_row(ir.pointer("x"), source, workspace.activations[0], sample)
            if self.chain.noises:
                self._add_input_noise(sample)
            if workspace.weights:
                for i in range(2):
                    value = ir.load_scalar(ir.gep(ir.pointer("weights"), (source, 2), (i, 1)))
                    ir.store_scalar(self.element(workspace.weights, i, sample), value)
            if not self.chain.shares_targets:
                self._copy_row(ir.pointer("targets"), source, workspace.targets, sample)

    def _copy_row(self, data: Pointer, source: Index, matrix: MatrixView, target: Index) -> None:
        ir = self.ir
        source_row, target_row = ir.gep(data, (source, matrix.columns)), self.row(matrix, target)
        in_vectors = matrix.columns // ir.simd_width * ir.simd_width
        with ir.loop(0, in_vectors, ir.simd_width) as i:
            ir.store(ir.gep(target_row, (i, 1)), ir.load(ir.gep(source_row, (i, 1))))
        with ir.loop(in_vectors, matrix.columns) as i:
            ir.store_scalar(ir.gep(target_row, (i, 1)), ir.load_scalar(ir.gep(source_row, (i, 1))))

    def _add_input_noise(self, sample: Index) -> None:
        """Add the noise of the inputs to a sample."""
        ir, inputs = self.ir, self.workspace.activations[0]
        with ir.loop(0, inputs.columns, ir.simd_width) as column:
            place = self.element(inputs, sample, column)
            noisy, _ = self._with_noise(-1, sample, column, ir.load(place), ZERO)
            ir.store(place, noisy)
        if inputs.columns % ir.simd_width:
            ir.store_scalar(self.element(inputs, sample, inputs.columns), constant(1.0))

    def _with_noise(self, i: int, sample: Index, column: Index, y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        """Outputs of layer i and their slopes, with its noise; layer -1 are the samples."""
        ir, chain = self.ir, self.chain
        element = ir.add(ir.mul(sample, self.workspace.activations[i + 1].columns), column)
        for number, each in enumerate(chain.noises if i < 0 else chain.layers[i].noises, chain.first_noise(i)):
            seed = ir.gep(ir.pointer("seeds"), (number, 2))
            y, slope = each.apply(ir, noise.draw(ir, seed, self.step, element), y, slope)
        return y, slope

    def _layer(self, i: int, blocks: Index, count: Index) -> None:
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
            y, slope = self._with_noise(i, sample, column, y, slope)
            ir.store(self.element(self.workspace.slopes[i], sample, column), slope)
        else:
            y = vector_math.activate(ir, layer.activation, ir.load(place))
        ir.store(place, y)

    def _keep_largest(self, i: int, samples: tuple[Index, Index]) -> None:
        """Of the outputs of layer i, keep the largest of each sample."""
        layer, workspace = self.chain.layers[i], self.workspace
        assert layer.largest is not None
        with self.ir.loop(*samples) as sample:
            row, slopes = (self.row(each, sample) for each in (workspace.activations[i + 1], workspace.slopes[i]))
            keep_largest(self.ir, row, slopes, layer.outputs, layer.largest)

    def _loss(self, sample: Index, count: Index) -> None:
        """The metrics of a sample, and the gradient of its outputs."""
        workspace, chain = self.workspace, self.chain
        metrics = [self.element(workspace.metrics, i, sample) for i in range(METRICS)]
        matrices = [workspace.activations[-1], workspace.targets, workspace.gradients[-1]]
        matrices += [workspace.slopes[len(chain.layers) - 1]] if chain.layers[-1].keeps_slopes else []
        chain.loss.emit(self.ir, Rows(*(self.row(each, sample) for each in matrices)), metrics, count)
        if workspace.weights:
            self._weigh(sample, workspace.weights)

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
