"""Sums over the samples of an epoch: metrics, penalties of the batches, weights."""

from __future__ import annotations

from mlphys.native.chain import Chain
from mlphys.native.emission import Emission
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Double, Index, Pointer
from mlphys.native.workspace import METRICS, OF_OUTPUTS, OF_WEIGHTS, Workspace


class Totals(Emission):
    """One thread adds, in double precision and a fixed order."""

    def __init__(self, ir: Function, chain: Chain, workspace: Workspace):
        super().__init__(ir, chain, workspace)
        self.batch_weight = ir.alloca("double", "0.0")

    def add_metrics(self, count: Index) -> None:
        """Add the metrics of the samples to their totals, sample by sample, and their weights."""
        ir, weights = self.ir, self.workspace.weights
        ir.emit(f"store double 0.0, ptr {self.batch_weight}")
        with ir.loop(0, count) as sample:
            weight = ir.double(ir.load_scalar(self.element(weights, 1, sample))) if weights else Double("1.0")
            ir.add_to_double(self.batch_weight, weight)
            for i in range(METRICS):
                value = ir.double(ir.load_scalar(self.element(self.workspace.metrics, i, sample)))
                ir.add_to_double(self._total(i), ir.multiply(weight, value) if weights else value)
        ir.add_to_double(self._total(METRICS + 1), ir.load_double(self.batch_weight))

    def add_penalties(self, count: Index) -> None:
        """Add the penalty of the batch of `count` samples to its total, once for each sample."""
        ir = self.ir
        penalty = ir.alloca("double", "0.0")
        for i, sums in self.workspace.penalties.items():
            layer = self.chain.layers[i]
            for row in [OF_WEIGHTS] * layer.penalizes_weights + [OF_OUTPUTS] * layer.penalizes_outputs:
                with ir.loop(0, sums.columns) as column:
                    ir.add_to_double(penalty, ir.double(ir.load_scalar(self.element(sums, row, column))))
        for values in self.workspace.divergences.values():
            with ir.loop(0, count) as sample:
                ir.add_to_double(penalty, ir.double(ir.load_scalar(self.element(values, 0, sample))))
        ir.add_to_double(self._total(METRICS), ir.multiply(ir.load_double(penalty), ir.load_double(self.batch_weight)))

    def _total(self, i: int) -> Pointer:
        return self.ir.gep(self.ir.pointer("totals"), (i, 1), element="double")
