"""Loss of a sample and its gradient with respect to the pre-activations of the last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlphys.native import vector_math
from mlphys.native.llvm import ZERO, Flag, Function, Index, Pointer, Scalar, Vector

EPSILON = 1e-7  # probabilities are clipped to [EPSILON, 1 - EPSILON], as in Keras
FLOAT32_MIN = -3.4028234663852886e38


class Loss(Protocol):
    def emit(
        self, ir: Function, outputs: Pointer, targets: Pointer, gradient: Pointer, metrics: list[Pointer], batch: Index
    ) -> None:
        """Read a row of outputs and a row of targets; write the gradient, and the loss and a metric to `metrics`.

        The loss of the batch is the mean over its `batch` samples, and so the gradient is divided by `batch`.
        """


@dataclass(frozen=True)
class ElementwiseLoss:
    """`weight` times the mean over the outputs p of (p - t)^2 or, if `binary`, of the cross-entropy of a sigmoid p.

    The metric is the mean of (p - t)^2 or, if `classes`, whether the largest output is that of the class.
    """

    outputs: int
    activation: str
    weight: float
    binary: bool = False
    classes: bool = False

    def emit(
        self, ir: Function, outputs: Pointer, targets: Pointer, gradient: Pointer, metrics: list[Pointer], batch: Index
    ) -> None:
        scale = ir.broadcast(ir.ratio(self.weight / self.outputs, batch))
        losses, squares = ir.accumulators(2)
        for column, mask in ir.vector_loop(self.outputs):
            p, t = (ir.masked(mask, ir.load(ir.gep(each, (column, 1)))) for each in (outputs, targets))
            difference = ir.fsub(p, t)
            square = ir.fma(difference, difference, ir.load(squares))
            ir.store(squares, square)
            if self.binary:
                loss, slope = _binary_crossentropy(ir, p, t, difference)
                ir.store(losses, ir.fadd(ir.load(losses), ir.masked(mask, loss)))
            else:
                slope = vector_math.backpropagate(ir, self.activation, p, ir.fadd(difference, difference))
            ir.store(ir.gep(gradient, (column, 1)), ir.masked(mask, ir.fmul(scale, slope)))
        total = ir.reduce_add(ir.load(losses if self.binary else squares))
        ir.store_scalar(metrics[0], ir.scale(total, self.weight / self.outputs))
        if self.classes:
            ir.store_scalar(metrics[1], _correct(ir, outputs, targets, self.outputs))
        else:
            ir.store_scalar(metrics[1], ir.scale(ir.reduce_add(ir.load(squares)), 1 / self.outputs))


def _binary_crossentropy(ir: Function, p: Vector, t: Vector, difference: Vector) -> tuple[Vector, Vector]:
    """-t log p - (1 - t) log(1 - p) with p clipped, and its gradient with respect to the sigmoid's argument."""
    lowest, highest, one = (ir.broadcast(x) for x in (EPSILON, 1 - EPSILON, 1.0))
    clipped = ir.minimum(ir.maximum(p, lowest), highest)
    loss = ir.fmul(t, vector_math.log(ir, clipped))
    loss = ir.fma(ir.fsub(one, t), vector_math.log(ir, ir.fsub(one, clipped)), loss)
    unclipped = ir.fcmp("ueq", p, clipped)
    return ir.fneg(loss), ir.select(unclipped, difference, ZERO)


@dataclass(frozen=True)
class SoftmaxCrossentropy:
    """-sum_k t_k log p_k with p the softmax of the outputs. The metric is whether the class is the likeliest."""

    outputs: int

    def emit(
        self, ir: Function, outputs: Pointer, targets: Pointer, gradient: Pointer, metrics: list[Pointer], batch: Index
    ) -> None:
        scale = ir.broadcast(ir.ratio(1.0, batch))
        largest = ir.broadcast(_largest(ir, outputs, self.outputs))
        sums, losses = ir.accumulators(2)
        for column, mask in ir.vector_loop(self.outputs):
            exponent = ir.fsub(ir.load(ir.gep(outputs, (column, 1))), largest)
            power = ir.masked(mask, vector_math.exp(ir, exponent))
            ir.store(ir.gep(gradient, (column, 1)), power)
            ir.store(sums, ir.fadd(ir.load(sums), power))
        total = ir.broadcast(ir.reduce_add(ir.load(sums)))
        log_total = vector_math.log(ir, total)
        for column, mask in ir.vector_loop(self.outputs):
            place = ir.gep(gradient, (column, 1))
            t = ir.masked(mask, ir.load(ir.gep(targets, (column, 1))))
            difference = ir.fsub(ir.fdiv(ir.load(place), total), t)
            ir.store(place, ir.fmul(scale, difference))
            below = ir.fsub(largest, ir.load(ir.gep(outputs, (column, 1))))
            loss = ir.masked(mask, ir.fmul(t, ir.fadd(log_total, below)))
            ir.store(losses, ir.fadd(ir.load(losses), loss))
        ir.store_scalar(metrics[0], ir.reduce_add(ir.load(losses)))
        ir.store_scalar(metrics[1], _correct(ir, outputs, targets, self.outputs))


def _largest(ir: Function, outputs: Pointer, count: int) -> Scalar:
    """The largest of `count` outputs."""
    largest = ir.alloca(ir.vector, ir.broadcast(FLOAT32_MIN))
    for column, mask in ir.vector_loop(count):
        p = ir.load(ir.gep(outputs, (column, 1)))
        p = ir.select(mask, p, ir.broadcast(FLOAT32_MIN)) if mask else p
        ir.store(largest, ir.maximum(ir.load(largest), p))
    return ir.reduce_max(ir.load(largest))


def _correct(ir: Function, outputs: Pointer, targets: Pointer, count: int) -> Scalar:
    """The target at the first of the largest outputs: for one-hot targets 1 if the class is right, else 0."""
    largest = ir.broadcast(_largest(ir, outputs, count))
    argmax = ir.alloca("i64", count - 1)
    with ir.loop(0, count) as i:
        column = ir.sub(count - 1, i)
        equal = ir.assign(f"fcmp oeq float {ir.load_scalar(ir.gep(outputs, (column, 1)))}, {ir.first_element(largest)}")
        ir.store_i64(argmax, ir.select_i64(Flag(equal), column, ir.load_i64(argmax)))
    return ir.load_scalar(ir.gep(targets, (ir.load_i64(argmax), 1)))
