"""Initializers and regularizers against Keras: names, arguments, draws, penalties."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from mlphys.networks import builder
from mlphys.schema.initializers import INITIALIZERS, REGULARIZERS, InitializerField, RegularizerField
from mlphys.schema.layers import LayerField
from mlphys.schema.shapes import trace
from mlphys.schema.spec import snake_case

KERAS = {name: getattr(keras.initializers, name) for name in INITIALIZERS}
KERAS |= {name: getattr(keras.regularizers, name) for name in REGULARIZERS}


def kernel(initializer, seed: int) -> np.ndarray:
    dense = {"Dense": {"units": 6, "kernel_initializer": initializer}}
    rows = trace(TypeAdapter(list[LayerField]).validate_python([dense]), (6,), ("model", "layers"))
    return builder.build(rows, seed).weights["layers.0.Dense.kernel"].numpy()


@pytest.mark.parametrize("name", KERAS)
def test_names_and_defaults_are_those_of_keras(name):
    signature = inspect.signature(KERAS[name]).parameters
    for key, field in {**INITIALIZERS, **REGULARIZERS}[name].model_fields.items():
        assert field.default == signature[key].default, key


@pytest.mark.parametrize("name", sorted(KERAS.keys() - {"Constant"}))  # Keras 3.15 cannot make it by its short name
def test_the_short_name_is_that_of_keras_and_stands_for_the_defaults(name):
    short = snake_case(name)
    if name in INITIALIZERS:
        assert type(keras.initializers.get(short)) is KERAS[name]
        assert TypeAdapter(InitializerField).validate_python(short) == INITIALIZERS[name]()
    else:
        assert type(keras.regularizers.get(short)) is KERAS[name]
        assert TypeAdapter(RegularizerField).validate_python(short) == REGULARIZERS[name]()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_random_start_follows_the_experiments_seed_and_any_other_is_fixed(name):
    random = "seed" in inspect.signature(KERAS[name]).parameters
    first, again, other = kernel(name, 1), kernel(name, 1), kernel(name, 2)
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) != random


W = np.array([[0.5, -1.0], [2.0, 0.5], [0.0, -3.0]])


def pairs_of(rows: np.ndarray) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)[np.triu_indices(len(rows), k=1)]
    return cosines.mean()


PENALTIES = [
    ({"L1": {"l1": 0.2}}, "0.2 sum|w|", 0.2 * np.abs(W).sum()),
    ({"L2": {"l2": 1e-4}}, "0.0001 sum w^2", 1e-4 * (W**2).sum()),
    (
        {"L1L2": {"l1": 0.2, "l2": 0.3}},
        "0.2 sum|w| + 0.3 sum w^2",
        0.2 * np.abs(W).sum() + 0.3 * (W**2).sum(),
    ),
    (
        {"OrthogonalRegularizer": {"factor": 0.5}},
        "0.5 mean |cos| between the rows of w",
        0.5 * pairs_of(W),
    ),
    (
        {"OrthogonalRegularizer": {"factor": 0.5, "mode": "columns"}},
        "0.5 mean |cos| between the columns of w",
        0.5 * pairs_of(W.T),
    ),
]


@pytest.mark.parametrize(("given", "formula", "value"), PENALTIES)
def test_the_formula_of_a_penalty_says_what_keras_adds(given, formula, value):
    ((name, arguments),) = given.items()
    assert TypeAdapter(RegularizerField).validate_python(given).formula("w") == formula
    w = keras.ops.convert_to_tensor(W, "float32")
    assert float(KERAS[name](**arguments)(w)) == pytest.approx(value, rel=1e-5)


def test_every_regularizer_has_its_formula():
    assert {name for given, _, _ in PENALTIES for name in given} == REGULARIZERS.keys()
