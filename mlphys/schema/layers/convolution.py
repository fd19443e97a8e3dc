"""Convolutions, trained and fixed, and their transposes."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from pydantic import field_serializer

from mlphys.errors import Refusal
from mlphys.schema.fields import ActivationName, Count, Shape, Size2D
from mlphys.schema.kernels import Kernels
from mlphys.schema.kernels import array as kernel_array
from mlphys.schema.kernels import dump as dump_kernels
from mlphys.schema.layers.layer import Layer, Weighted, Window, need_rank
from mlphys.schema.layers.window import by_axis, positions


class _Sliding(Weighted):
    """Kernels along every axis of an input but its channels: the fields of a class with one number or two each."""

    positional = ("filters", "kernel_size", "strides", "padding")
    compiles_in_xla = False
    filters: Count
    """The number of output channels. Example: 8"""
    kernel_size: int | tuple[int, ...]
    strides: int | tuple[int, ...]
    padding: str

    def outputs(self) -> int:
        return self.filters

    def axes(self, shape: Shape) -> zip[tuple[int, int, int]]:
        """The length of the input, the kernel size and the stride of each axis. Raises Refusal for another rank."""
        sizes = by_axis(self.kernel_size)
        need_rank(type(self).__name__, shape, len(sizes) + 1)
        return zip(shape[:-1], sizes, by_axis(self.strides), strict=True)


class _Convolution(_Sliding):
    dilation_rate: int | tuple[int, ...]

    def output_shape(self, shape: Shape) -> Shape:
        name, dilation = type(self).__name__, by_axis(self.dilation_rate)
        axes = list(self.axes(shape))
        if max(by_axis(self.strides)) > 1 and max(dilation) > 1:
            raise Refusal((), "strides and dilation_rate cannot both be greater than 1; set one of them to 1")
        size = [positions(name, n, k, s, self.padding, d) for (n, k, s), d in zip(axes, dilation, strict=True)]
        return (*size, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (*by_axis(self.kernel_size), shape[-1], self.filters)

    def window(self) -> Window | None:
        sizes = zip(by_axis(self.kernel_size), by_axis(self.dilation_rate), strict=True)
        return tuple(zip((d * (k - 1) + 1 for k, d in sizes), by_axis(self.strides), strict=True))


class _Transpose(_Sliding):
    def output_shape(self, shape: Shape) -> Shape:
        beyond = self.padding == "valid"
        return (*(n * s + beyond * max(k - s, 0) for n, k, s in self.axes(shape)), self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (*by_axis(self.kernel_size), self.filters, shape[-1])

    def window(self) -> Window | None:
        return tuple(
            (math.ceil(k / s), 1 / s) for k, s in zip(by_axis(self.kernel_size), by_axis(self.strides), strict=True)
        )


class Conv2D(_Convolution):
    """Convolution of an image (height, width, channels) with trained kernels."""

    kernel_size: Size2D
    """The height and width of the kernel, in pixels; one number is both. Example: [5, 5]"""
    strides: Size2D = (1, 1)
    """The step of the kernel, in pixels, down and to the right; one number is both."""
    padding: Literal["valid", "same"] = "valid"
    """same pads with zeros so that a stride of 1 keeps the image's size; valid does not pad."""
    dilation_rate: Size2D = (1, 1)
    """The distance of neighbouring kernel values, in pixels; one number is both directions."""


class Conv2DTranspose(_Transpose):
    """The transpose of Conv2D, which enlarges an image."""

    kernel_size: Size2D
    """The height and width of the kernel, in pixels; one number is both. Example: [3, 3]"""
    strides: Size2D = (1, 1)
    """The factor by which the image grows, down and to the right; one number is both."""
    padding: Literal["valid", "same"] = "valid"
    """same: the image grows by the strides exactly; valid: also by what the kernel reaches beyond."""


class Conv1D(_Convolution):
    """Convolution of a sequence (steps, channels) with trained kernels."""

    takes_sequence = True
    kernel_size: Count
    """The length of the kernel, in steps. Example: 5"""
    strides: Count = 1
    """The step of the kernel."""
    padding: Literal["valid", "same", "causal"] = "valid"
    """same pads both ends with zeros, causal the front only, valid none."""
    dilation_rate: Count = 1
    """The distance of neighbouring kernel values, in steps."""


class Conv1DTranspose(_Transpose):
    """The transpose of Conv1D, which enlarges a sequence."""

    takes_sequence = True
    kernel_size: Count
    """The length of the kernel, in steps. Example: 5"""
    strides: Count = 1
    """The factor by which the sequence grows."""
    padding: Literal["valid", "same"] = "valid"
    """same: the sequence grows by the strides exactly; valid: also by what the kernel reaches beyond."""


class FixedConv2D(Layer):
    """A convolution with fixed kernels, each summed over all input channels: one output per kernel, no bias.

    As in Keras's Conv2D, a cross-correlation: kernels are not flipped.
    """

    separable = True
    compiles_in_xla = False
    kernel: Kernels
    """One kernel or a list of them: rows of numbers, or a formula by name. Example: [[-1, 0, 1], [-2, 0, 2], [-1, 0,
    1]]
    """
    strides: Size2D = (1, 1)
    """The step of the kernel, in pixels; one number is both directions."""
    padding: Literal["valid", "same"] = "valid"
    """same pads with zeros so that a stride of 1 keeps the image's size; valid does not pad."""
    activation: ActivationName | None = None
    """The function applied to the outputs; null is linear. Example: relu"""

    @field_serializer("kernel")
    def _written(self, kernels: tuple[Any, ...]) -> list[Any]:
        return dump_kernels(kernels)

    def keras_layer(self) -> str:
        return "Conv2D"

    def activation_name(self) -> str | None:
        return self.activation

    def values(self) -> np.ndarray:
        """float32 (height, width, kernels)."""
        return np.stack([kernel_array(kernel) for kernel in self.kernel], axis=-1)

    def arguments(self) -> dict[str, Any]:
        values = self.values()
        return {
            "filters": values.shape[-1],
            "kernel_size": values.shape[:2],
            "strides": self.strides,
            "padding": self.padding,
            "activation": self.activation,
            "use_bias": False,
            "kernel_initializer": values[:, :, None],
            "trainable": False,
        }

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("FixedConv2D", shape, 3)
        height, width, filters = self.values().shape
        rows = positions("FixedConv2D", shape[0], height, self.strides[0], self.padding)
        columns = positions("FixedConv2D", shape[1], width, self.strides[1], self.padding)
        return (rows, columns, filters)

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        height, width, filters = self.values().shape
        return {"kernel": (height, width, shape[-1], filters)}

    def window(self) -> Window | None:
        height, width, _ = self.values().shape
        return ((height, self.strides[0]), (width, self.strides[1]))
