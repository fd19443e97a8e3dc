"""The table of activations: slopes and antiderivatives against differences, for arrays and for tensors."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from keras import ops

from mlphys.models.energy_classifier import Autoencoder
from mlphys.native import vector_math
from mlphys.numerics.activations import ACTIVATIONS, NEAR, SATURATING, Known, NumPyOps

S = np.linspace(-6, 6, 400)  # without 0, where relu has no slope
STEP = 1e-5


def differences(function, s: np.ndarray) -> np.ndarray:
    return (function(s + STEP, NumPyOps) - function(s - STEP, NumPyOps)) / (2 * STEP)


def test_all_places_that_name_activations_name_those_of_the_table():
    names = list(ACTIVATIONS)
    assert names == list(get_args(Known)) == list(vector_math.SUPPORTED)
    assert Autoencoder.model_fields["activation"].annotation == Known


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_slope_told_by_the_value_is_the_derivative(name: str):
    known = ACTIVATIONS[name]
    slopes = known.slope(known.function(S, NumPyOps), NumPyOps)
    np.testing.assert_allclose(slopes, differences(known.function, S), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_derivative_of_the_antiderivative_is_the_activation(name: str):
    known = ACTIVATIONS[name]
    expected = known.function(S, NumPyOps)
    np.testing.assert_allclose(differences(known.antiderivative, S), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_formula_is_the_antiderivative(name: str):
    """Read as Python: `max(0, s_j)^2 / 2`."""
    formula = ACTIVATIONS[name].antiderivative_formula.replace("^", "**").replace("exp s_j", "exp(s_j)")
    formula = formula.replace("log cosh s_j", "log(cosh(s_j))")
    words = {"s_j": S, "exp": np.exp, "log": np.log, "cosh": np.cosh, "max": np.maximum}
    np.testing.assert_allclose(
        ACTIVATIONS[name].antiderivative(S, NumPyOps), eval(formula, words), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_tensors_have_the_values_of_arrays(name: str):
    known, s = ACTIVATIONS[name], S.astype(np.float32)
    h = known.function(s, NumPyOps)
    np.testing.assert_allclose(known.function(ops.convert_to_tensor(s), ops), h, rtol=1e-6, atol=1e-6)
    for function, argument in ((known.slope, h), (known.antiderivative, s)):
        found, expected = function(ops.convert_to_tensor(argument), ops), function(argument, NumPyOps)
        assert expected.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(known.saturated(ops.convert_to_tensor(h)), known.saturated(h))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_fill_the_range(name: str):
    h = ACTIVATIONS[name].function(np.array([-100.0, 100.0]), NumPyOps)
    low, high = ACTIVATIONS[name].range
    assert tuple(h) == pytest.approx((max(low, -100), min(high, 100)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_saturated_values_are_those_where_the_slope_is_small(name: str):
    known = ACTIVATIONS[name]
    h = known.function(S, NumPyOps)
    saturated, slopes = known.saturated(h), known.slope(h, NumPyOps)
    assert saturated.any() == known.saturates == (name in SATURATING)
    assert slopes[saturated].max(initial=0) < slopes.max() / 5
    assert slopes[saturated].max(initial=0) < slopes[~saturated].min()


@pytest.mark.parametrize(
    ("name", "values", "saturated"),
    [
        ("sigmoid", [0.0, 0.049, 0.051, 0.5, 0.949, 0.951, 1.0], [True, True, False, False, False, True, True]),
        ("tanh", [-1.0, -0.951, -0.949, 0.0, 0.91, 0.949, 0.951], [True, True, False, False, False, False, True]),
        ("relu", [0.0, 1e-9, 0.5, 100.0], [True, False, False, False]),
        ("linear", [-1e9, 0.0, 1.0], [False, False, False]),
    ],
)
def test_saturated_is_nearer_than_a_twentieth_to_an_end_and_of_a_rectifier_zero(name, values, saturated):
    assert NEAR == 0.05
    assert ACTIVATIONS[name].saturated(np.array(values)).tolist() == saturated


def test_arrays_far_from_zero_overflow_nowhere():
    far = np.array([-1e4, 1e4], np.float32)
    with np.errstate(all="raise", under="ignore"):
        for known in ACTIVATIONS.values():
            assert np.isfinite(known.antiderivative(far, NumPyOps)).all()
            assert np.isfinite(known.function(far, NumPyOps)).all()
