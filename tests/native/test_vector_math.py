"""Activations in machine code against the table's, in double precision."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mlphys.native import llvm, vector_math
from mlphys.native.llvm import Function
from mlphys.numerics.activations import ACTIVATIONS, NumPyOps


def mapped(write, x):
    """What `write(code, vector)` computes of each number; as many as fill whole vectors."""
    width = llvm.vectors().lanes
    made = Function(("x", "out"), ("count",), width)
    with made.loop(0, "%count") as i:
        made.put(made.at("%out", (i, width)), write(made, made.get(made.at("%x", (i, width)))))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(made.address())
    x = np.ascontiguousarray(x, np.float32)
    out = np.full_like(x, np.nan)
    call(x.ctypes.data, out.ctypes.data, len(x) // width)
    return out


@pytest.mark.parametrize("name", vector_math.KNOWN)
def test_an_activation_is_right_to_rounding(name):
    x = np.linspace(-20, 20, 160_000).astype(np.float32)
    found = mapped(lambda made, value: vector_math.applied(made, name, value), x)
    np.testing.assert_allclose(
        found, ACTIVATIONS[name].function(x.astype(float), NumPyOps), rtol=0 if name == "tanh" else 3e-7, atol=2e-7
    )


@pytest.mark.parametrize("name", vector_math.KNOWN)
def test_an_activation_keeps_to_its_limits_and_lets_pass_what_is_not_a_number(name):
    x = np.array([-np.inf, -1e30, -100, np.nan, 0, 100, 1e30, np.inf] * 2, np.float32)
    found = mapped(lambda made, value: vector_math.applied(made, name, value), x)
    with np.errstate(invalid="ignore"):  # logaddexp warns of what is not a number
        np.testing.assert_allclose(found, ACTIVATIONS[name].function(x.astype(float), NumPyOps), atol=2e-7)


@pytest.mark.parametrize("name", vector_math.KNOWN)
def test_the_way_back_is_the_slope_times_the_gradient(name):
    given = np.linspace(-0.95, 0.95, 160).astype(np.float32)
    found = mapped(lambda made, value: vector_math.through(made, name, value, made.everywhere(3.0)), given)
    np.testing.assert_allclose(found, 3 * ACTIVATIONS[name].slope(given.astype(float), NumPyOps), rtol=1e-6, atol=1e-6)
