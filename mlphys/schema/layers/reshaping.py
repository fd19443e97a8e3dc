"""Layers that move, pad, cut or repeat values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from mlphys.errors import Refusal
from mlphys.schema.fields import Border1D, Border2D, Count, Shape, Size2D, TargetShape
from mlphys.schema.layers.layer import Layer, Window, need_rank, text
from mlphys.schema.layers.window import by_axis

MOST_AXES = 60  # NumPy's arrays have 64, TensorFlow ends the process at 255


class Flatten(Layer):
    """All values of a sample in one row."""

    separable = True

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Reshape(Layer):
    """The same values in another shape."""

    positional = ("target_shape",)
    shorthand = "target_shape"
    separable = True
    target_shape: TargetShape
    """The new shape of a sample; one entry may be -1 and follows from the others. Example: [28, 28, 1]"""

    def output_shape(self, shape: Shape) -> Shape:
        have, fixed = math.prod(shape), math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        if free > 1 or 0 in self.target_shape:
            received = text(self.target_shape)
            raise Refusal((), f"target_shape takes numbers of at least 1, and -1 at most once; received {received}")
        if len(self.target_shape) > MOST_AXES:
            raise Refusal((), f"target_shape has {len(self.target_shape)} axes; arrays have at most {MOST_AXES}")
        if (free and have % fixed) or (not free and have != fixed):
            raise Refusal(
                (),
                f"{text(shape)} = {have} values cannot be reshaped to {text(self.target_shape)}; "
                f"the product must be {have}",
            )
        return tuple(have // fixed if n == -1 else n for n in self.target_shape)

    def window(self) -> Window | None:
        return None


class _Border(Layer):
    """A border that is added to every axis of an input but its channels, or cut off."""

    separable = True

    def grown(self, shape: Shape, ends: Sequence[tuple[int, int]], sign: int) -> Shape:
        """The shape with `sign` times the border, of each axis two `ends`.

        Raises Refusal for another rank, and where nothing is left.
        """
        need_rank(type(self).__name__, shape, len(ends) + 1)
        size = [n + sign * (first + last) for n, (first, last) in zip(shape[:-1], ends, strict=True)]
        if min(size) < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (*size, shape[-1])


class ZeroPadding2D(_Border):
    """Adds zeros around an image."""

    positional = ("padding",)
    shorthand = "padding"
    padding: Border2D = ((1, 1), (1, 1))
    """Pixels added at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        return self.grown(shape, self.padding, 1)


class Cropping2D(_Border):
    """Cuts the border of an image off."""

    positional = ("cropping",)
    shorthand = "cropping"
    cropping: Border2D = ((0, 0), (0, 0))
    """Pixels cut off at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        return self.grown(shape, self.cropping, -1)


class ZeroPadding1D(_Border):
    """Adds zeros at the ends of a sequence."""

    positional = ("padding",)
    shorthand = "padding"
    takes_sequence = True
    padding: Border1D = (1, 1)
    """Steps added at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        return self.grown(shape, (self.padding,), 1)


class Cropping1D(_Border):
    """Cuts the ends of a sequence off."""

    positional = ("cropping",)
    shorthand = "cropping"
    takes_sequence = True
    cropping: Border1D = (1, 1)
    """Steps cut off at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        return self.grown(shape, (self.cropping,), -1)


class _UpSampling(Layer):
    """An input enlarged by a whole factor along every axis but its channels."""

    positional = ("size",)
    shorthand = "size"
    separable = True
    compiles_in_xla = False
    size: int | tuple[int, ...]

    def output_shape(self, shape: Shape) -> Shape:
        factors = by_axis(self.size)
        need_rank(type(self).__name__, shape, len(factors) + 1)
        return (*(n * factor for n, factor in zip(shape[:-1], factors, strict=True)), shape[-1])

    def window(self) -> Window | None:
        return tuple((1, 1 / factor) for factor in by_axis(self.size))


class UpSampling2D(_UpSampling):
    """Enlarges an image by a whole factor."""

    size: Size2D = (2, 2)
    """The factor by which the image grows, down and to the right; one number is both. Example: 2"""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"
    """How the new pixels are computed."""

    def window(self) -> Window | None:
        pixels = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}[self.interpolation]
        return tuple((pixels, 1 / factor) for factor in self.size)


class UpSampling1D(_UpSampling):
    """Enlarges a sequence by a whole factor."""

    takes_sequence = True
    size: Count = 2
    """The factor by which the sequence grows."""
