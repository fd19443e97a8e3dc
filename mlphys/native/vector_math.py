"""Elementwise functions of vectors: exp, log, the activations and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Vector

SUPPORTED = ("linear", "relu", "sigmoid", "tanh")  # their derivatives are functions of their values


class Parametric(Protocol):
    """An activation with arguments."""

    def with_slope(self, ir: Function, x: Vector) -> tuple[Vector, Vector]:
        """The activation of x and its derivative."""


Activation = str | Parametric  # by Keras's name, or with its arguments

# exp(r) for |r| <= ln 2 / 2: the Taylor polynomial whose first neglected term is below half of the last bit
_EXP = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0)
_ARTANH = (2 / 9, 2 / 7, 2 / 5, 2 / 3)  # of 2 artanh(s) / s - 2, from s^8 down
_ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.4286068203094172e-06  # the first has few digits: n times it is exact


def activate(ir: Function, name: Activation, x: Vector) -> Vector:
    """The activation of x. NaN stays NaN."""
    match name:
        case "relu":
            return ir.select(ir.fcmp("ole", x, ZERO), ZERO, x)
        case "sigmoid":
            return _sigmoid(ir, x)
        case "tanh":  # 2 sigmoid(2 x) - 1
            double = ir.fadd(x, x)
            return ir.fma(ir.broadcast(2.0), _sigmoid(ir, double), ir.broadcast(-1.0))
    return x


def backpropagate(ir: Function, name: Activation, y: Vector, gradient: Vector) -> Vector:
    """The gradient with respect to x from `gradient`, the one with respect to y = activate(x).

    The derivative is a function of y: y (1 - y) for sigmoid, 1 - y^2 for tanh.
    """
    match name:
        case "relu":
            return ir.select(ir.fcmp("ogt", y, ZERO), gradient, ZERO)
        case "sigmoid":
            return ir.fmul(gradient, ir.fmul(y, ir.fsub(ir.broadcast(1.0), y)))
        case "tanh":
            return ir.fmul(gradient, ir.fma(ir.fneg(y), y, ir.broadcast(1.0)))
    return gradient


def second_derivative(ir: Function, name: Activation, y: Vector) -> Vector:
    """The second derivative of y = activate(x) by x: y' (1 - 2 y) for sigmoid, -2 y y' for tanh, else zero."""
    match name:
        case "sigmoid":
            return backpropagate(ir, name, y, ir.fma(ir.broadcast(-2.0), y, ir.broadcast(1.0)))
        case "tanh":
            return backpropagate(ir, name, y, ir.fmul(ir.broadcast(-2.0), y))
    return ZERO


def activate_with_slope(ir: Function, activation: Activation, x: Vector) -> tuple[Vector, Vector]:
    """The activation of x and its derivative, of those in SUPPORTED and WITH_SLOPE, and of those with arguments."""
    if not isinstance(activation, str):
        return activation.with_slope(ir, x)
    if activation in WITH_SLOPE:
        return WITH_SLOPE[activation](ir, x)
    y = activate(ir, activation, x)
    return y, backpropagate(ir, activation, y, ir.broadcast(1.0))


def needs_input(activation: Activation) -> bool:
    """Whether the derivative is no function of the value alone."""
    return not isinstance(activation, str) or activation in WITH_SLOPE


@dataclass(frozen=True)
class PiecewiseLinear:
    """Keras's ReLU: x between threshold and max_value, negative_slope (x - threshold) below."""

    negative_slope: float = 0.0
    threshold: float = 0.0
    max_value: float | None = None

    def with_slope(self, ir: Function, x: Vector) -> tuple[Vector, Vector]:
        threshold, factor = ir.broadcast(self.threshold), ir.broadcast(self.negative_slope)
        y, slope = x, ir.broadcast(1.0)
        if self.max_value is not None:
            y = ir.minimum(x, ir.broadcast(self.max_value))
            slope = ir.select(ir.fcmp("oeq", x, y), slope, ZERO)
        above = ir.fcmp("ogt", x, threshold)
        if self.negative_slope:
            below = ir.fmul(factor, ir.fsub(x, threshold))
        else:
            below = ir.select(ir.fcmp("uno", x, x), x, ZERO)  # 0 times -inf is no number
        return ir.select(above, y, below), ir.select(above, slope, factor)


