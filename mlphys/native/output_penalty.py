"""Penalties of a layer's outputs in a step: their derivatives, and their values summed over the columns."""

from __future__ import annotations

from mlphys.native.chain import OF_OUTPUTS, SLOPES
from mlphys.native.emission import Emission
from mlphys.native.llvm import ZERO, Index, Vector


class OutputPenalty(Emission):
    """For the columns that a thread owns."""

    def begin(self, i: int, count: Index, columns: tuple[Index, Index]) -> None:
        """Penalty and derivative of the outputs of layer i that follow from their means, for some columns."""
        ir, activity, penalties = self.ir, self.chain.layers[i].mean_activity, self.workspace.penalties[i]
        share = ir.broadcast(ir.ratio(1.0, count))
        with ir.loop(*columns, ir.simd_width) as column:
            value = slope = ZERO
            if activity:
                [total] = ir.accumulators(1)
                with ir.loop(0, count) as sample:
                    h = ir.load(self.element(self.workspace.activations[i + 1], sample, column))
                    ir.store(total, ir.fadd(ir.load(total), h))
                mean = ir.fmul(share, ir.load(total))
                value, slope = activity.value(ir, mean), ir.fmul(share, activity.slope(ir, mean))
            ir.store(self.element(penalties, OF_OUTPUTS, column), value)
            ir.store(self.element(penalties, SLOPES, column), slope)

    def slope(self, i: int, count: Index, sample: Index, column: Index) -> Vector:
        """The derivative of the penalties of the outputs of layer i, whose values are added up."""
        ir, penalty, penalties = self.ir, self.chain.layers[i].output_penalty, self.workspace.penalties[i]
        h, share = (
            ir.load(self.element(self.workspace.activations[i + 1], sample, column)),
            ir.broadcast(ir.ratio(1.0, count)),
        )
        place = self.element(penalties, OF_OUTPUTS, column)
        ir.store(place, ir.fma(share, penalty.value(ir, h), ir.load(place)))
        slope = ir.fma(share, penalty.slope(ir, h), ir.load(self.element(penalties, SLOPES, column)))
        return ir.masked(ir.below(column, penalties.columns), slope)  # weights of padding stay zero
