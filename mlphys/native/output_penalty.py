"""Penalties of a layer's outputs in a step: their derivatives, and their values summed over the columns."""

from __future__ import annotations

from mlphys.native import vector_math
from mlphys.native.emission import Emission
from mlphys.native.llvm.values import ZERO, Index, Vector
from mlphys.native.workspace import OF_OUTPUTS, SLOPES, SQUARES, STEEPNESS


class OutputPenalty(Emission):
    """Penalties for the columns that a thread owns."""

    def begin(self, i: int, count: Index, columns: tuple[Index, Index]) -> None:
        """Penalty and derivative of the outputs of layer i that follow from their means, for some columns."""
        ir, layer, penalties = self.ir, self.chain.layers[i], self.workspace.penalties[i]
        share = ir.broadcast(ir.ratio(1.0, count))
        with ir.loop(*columns, ir.simd_width) as column:
            value = slope = ZERO
            if activity := layer.mean_activity:
                [total] = ir.accumulators(1)
                with ir.loop(0, count) as sample:
                    h = ir.load(self.element(self.workspace.activations[i + 1], sample, column))
                    ir.store(total, ir.fadd(ir.load(total), h))
                mean = ir.fmul(share, ir.load(total))
                value, slope = activity.value(ir, mean), ir.fmul(share, activity.slope(ir, mean))
            if layer.contraction:
                kernel, *_ = self.workspace.kernels[i]
                [squares] = ir.accumulators(1)
                with ir.loop(0, layer.inputs) as row:
                    weight = ir.load(self.element(kernel, row, column))
                    ir.store(squares, ir.fma(weight, weight, ir.load(squares)))
                ir.store(self.element(penalties, SQUARES, column), ir.load(squares))
                ir.store(self.element(penalties, STEEPNESS, column), ZERO)
            ir.store(self.element(penalties, OF_OUTPUTS, column), value)
            ir.store(self.element(penalties, SLOPES, column), slope)

    def slope(self, i: int, count: Index, sample: Index, column: Index) -> Vector:
        """The derivative of the penalties of the outputs of layer i, whose values are added up."""
        ir, layer, penalties = self.ir, self.chain.layers[i], self.workspace.penalties[i]
        penalty = layer.output_penalty
        h, share = (
            ir.load(self.element(self.workspace.activations[i + 1], sample, column)),
            ir.broadcast(ir.ratio(1.0, count)),
        )
        place = self.element(penalties, OF_OUTPUTS, column)
        ir.store(place, ir.fma(share, penalty.value(ir, h), ir.load(place)))
        slope = ir.fma(share, penalty.slope(ir, h), ir.load(self.element(penalties, SLOPES, column)))
        if layer.contraction:
            slope = ir.fadd(slope, self._contraction(i, h, share, column))
        return ir.masked(ir.below(column, penalties.columns), slope)  # weights of padding stay zero

    def _contraction(self, i: int, h: Vector, share: Vector, column: Index) -> Vector:
        """The derivative of a contraction by the outputs h = f(s), 2 f''(s_j) sum_i W_ij^2; f'(s_j)^2 is added up."""
        ir, layer, penalties = self.ir, self.chain.layers[i], self.workspace.penalties[i]
        share = ir.fmul(share, ir.broadcast(layer.contraction))
        squares = ir.fmul(share, ir.load(self.element(penalties, SQUARES, column)))
        first = vector_math.backpropagate(ir, layer.activation, h, ir.broadcast(1.0))
        steepness = ir.fmul(first, first)
        for row, factor in ((OF_OUTPUTS, squares), (STEEPNESS, ir.fadd(share, share))):
            place = self.element(penalties, row, column)
            ir.store(place, ir.fma(factor, steepness, ir.load(place)))
        return ir.fmul(ir.fadd(squares, squares), vector_math.second_derivative(ir, layer.activation, h))
