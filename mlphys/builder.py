"""From the layers of a config to a Keras model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.phases import Gradient, Network
from mlphys.randomness import rng
from mlphys.schema.initializers import Initializer, Regularizer
from mlphys.schema.losses import Loss
from mlphys.schema.optimizers import Optimizer, Schedule
from mlphys.schema.shapes import Row
from mlphys.schema.spec import Spec
from mlphys.schema.training import Training

RANDOM_INITIALIZERS = {
    "Orthogonal", "RandomNormal", "TruncatedNormal", "RandomUniform", "GlorotUniform", "GlorotNormal",
    "HeUniform", "HeNormal", "LecunUniform", "LecunNormal", "VarianceScaling",
}  # fmt: skip


LARGEST_OUTPUT = 50_000_000  # numbers in the largest layer's output when evaluating: 200 MB


def build(rows: Sequence[Row], seed: int, parts: Mapping[str, int] | None = None) -> Network:
    """The network of `rows`, its initial weights drawn from `seed`, a stream for each weight.

    `parts` names the models that end after so many rows.
    """
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    inputs = keras.Input(rows[0].input_shape)
    outputs, layers = [inputs], []
    for row in rows:
        layer = getattr(keras.layers, row.layer.keras_layer())(**_arguments(row, seed))
        outputs.append(layer(outputs[-1]))
        layers.append(layer)
    weights: dict[str, Any] = {}
    seeds: dict[str, Any] = {}
    for row, layer in zip(rows, layers, strict=True):
        weights |= dict(zip(row.weights(), layer.weights, strict=True))
        states = [variable for variable in layer.variables if variable.path.endswith("seed_generator_state")]
        seeds |= {f"{row.name}.{i}": state for i, state in enumerate(states)}
    return Network(
        model=keras.Model(inputs, outputs[-1]),
        weights=weights,
        seeds=seeds,
        compiles_in_xla=all(row.layer.compiles_in_xla for row in rows),
        evaluated_at_once=min(1000, max(1, LARGEST_OUTPUT // max(math.prod(row.output_shape) for row in rows))),
        parts={name: keras.Model(inputs, outputs[end]) for name, end in (parts or {}).items()},
        layers={row.name: keras.Model(inputs, out) for row, out in zip(rows, outputs[1:], strict=True)},
        activations=activations(rows),
    )


def activations(rows: Sequence[Row]) -> dict[str, str]:
    """The activation of each layer that has one, by the layer's name."""
    return {row.name: name for row in rows if (name := row.layer.activation_name())}


def gradient_phase(network: Network, training: Training, terms: Any, metrics: tuple[str, ...]) -> Gradient:
    """The one phase of a plain net: the gradient of its cost over all trained weights."""
    return Gradient(
        name="train",
        settings=training,
        terms=terms,
        metrics=metrics,
        trained=tuple(network.model.trainable_variables),
        network=network,
        optimizer=optimizer(training.optimizer),
    )


def optimizer(spec: Optimizer) -> Any:
    """Keras's optimizer of the same name."""
    import keras

    arguments = spec.arguments()
    rate = arguments["learning_rate"]
    if isinstance(rate, Schedule):
        arguments["learning_rate"] = getattr(keras.optimizers.schedules, type(rate).__name__)(
            **{key: list(value) if isinstance(value, tuple) else value for key, value in rate.arguments().items()}
        )
    return getattr(keras.optimizers, type(spec).__name__)(**arguments)


def loss(spec: Loss) -> Any:
    """Keras's loss of the same name, one value a sample."""
    import keras

    return getattr(keras.losses, type(spec).__name__)(**spec.arguments(), reduction=None)


def _arguments(row: Row, seed: int) -> dict[str, Any]:
    return {
        key: _keras_object(value, seed, f"initial weights/{row.name}.{key}")
        for key, value in row.layer.arguments().items()
    }


def _keras_object(value: Any, seed: int, purpose: str) -> Any:
    import keras

    if isinstance(value, Initializer):
        arguments = value.arguments()
        if type(value).__name__ in RANDOM_INITIALIZERS:
            arguments["seed"] = int(rng(seed, purpose).integers(2**31))
        return getattr(keras.initializers, type(value).__name__)(**arguments)
    if isinstance(value, np.ndarray):
        return keras.initializers.Constant(value)
    if isinstance(value, Regularizer):
        return getattr(keras.regularizers, type(value).__name__)(**value.arguments())
    assert not isinstance(value, Spec)
    return value
