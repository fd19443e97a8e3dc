"""Encoder and decoder, trained to give back what they are shown (Rumelhart, Hinton & Williams 1986)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, WrapValidator

from mlphys import builder, pca
from mlphys.cost import formula
from mlphys.metrics import reconstruction
from mlphys.phases import Gradient, Network
from mlphys.schema.data import Description, Shape, Split
from mlphys.schema.fields import ActivationName
from mlphys.schema.layers import Dense, Layer, LayerField, text
from mlphys.schema.losses import REGRESSION_LOSSES, BinaryCrossentropy, MeanSquaredError
from mlphys.schema.messages import Misfit
from mlphys.schema.mirror import mirror
from mlphys.schema.model import ModelSpec, refuse_class_weights
from mlphys.schema.shapes import Row, trace
from mlphys.schema.shapes import weights as weights_of
from mlphys.schema.training import Training
from mlphys.stored import Array

DEFAULT_LOSS = MeanSquaredError()
LOSSES = REGRESSION_LOSSES
RECORDED = ("loss", "reconstruction_loss", "mse")
MEASURED = (
    "mse", "mae", "psnr", "squared_error", "reconstruction_loss", "loss",
    "mean_image_mse", "pca_mse", "pixel_mse", "pixel_pca_mse",
)  # fmt: skip
ITERATIVE = True


def _layers(value: Any, handler: Any) -> Any:
    return MIRROR if value == "mirror" else handler(value)


def _or_mirror(schema: dict[str, Any]) -> None:
    layers = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"const": "mirror"}, layers]


MIRROR: list[Layer] = []  # stands for the word until the encoder's shapes are known


class Spec(ModelSpec):
    """An encoder and a decoder of any layers; the code between them is compared with PCA's of the same size.

    Samples are flattened for an encoder that begins with Dense. `decoder: mirror` is the encoder turned
    round, its last activation sigmoid for a binary cross-entropy and linear otherwise.
    """

    kind: Literal["autoencoder"]
    encoder: Annotated[list[LayerField], Field(min_length=1)]
    decoder: Annotated[list[LayerField], Field(min_length=1, json_schema_extra=_or_mirror), WrapValidator(_layers)]


def completed(spec: Spec, training: Training, description: Description, train: Callable[[], Array]) -> Spec:
    """The mirrored decoder written out."""
    if spec.decoder:
        return spec
    last: ActivationName = "sigmoid" if isinstance(training.loss, BinaryCrossentropy) else "linear"
    path = ("model", "encoder")
    return spec.model_copy(update={"decoder": mirror(trace(spec.encoder, _first(spec, description), path), last, path)})


def rows(spec: Spec, description: Description) -> list[Row]:
    """The layers with their shapes. Raises Misfit where the decoder does not end in the input's shape."""
    shape, values = description.shape, math.prod(description.shape)
    encoder = trace(spec.encoder, _first(spec, description), ("model", "encoder"))
    decoder = trace(spec.decoder, encoder[-1].output_shape, ("model", "decoder"))
    out = decoder[-1].output_shape
    if out not in (shape, (values,)):
        last = ("model", "decoder", len(decoder) - 1, type(decoder[-1].layer).__name__)
        raise Misfit(last, f"the decoder ends in {text(out)}; it must end in the input's {text(shape)}, or in {values}")
    return encoder + decoder


def _first(spec: Spec, description: Description) -> Shape:
    """The shape of a sample as the encoder takes it."""
    return (math.prod(description.shape),) if isinstance(spec.encoder[0], Dense) else description.shape


def code_shape(spec: Spec, description: Description) -> Shape:
    return rows(spec, description)[len(spec.encoder) - 1].output_shape


def weights(spec: Spec, description: Description) -> dict[str, Shape]:
    """Shapes by name."""
    return weights_of(rows(spec, description))


def check(spec: Spec, training: Training, description: Description) -> None:
    """Raise Misfit where shapes do not go together."""
    rows(spec, description)
    refuse_class_weights(training)


def cost(spec: Spec, training: Training, description: Description) -> str:
    """The cost as a formula with its numbers; p is the reconstruction, t the sample."""
    return formula(training.loss or DEFAULT_LOSS, training.loss_per, description.shape, rows(spec, description))


def build(spec: Spec, description: Description, seed: int) -> Network:
    """The Keras model with its initial weights, and the encoder as a part."""
    return builder.build(rows(spec, description), seed, {"encoder": len(spec.encoder)})


def phases(spec: Spec, training: Training, description: Description, network: Network, train: Split) -> list[Gradient]:
    """One phase: the gradient of the reconstruction error over all weights."""
    return [builder.gradient_phase(network, training, terms(training, description, network), RECORDED)]


def terms(training: Training, description: Description, network: Network) -> Any:
    """The function (x, y, training) -> (losses and squared error of each sample, penalty); y is not looked at."""
    from keras import ops

    spec = training.loss or DEFAULT_LOSS
    loss = builder.loss(spec)
    weight = math.prod(description.shape) if training.loss_per == "sample" else 1

    def batch_terms(x: Any, y: Any, training: bool) -> tuple[dict[str, Any], Any]:
        flat = ops.reshape(x, (-1, math.prod(description.shape)))
        r = ops.reshape(reconstructed(network, x, training), ops.shape(flat))
        losses = weight * loss(flat, r)
        return {"loss": losses, "reconstruction_loss": losses, "mse": ops.mean((r - flat) ** 2, axis=1)}, sum(
            network.model.losses
        )

    return batch_terms


def reconstructed(network: Network, x: Any, training: bool = False) -> Any:
    """r(x), of the shape in which the decoder ends."""
    from keras import ops

    return network.model(ops.reshape(x, (-1, *network.model.input_shape[1:])), training=training)


def predictions(network: Network, x: Any) -> dict[str, Any]:
    """Of each sample of a batch: its code, and its squared and absolute error, means over the values."""
    from keras import ops

    flat = ops.reshape(x, (-1, math.prod(x.shape[1:])))
    difference = ops.reshape(reconstructed(network, x), ops.shape(flat)) - flat
    code = network.parts["encoder"](ops.reshape(x, (-1, *network.model.input_shape[1:])), training=False)
    return {
        "codes": code,
        "squared_errors": ops.mean(difference**2, axis=1),
        "absolute_errors": ops.mean(ops.abs(difference), axis=1),
    }


def prediction_shapes(spec: Spec, description: Description) -> dict[str, Shape]:
    """The shape, for each sample, of what `predictions` gives."""
    return {"codes": code_shape(spec, description), "squared_errors": (), "absolute_errors": ()}


def metrics(
    spec: Spec, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
) -> dict[str, Any]:
    """The entry of metrics.json for a split, from its per-sample arrays."""
    found = reconstruction(arrays, split.x, train.x)
    return {**found, "pca_mse": pca.error(train.x, split.x, math.prod(code_shape(spec, description)))}


def shown(split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
    """Which samples' images are kept: the first."""
    return np.arange(min(most, len(split)))


def pictured(network: Network, x: Any) -> dict[str, Any]:
    """What is kept of the shown samples beside their images."""
    from keras import ops

    return {"reconstructions": ops.reshape(reconstructed(network, x), ops.shape(x))}


def pictured_shapes(description: Description) -> dict[str, Shape]:
    """The shape, for each shown sample, of what `pictured` gives."""
    return {"reconstructions": description.shape}
