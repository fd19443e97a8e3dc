"""Noise layers. A random number depends on the seed, the batch and the element alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from mlphys.native import vector_math
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Mask, Pointer, Vector, Words

ROUNDS, MULTIPLIER, WEYL = 10, 0xD256D193, 0x9E3779B9  # of Philox2x32

# sin(pi/2 v) for |v| <= 1: the Taylor polynomial, from v^11 down; its error is 6e-8
_SINE = tuple((-1) ** (n // 2) * (math.pi / 2) ** n / math.factorial(n) for n in (11, 9, 7, 5, 3, 1))


class Noise(Protocol):
    def apply(self, ir: Function, drawn: tuple[Words, Words], y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        """The noisy y and its derivative, from those without noise and two random words of each element."""


@dataclass(frozen=True)
class Dropout:
    """y / (1 - rate), or zero with the probability `rate` (Srivastava et al. 2014)."""

    rate: float

    def apply(self, ir: Function, drawn: tuple[Words, Words], y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        limit = math.ceil(self.rate * 2**32)
        mask = Mask(ir.assign(f"icmp uge <{ir.simd_width} x i32> {drawn[0]}, splat (i32 {limit})"))
        scale = ir.broadcast(1 / (1 - self.rate))
        return ir.select(mask, ir.fmul(y, scale), ZERO), ir.select(mask, ir.fmul(slope, scale), ZERO)


@dataclass(frozen=True)
class GaussianDropout:
    """y (1 + n) with n normal, of the variance rate / (1 - rate)."""

    rate: float

    def apply(self, ir: Function, drawn: tuple[Words, Words], y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        stddev = ir.broadcast(math.sqrt(self.rate / (1 - self.rate)))
        factor = ir.fma(stddev, standard_normal(ir, drawn), ir.broadcast(1.0))
        return ir.fmul(y, factor), ir.fmul(slope, factor)


@dataclass(frozen=True)
class GaussianNoise:
    """y + n with n normal."""

    stddev: float

    def apply(self, ir: Function, drawn: tuple[Words, Words], y: Vector, slope: Vector) -> tuple[Vector, Vector]:
        return ir.fma(ir.broadcast(self.stddev), standard_normal(ir, drawn), y), slope


def draw(ir: Function, seed: Pointer, batch: Index, element: Index) -> tuple[Words, Words]:
    """Two random words of each of the elements from number `element` of a batch on: Philox2x32-10 (Salmon et al. 2011).

    `seed` are two 32-bit words, the state of Keras's generator at the start of the epoch: the key, and a count of
    batches, which is one half of the counter; the other half is the element.
    """
    n = ir.simd_width
    lanes = ", ".join(f"i32 {i}" for i in range(n))
    low = Words(ir.assign(f"add <{n} x i32> {_broadcast_i32(ir, element)}, <{lanes}>"))
    high = _broadcast_i32(ir, ir.add(ir.load_i32(ir.gep(seed, (1, 1))), batch))
    key = _broadcast_i32(ir, ir.load_i32(seed))
    for _ in range(ROUNDS):
        wide = ir.assign(f"mul <{n} x i64> {ir.assign(f'zext <{n} x i32> {low} to <{n} x i64>')}, {_wide(MULTIPLIER)}")
        above = ir.assign(f"lshr <{n} x i64> {wide}, {_wide(32)}")
        mixed = ir.assign(f"xor <{n} x i32> {ir.assign(f'trunc <{n} x i64> {above} to <{n} x i32>')}, {key}")
        low, high = (
            Words(ir.assign(f"xor <{n} x i32> {mixed}, {high}")),
            Words(ir.assign(f"trunc <{n} x i64> {wide} to <{n} x i32>")),
        )
        key = Words(ir.assign(f"add <{n} x i32> {key}, splat (i32 {WEYL})"))
    return low, high


def standard_normal(ir: Function, drawn: tuple[Words, Words]) -> Vector:
    """Normal numbers: sqrt(-2 log u) sin(pi/2 v), u uniform in (0, 1), v in [-1, 1) (Box & Muller 1958: the sine of an
    angle uniform in a quarter turn to each side is distributed as the cosine of one uniform in the whole turn)."""
    n, half = ir.simd_width, ir.broadcast(2.0**-31)
    positive = ir.assign(f"lshr <{n} x i32> {drawn[0]}, splat (i32 1)")
    u = ir.fma(Vector(ir.assign(f"sitofp <{n} x i32> {positive} to {ir.vector}")), half, ir.broadcast(2.0**-32))
    v = ir.fmul(Vector(ir.assign(f"sitofp <{n} x i32> {drawn[1]} to {ir.vector}")), half)
    square, sine = ir.fmul(v, v), ir.broadcast(_SINE[0])
    for coefficient in _SINE[1:]:
        sine = ir.fma(sine, square, ir.broadcast(coefficient))
    logarithm = ir.minimum(vector_math.log(ir, u), ZERO)  # u is rounded to 1 at its end
    return ir.fmul(ir.sqrt(ir.fmul(ir.broadcast(-2.0), logarithm)), ir.fmul(sine, v))


def _broadcast_i32(ir: Function, value: Index) -> Words:
    """The lower 32 bits of an integer as each word of a vector."""
    n = ir.simd_width
    word = ir.assign(f"trunc i64 {value} to i32")
    one = ir.assign(f"insertelement <{n} x i32> poison, i32 {word}, i64 0")
    zeros = f"<{n} x i32> zeroinitializer"
    return Words(ir.assign(f"shufflevector <{n} x i32> {one}, <{n} x i32> poison, {zeros}"))


def _wide(value: int) -> str:
    return f"splat (i64 {value})"
