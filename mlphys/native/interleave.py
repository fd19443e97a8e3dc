"""Conversion between a batch (n, size) and its batch-interleaved layout (groups, size, simd_width).

A group holds the samples of one vector: element i of `simd_width` samples is contiguous. In an incomplete last group
the missing samples are zero. Blocks of simd_width x simd_width numbers are transposed in registers.
"""

from __future__ import annotations

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Pointer, Scalar, Vector


def interleave_batch(simd_width: int) -> Function:
    """(x, out, count, size): (count, size) to (groups, size, simd_width)."""
    ir = Function(("x", "out"), ("count", "size"), simd_width)
    size, in_vectors = ir.integer("size"), _size_in_vectors(ir)
    with ir.loop(0, _groups(ir)) as group:
        out = ir.gep(ir.pointer("out"), (ir.mul(group, size), simd_width))
        rows = [_sample_row(ir, "x", group, lane) for lane in range(simd_width)]
        present = [ir.icmp("slt", _sample(ir, group, lane), ir.integer("count")) for lane in range(simd_width)]
        with ir.loop(0, in_vectors, simd_width) as i:
            loaded = [ir.load(ir.gep(row, (i, 1))) for row in rows]
            v = ir.vector
            vectors = [
                Vector(ir.assign(f"select i1 {is_present}, {v} {each}, {v} {ZERO}"))
                for is_present, each in zip(present, loaded, strict=True)
            ]
            for step, each in enumerate(_transpose(ir, vectors)):
                ir.store(ir.gep(out, (i, simd_width), (step, simd_width)), each)
        with ir.loop(in_vectors, size) as i:
            for lane in range(simd_width):
                value = ir.load_scalar(ir.gep(rows[lane], (i, 1)))
                value = Scalar(ir.assign(f"select i1 {present[lane]}, float {value}, float 0.0"))
                ir.store_scalar(ir.gep(out, (i, simd_width), (lane, 1)), value)
    return ir


def deinterleave_batch(simd_width: int) -> Function:
    """(x, out, count, size): (groups, size, simd_width) to (count, size)."""
    ir = Function(("x", "out"), ("count", "size"), simd_width)
    size, in_vectors = ir.integer("size"), _size_in_vectors(ir)
    with ir.loop(0, _groups(ir)) as group:
        x = ir.gep(ir.pointer("x"), (ir.mul(group, size), simd_width))
        rows = [_sample_row(ir, "out", group, lane) for lane in range(simd_width)]
        with ir.loop(0, in_vectors, simd_width) as i:
            vectors = [ir.load(ir.gep(x, (i, simd_width), (step, simd_width))) for step in range(simd_width)]
            # in reverse: missing samples are stored to the last sample's row, which is then overwritten
            for row, each in reversed([*zip(rows, _transpose(ir, vectors), strict=True)]):
                ir.store(ir.gep(row, (i, 1)), each)
        with ir.loop(in_vectors, size) as i:
            for lane in reversed(range(simd_width)):
                value = ir.load_scalar(ir.gep(x, (i, simd_width), (lane, 1)))
                ir.store_scalar(ir.gep(rows[lane], (i, 1)), value)
    return ir


def _size_in_vectors(ir: Function) -> Index:
    """The size of a sample, rounded down to complete vectors."""
    vectors = ir.sdiv(ir.integer("size"), ir.simd_width)
    return ir.mul(vectors, ir.simd_width)


def _groups(ir: Function) -> Index:
    return ir.sdiv(ir.add(ir.integer("count"), ir.simd_width - 1), ir.simd_width)


def _sample(ir: Function, group: Index, lane: int) -> Index:
    return ir.add(ir.mul(group, ir.simd_width), lane)


def _sample_row(ir: Function, name: str, group: Index, lane: int) -> Pointer:
    """Row of a lane's sample in the argument `name`; for missing samples that of the last one."""
    sample = ir.smin(_sample(ir, group, lane), ir.sub(ir.integer("count"), 1))
    return ir.gep(ir.pointer(name), (ir.mul(sample, ir.integer("size")), 1))


def _transpose(ir: Function, rows: list[Vector]) -> list[Vector]:
    """Transpose a square of vectors by exchanging halves, quarters, ... of pairs of rows."""
    lanes, distance = len(rows), len(rows) // 2
    while distance:
        low = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        high = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        for first in (i for i in range(lanes) if not i & distance):
            a, b = rows[first], rows[first + distance]
            rows[first], rows[first + distance] = _shuffle(ir, a, b, low), _shuffle(ir, a, b, high)
        distance //= 2
    return rows


def _shuffle(ir: Function, a: Vector, b: Vector, lanes: list[int]) -> Vector:
    selected = ", ".join(f"i32 {lane}" for lane in lanes)
    v = ir.vector
    return Vector(ir.assign(f"shufflevector {v} {a}, {v} {b}, <{len(lanes)} x i32> <{selected}>"))