@dataclass(frozen=True)
class ExponentialLinear:
    """x above zero, alpha (exp(x) - 1) below (Clevert et al. 2015)."""

    alpha: float = 1.0

    def with_slope(self, ir: Function, x: Vector) -> tuple[Vector, Vector]:
        return _elu(ir, x, self.alpha)


def _sigmoid(ir: Function, x: Vector) -> Vector:
    one = ir.broadcast(1.0)
    return ir.fdiv(one, ir.fadd(one, exp(ir, ir.fneg(x))))


def exp(ir: Function, x: Vector) -> Vector:
    """exp(x) = 2^n exp(r) with x = n ln 2 + r. Beyond +-87 it is exp(+-87): nothing overflows."""
    v, n = ir.vector, ir.simd_width
    x = ir.maximum(ir.minimum(x, ir.broadcast(87.0)), ir.broadcast(-87.0))
    rounded = Vector(ir.assign(f"call {v} @llvm.rint.v{n}f32({v} {ir.fmul(x, ir.broadcast(1.4426950408889634))})"))
    rest = x
    for part in (_LN2_HIGH, _LN2_LOW):
        rest = ir.fma(rounded, ir.broadcast(-part), rest)
    result = ir.broadcast(_EXP[0])
    for coefficient in _EXP[1:]:
        result = ir.fma(result, rest, ir.broadcast(coefficient))
    exponent = ir.assign(f"fptosi {v} {rounded} to <{n} x i32>")
    exponent = ir.assign(f"add <{n} x i32> {exponent}, splat (i32 127)")
    exponent = ir.assign(f"shl <{n} x i32> {exponent}, splat (i32 23)")
    return ir.fmul(result, Vector(ir.assign(f"bitcast <{n} x i32> {exponent} to {v}")))


def log(ir: Function, x: Vector) -> Vector:
    """log(x) = n ln 2 + 2 artanh((m - 1) / (m + 1)) with x = 2^n m, for x above the smallest normal number."""
    v, n = ir.vector, ir.simd_width
    bits = ir.assign(f"bitcast {v} {x} to <{n} x i32>")
    shifted = ir.assign(f"sub <{n} x i32> {bits}, splat (i32 {_ROOT_HALF})")  # m from sqrt(1/2) to sqrt(2)
    exponent = ir.assign(f"ashr <{n} x i32> {shifted}, splat (i32 23)")
    scale = ir.assign(f"shl <{n} x i32> {exponent}, splat (i32 23)")
    mantissa = Vector(ir.assign(f"bitcast <{n} x i32> {ir.assign(f'sub <{n} x i32> {bits}, {scale}')} to {v}"))
    one = ir.broadcast(1.0)
    s = ir.fdiv(ir.fsub(mantissa, one), ir.fadd(mantissa, one))
    square = ir.fmul(s, s)
    series = ir.broadcast(_ARTANH[0])
    for coefficient in _ARTANH[1:]:
        series = ir.fma(series, square, ir.broadcast(coefficient))
    power = Vector(ir.assign(f"sitofp <{n} x i32> {exponent} to {v}"))
    small = ir.fma(power, ir.broadcast(_LN2_LOW), ir.fmul(ir.fmul(series, square), s))
    result = ir.fma(power, ir.broadcast(_LN2_HIGH), ir.fadd(ir.fadd(s, s), small))
    return ir.select(ir.fcmp("uno", x, x), x, result)


def _positive(ir: Function, x: Vector, positive: Vector, negative: Vector) -> Vector:
    """One of two by the sign of x; the second for zero."""
    return ir.select(ir.fcmp("ogt", x, ZERO), positive, negative)


def _softplus(ir: Function, x: Vector) -> Vector:
    """log(1 + exp x)."""
    one, size = ir.broadcast(1.0), ir.maximum(x, ir.fneg(x))
    rest = log(ir, ir.fadd(one, exp(ir, ir.fneg(size))))
    return ir.fadd(ir.maximum(x, ZERO), rest)


