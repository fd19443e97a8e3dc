"""Losses against Keras: names, arguments, and the formulas that `config explain` prints."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from mlphys.networks import cost
from mlphys.schema.losses import CLASSIFIER_LOSSES, LossField
from mlphys.schema.spec import snake_case

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25]])
T = np.eye(3)[[0, 1, 1]]


def focal(t: np.ndarray) -> np.ndarray:
    return -(0.5 * (1 - P) ** 3 * t * np.log(P)).sum(axis=1)


def cross_entropy(t: np.ndarray) -> np.ndarray:
    return -(t * np.log(P)).sum(axis=1)


def binary(t: np.ndarray) -> np.ndarray:
    return -(t * np.log(P) + (1 - t) * np.log(1 - P)).mean(axis=1)


SMOOTH = {"label_smoothing": 0.1}
FORMULAS = [
    ("CategoricalCrossentropy", {}, "-sum_k t_k log p_k", cross_entropy(T)),
    (
        "CategoricalCrossentropy",
        SMOOTH,
        "-sum_k t_k log p_k with t replaced by 0.9 t + 0.1/K",
        cross_entropy(0.9 * T + 0.1 / 3),
    ),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 3}, "-sum_k 0.5 (1 - p_k)^3 t_k log p_k", focal(T)),
    (
        "CategoricalFocalCrossentropy",
        {"alpha": 0.5, "gamma": 3, **SMOOTH},
        "-sum_k 0.5 (1 - p_k)^3 t_k log p_k with t replaced by 0.9 t + 0.1/K",
        focal(0.9 * T + 0.1 / 3),
    ),
    ("BinaryCrossentropy", {}, "-[t log p + (1 - t) log(1 - p)]", binary(T)),
    (
        "BinaryCrossentropy",
        SMOOTH,
        "-[t log p + (1 - t) log(1 - p)] with t replaced by 0.9 t + 0.1/2",
        binary(0.9 * T + 0.1 / 2),
    ),
    ("MeanSquaredError", {}, "(p - t)^2", ((P - T) ** 2).mean(axis=1)),
    ("MeanAbsoluteError", {}, "|p - t|", np.abs(P - T).mean(axis=1)),
    ("KLDivergence", {}, "sum_k t_k log(t_k / p_k)", -np.log(P[T == 1])),
    (
        "CategoricalHinge",
        {},
        "max(0, 1 + max_k (1 - t_k) p_k - sum_k t_k p_k)",
        np.maximum(0, 1 + ((1 - T) * P).max(axis=1) - (T * P).sum(axis=1)),
    ),
]


@pytest.mark.parametrize(("name", "arguments", "formula", "values"), FORMULAS)
def test_the_formula_says_what_keras_computes(name, arguments, formula, values):
    loss = TypeAdapter(LossField).validate_python({name: arguments})
    assert loss.formula() == formula
    measured = cost.keras_loss(loss)(T.astype(np.float32), P.astype(np.float32))
    np.testing.assert_allclose(measured, values, rtol=1e-5)


def test_every_loss_has_its_formula():
    assert {name for name, *_ in FORMULAS} == CLASSIFIER_LOSSES.keys()


@pytest.mark.parametrize("name", CLASSIFIER_LOSSES)
def test_a_mean_over_the_outputs_becomes_a_sum_by_their_number(name):
    spec = CLASSIFIER_LOSSES[name]()
    t, p = np.eye(2, dtype=np.float32)[[0]], np.array([[0.6, 0.4]], np.float32)
    one = float(cost.keras_loss(spec)(t, p)[0])
    # twice the outputs, the new ones as the old: a mean stays, a sum is doubled
    double = float(cost.keras_loss(spec)(np.tile(t, 2), np.tile(p, 2))[0])
    if spec.over_outputs():
        assert double == pytest.approx(one)
    else:
        assert double != pytest.approx(one)


@pytest.mark.parametrize("name", CLASSIFIER_LOSSES)
def test_names_and_defaults_are_those_of_keras(name):
    signature = inspect.signature(getattr(keras.losses, name)).parameters
    for key, field in CLASSIFIER_LOSSES[name].model_fields.items():
        assert field.default == signature[key].default, key


@pytest.mark.parametrize("name", CLASSIFIER_LOSSES)
def test_the_short_name_is_that_of_keras_and_stands_for_the_defaults(name):
    short = snake_case(name)
    assert keras.losses.get(short).__name__ == short
    assert TypeAdapter(LossField).validate_python(short) == CLASSIFIER_LOSSES[name]()
