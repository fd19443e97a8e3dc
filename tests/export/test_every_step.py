"""Every step of preprocessing, there and back, is the same function in a graph."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.data import preprocessing
from mlphys.export.exporting import CLOSE, CLOSE_AFTER_WHITENING
from mlphys.numerics.randomness import rng
from mlphys.schema.preprocess import STEPS, StepField
from tests.helpers.extras import needs

needs("onnxruntime")

SHAPE = (4, 3, 2)
CASES = [
    "subtract_mean", "standardize", {"scale": 255.0}, {"project": 5}, {"whiten": "pca"},
    {"whiten": {"kind": "zca", "components": 7}}, "contrast_normalize",
]  # fmt: skip


def test_the_cases_have_every_step():
    assert {case if isinstance(case, str) else next(iter(case)) for case in CASES} == set(STEPS)


@pytest.mark.parametrize("name", ["keras", "onnx"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_and_its_inverse_are_the_same_function_in_a_graph(case, name):
    from mlphys.export.exporting import formats

    random = rng(0, "step")
    x = (random.normal(size=(200, *SHAPE)) * random.uniform(1e-9, 50, SHAPE) + 300).astype("f4")
    step = StepField.__metadata__[0].validate(case)
    fitted = preprocessing.fit([step], x)
    fmt = formats()[name]()
    graph = fmt.writer("step")
    z = fitted.apply_in(graph, graph.input(SHAPE))
    outputs = {"z": z} | ({"back": fitted.inverse_in(graph, z)} if step.invertible else {})
    got = fmt.outputs(graph.content(outputs), x[:50], list(outputs))
    close = CLOSE_AFTER_WHITENING if "scales" in fitted.arrays[0] else CLOSE
    expected = {"z": fitted.apply(x[:50])}
    expected |= {"back": fitted.inverse(expected["z"])} if step.invertible else {}
    for output, values in expected.items():
        assert np.abs(got[output] - values).max() / np.abs(values).max() < close, output


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_features_of_a_tiny_spread_are_standardized(name):
    from mlphys.export.exporting import formats

    x = rng(0, "tiny").normal(size=(100, 2)).astype("f4") * np.array([1e-9, 1], "f4")
    fitted = preprocessing.fit([STEPS["standardize"]()], x)
    fmt = formats()[name]()
    graph = fmt.writer("step")
    got = fmt.outputs(graph.content({"z": fitted.apply_in(graph, graph.input((2,)))}), x, ["z"])["z"]
    np.testing.assert_allclose(got, fitted.apply(x), rtol=1e-5, atol=1e-5)
