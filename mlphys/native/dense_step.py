"""Training steps of a chain of dense layers, compiled as one multi-threaded function.

A step of a small network takes 0.1 ms, too little to dispatch operations to threads. The threads therefore live for a
whole chunk of steps. Each owns a block of columns of every kernel and updates it in registers, so weights never move
between cores; only activations and gradients of a batch are shared. A barrier separates the layers.
The order of every sum is fixed: the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlphys.native.chain import Chain
from mlphys.native.dense_backward import DenseBackward
from mlphys.native.dense_forward import DenseForward
from mlphys.native.emission import Emission
from mlphys.native.kernel_update import KernelUpdate
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Index
from mlphys.native.processor import SimdUnit
from mlphys.native.totals import Totals
from mlphys.native.workspace import Workspace

SPINS = 2000  # polls of a barrier before a thread yields its core


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

    def training(self) -> Function:
        ir, chain, workspace = self.ir, self.chain, self.workspace
        backward, update = DenseBackward(ir, chain, workspace), KernelUpdate(ir, chain, workspace)
        for step, count, totals in self._batches():
            backward.gradients(count, self._barrier)
            of_step = ir.gep(ir.pointer("factors"), (ir.sub(step, ir.integer("first")), chain.rule.factors))
            factors = [ir.load_scalar(ir.gep(of_step, (i, 1))) for i in range(chain.rule.factors)]
            update.update(count, factors, self._barrier)
            with ir.if_then(ir.icmp("eq", self.thread, 0)):
                totals.add_metrics(count)
            self._barrier()
            if workspace.penalties or workspace.divergences:
                with ir.if_then(ir.icmp("eq", self.thread, 0)):
                    totals.add_penalties(count)
        return ir

    def measuring(self) -> Function:
        ir = self.ir
        for _, count, totals in self._batches():
            with ir.if_then(ir.icmp("eq", self.thread, 0)):
                totals.add_metrics(count)
            self._barrier()
        return ir

    def _batches(self) -> Iterator[tuple[Index, Index, Totals]]:
        """Loop over the batches, each with its samples' losses: its step, how many samples, and the sums to add to."""
        ir, chain = self.ir, self.chain
        with ir.flush_denormals():
            self.expected_arrivals = ir.alloca("i64", 0)
            totals = Totals(ir, chain, self.workspace)
            with ir.loop(ir.integer("first"), ir.integer("last")) as step:
                start = ir.mul(step, chain.batch_size)
                count = ir.smin(chain.batch_size, ir.sub(ir.integer("samples"), start))
                DenseForward(ir, chain, self.workspace, step).losses(start, count, self._barrier)
                yield step, count, totals

    def _barrier(self) -> None:
        self.ir.barrier(self.ir.pointer("barrier"), self.expected_arrivals, self.threads, SPINS)
