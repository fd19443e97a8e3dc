"""Functions that are built and compiled at run time."""

from __future__ import annotations

import numpy as np

from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import constant


def test_a_constant_is_the_nearest_float32():
    assert constant(1.0) == "0x3FF0000000000000"
    assert constant(0.1) == "0x3FB99999A0000000"  # 0.100000001490116


def test_a_loop_with_a_step_sums_every_other_vector():
    for width in (4, 8, 16):
        ir = Function(("x", "out"), ("count",), width)
        (total,) = ir.accumulators(1)
        with ir.loop(0, ir.integer("count"), 2) as i:  # every other vector
            ir.store(total, ir.fadd(ir.load(total), ir.load(ir.gep(ir.pointer("x"), (i, width)))))
        ir.store_scalar(ir.pointer("out"), ir.reduce_add(ir.load(total)))
        call = ir.compiled()
        x, out = np.arange(5 * width, dtype=np.float32).reshape(5, width), np.zeros(1, np.float32)
        call(x.ctypes.data, out.ctypes.data, 5)
        assert out[0] == x[::2].sum()


def test_integers_known_when_the_code_is_generated_are_folded():
    ir = Function(("x",), ("count",), 4)
    assert ir.add(ir.mul(3, 4), ir.smax(-1, 0)) == 12
    assert ir.sub(5, 7) == -2
    assert ir.gep(ir.pointer("x"), (0, 8), (3, 0)) == "%x"
