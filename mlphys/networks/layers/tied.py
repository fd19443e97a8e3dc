"""Layers of a tied decoder, which use the transposed kernel of another layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Tied(keras.layers.Layer):
    """The kernel of `source`, a bias of its own."""

    def __init__(
        self, source: Any, width: int, activation: str | None, use_bias: bool, bias: dict[str, Any], activity: Any
    ):
        super().__init__(activity_regularizer=activity)
        self._kernel = lambda: source.kernel  # as an attribute Keras would count it as this layer's
        self._width = width
        self._activation = keras.activations.get(activation)
        self._use_bias = use_bias
        self._bias = bias

    def build(self, shape: Any) -> None:
        self.bias = self.add_weight(shape=(self._width,), name="bias", **self._bias) if self._use_bias else None

    def _finished(self, x: Any) -> Any:
        return self._activation(x if self.bias is None else x + self.bias)


class TiedDense(_Tied):
    """f(W^T h + b), W being the kernel of a Dense layer."""

    def call(self, x: Any) -> Any:
        return self._finished(ops.matmul(x, ops.transpose(self._kernel())))


class TiedConv2DTranspose(_Tied):
    """The transposed convolution with the kernels of a Conv2D layer."""

    def __init__(self, *arguments: Any, strides: tuple[int, int], padding: str):
        super().__init__(*arguments)
        self._strides, self._padding = strides, padding

    def call(self, x: Any) -> Any:
        return self._finished(ops.conv_transpose(x, self._kernel(), strides=self._strides, padding=self._padding))
