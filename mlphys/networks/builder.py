"""Keras models and optimizers from the layers and optimizers of a config."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.networks.cost import Batch
from mlphys.networks.network import LayeredNetwork, Network
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.tensorflow import start
from mlphys.numerics.randomness import rng
from mlphys.schema import registry, shapes
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.initializers import Initializer, Regularizer
from mlphys.schema.layers import Conv2DTranspose
from mlphys.schema.optimizers import Optimizer, Schedule
from mlphys.schema.shapes import Row
from mlphys.schema.spec import Spec, snake_case

LARGEST_OUTPUT = 50_000_000  # numbers in the largest layer's output when evaluating: 200 MB


def build(rows: Sequence[Row], seed: int, branch: Sequence[Row] = (), after: str = "") -> LayeredNetwork:
    """The network of `rows`, its initial weights drawn from `seed`, a stream for each weight.

    The rows of `branch` follow the layer `after` beside the chain, such as a head on a code.
    """
    start()
    import keras

    from mlphys.networks.layers.fusion import fuse

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    layers: dict[str, Any] = {}
    for row in (*rows, *branch):
        layers[row.name] = _layer(row, seed, layers)
    fuse([layers[row.name] for row in rows])
    inputs = keras.Input(rows[0].input_shape)
    outputs = _outputs(rows, inputs, layers)
    outputs |= _outputs(branch, outputs[after], layers) if branch else {}
    weights: dict[str, Any] = {}
    seeds: dict[str, Any] = {}
    for row in (*rows, *branch):
        layer = layers[row.name]
        weights |= dict(zip(row.weight_shapes(), layer.weights, strict=True))
        states = [variable for variable in layer.variables if variable.path.endswith("seed_generator_state")]
        seeds |= {f"{row.name}.{i}": state for i, state in enumerate(states)}
    return LayeredNetwork(
        model=keras.Model(inputs, outputs[rows[-1].name]),
        weights=weights,
        seeds=seeds,
        compiles_in_xla=shapes.compile_in_xla((*rows, *branch)),
        separable=shapes.separable((*rows, *branch)),
        evaluated_at_once=min(1000, max(1, LARGEST_OUTPUT // max(math.prod(row.output_shape) for row in rows))),
        layers={name: keras.Model(inputs, out) for name, out in outputs.items()},
        activations=activations(rows),
    )


def part(network: Network, rows: Sequence[Row]) -> Any:
    """A Keras model of some of a network's layers, one after the other: it shares them."""
    import keras

    inputs = keras.Input(rows[0].input_shape)
    outputs = _outputs(rows, inputs, network.keras_layers(row.name for row in rows))
    return keras.Model(inputs, outputs[rows[-1].name])


def _outputs(rows: Sequence[Row], inputs: Any, layers: Mapping[str, Any]) -> dict[str, Any]:
    """The output of each layer of a chain, by its name."""
    outputs, out = {}, inputs
    for row in rows:
        out = outputs[row.name] = layers[row.name](out)
    return outputs


def activations(rows: Sequence[Row]) -> dict[str, str]:
    """The activation of each layer that has one, by the layer's name."""
    return {row.name: name for row in rows if (name := row.layer.activation_name())}


def _layer(row: Row, seed: int, layers: Mapping[str, Any]) -> Any:
    """Keras's layer of a row, or ours; `layers` are those before it."""
    import keras

    from mlphys.networks.layers import simd_conv

    if row.tied_to:
        return _tied(row, seed, layers[row.tied_to])
    if row.layer.only_in_training and not row.trainable:
        return keras.layers.Identity()
    name = row.layer.keras_layer()
    kind = simd_conv.REPLACEMENTS.get(name) or _our_layer(name) or getattr(keras.layers, name)
    layer = kind(**arguments(row, seed))
    layer.trainable = layer.trainable and row.trainable
    return layer


def _our_layer(name: str) -> Any:
    """The layer that Keras lacks, from the file of networks/layers/ with its name in snake case; else None."""
    import keras

    package, file = "mlphys.networks.layers", snake_case(name)
    return registry.entry(package, file, keras.layers.Layer) if file in registry.names(package) else None


def _tied(row: Row, seed: int, source: Any) -> Any:
    from mlphys.networks.layers.tied import TiedConv2DTranspose, TiedDense

    kwargs = arguments(row, seed)
    bias = {"initializer": kwargs["bias_initializer"], "regularizer": kwargs["bias_regularizer"]}
    common = (
        source,
        row.output_shape[-1],
        kwargs["activation"],
        kwargs["use_bias"],
        bias,
        kwargs["activity_regularizer"],
    )
    if isinstance(row.layer, Conv2DTranspose):
        return TiedConv2DTranspose(*common, strides=kwargs["strides"], padding=kwargs["padding"])
    return TiedDense(*common)


def gradient_phase(
    network: Network,
    plan: Plan,
    forward: Callable[[Any, Any, bool], Batch],
    recorded: Callable[[Batch, Any, Any], Mapping[str, Any]],
    metrics: tuple[str, ...],
    corruption: Corruption | None = None,
) -> Gradient:
    """A plan with its network and Keras's optimizer."""
    moved_by = optimizer(plan.settings.optimizer)
    return Gradient(plan, forward, recorded, metrics, network, moved_by, corruption=corruption)


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


def arguments(row: Row, seed: int) -> dict[str, Any]:
    """The arguments of Keras's layer, initializers and regularizers as Keras's objects."""
    return {
        key: _keras_object(value, seed, f"initial weights/{row.name}.{key}")
        for key, value in row.layer.arguments().items()
    }


def _keras_object(value: Any, seed: int, purpose: str) -> Any:
    import keras

    if isinstance(value, Initializer):
        arguments = value.arguments()
        if value.random:
            arguments["seed"] = int(rng(seed, purpose).integers(2**31))
        return getattr(keras.initializers, type(value).__name__)(**arguments)
    if isinstance(value, np.ndarray):
        return keras.initializers.Constant(value)
    if isinstance(value, Regularizer):
        return getattr(keras.regularizers, type(value).__name__)(**value.arguments())
    assert not isinstance(value, Spec)
    return value