def _erf(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    """erf(x) and exp(-x^2), the first to 1.5e-7 (Abramowitz & Stegun 7.1.26)."""
    one, size = ir.broadcast(1.0), ir.maximum(x, ir.fneg(x))
    t = ir.fdiv(one, ir.fma(ir.broadcast(0.3275911), size, one))
    series = ir.broadcast(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = ir.fma(series, t, ir.broadcast(coefficient))
    power = exp(ir, ir.fneg(ir.fmul(x, x)))
    value = ir.fma(ir.fneg(ir.fmul(series, t)), power, one)
    return _positive(ir, x, value, ir.fneg(value)), power


def _exponential(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    y = exp(ir, x)
    return y, y


def _softplus_with_slope(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    return _softplus(ir, x), _sigmoid(ir, x)


def _log_sigmoid(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    opposite = ir.fneg(x)
    return ir.fneg(_softplus(ir, opposite)), _sigmoid(ir, opposite)


def _softsign(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    one = ir.broadcast(1.0)
    factor = ir.fdiv(one, ir.fadd(one, ir.maximum(x, ir.fneg(x))))
    return ir.fmul(x, factor), ir.fmul(factor, factor)


def _elu(ir: Function, x: Vector, alpha: float = 1.0, scale: float = 1.0) -> tuple[Vector, Vector]:
    """scale x above zero, scale alpha (exp(x) - 1) below."""
    factor, both = ir.broadcast(scale), ir.broadcast(scale * alpha)
    power = exp(ir, ir.minimum(x, ZERO))
    below = ir.fmul(both, ir.fsub(power, ir.broadcast(1.0)))
    return _positive(ir, x, ir.fmul(factor, x), below), _positive(ir, x, factor, ir.fmul(both, power))


def _selu(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    """Klambauer et al. 2017."""
    return _elu(ir, x, 1.6732632423543772, 1.0507009873554805)


def _gelu(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    """x P(x) with P the cumulative normal distribution (Hendrycks & Gimpel 2016)."""
    error, power = _erf(ir, ir.fmul(x, ir.broadcast(0.7071067811865476)))
    below = ir.fma(ir.broadcast(0.5), error, ir.broadcast(0.5))
    density = ir.fmul(power, ir.broadcast(0.3989422804014327))
    return ir.fmul(x, below), ir.fma(x, density, below)


def _silu(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    """x sigmoid(x)."""
    gate = _sigmoid(ir, x)
    y = ir.fmul(x, gate)
    return y, ir.fma(y, ir.fsub(ir.broadcast(1.0), gate), gate)


def _mish(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    """x t with t = tanh(log(1 + e)) = n / (n + 2), n = e (e + 2), e = exp x (Misra 2019)."""
    gate, one, two = _sigmoid(ir, x), ir.broadcast(1.0), ir.broadcast(2.0)
    power = exp(ir, ir.minimum(x, ir.broadcast(20.0)))  # there t is 1
    n = ir.fmul(power, ir.fadd(power, two))
    t = ir.fdiv(n, ir.fadd(n, two))
    rest = ir.fma(ir.fneg(t), t, one)
    return ir.fmul(x, t), ir.fma(ir.fmul(x, gate), rest, t)


def _leaky_relu(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    slope = _positive(ir, x, ir.broadcast(1.0), ir.broadcast(0.2))
    return ir.fmul(x, slope), slope


def _clipped(ir: Function, x: Vector, low: float, high: float, slope: float = 1.0) -> tuple[Vector, Vector]:
    """slope x between two values of x, constant beyond them."""
    inside = ir.maximum(ir.minimum(x, ir.broadcast(high)), ir.broadcast(low))
    flat = ir.fcmp("one", x, inside)
    factor = ir.broadcast(slope)
    return ir.fmul(inside, factor), ir.select(flat, ZERO, factor)


def _relu6(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    y, slope = _clipped(ir, x, 0.0, 6.0)
    return y, _positive(ir, x, slope, ZERO)


def _hard_tanh(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    return _clipped(ir, x, -1.0, 1.0)


def _hard_sigmoid(ir: Function, x: Vector) -> tuple[Vector, Vector]:
    y, slope = _clipped(ir, x, -3.0, 3.0, 1 / 6)
    return ir.fadd(y, ir.broadcast(0.5)), slope


# Activations whose derivatives are no functions of their values alone, by Keras's names
WITH_SLOPE: dict[str, Callable[[Function, Vector], tuple[Vector, Vector]]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": _exponential,
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": _hard_tanh,
    "leaky_relu": _leaky_relu,
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "relu6": _relu6,
    "selu": _selu,
    "silu": _silu,
    "softplus": _softplus_with_slope,
    "softsign": _softsign,
    "swish": _silu,
}
