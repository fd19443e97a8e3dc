"""The table of layers: Keras's names and arguments, with shapes and weights. A file holds a family of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from mlphys.schema import registry
from mlphys.schema.layers.activations import ELU, Activation, LeakyReLU, ReLU, Softmax
from mlphys.schema.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, FixedConv2D
from mlphys.schema.layers.dense import Dense
from mlphys.schema.layers.layer import Layer, Weighted, Window, need_rank, text
from mlphys.schema.layers.noise import Dropout, GaussianDropout, GaussianNoise, SpatialDropout2D
from mlphys.schema.layers.normalization import BatchNormalization, LayerNormalization
from mlphys.schema.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from mlphys.schema.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Flatten,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from mlphys.schema.spec import Choice

__all__ = [
    "ALIASES",
    "ELU",
    "LAYERS",
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "Dropout",
    "FixedConv2D",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Layer",
    "LayerField",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "ReLU",
    "Reshape",
    "Softmax",
    "SpatialDropout2D",
    "UpSampling1D",
    "UpSampling2D",
    "Weighted",
    "Window",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "begins_with_sequence",
    "need_rank",
    "text",
]

LAYERS = registry.classes_in(__name__, Layer)

# Keras's other names
ALIASES = {
    short: name
    for name in LAYERS
    for short in (name.replace("MaxPooling", "MaxPool"), name.replace("AveragePooling", "AvgPool"))
    if short != name
} | {name.replace("Conv", "Convolution"): name for name in LAYERS if name.startswith("Conv")}

LayerField = Annotated[Layer, Choice("layer", LAYERS, ALIASES)]


def begins_with_sequence(layers: Sequence[Layer]) -> bool:
    """Whether the first layer that cares about the shape of its input takes (steps, channels)."""
    for layer in layers:
        if layer.takes_sequence:
            return True
        if not (layer.only_in_training or isinstance(layer, Activation | BatchNormalization)):
            return False
    return False
