"""Pooling over windows and over all positions."""

from __future__ import annotations

from typing import Literal

from mlphys.schema.fields import Count, Shape, Size2D
from mlphys.schema.layers.layer import Layer, Window, need_rank
from mlphys.schema.layers.window import positions


class MaxPooling2D(Layer):
    """The largest value in each window of an image."""

    positional = ("pool_size", "strides", "padding")
    shorthand = "pool_size"
    separable = True
    compiles_in_xla = False
    pool_size: Size2D = (2, 2)
    """The height and width of the window, in pixels; one number is both. Example: 2"""
    strides: Size2D | None = None
    """The step of the window; null is the pool size. Example: 2"""
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the border; valid drops it."""

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 3)
        steps = self.strides or self.pool_size
        size = [positions(name, n, k, s, self.padding) for n, k, s in zip(shape, self.pool_size, steps, strict=False)]
        return (*size, shape[-1])

    def window(self) -> Window | None:
        return tuple(zip(self.pool_size, self.strides or self.pool_size, strict=True))


class AveragePooling2D(MaxPooling2D):
    """The mean of each window of an image."""

    pool_size: Size2D


class MaxPooling1D(Layer):
    """The largest value in each window of a sequence."""

    positional = ("pool_size", "strides", "padding")
    shorthand = "pool_size"
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    pool_size: Count = 2
    """The length of the window, in steps. Example: 2"""
    strides: Count | None = None
    """The step of the window; null is the pool size. Example: 2"""
    padding: Literal["valid", "same"] = "valid"
    """same keeps an incomplete window at the end; valid drops it."""

    def output_shape(self, shape: Shape) -> Shape:
        name = type(self).__name__
        need_rank(name, shape, 2)
        steps = positions(name, shape[0], self.pool_size, self.strides or self.pool_size, self.padding)
        return (steps, shape[1])

    def window(self) -> Window | None:
        return ((self.pool_size, self.strides or self.pool_size),)


class AveragePooling1D(MaxPooling1D):
    """The mean of each window of a sequence."""

    pool_size: Count


class GlobalAveragePooling2D(Layer):
    """The mean of each channel over the whole image."""

    separable = True
    keepdims: bool = False
    """true keeps height and width as 1."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 3)
        return (1, 1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling2D(GlobalAveragePooling2D):
    """The largest value of each channel over the whole image."""


class GlobalAveragePooling1D(Layer):
    """The mean of each channel over the whole sequence."""

    takes_sequence = True
    separable = True
    keepdims: bool = False
    """true keeps the steps as 1."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank(type(self).__name__, shape, 2)
        return (1, shape[-1]) if self.keepdims else (shape[-1],)

    def window(self) -> Window | None:
        return None


class GlobalMaxPooling1D(GlobalAveragePooling1D):
    """The largest value of each channel over the whole sequence."""
