"""`decoder: mirror`: the encoder's layers in reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlphys.errors import Refusal
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import ActivationName, Shape
from mlphys.schema.layers import (
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Cropping1D,
    Cropping2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling1D,
    MaxPooling2D,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    Weighted,
    ZeroPadding1D,
    ZeroPadding2D,
    text,
)
from mlphys.schema.shapes import Row

REMEDY = "write the decoder's layers instead of mirror"


def mirror(encoder: Sequence[Row], last: ActivationName, path: KeyPath, transposed: bool = False) -> list[Layer]:
    """The decoder that reverses the encoder at `path`, ending with the activation `last`.

    Each layer restores the input shape of an encoder layer, with the activation that this input came
    from; noise layers are left out. Pooling becomes UpSampling, padding becomes cropping, a convolution one
    with as many filters as it had input channels, transposed if it changed the size. Raises Refusal for layers without
    mirror image. With `transposed` every convolution becomes its transpose, as tied weights require.
    """
    decoder: list[Layer] = []
    for i in reversed(range(len(encoder))):
        row = encoder[i]
        if isinstance(row.layer, Activation) or row.layer.only_in_training:
            continue
        where = (*path, i, type(row.layer).__name__)
        turned = _turned(row, _activation_before(encoder, i) or last, where, transposed)
        try:
            out = turned.output_shape(row.output_shape)
        except Refusal as refusal:
            raise Refusal(where, f"{refusal.text}; {REMEDY}") from None
        if out != row.input_shape:
            raise Refusal(where, _no_way_back(row, out))
        decoder.append(turned)
    if not decoder:
        raise Refusal(path, f"nothing in it changes the shape, so there is nothing to reverse; {REMEDY}")
    return decoder


def _activation_before(encoder: Sequence[Row], i: int) -> ActivationName | None:
    """The activation that the input of layer i comes from; None if it is the sample itself."""
    for row in reversed(encoder[:i]):
        if isinstance(row.layer, Activation):
            return row.layer.activation
        if isinstance(row.layer, Weighted):
            return row.layer.activation or "linear"
    return None


def _turned(row: Row, activation: ActivationName, where: KeyPath, transposed: bool) -> Layer:
    layer = row.layer
    match layer:
        case Dense():
            return Dense(units=row.input_shape[-1], activation=activation)
        case Conv1D() | Conv2D():
            return _convolution(layer, row, activation, transposed)
        case MaxPooling2D() | AveragePooling2D():
            return UpSampling2D(size=layer.pool_size)
        case MaxPooling1D() | AveragePooling1D():
            return UpSampling1D(size=layer.pool_size)
        case ZeroPadding1D():
            return Cropping1D(cropping=layer.padding)
        case Cropping1D():
            return ZeroPadding1D(padding=layer.cropping)
        case ZeroPadding2D():
            return Cropping2D(cropping=layer.padding)
        case Cropping2D():
            return ZeroPadding2D(padding=layer.cropping)
        case Flatten() | Reshape():
            return Reshape(target_shape=row.input_shape)
    raise Refusal(where, f"{type(layer).__name__} has no mirror image; {REMEDY}")


def _convolution(layer: Conv1D | Conv2D, row: Row, activation: ActivationName, transposed: bool) -> Layer:
    one_dimensional = isinstance(layer, Conv1D)
    forward: type[Any] = Conv1D if one_dimensional else Conv2D
    backward: type[Any] = Conv1DTranspose if one_dimensional else Conv2DTranspose
    shared = {
        "filters": row.input_shape[-1], "kernel_size": layer.kernel_size, "activation": activation,
    }  # fmt: skip
    if row.input_shape[:-1] == row.output_shape[:-1] and not transposed:
        return forward(**shared, padding="same", dilation_rate=layer.dilation_rate)
    return backward(**shared, strides=layer.strides, padding="valid" if layer.padding == "valid" else "same")


def _no_way_back(row: Row, out: Shape) -> str:
    way = f"from {text(row.output_shape)} to {text(out)}, not back to {text(row.input_shape)}"
    return f"its mirror image leads {way}; {REMEDY}"
