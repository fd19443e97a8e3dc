"""Elementwise functions of vectors: exp, log, the activations and their derivatives."""

from __future__ import annotations

from collections.abc import Callable

from mlphys.native.llvm import ZERO, Function, Vector

SUPPORTED = ("linear", "relu", "sigmoid", "tanh")  # their derivatives are functions of their values

# exp(r) for |r| <= ln 2 / 2: the Taylor polynomial whose first neglected term is below half of the last bit
_EXP = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0)
_ARTANH = (2 / 9, 2 / 7, 2 / 5, 2 / 3)  # of 2 artanh(s) / s - 2, from s^8 down
_ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.4286068203094172e-06  # the first has few digits: n times it is exact


def activate(ir: Function, name: str, x: Vector) -> Vector:
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


def backpropagate(ir: Function, name: str, y: Vector, gradient: Vector) -> Vector:
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


def activate_with_slope(ir: Function, name: str, x: Vector) -> tuple[Vector, Vector]:
    """The activation of x and its derivative, of those in SUPPORTED and WITH_SLOPE."""
    if name in WITH_SLOPE:
        return WITH_SLOPE[name](ir, x)
    y = activate(ir, name, x)
    return y, backpropagate(ir, name, y, ir.broadcast(1.0))


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


# Activations whose derivatives are no functions of their values
WITH_SLOPE: dict[str, Callable[[Function, Vector], tuple[Vector, Vector]]] = {}
