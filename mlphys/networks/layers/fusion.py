"""Fusion of layers: a convolution or normalization computes the activation and the pooling behind it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from mlphys.native import vector_math
from mlphys.networks.keras_internals import attach, attached
from mlphys.networks.layers.interleaved import Interleaved

MAX_POOL_SIZE = 8  # pixels; the code grows with them


def fuse(layers: Sequence[Any]) -> None:
    """Let each convolution and normalization of a chain of layers compute what follows it."""
    for i, layer in enumerate(layers):
        if isinstance(layer, Fusing):
            layer.following = [*itertools.takewhile(lambda each: isinstance(each, Fused), layers[i + 1 :])]


class Fusing(keras.layers.Layer):
    """A layer that may compute those that follow along with its own output."""

    following: Sequence[Fused] = ()

    def fused(self, layer: Any) -> tuple[Any, list[Fused]]:
        """The native layer fused with as many as possible of those that follow, and these."""
        fused = []
        for each in self.following:
            if (longer := each.after(layer)) is None:
                break
            layer = longer
            fused.append(each)
        return layer, fused


class Fused(keras.layers.Layer):
    """A layer that one before it may compute along with its own output."""

    def call(self, pixels: Any) -> Any:
        fused = attached(pixels, "fused")
        if fused is None or fused.layers[0] is not self:
            return super().call(pixels)
        if len(fused.layers) > 1:
            return attach(super().call(pixels), "fused", replace(fused, layers=fused.layers[1:]))
        return fused.output.pixels()

    def after(self, layer: Any) -> Any:
        """The native layer, followed by this one; None if they cannot be fused."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ahead:
    """Layers that come next in the chain, and the output of the last of them, which is computed already."""

    layers: Sequence[Fused]
    output: Interleaved


class _Elementwise(Fused):
    def after(self, layer: Any) -> Any:
        name = self._activation_name()
        if layer.activation != "linear" or layer.pools or name not in vector_math.SUPPORTED:
            return None
        return replace(layer, activation=name)

    def _activation_name(self) -> str | None:
        """The name of the layer's activation; None if it is not one of Keras's named ones."""
        raise NotImplementedError


class Activation(_Elementwise, keras.layers.Activation):
    def _activation_name(self) -> str | None:
        return str(self.activation.__name__)


class ReLU(_Elementwise, keras.layers.ReLU):
    def _activation_name(self) -> str | None:
        return None if self.max_value is not None or self.negative_slope or self.threshold else "relu"


class _Pooling(Fused):
    def after(self, layer: Any) -> Any:
        sizes = zip(layer.positions, self.pool_size, strict=True)
        fits = all(n % size == 0 and size <= MAX_POOL_SIZE for n, size in sizes)
        if layer.pools or layer.upsampling > 1 or tuple(self.strides) != tuple(self.pool_size) or not fits:
            return None
        return replace(layer, pool_size=tuple(self.pool_size), max_pooling=self.pool_mode == "max")


class AveragePooling2D(_Pooling, keras.layers.AveragePooling2D):
    pass


class MaxPooling2D(_Pooling, keras.layers.MaxPooling2D):
    pass
