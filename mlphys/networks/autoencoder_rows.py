"""The layers of an autoencoder with their shapes: encoder, code and decoder, and which weights are tied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from mlphys.errors import Refusal
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Shape
from mlphys.schema.layers import (
    ELU,
    Activation,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Softmax,
    Weighted,
    text,
)
from mlphys.schema.shapes import Row, trace


def first_shape(encoder: Sequence[Layer], shape: Shape) -> Shape:
    """A sample's shape as the encoder takes it: in one row if it begins with Dense."""
    return (math.prod(shape),) if isinstance(encoder[0], Dense) else shape


def chain(
    encoder: Sequence[Layer],
    decoder: Sequence[Layer],
    shape: Shape,
    path: KeyPath,
    code_layers: Sequence[Layer],
    tied: bool,
) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of the encoder, of the layers that make its output the code, and of the decoder, for samples of `shape`.

    Raises Refusal where they do not fit, or the decoder does not end in the input's shape.
    """
    encoder_rows = trace(encoder, first_shape(encoder, shape), (*path, "encoder"))
    try:
        code = trace(code_layers, encoder_rows[-1].output_shape, (*path, "code"))
    except Refusal as refusal:
        raise Refusal((*path, "encoder"), refusal.text) from None
    decoder_rows = trace(decoder, (code or encoder_rows)[-1].output_shape, (*path, "decoder"))
    out = decoder_rows[-1].output_shape
    if out not in (shape, (math.prod(shape),)):
        last = (*path, "decoder", len(decoder_rows) - 1, type(decoder_rows[-1].layer).__name__)
        ends = f"the decoder ends in {text(out)}; it must end in the input's {text(shape)}, or in {math.prod(shape)}"
        raise Refusal(last, ends)
    return encoder_rows, code, _tied(encoder_rows, decoder_rows, path) if tied else decoder_rows


WITHOUT_KERNEL = (Flatten, Reshape, Activation, ReLU, LeakyReLU, ELU)  # beside layers that act in training only


def _tied(encoder: Sequence[Row], decoder: Sequence[Row], path: KeyPath) -> list[Row]:
    """The decoder's rows, each with a kernel tied to the encoder's that it undoes, in reverse order."""
    plain = (Dense, Conv2D, Conv2DTranspose, *WITHOUT_KERNEL)
    for part, rows in (("encoder", encoder), ("decoder", decoder)):
        for i, row in enumerate(rows):
            if not (isinstance(row.layer, plain) or row.layer.only_in_training):
                name = type(row.layer).__name__
                raise Refusal((*path, part, i, name), f"tied weights have no transpose of {name}; leave it or tied out")
    sources = [row for row in reversed(encoder) if isinstance(row.layer, Weighted)]
    weighted_rows = [row for row in decoder if isinstance(row.layer, Weighted)]
    if len(sources) != len(weighted_rows):
        raise Refusal(
            (*path, "tied"), f"{len(weighted_rows)} decoder layers with weights for {len(sources)} of the encoder; "
            "they must be as many, or decoder: mirror"
        )  # fmt: skip
    tied = {row.name: source for row, source in zip(weighted_rows, sources, strict=True)}
    return [_tied_row(row, tied[row.name], path) if row.name in tied else row for row in decoder]


def _tied_row(row: Row, source: Row, path: KeyPath) -> Row:
    where = (*path, "decoder", int(row.name.split(".")[-2]), type(row.layer).__name__)
    expected = {Dense: Dense, Conv2D: Conv2DTranspose}.get(type(source.layer))
    if expected is None or not isinstance(row.layer, expected):
        instead = f"; write {expected.__name__}" if expected else ""
        raise Refusal(where, f"does not undo {source.name}, to whose weights it would be tied{instead}")
    assert isinstance(row.layer, Weighted)
    assert isinstance(source.layer, Weighted)
    if isinstance(source.layer, Conv2D) and max(source.layer.dilation_rate) > 1:
        raise Refusal(where, f"{source.name} is dilated, and a transposed convolution is not; leave dilation_rate out")
    own, other = row.layer.kernel(row.input_shape), source.layer.kernel(source.input_shape)
    if own != (other[::-1] if len(other) == 2 else other):
        raise Refusal(where, f"its kernel {text(own)} is not the transpose of {source.name}'s {text(other)}")
    for key in ("kernel_initializer", "kernel_regularizer"):
        if getattr(row.layer, key) != type(row.layer).model_fields[key].default:
            raise Refusal((*where, key), f"has no kernel of its own: its weights are those of {source.name}")
    return replace(row, tied_to=source.name)


def last_activation(encoder: Sequence[Layer]) -> str:
    """The activation in which an encoder ends; "" where its last layer has none to name."""
    last = encoder[-1]
    if isinstance(last, Activation | Weighted):
        return last.activation or "linear"
    return ""


def without_last_activation(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with a linear one in place of the last activation: of a layer, or a layer of its own, also where
    Flatten or Reshape follow."""
    for i, layer in reversed(list(enumerate(layers))):
        if not isinstance(layer, Flatten | Reshape):
            return [*layers[:i], _linear(layer), *layers[i + 1 :]]
    return list(layers)


def _linear(layer: Layer) -> Layer:
    if isinstance(layer, ReLU | LeakyReLU | ELU | Softmax):
        return Activation(activation="linear")
    if isinstance(layer, Activation | Weighted) and layer.activation not in (None, "linear"):
        return layer.model_copy(update={"activation": "linear"})
    return layer


def between_0_and_1(encoder: Sequence[Layer]) -> bool:
    return last_activation(encoder) in ("sigmoid", "hard_sigmoid", "softmax")
