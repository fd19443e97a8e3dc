"""Activations of vectors, and their slopes as functions of what they gave."""

from __future__ import annotations

from mlphys.native.llvm import Function

KNOWN = ("linear", "relu", "sigmoid", "tanh")

# exp(r) for |r| <= ln 2 / 2: the Taylor polynomial whose first neglected term is below half of the last bit
_EXPONENTIAL = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0)
_ARTANH = (2 / 9, 2 / 7, 2 / 5, 2 / 3)  # of 2 artanh(s) / s - 2, from s^8 down
_ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.4286068203094172e-06  # the first has few digits: n times it is exact


def applied(code: Function, name: str, value: str) -> str:
    """The activation of a vector. What is not a number stays so."""
    match name:
        case "relu":
            return code.where(code.compare("ole", value, "zeroinitializer"), "zeroinitializer", value)
        case "sigmoid":
            return _sigmoid(code, value)
        case "tanh":  # 2 sigmoid(2 x) - 1
            double = code.plus(value, value)
            return code.times_plus(code.everywhere(2.0), _sigmoid(code, double), code.everywhere(-1.0))
    return value


def slope(code: Function, name: str, given: str) -> str | None:
    """The derivative, of what `applied` gave; None: it is 1. That of relu is a condition."""
    match name:
        case "relu":
            return code.compare("ogt", given, "zeroinitializer")
        case "sigmoid":
            return code.times(given, code.minus(code.everywhere(1.0), given))
        case "tanh":
            return code.times_plus(code.negative(given), given, code.everywhere(1.0))
    return None


def through(code: Function, name: str, given: str, gradient: str) -> str:
    """The gradient before an activation from that behind it."""
    factor = slope(code, name, given)
    if factor is None:
        return gradient
    if name == "relu":
        return code.where(factor, gradient, "zeroinitializer")
    return code.times(gradient, factor)


def _sigmoid(code: Function, value: str) -> str:
    one = code.everywhere(1.0)
    return code.over(one, code.plus(one, exponential(code, code.negative(value))))


def exponential(code: Function, value: str) -> str:
    """exp: 2^n exp(r) with value = n ln 2 + r. Beyond +-87 it is exp(+-87): nothing overflows."""
    v, n = code.vector, code.lanes
    value = code.larger(code.smaller(value, code.everywhere(87.0)), code.everywhere(-87.0))
    whole = code.be(f"call {v} @llvm.rint.v{n}f32({v} {code.times(value, code.everywhere(1.4426950408889634))})")
    rest = value
    for part in (_LN2_HIGH, _LN2_LOW):
        rest = code.times_plus(whole, code.everywhere(-part), rest)
    result = code.everywhere(_EXPONENTIAL[0])
    for coefficient in _EXPONENTIAL[1:]:
        result = code.times_plus(result, rest, code.everywhere(coefficient))
    exponent = code.be(f"fptosi {v} {whole} to <{n} x i32>")
    exponent = code.be(f"add <{n} x i32> {exponent}, splat (i32 127)")
    exponent = code.be(f"shl <{n} x i32> {exponent}, splat (i32 23)")
    return code.times(result, code.be(f"bitcast <{n} x i32> {exponent} to {v}"))


def logarithm(code: Function, value: str) -> str:
    """log of numbers above the smallest normal one: n ln 2 + 2 artanh((m - 1) / (m + 1)) with value = 2^n m."""
    v, n = code.vector, code.lanes
    bits = code.be(f"bitcast {v} {value} to <{n} x i32>")
    shifted = code.be(f"sub <{n} x i32> {bits}, splat (i32 {_ROOT_HALF})")  # m from sqrt(1/2) to sqrt(2)
    exponent = code.be(f"ashr <{n} x i32> {shifted}, splat (i32 23)")
    scale = code.be(f"shl <{n} x i32> {exponent}, splat (i32 23)")
    mantissa = code.be(f"bitcast <{n} x i32> {code.be(f'sub <{n} x i32> {bits}, {scale}')} to {v}")
    one = code.everywhere(1.0)
    s = code.over(code.minus(mantissa, one), code.plus(mantissa, one))
    square = code.times(s, s)
    series = code.everywhere(_ARTANH[0])
    for coefficient in _ARTANH[1:]:
        series = code.times_plus(series, square, code.everywhere(coefficient))
    power = code.be(f"sitofp <{n} x i32> {exponent} to {v}")
    small = code.times_plus(power, code.everywhere(_LN2_LOW), code.times(code.times(series, square), s))
    result = code.times_plus(power, code.everywhere(_LN2_HIGH), code.plus(code.plus(s, s), small))
    return code.where(code.compare("uno", value, value), value, result)
