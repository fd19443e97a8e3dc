"""Activations in machine code against the table's, in double precision."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mlphys.native import llvm, vector_math
from mlphys.native.llvm import Function
from mlphys.numerics.activations import ACTIVATIONS, NumPyOps


def mapped(write, x):
    """What `write(ir, vector)` computes elementwise; the size of x is a multiple of the SIMD width."""
    width = llvm.simd_unit().width
    ir = Function(("x", "out"), ("count",), width)
    with ir.loop(0, ir.integer("count")) as i:
        ir.store(ir.gep(ir.pointer("out"), (i, width)), write(ir, ir.load(ir.gep(ir.pointer("x"), (i, width)))))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(ir.address())
    x = np.ascontiguousarray(x, np.float32)
    out = np.full_like(x, np.nan)
    call(x.ctypes.data, out.ctypes.data, len(x) // width)
    return out


@pytest.mark.parametrize("name", vector_math.SUPPORTED)
def test_an_activation_is_correct_to_rounding(name):
    x = np.linspace(-20, 20, 160_000).astype(np.float32)
    found = mapped(lambda ir, value: vector_math.activate(ir, name, value), x)
    np.testing.assert_allclose(
        found, ACTIVATIONS[name].function(x.astype(float), NumPyOps), rtol=0 if name == "tanh" else 3e-7, atol=2e-7
    )


@pytest.mark.parametrize("name", vector_math.SUPPORTED)
def test_an_activation_keeps_to_its_limits_and_passes_nan(name):
    x = np.array([-np.inf, -1e30, -100, np.nan, 0, 100, 1e30, np.inf] * 2, np.float32)
    found = mapped(lambda ir, value: vector_math.activate(ir, name, value), x)
    with np.errstate(invalid="ignore"):  # logaddexp warns of what is not a number
        np.testing.assert_allclose(found, ACTIVATIONS[name].function(x.astype(float), NumPyOps), atol=2e-7)


@pytest.mark.parametrize("name", vector_math.SUPPORTED)
def test_backpropagation_multiplies_by_the_slope(name):
    given = np.linspace(-0.95, 0.95, 160).astype(np.float32)
    found = mapped(lambda ir, value: vector_math.backpropagate(ir, name, value, ir.broadcast(3.0)), given)
    np.testing.assert_allclose(found, 3 * ACTIVATIONS[name].slope(given.astype(float), NumPyOps), rtol=1e-6, atol=1e-6)
