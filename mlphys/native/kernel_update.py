"""Gradients of kernels and biases, and the optimizer's step."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

from mlphys.native.emission import Emission
from mlphys.native.llvm.values import ZERO, Index, Pointer, Scalar, Vector
from mlphys.native.penalty import NONE
from mlphys.native.workspace import OF_WEIGHTS, STEEPNESS, TILE_VECTORS


class KernelUpdate(Emission):
    """Each thread updates the columns of kernels that it owns."""

    def update(self, count: Index, factors: Sequence[Scalar], barrier: Callable[[], None]) -> None:
        """Update all weights and slots by the gradients of a batch."""
        layers = range(len(self.chain.layers))
        tied = self.workspace.kernel_gradients
        for i in tied:
            self.update_kernel(i, count, factors)
        if tied:
            barrier()
        for i in layers:
            if i not in tied:
                self.update_kernel(i, count, factors)
        if limit := self.chain.norm_limit:
            barrier()
            shares = [[self._squares(i, row) for row in range(2)] for i in layers]
            if limit.together:
                total = functools.reduce(self.ir.fadd, itertools.chain.from_iterable(shares))
                shares = [[total] * 2] * len(shares)
            for i in layers:
                self._update_limited(i, [self._shortening(limit.limit, each) for each in shares[i]], factors)

    def _squares(self, i: int, row: int) -> Vector:
        """The sum of the squared gradients of the kernel (row 0) or of the bias of layer i."""
        ir, squares = self.ir, self.workspace.squares[i]
        [total] = ir.accumulators(1)
        with ir.loop(0, squares.stride, ir.simd_width) as column:
            ir.store(total, ir.fadd(ir.load(total), ir.load(self.element(squares, row, column))))
        return ir.broadcast(ir.reduce_add(ir.load(total)))

    def _shortening(self, limit: float, squares: Vector) -> Vector:
        """The clipping factor of gradients with this sum of squares: limit / max(norm, limit)."""
        ir, most = self.ir, self.ir.broadcast(limit)
        return ir.fdiv(most, ir.maximum(ir.sqrt(squares), most))

    def _update_limited(self, i: int, shortenings: Sequence[Vector], factors: Sequence[Scalar]) -> None:
        """Update layer i by its stored gradients, times the clipping factor of the kernel or of the bias."""
        ir, layer, gradients = self.ir, self.chain.layers[i], self.workspace.limited_gradients[i]
        start, stop = self.share(gradients.stride // ir.simd_width)
        first = layer.inputs if layer.tied_to is not None else 0
        with ir.loop(first, layer.rows) as row, ir.loop(start, stop) as vector:
            column = ir.mul(vector, ir.simd_width)
            factor = ir.choose(ir.icmp("slt", row, layer.inputs), shortenings[0], shortenings[1])
            gradient = ir.fmul(factor, ir.load(self.element(gradients, row, column)))
            self._move(i, row, column, gradient, factors)

    def update_kernel(self, i: int, count: Index, factors: Sequence[Scalar]) -> None:
        """Compute the weight gradient of layer i and update weights and slots, for this thread's columns."""
        ir, tile_rows = self.ir, self.workspace.tile_rows
        inputs, gradients = self.workspace.inputs(i), self.workspace.gradients[i]
        kernel, *_ = self.workspace.kernels[i]
        tile = ir.alloca(f"[{tile_rows * TILE_VECTORS} x {ir.vector}]", ZERO)
        for column, width in self.column_tiles(gradients):
            with ir.loop(0, kernel.rows, tile_rows) as row:
                sums = self.tile(tile_rows, width)
                x = ir.gep(self.buffer, (inputs.start, 1), (row, 1))
                d = self.column(gradients, column)
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
        """Update a vector of weights of layer i by its gradient at `place`; of a tied kernel, store the gradient."""
        ir, layer = self.ir, self.chain.layers[i]
        in_kernel = ir.icmp("slt", row, layer.inputs)
        if layer.tied_to is not None:
            with ir.if_then(in_kernel):
                ir.store(self.element(self.workspace.kernel_gradients[i], row, column), ir.load(place))
            with ir.if_then(ir.icmp("sge", row, layer.inputs)):
                self._update(i, row, column, ir.load(place), factors)
            return
        for j in self.chain.tied(i):
            gradients = self.workspace.kernel_gradients[j]
            with ir.if_then(in_kernel):
                transposed = ir.gather(self.element(gradients, column, row), gradients.stride)
                ir.store(place, ir.fadd(ir.load(place), transposed))
        self._update(i, row, column, ir.load(place), factors)

    def _copy_transposed(self, i: int, j: int, row: Index, column: Index) -> None:
        """A vector of weights of layer i into the kernel of layer j, which is tied to it."""
        ir, outputs = self.ir, self.chain.layers[i].outputs
        (kernel, *_), (copy, *_) = self.workspace.kernels[i], self.workspace.kernels[j]
        whole = ir.icmp("sle", ir.add(column, ir.simd_width), outputs)
        with ir.if_then(whole):
            ir.scatter(self.element(copy, column, row), copy.stride, ir.load(self.element(kernel, row, column)))
        if outputs % ir.simd_width:  # the row behind the copy is a bias
            with ir.if_then(ir.icmp("sgt", ir.add(column, ir.simd_width), outputs)), ir.loop(column, outputs) as each:
                ir.store_scalar(self.element(copy, each, row), ir.load_scalar(self.element(kernel, row, each)))

    def _update(self, i: int, row: Index, column: Index, gradient: Vector, factors: Sequence[Scalar]) -> None:
        """Update a vector of weights and slots of layer i; where norms are limited, store gradient and square."""
        ir, layer = self.ir, self.chain.layers[i]
        if layer.penalizes_weights or layer.contraction:
            weight = ir.load(self.element(self.workspace.kernels[i][0], row, column))
            if layer.penalizes_weights:
                gradient = self._penalized(i, row, column, weight, gradient)
            if layer.contraction:
                steepness = ir.load(self.element(self.workspace.penalties[i], STEEPNESS, column))
                of_kernel = ir.icmp("slt", row, layer.inputs)
                gradient = ir.choose(of_kernel, ir.fma(steepness, weight, gradient), gradient)
        if self.chain.norm_limit:
            self._keep(i, row, column, gradient)
        else:
            self._move(i, row, column, gradient, factors)

    def _keep(self, i: int, row: Index, column: Index, gradient: Vector) -> None:
        ir, layer, squares = self.ir, self.chain.layers[i], self.workspace.squares[i]
        ir.store(self.element(self.workspace.limited_gradients[i], row, column), gradient)
        square = ir.fmul(gradient, gradient)
        with ir.if_then(ir.icmp("slt", row, layer.inputs)):
            place = self.element(squares, 0, column)
            before = ir.choose(ir.icmp("eq", row, 0), ZERO, ir.load(place))
            ir.store(place, ir.fadd(before, square))
        if layer.bias:
            with ir.if_then(ir.icmp("eq", row, layer.inputs)):
                ir.store(self.element(squares, 1, column), square)

    def _move(self, i: int, row: Index, column: Index, gradient: Vector, factors: Sequence[Scalar]) -> None:
        """Update a vector of weights and slots of layer i, and the copies of the weights."""
        ir = self.ir
        places = [self.element(matrix, row, column) for matrix in self.workspace.kernels[i]]
        state = [ir.load(each) for each in places]
        for place, value in zip(places, self.chain.rule.update(ir, gradient, factors, state), strict=True):
            ir.store(place, value)
        for j in self.chain.tied(i):
            with ir.if_then(ir.icmp("slt", row, self.chain.layers[i].inputs)):
                self._copy_transposed(i, j, row, column)

    def _penalized(self, i: int, row: Index, column: Index, weight: Vector, gradient: Vector) -> Vector:
        """A gradient with that of the penalty of its weights, whose value is added up over the rows."""
        ir, layer = self.ir, self.chain.layers[i]
        place = self.element(self.workspace.penalties[i], OF_WEIGHTS, column)
        of_kernel, of_bias = ir.icmp("slt", row, layer.inputs), ir.icmp("eq", row, layer.inputs)
        before = ir.choose(ir.icmp("eq", row, 0), ZERO, ir.load(place))
        bias = layer.bias_penalty if layer.bias else NONE  # else the rows behind the kernel are padding
        value = ir.choose(of_kernel, layer.kernel_penalty.value(ir, weight), ZERO)
        slope = ir.choose(of_kernel, layer.kernel_penalty.slope(ir, weight), ZERO)
        if bias:
            value = ir.choose(of_bias, bias.value(ir, weight), value)
            slope = ir.choose(of_bias, bias.slope(ir, weight), slope)
        ir.store(place, ir.fadd(before, value))
        return ir.fadd(gradient, slope)
