"""The largest outputs of a sample, the others zero (Makhzani & Frey 2014)."""

from __future__ import annotations

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import ZERO, Index, Mask, Pointer

BITS = 32


def keep_largest(ir: Function, outputs: Pointer, slopes: Pointer, count: int, k: int) -> None:
    """Set all but the `kept` largest of `count` outputs of a sample to zero, and their slopes; of equal ones the first
    are kept.

    The smallest that is kept is found bit by bit, in the numbers' order as integers.
    """
    n = ir.simd_width
    threshold = ir.alloca("i32", 0)
    with ir.loop(0, BITS) as step:
        bit = ir.assign(f"shl i32 1, {ir.assign(f'trunc i64 {ir.sub(BITS - 1, step)} to i32')}")
        before = ir.assign(f"load i32, ptr {threshold}")
        tried = ir.assign(f"or i32 {before}, {bit}")
        enough = ir.icmp("sge", _counted(ir, outputs, count, "uge", _broadcast_i32(ir, tried)), k)
        ir.emit(f"store i32 {ir.assign(f'select i1 {enough}, i32 {tried}, i32 {before}')}, ptr {threshold}")
    limit = _broadcast_i32(ir, ir.assign(f"load i32, ptr {threshold}"))
    free = ir.alloca("i64", ir.sub(k, _counted(ir, outputs, count, "ugt", limit)))  # places for those at the limit
    for column, mask in ir.vector_loop(count):
        place = ir.gep(outputs, (column, 1))
        above, equal = (_compared(ir, place, each, limit, mask) for each in ("ugt", "eq"))
        lanes = ", ".join(f"i32 {(1 << lane) - 1}" for lane in range(n))
        earlier = ir.assign(f"and <{n} x i32> {_broadcast_i32(ir, ir.bits(equal))}, <{lanes}>")
        rank = ir.assign(f"call <{n} x i32> @llvm.ctpop.v{n}i32(<{n} x i32> {earlier})")
        left = _broadcast_i32(ir, ir.assign(f"trunc i64 {ir.load_i64(free)} to i32"))
        first = ir.assign(f"icmp slt <{n} x i32> {rank}, {left}")
        chosen = Mask(ir.assign(f"or <{n} x i1> {above}, {ir.assign(f'and <{n} x i1> {equal}, {first}')}"))
        ir.store_i64(free, ir.sub(ir.load_i64(free), ir.count(equal)))
        for each in (place, ir.gep(slopes, (column, 1))):
            ir.store_masked(mask, each, ir.select(chosen, ir.load(each), ZERO))  # behind them is the bias's one


def _counted(ir: Function, outputs: Pointer, count: int, predicate: str, limit: str) -> Index:
    """How many of `count` outputs compare to a limit as the predicate says."""
    total = ir.alloca("i64", 0)
    for column, mask in ir.vector_loop(count):
        above = _compared(ir, ir.gep(outputs, (column, 1)), predicate, limit, mask)
        ir.store_i64(total, ir.add(ir.load_i64(total), ir.count(above)))
    return ir.load_i64(total)


def _compared(ir: Function, outputs: Pointer, predicate: str, limit: str, mask: Mask | None) -> Mask:
    """Whether outputs compare to the limit as integers do, in the same order; minus zero as zero."""
    n, v = ir.simd_width, ir.vector
    bits = ir.assign(f"bitcast {v} {ir.fadd(ir.load(outputs), ZERO)} to <{n} x i32>")
    sign = ir.assign(f"ashr <{n} x i32> {bits}, splat (i32 31)")
    keys = ir.assign(f"xor <{n} x i32> {bits}, {ir.assign(f'or <{n} x i32> {sign}, splat (i32 -2147483648)')}")
    comparison = ir.assign(f"icmp {predicate} <{n} x i32> {keys}, {limit}")
    return Mask(ir.assign(f"and <{n} x i1> {comparison}, {mask}") if mask else comparison)


def _broadcast_i32(ir: Function, word: str) -> str:
    """A 32-bit integer as each word of a vector."""
    n = ir.simd_width
    one = ir.assign(f"insertelement <{n} x i32> poison, i32 {word}, i64 0")
    return ir.assign(f"shufflevector <{n} x i32> {one}, <{n} x i32> poison, <{n} x i32> zeroinitializer")
