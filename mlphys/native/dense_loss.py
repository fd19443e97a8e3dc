"""Loss of a sample and its gradient with respect to the pre-activations of the last layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from mlphys.native import vector_math
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Flag, Index, Mask, Pointer, Scalar, Vector, constant
from mlphys.native.vector_math import Activation

EPSILON = 1e-7  # probabilities are clipped to [EPSILON, 1 - EPSILON], as in Keras
FLOAT32_MIN = -3.4028234663852886e38


class Loss(Protocol):
    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        """Read a row of outputs and a row of targets; write the gradient, and the loss and a metric to `metrics`.

        The loss of the batch is the mean over its `batch` samples, and so the gradient is divided by `batch`.
        """


@dataclass(frozen=True)
class Rows:
    """What belongs to one sample: outputs, targets, gradient, and derivatives of the outputs where they are kept."""

    outputs: Pointer
    targets: Pointer
    gradient: Pointer
    slopes: Pointer | None = None


class Distance(Protocol):
    """A function of the difference d of an output from its target."""

    def value_and_slope(self, ir: Function, d: Vector) -> tuple[Vector, Vector]:
        """The function and its derivative."""


@dataclass(frozen=True)
class Square:
    """d^2."""

    def value_and_slope(self, ir: Function, d: Vector) -> tuple[Vector, Vector]:
        return ir.fmul(d, d), ir.fadd(d, d)


@dataclass(frozen=True)
class Absolute:
    """|d|, with the derivative zero at zero."""

    def value_and_slope(self, ir: Function, d: Vector) -> tuple[Vector, Vector]:
        below = ir.select(ir.fcmp("olt", d, ZERO), ir.broadcast(-1.0), d)  # zero, or NaN
        return ir.maximum(d, ir.fneg(d)), ir.select(ir.fcmp("ogt", d, ZERO), ir.broadcast(1.0), below)


@dataclass(frozen=True)
class Huber:
    """d^2 / 2 up to |d| = delta, linear beyond (Huber 1964)."""

    delta: float = 1.0

    def value_and_slope(self, ir: Function, d: Vector) -> tuple[Vector, Vector]:
        limit = ir.broadcast(self.delta)
        slope = ir.maximum(ir.minimum(d, limit), ir.fneg(limit))
        return ir.fmul(slope, ir.fma(ir.broadcast(-0.5), slope, d)), slope


@dataclass(frozen=True)
class LogCosh:
    """log cosh d = |d| + log(1 + exp(-2 |d|)) - log 2."""

    def value_and_slope(self, ir: Function, d: Vector) -> tuple[Vector, Vector]:
        size = ir.maximum(d, ir.fneg(d))
        rest = vector_math.log(ir, ir.fadd(ir.broadcast(1.0), vector_math.exp(ir, ir.fmul(ir.broadcast(-2.0), size))))
        return ir.fadd(size, ir.fadd(rest, ir.broadcast(-math.log(2)))), vector_math.activate(ir, "tanh", d)


@dataclass(frozen=True)
class ElementwiseLoss:
    """`weight` times the mean over the outputs p of a function of p - t.

    The metric is the mean of (p - t)^2 or, if `classes`, whether the largest output is that of the class.
    """

    outputs: int
    activation: Activation
    weight: float
    distance: Distance = Square()
    classes: bool = False

    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        scale = ir.broadcast(ir.ratio(self.weight / self.outputs, batch))
        losses, squares = ir.accumulators(2)
        of_squares = isinstance(self.distance, Square)
        for column, mask in ir.vector_loop(self.outputs):
            p, t = (ir.masked(mask, ir.load(ir.gep(each, (column, 1)))) for each in (rows.outputs, rows.targets))
            difference = ir.fsub(p, t)
            square = ir.fma(difference, difference, ir.load(squares))
            ir.store(squares, square)
            loss, slope = self.distance.value_and_slope(ir, difference)
            if not of_squares:
                ir.store(losses, ir.fadd(ir.load(losses), ir.masked(mask, loss)))
            if rows.slopes:
                slope = ir.fmul(slope, ir.load(ir.gep(rows.slopes, (column, 1))))
            else:
                slope = vector_math.backpropagate(ir, self.activation, p, slope)
            ir.store(ir.gep(rows.gradient, (column, 1)), ir.masked(mask, ir.fmul(scale, slope)))
        total = ir.reduce_add(ir.load(squares if of_squares else losses))
        ir.store_scalar(metrics[0], ir.scale(total, self.weight / self.outputs))
        if self.classes:
            ir.store_scalar(metrics[1], _correct(ir, rows.outputs, rows.targets, self.outputs))
        else:
            ir.store_scalar(metrics[1], ir.scale(ir.reduce_add(ir.load(squares)), 1 / self.outputs))


@dataclass(frozen=True)
class BinaryCrossentropy:
    """`weight` times the mean over sigmoid outputs p of -t log p - (1 - t) log(1 - p).

    The metric is the mean of (p - t)^2 or, if `two_classes`, whether the one output is on the side of its target.
    """

    outputs: int
    weight: float = 1.0
    label_smoothing: float = 0.0
    two_classes: bool = False

    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        scale = ir.broadcast(ir.ratio(self.weight / self.outputs, batch))
        losses, squares = ir.accumulators(2)
        for column, mask in ir.vector_loop(self.outputs):
            p, t = (ir.masked(mask, ir.load(ir.gep(each, (column, 1)))) for each in (rows.outputs, rows.targets))
            difference = ir.fsub(p, t)
            ir.store(squares, ir.fma(difference, difference, ir.load(squares)))
            if self.label_smoothing:
                t = _smoothed(ir, t, self.label_smoothing, 2)
                difference = ir.fsub(p, t)
            loss, slope = _binary_crossentropy(ir, p, t, difference)
            ir.store(losses, ir.fadd(ir.load(losses), ir.masked(mask, loss)))
            ir.store(ir.gep(rows.gradient, (column, 1)), ir.masked(mask, ir.fmul(scale, slope)))
        total = ir.reduce_add(ir.load(losses))
        ir.store_scalar(metrics[0], ir.scale(total, self.weight / self.outputs))
        if self.two_classes:
            ir.store_scalar(metrics[1], _correct_of_two(ir, rows.outputs, rows.targets))
        else:
            ir.store_scalar(metrics[1], ir.scale(ir.reduce_add(ir.load(squares)), 1 / self.outputs))


def _smoothed(ir: Function, t: Vector, share: float, kinds: int) -> Vector:
    """Targets of which a share is spread evenly over so many kinds."""
    return ir.fma(ir.broadcast(1 - share), t, ir.broadcast(share / kinds))


@dataclass(frozen=True)
class LogitCrossentropy:
    """`weight` times the mean over outputs z of log(1 + exp(z)) - t z, the cross-entropy of the sigmoids of z.

    The metric is whether the class is the likeliest.
    """

    outputs: int
    weight: float = 1.0
    label_smoothing: float = 0.0

    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        scale = ir.broadcast(ir.ratio(self.weight / self.outputs, batch))
        [losses] = ir.accumulators(1)
        for column, mask in ir.vector_loop(self.outputs):
            z, t = (ir.masked(mask, ir.load(ir.gep(each, (column, 1)))) for each in (rows.outputs, rows.targets))
            if self.label_smoothing:
                t = _smoothed(ir, t, self.label_smoothing, 2)
            total, p = vector_math.activate_with_slope(ir, "softplus", z)
            loss = ir.fma(ir.fneg(t), z, total)
            ir.store(losses, ir.fadd(ir.load(losses), ir.masked(mask, loss)))
            ir.store(ir.gep(rows.gradient, (column, 1)), ir.masked(mask, ir.fmul(scale, ir.fsub(p, t))))
        ir.store_scalar(metrics[0], ir.scale(ir.reduce_add(ir.load(losses)), self.weight / self.outputs))
        ir.store_scalar(metrics[1], _correct(ir, rows.outputs, rows.targets, self.outputs))


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
    label_smoothing: float = 0.0

    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        scale = ir.broadcast(ir.ratio(1.0, batch))
        largest, total = _powers(ir, rows, self.outputs)
        [losses] = ir.accumulators(1)
        log_total = vector_math.log(ir, total)
        for column, mask in ir.vector_loop(self.outputs):
            place = ir.gep(rows.gradient, (column, 1))
            t = ir.masked(mask, ir.load(ir.gep(rows.targets, (column, 1))))
            if self.label_smoothing:
                t = ir.masked(mask, _smoothed(ir, t, self.label_smoothing, self.outputs))
            difference = ir.fsub(ir.fdiv(ir.load(place), total), t)
            ir.store(place, ir.fmul(scale, difference))
            below = ir.fsub(largest, ir.load(ir.gep(rows.outputs, (column, 1))))
            loss = ir.masked(mask, ir.fmul(t, ir.fadd(log_total, below)))
            ir.store(losses, ir.fadd(ir.load(losses), loss))
        ir.store_scalar(metrics[0], ir.reduce_add(ir.load(losses)))
        ir.store_scalar(metrics[1], _correct(ir, rows.outputs, rows.targets, self.outputs))


@dataclass(frozen=True)
class SoftmaxDistance:
    """`weight` times the mean over p of a function of p - t, p the softmax of the outputs.

    The metric is whether the class is the likeliest.
    """

    outputs: int
    weight: float
    distance: Distance = Square()

    def emit(self, ir: Function, rows: Rows, metrics: list[Pointer], batch: Index) -> None:
        scale = ir.broadcast(ir.ratio(self.weight / self.outputs, batch))
        _, total = _powers(ir, rows, self.outputs)
        losses, products = ir.accumulators(2)

        def slope(column: Index, mask: Mask | None) -> tuple[Vector, Vector, Vector]:
            p = ir.fdiv(ir.load(ir.gep(rows.gradient, (column, 1))), total)
            t = ir.masked(mask, ir.load(ir.gep(rows.targets, (column, 1))))
            return p, *self.distance.value_and_slope(ir, ir.fsub(p, t))

        for column, mask in ir.vector_loop(self.outputs):
            p, loss, by_p = slope(column, mask)
            ir.store(losses, ir.fadd(ir.load(losses), ir.masked(mask, loss)))
            ir.store(products, ir.fma(p, by_p, ir.load(products)))
        mean = ir.broadcast(ir.reduce_add(ir.load(products)))
        for column, mask in ir.vector_loop(self.outputs):
            p, _, by_p = slope(column, mask)
            place = ir.gep(rows.gradient, (column, 1))
            ir.store(place, ir.masked(mask, ir.fmul(scale, ir.fmul(p, ir.fsub(by_p, mean)))))
        ir.store_scalar(metrics[0], ir.scale(ir.reduce_add(ir.load(losses)), self.weight / self.outputs))
        ir.store_scalar(metrics[1], _correct(ir, rows.outputs, rows.targets, self.outputs))


def _powers(ir: Function, rows: Rows, count: int) -> tuple[Vector, Vector]:
    """Write the exponentials of the outputs into the gradient, relative to the largest output; that output, and their
    sum."""
    largest = ir.broadcast(_largest(ir, rows.outputs, count))
    [sums] = ir.accumulators(1)
    for column, mask in ir.vector_loop(count):
        exponent = ir.fsub(ir.load(ir.gep(rows.outputs, (column, 1))), largest)
        power = ir.masked(mask, vector_math.exp(ir, exponent))
        ir.store(ir.gep(rows.gradient, (column, 1)), power)
        ir.store(sums, ir.fadd(ir.load(sums), power))
    return largest, ir.broadcast(ir.reduce_add(ir.load(sums)))


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


def _correct_of_two(ir: Function, outputs: Pointer, targets: Pointer) -> Scalar:
    """1 if the probability p of the second of two classes is above 1 - p just where the target is 1, else 0."""
    p, t = (ir.load_scalar(each) for each in (outputs, targets))
    second = ir.assign(f"fcmp ogt float {p}, {ir.assign(f'fsub float {constant(1.0)}, {p}')}")
    other = ir.assign(f"fsub float {constant(1.0)}, {t}")
    return Scalar(ir.assign(f"select i1 {second}, float {t}, float {other}"))
