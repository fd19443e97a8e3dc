"""Penalties on weights and on outputs of layers, elementwise or of a batch's mean."""

from __future__ import annotations

from dataclasses import dataclass

from mlphys.native import vector_math
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Vector

LEAST = 1e-6  # mean activities are clipped to [LEAST, 1 - LEAST]


@dataclass(frozen=True)
class Penalty:
    """l1 |x| + l2 x^2."""

    l1: float = 0.0
    l2: float = 0.0

    def __add__(self, other: Penalty) -> Penalty:
        return Penalty(self.l1 + other.l1, self.l2 + other.l2)

    def __bool__(self) -> bool:
        return self != Penalty()

    def value(self, ir: Function, x: Vector) -> Vector:
        size = ir.maximum(x, ir.fneg(x))
        return ir.fmul(size, ir.fma(ir.broadcast(self.l2), size, ir.broadcast(self.l1)))

    def slope(self, ir: Function, x: Vector) -> Vector:
        """The derivative; zero at x = 0."""
        below = ir.select(ir.fcmp("olt", x, ZERO), ir.broadcast(-self.l1), ZERO)
        sign = ir.select(ir.fcmp("ogt", x, ZERO), ir.broadcast(self.l1), below)
        return ir.fma(ir.broadcast(2 * self.l2), x, sign)


NONE = Penalty()


@dataclass(frozen=True)
class MeanActivity:
    """weight KL(target || q) of the mean q of a unit over a batch (Lee, Ekanadham & Ng 2008)."""

    target: float
    weight: float

    def value(self, ir: Function, q: Vector) -> Vector:
        rho, one = self.target, ir.broadcast(1.0)
        q = self._clipped(ir, q)
        one_way = ir.fmul(ir.broadcast(rho), vector_math.log(ir, ir.fdiv(ir.broadcast(rho), q)))
        other = vector_math.log(ir, ir.fdiv(ir.broadcast(1 - rho), ir.fsub(one, q)))
        return ir.fmul(ir.broadcast(self.weight), ir.fma(ir.broadcast(1 - rho), other, one_way))

    def slope(self, ir: Function, q: Vector) -> Vector:
        """The derivative; zero where q is clipped."""
        clipped = self._clipped(ir, q)
        above = ir.fdiv(ir.broadcast(self.weight * (1 - self.target)), ir.fsub(ir.broadcast(1.0), clipped))
        slope = ir.fsub(above, ir.fdiv(ir.broadcast(self.weight * self.target), clipped))
        return ir.select(ir.fcmp("ueq", q, clipped), slope, ZERO)

    @staticmethod
    def _clipped(ir: Function, q: Vector) -> Vector:
        return ir.minimum(ir.maximum(q, ir.broadcast(LEAST)), ir.broadcast(1 - LEAST))
