"""An activation and its derivative of a whole tensor in one pass."""

from __future__ import annotations

from mlphys.native import vector_math
from mlphys.native.llvm.function import Function


def activation(name: str, simd_width: int) -> Function:
    """(x, y, slope, count, size): y and dy/dx of x (count, size), which holds a complete vector or more."""
    ir = Function(("x", "y", "slope"), ("count", "size"), simd_width)
    total = ir.mul(ir.integer("count"), ir.integer("size"))
    with ir.flush_denormals(), ir.loop(0, total, simd_width) as i:
        at = ir.smin(i, ir.sub(total, simd_width))  # the last vector overlaps the one before it
        y, slope = vector_math.activate_with_slope(ir, name, ir.load(ir.gep(ir.pointer("x"), (at, 1))))
        ir.store(ir.gep(ir.pointer("y"), (at, 1)), y)
        ir.store(ir.gep(ir.pointer("slope"), (at, 1)), slope)
    return ir
