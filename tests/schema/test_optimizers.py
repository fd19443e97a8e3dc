"""Optimizers and learning-rate schedules against Keras: names, arguments, first steps."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from mlphys.networks import builder
from mlphys.schema.messages import problems_of
from mlphys.schema.optimizers import OPTIMIZERS, SCHEDULES, OptimizerField

KERAS = {name: getattr(keras.optimizers, name) for name in OPTIMIZERS}
KERAS |= {name: getattr(keras.optimizers.schedules, name) for name in SCHEDULES}

DECAY = {"initial_learning_rate": 0.1, "decay_steps": 10}
SCHEDULE_CASES = {
    "ExponentialDecay": [{**DECAY, "decay_rate": 0.5}, {**DECAY, "decay_rate": 0.5, "staircase": True}],
    "InverseTimeDecay": [{**DECAY, "decay_rate": 0.5}, {**DECAY, "decay_rate": 0.5, "staircase": True}],
    "PolynomialDecay": [DECAY, {**DECAY, "end_learning_rate": 0.01, "power": 2.0, "cycle": True}],
    "PiecewiseConstantDecay": [{"boundaries": [5, 20], "values": [0.1, 0.01, 0.0]}],
    "CosineDecay": [DECAY, {**DECAY, "alpha": 0.1, "warmup_target": 0.3, "warmup_steps": 4}],
    "CosineDecayRestarts": [
        {"initial_learning_rate": 0.1, "first_decay_steps": 10},
        {"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.5, "m_mul": 0.9, "alpha": 0.1},
    ],
}


def optimizer_of(value):
    return TypeAdapter(OptimizerField).validate_python(value)


@pytest.mark.parametrize("name", KERAS)
def test_names_and_defaults_are_those_of_keras(name):
    signature = inspect.signature(KERAS[name]).parameters
    for key, field in {**OPTIMIZERS, **SCHEDULES}[name].model_fields.items():
        default = signature[key].default
        assert field.is_required() == (default is inspect.Parameter.empty), key
        if not field.is_required():
            assert field.default == default, key


@pytest.mark.parametrize("name", sorted(OPTIMIZERS.keys() - {"Lamb"}))  # Keras 3.15 forgot this one's short name
def test_the_short_name_is_that_of_keras_and_stands_for_the_defaults(name):
    short = name.lower()
    assert type(keras.optimizers.get(short)) is KERAS[name]
    assert optimizer_of(short) == OPTIMIZERS[name]()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_makes_the_step_that_keras_makes(name):
    arguments = {"learning_rate": 0.5, "clipvalue": 1.0, "weight_decay": 0.1}
    ours = builder.optimizer(optimizer_of({name: arguments}))
    theirs = KERAS[name](**arguments)
    steps = []
    for optimizer in (ours, theirs):
        variable = keras.Variable(np.array([1.0, -2.0], np.float32))
        optimizer.apply([keras.ops.array([0.5, -3.0])], [variable])
        steps.append(variable.numpy())
    np.testing.assert_array_equal(*steps)
    assert not np.array_equal(steps[0], [1.0, -2.0])


def test_every_schedule_has_its_cases():
    assert SCHEDULE_CASES.keys() == SCHEDULES.keys()


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, arguments) for name, cases in SCHEDULE_CASES.items() for arguments in cases]
)
def test_a_schedule_gives_the_rates_that_keras_gives(name, arguments):
    built = builder.optimizer(optimizer_of({"SGD": {"learning_rate": {name: arguments}}}))
    in_keras = KERAS[name](**arguments)
    rates = []
    for step in range(30):
        built.iterations.assign(step)
        rates.append(float(built.learning_rate))
        assert rates[-1] == float(in_keras(step))
    assert len(set(rates)) > 1


def problem_of(value) -> tuple[str, str]:
    with pytest.raises(ValidationError) as raised:
        optimizer_of(value)
    (problem,) = problems_of(raised.value)
    return ".".join(str(part) for part in problem.path), problem.text


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (
            {"Adam": {"clipnorm": 1.0, "clipvalue": 1.0}},
            "Adam",
            "received clipnorm and clipvalue; keep one of them",
        ),
        ({"AdamW": {"weight_decay": None}}, "AdamW.weight_decay", "expected a number; received nothing"),
        ({"Lion": {"beta_1": 0}}, "Lion.beta_1", "must be greater than 0; received 0"),
        ({"Ftrl": {"learning_rate_power": 0.5}}, "Ftrl.learning_rate_power", "must be at most 0; received 0.5"),
        ({"SGD": {"momentum": 1.5}}, "SGD.momentum", "must be less than 1; received 1.5"),
    ],
)
def test_what_keras_would_refuse_is_refused_with_the_key(value, path, message):
    assert problem_of(value) == (path, message)
    ((name, arguments),) = value.items()
    with pytest.raises(ValueError):  # noqa: PT011 - that Keras refuses is the point, not how
        KERAS[name](**arguments)


RATE = "SGD.learning_rate"


@pytest.mark.parametrize(
    ("rate", "path", "message"),
    [
        (0, RATE, "must be greater than 0; received 0"),
        (float("nan"), RATE, "expected a finite number; received nan"),
        (float("inf"), RATE, "expected a finite number; received inf"),
        ("1e-3", RATE, "expected a number; received text '1e-3'; write 1e-3 without quotes"),
        (True, RATE, "expected a number above 0, or a schedule by name; received true"),
        (None, RATE, "expected a number above 0, or a schedule by name; received nothing"),
        ([0.1], RATE, "expected a number above 0, or a schedule by name; received [0.1]"),
        (
            {"PiecewiseConstantDecay": {"boundaries": [10], "values": [0.1]}},
            f"{RATE}.PiecewiseConstantDecay",
            "values needs one entry more than boundaries; received 1 and 1",
        ),
        (
            {"PiecewiseConstantDecay": {"boundaries": [20, 10], "values": [0.3, 0.2, 0.1]}},
            f"{RATE}.PiecewiseConstantDecay",
            "boundaries must increase; received [20, 10]",
        ),
        (
            {"PiecewiseConstantDecay": {"boundaries": [], "values": [0.1]}},
            f"{RATE}.PiecewiseConstantDecay.boundaries",
            "needs at least 1 entries; received []",
        ),
        (
            {"PiecewiseConstantDecay": {"boundaries": [10], "values": [0.1, -0.1]}},
            f"{RATE}.PiecewiseConstantDecay.values.1",
            "must be at least 0; received -0.1",
        ),
        (
            {"ExponentialDecay": {**DECAY, "decay_rate": 0.5, "decay_steps": 0}},
            f"{RATE}.ExponentialDecay.decay_steps",
            "must be at least 1; received 0",
        ),
    ],
)
def test_a_learning_rate_that_makes_no_sense_is_refused(rate, path, message):
    assert problem_of({"SGD": {"learning_rate": rate}}) == (path, message)
