import numpy as np
import pytest

from mlphys.datasets import function_1d

VALUES = [
    ("square", [1, 0.25, 0, 0.25, 1]),
    ("sine", [-np.sin(1), -np.sin(0.5), 0, np.sin(0.5), np.sin(1)]),
    ("absolute", [1, 0.5, 0, 0.5, 1]),
    ("step", [0, 0, 0.5, 1, 1]),
]


@pytest.mark.parametrize(("function", "values"), VALUES)
def test_a_function_has_its_values(function, values):
    x = np.array([-1, -0.5, 0, 0.5, 1], np.float32)
    np.testing.assert_allclose(function_1d.FUNCTIONS[function](x), values, rtol=1e-6)


@pytest.mark.parametrize("function", [function for function, _ in VALUES])
def test_targets_are_the_function_of_the_inputs(function):
    samples = function_1d.Function1D(name="function_1d", samples=50, function=function).load()
    assert samples.x.shape == samples.y.shape == (50, 1)
    assert np.array_equal(samples.y, function_1d.FUNCTIONS[function](samples.x))


def test_inputs_are_uniform_from_minus_1_to_1():
    x = function_1d.Function1D(name="function_1d", samples=20_000, function="sine").load().x
    assert x.min() >= -1
    assert x.max() <= 1
    assert x.mean() == pytest.approx(0, abs=0.02)
    assert x.var() == pytest.approx(1 / 3, rel=0.03)
