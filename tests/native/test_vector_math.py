"""Activations in machine code against the table's, in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlphys.native import processor, vector_math
from mlphys.native.llvm.function import Function
from mlphys.numerics.activations import ACTIVATIONS, NumPyOps


def mapped(write, x):
    """What `write(ir, vector)` computes elementwise; the size of x is a multiple of the SIMD width."""
    width = processor.simd_unit().width
    ir = Function(("x", "out"), ("count",), width)
    with ir.loop(0, ir.integer("count")) as i:
        ir.store(ir.gep(ir.pointer("out"), (i, width)), write(ir, ir.load(ir.gep(ir.pointer("x"), (i, width)))))
    call = ir.compiled()
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


def test_a_piecewise_linear_activation_keeps_to_its_limits_and_passes_nan():
    x = np.array([-np.inf, -1e30, np.nan, np.inf] * 4, np.float32)
    for activation, expected in {
        vector_math.PiecewiseLinear(0.0, 0.5): [0, 0, np.nan, np.inf],
        vector_math.PiecewiseLinear(0.0, 0.0, 6.0): [0, 0, np.nan, 6],
        vector_math.PiecewiseLinear(0.5): [-np.inf, -5e29, np.nan, np.inf],
    }.items():
        found = mapped(lambda ir, value, of=activation: vector_math.activate_with_slope(ir, of, value)[0], x)
        np.testing.assert_allclose(found, np.tile(np.float32(expected), 4))


@pytest.mark.parametrize("name", vector_math.SUPPORTED)
def test_backpropagation_multiplies_by_the_slope(name):
    given = np.linspace(-0.95, 0.95, 160).astype(np.float32)
    found = mapped(lambda ir, value: vector_math.backpropagate(ir, name, value, ir.broadcast(3.0)), given)
    np.testing.assert_allclose(found, 3 * ACTIVATIONS[name].slope(given.astype(float), NumPyOps), rtol=1e-6, atol=1e-6)


def log_of_sum(x):
    return np.logaddexp(0, x)


def smooth(x, alpha, scale):
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


PARAMETRIC = {
    vector_math.PiecewiseLinear(0.3): lambda x: np.where(x > 0, x, 0.3 * x),
    vector_math.PiecewiseLinear(0.1, 0.5, 2.0): lambda x: np.where(x > 0.5, np.minimum(x, 2), 0.1 * (x - 0.5)),
    vector_math.ExponentialLinear(0.4): lambda x: smooth(x, 0.4, 1),
}
normal = np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)
FORMULAS = {
    "celu": lambda x: smooth(x, 1, 1),
    "elu": lambda x: smooth(x, 1, 1),
    "exponential": np.exp,
    "gelu": lambda x: x * normal(x),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "log_sigmoid": lambda x: -log_of_sum(-x),
    "mish": lambda x: x * np.tanh(log_of_sum(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: smooth(x, 1.6732632423543772, 1.0507009873554805),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softplus": log_of_sum,
    "softsign": lambda x: x / (1 + abs(x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
}


FORMULAS |= PARAMETRIC


@pytest.mark.parametrize("name", FORMULAS, ids=str)
def test_an_activation_and_its_slope_are_correct_to_rounding(name):
    x = np.linspace(-9, 9, 20_000 // 16 * 16).astype(np.float32)
    exact, step = x.astype(float), 1e-5
    value, slope = (
        mapped(lambda ir, each, i=i: vector_math.activate_with_slope(ir, name, each)[i], x) for i in range(2)
    )
    np.testing.assert_allclose(value, FORMULAS[name](exact), rtol=5e-7, atol=1e-6)
    difference = (FORMULAS[name](exact + step) - FORMULAS[name](exact - step)) / (2 * step)
    smooth_there = abs(FORMULAS[name](exact + step) + FORMULAS[name](exact - step) - 2 * FORMULAS[name](exact)) < 1e-6
    np.testing.assert_allclose(slope[smooth_there], difference[smooth_there], rtol=1e-6, atol=2e-6)
    assert smooth_there.mean() > 0.99


@pytest.mark.parametrize("name", FORMULAS, ids=str)
def test_what_is_not_a_number_stays_so(name):
    x = np.full(16, np.nan, np.float32)
    assert np.isnan(mapped(lambda ir, each: vector_math.activate_with_slope(ir, name, each)[0], x)).all()
