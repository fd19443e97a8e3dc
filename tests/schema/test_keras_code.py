"""Keras code as YAML, and the order of Keras's arguments."""

from __future__ import annotations

import inspect

import pytest

from mlphys.schema.keras_code import NAMES, as_yaml, begins_a_call

POSITIONAL = [(name, spec) for name, spec in NAMES.options.items() if spec.positional]


@pytest.mark.parametrize(("name", "spec"), POSITIONAL, ids=[name for name, _ in POSITIONAL])
def test_arguments_without_names_are_those_of_keras_in_its_order(name, spec):
    import keras

    rooms = (keras.layers, keras.optimizers, keras.optimizers.schedules, keras.initializers, keras.regularizers)
    kind = next(getattr(room, name) for room in rooms if hasattr(room, name))
    parameters = [key for key in inspect.signature(kind.__init__).parameters if key != "self"]
    assert tuple(parameters[: len(spec.positional)]) == spec.positional


@pytest.mark.parametrize(
    ("code", "yaml"),
    [
        ("Flatten()", "Flatten"),
        ("Dense(10)", "Dense: {units: 10}"),
        ("Dense(10, 'softmax', use_bias=False)", "Dense: {units: 10, activation: softmax, use_bias: false}"),
        ("Conv2D(8, (5, 3), strides=2)", "Conv2D: {filters: 8, kernel_size: [5, 3], strides: 2}"),
        ("Dense(10, input_shape=(784,), dtype='float32')", "Dense: {units: 10}"),
        ("Dense(10, activation=None)", "Dense: {units: 10}"),
        ("Dense(10, kernel_initializer='he_normal')", "Dense: {units: 10, kernel_initializer: he_normal}"),
        ("Dense(-1)", "Dense: {units: -1}"),
    ],
)
def test_a_call_is_written_as_yaml(code, yaml):
    assert as_yaml(code, in_list=True) == yaml


@pytest.mark.parametrize(
    "code",
    [
        "Dense(units)",
        "Dense(10)(x)",
        "Dense(__import__('os').getpid())",
        "Mine(10)",
        "(1, 2)",
        "Dense(1, 2, 3, 4, 5, 6, 7)",
        "Dense(" * 200 + ")" * 200,
        f"Dense({'1' * 2000})",
        "relu",
        "f(",
        "Dense(**{'units': 3})",
    ],
)
def test_what_is_no_call_with_literal_arguments_is_not_translated(code):
    assert as_yaml(code, in_list=True) in (None, "Dense")


def test_a_call_that_a_comma_ends_is_reported_by_the_keys_that_it_needs():
    assert begins_a_call("layers.Conv2D(7") == "Conv2D: {filters: ..., kernel_size: ...}"
    assert begins_a_call("LSTM(7") is None
