"""Gibbs sampling of a restricted Boltzmann machine (Smolensky 1986): all steps of its chains in one function.

A chain depends on no other, so that the chains can be divided among threads. A random number depends on the seed, the
step, and the number of the chain and of the unit alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mlphys.native import noise, vector_math
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Vector, Words
from mlphys.native.processor import SimdUnit
from mlphys.native.workspace import round_up


@dataclass(frozen=True)
class GibbsChain:
    """A machine of so many visible and hidden units.

    `gaussian`: visible units are drawn from normal distributions of variance 1, not from 0 and 1. `rows` chains are in
    a register tile; their number changes no bit.
    """

    values: int
    hidden: int
    gaussian: bool
    rows: int

    def emit(self, simd: SimdUnit) -> Function:
        """v, the chains after `steps` steps from `start` (count, values).

        The kernel (values, hidden), its transpose, the biases, and each row of `h` and `v`, whose rows fill vectors of
        chains, are padded to complete vectors of units. `seed` are the key, the count of steps before, and the number
        of the first chain.
        """
        pointers = ("start", "kernel", "transposed", "hidden_bias", "visible_bias", "seed", "h", "v")
        ir = Function(pointers, ("count", "steps"), simd.width)
        upward = _Half(self.values, self.hidden, 0, False)
        downward = _Half(self.hidden, self.values, self.hidden, self.gaussian)
        with ir.flush_denormals():
            self._copy(ir)
            with ir.loop(0, ir.integer("steps")) as step:
                self._half(ir, simd, step, upward, ("v", "kernel", "hidden_bias", "h"))
                self._half(ir, simd, step, downward, ("h", "transposed", "visible_bias", "v"))
        return ir

    def _copy(self, ir: Function) -> None:
        """Begin at `start`; what is behind the last chain continues it too."""
        with ir.loop(0, _padded_rows(ir)) as row:
            source = ir.gep(ir.pointer("start"), (ir.smin(row, ir.sub(ir.integer("count"), 1)), self.values))
            target = ir.gep(ir.pointer("v"), (row, round_up(self.values, ir.simd_width)))
            with ir.loop(0, self.values) as i:
                ir.store_scalar(ir.gep(target, (i, 1)), ir.load_scalar(ir.gep(source, (i, 1))))

    def _half(self, ir: Function, simd: SimdUnit, step: Index, half: _Half, names: tuple[str, str, str, str]) -> None:
        """Draw all units of one side given those of the other: register tiles of chains x vectors of units."""
        x, kernel, bias, out = map(ir.pointer, names)
        x_stride, stride = round_up(half.inputs, ir.simd_width), round_up(half.units, ir.simd_width)
        tiles = ir.sdiv(ir.add(ir.integer("count"), self.rows - 1), self.rows)
        for column, width in _tiles(ir, stride, max(1, simd.accumulators // self.rows)):
            with ir.loop(0, tiles) as tile:
                first = ir.smin(ir.mul(tile, self.rows), ir.sub(_padded_rows(ir), self.rows))
                sums = ir.accumulators(self.rows * width)
                with ir.loop(0, half.inputs) as i:
                    from_input = ir.gep(kernel, (i, stride), (column, 1))
                    weights = [ir.load(ir.gep(from_input, (j, ir.simd_width))) for j in range(width)]
                    for r in range(self.rows):
                        value = ir.broadcast(ir.load_scalar(ir.gep(x, (first, x_stride), (r, x_stride), (i, 1))))
                        for total, weight in zip(sums[r * width :], weights, strict=False):
                            ir.store(total, ir.fma(value, weight, ir.load(total)))
                for number, total in enumerate(sums):
                    row, unit = ir.add(first, number // width), ir.add(column, number % width * ir.simd_width)
                    field = ir.fadd(ir.load(total), ir.load(ir.gep(bias, (unit, 1))))
                    ir.store(ir.gep(out, (row, stride), (unit, 1)), self._drawn(ir, step, half, row, unit, field))

    def _drawn(self, ir: Function, step: Index, half: _Half, row: Index, unit: Index, field: Vector) -> Vector:
        seed = ir.pointer("seed")
        chain = ir.add(ir.load_i32(ir.gep(seed, (2, 1))), row)
        element = ir.add(ir.mul(chain, self.values + self.hidden), ir.add(unit, half.first))
        words = noise.draw(ir, seed, step, element)
        if half.gaussian:
            return ir.fadd(field, noise.standard_normal(ir, words))
        p = vector_math.activate(ir, "sigmoid", field)
        return ir.select(ir.fcmp("olt", _uniform(ir, words[0]), p), ir.broadcast(1.0), ZERO)


@dataclass(frozen=True)
class _Half:
    """Half of a step: `units` are drawn given `inputs`, with random numbers from number `first` of a chain on."""

    inputs: int
    units: int
    first: int
    gaussian: bool


def most_rows(simd: SimdUnit) -> int:
    """The most chains that a register tile shall have: three vectors of units or more fit beside each other."""
    return min(simd.accumulators // 3, simd.width)


def rows(share: int | None, simd: SimdUnit) -> int:
    """Chains in a register tile where a thread has so many chains: tiles of about equal sizes."""
    most = most_rows(simd)
    return math.ceil(share / math.ceil(share / most)) if share else most


def _padded_rows(ir: Function) -> Index:
    """The count of chains, rounded up to complete vectors."""
    return ir.mul(ir.sdiv(ir.add(ir.integer("count"), ir.simd_width - 1), ir.simd_width), ir.simd_width)


def _tiles(ir: Function, stride: int, most: int) -> Iterator[tuple[Index, int]]:
    """First unit and number of vectors of each tile of a row."""
    vectors = stride // ir.simd_width
    complete = vectors // most * most
    if complete:
        with ir.loop(0, complete * ir.simd_width, most * ir.simd_width) as column:
            yield column, most
    if vectors > complete:
        yield complete * ir.simd_width, vectors - complete


def _uniform(ir: Function, words: Words) -> Vector:
    """Uniform in [0, 1), from 24 bits of each word."""
    n = ir.simd_width
    bits = ir.assign(f"lshr <{n} x i32> {words}, splat (i32 8)")
    return ir.fmul(Vector(ir.assign(f"sitofp <{n} x i32> {bits} to {ir.vector}")), ir.broadcast(2.0**-24))
