"""Functions that are built and compiled at run time."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from mlphys.native import llvm
from mlphys.native.llvm import Function, SimdUnit


def test_a_constant_is_the_nearest_float32():
    assert llvm.constant(1.0) == "0x3FF0000000000000"
    assert llvm.constant(0.1) == "0x3FB99999A0000000"  # 0.100000001490116


def test_a_loop_with_a_step_sums_every_other_vector():
    for width in (4, 8, 16):
        ir = Function(("x", "out"), ("count",), width)
        (total,) = ir.accumulators(1)
        with ir.loop(0, ir.integer("count"), 2) as i:  # every other vector
            ir.store(total, ir.fadd(ir.load(total), ir.load(ir.gep(ir.pointer("x"), (i, width)))))
        ir.store_scalar(ir.pointer("out"), ir.reduce_add(ir.load(total)))
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(ir.address())
        x, out = np.arange(5 * width, dtype=np.float32).reshape(5, width), np.zeros(1, np.float32)
        call(x.ctypes.data, out.ctypes.data, 5)
        assert out[0] == x[::2].sum()


def test_integers_known_when_the_code_is_generated_are_folded():
    ir = Function(("x",), ("count",), 4)
    assert ir.add(ir.mul(3, 4), ir.smax(-1, 0)) == 12
    assert ir.sub(5, 7) == -2
    assert ir.gep(ir.pointer("x"), (0, 8), (3, 0)) == "%x"


def test_a_processor_without_vectors_or_a_machine_without_a_compiler_has_none(monkeypatch):
    from llvmlite import binding

    def found(machine="x86_64", **features):
        monkeypatch.setattr(llvm.platform, "machine", lambda: machine)
        monkeypatch.setattr(binding, "get_host_cpu_features", lambda: binding.FeatureMap(features))
        return llvm.simd_unit.__wrapped__()

    assert found(avx512f=True, avx2=True, fma=True) == SimdUnit(16, 24)
    assert found(avx512f=False, avx2=True, fma=True) == SimdUnit(8, 12)
    assert found("arm64") == SimdUnit(4, 24)
    assert found(avx2=True) is None  # it rounds products before they are added

    def unknown():
        raise RuntimeError("LLVM does not know this processor")

    monkeypatch.setattr(binding, "get_host_cpu_features", unknown)
    assert llvm.simd_unit.__wrapped__() is None
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert llvm.simd_unit.__wrapped__() is None
