"""Pooling over windows and over all positions."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlphys.schema.fields import Count, Shape, Size2D
from mlphys.schema.layers.layer import Layer, Window, need_rank
from mlphys.schema.layers.window import by_axis, positions


class _Pooling(Layer):
    """A window that slides along every axis of an input but its channels."""

    positional = ("pool_size", "strides", "padding")
    shorthand = "pool_size"
    separable = True
    compiles_in_xla = False
    pool_size: int | tuple[int, ...]
    strides: int | tuple[int, ...] | None
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the border; valid drops it."""

    def output_shape(self, shape: Shape) -> Shape:
        name, window = type(self).__name__, list(self.window())
        need_rank(name, shape, len(window) + 1)
        size = [positions(name, n, k, s, self.padding) for n, (k, s) in zip(shape[:-1], window, strict=True)]
        return (*size, shape[-1])

    def window(self) -> tuple[tuple[int, int], ...]:
        return tuple(zip(by_axis(self.pool_size), by_axis(self.strides or self.pool_size), strict=True))


class MaxPooling2D(_Pooling):
    """The largest value in each window of an image."""

    pool_size: Size2D = (2, 2)
    """The height and width of the window, in pixels; one number is both. Example: 2"""
    strides: Size2D | None = None
    """The step of the window; null is the pool size. Example: 2"""


class AveragePooling2D(MaxPooling2D):
    """The mean of each window of an image."""

    pool_size: Size2D


class MaxPooling1D(_Pooling):
    """The largest value in each window of a sequence."""

    takes_sequence = True
    pool_size: Count = 2
    """The length of the window, in steps. Example: 2"""
    strides: Count | None = None
    """The step of the window; null is the pool size. Example: 2"""
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the end; valid drops it."""


class AveragePooling1D(MaxPooling1D):
    """The mean of each window of a sequence."""

    pool_size: Count


class _GlobalPooling(Layer):
    """One value of each channel, over all positions of an input with so many `axes`."""

    axes: ClassVar[int]
    separable = True
    keepdims: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, self.axes + 1)
        return (*[1] * self.axes, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel over the whole image."""

    axes = 2
    keepdims: bool = False
    """true keeps height and width as 1."""


class GlobalMaxPooling2D(GlobalAveragePooling2D):
    """The largest value of each channel over the whole image."""


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel over the whole sequence."""

    axes = 1
    takes_sequence = True
    keepdims: bool = False
    """true keeps the steps as 1."""


class GlobalMaxPooling1D(GlobalAveragePooling1D):
    """The largest value of each channel over the whole sequence."""
