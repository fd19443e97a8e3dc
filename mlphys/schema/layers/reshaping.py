"""Layers that move, pad, cut or repeat values."""

from __future__ import annotations

import math
from typing import Literal

from mlphys.errors import Refusal
from mlphys.schema.fields import Border1D, Border2D, Count, Shape, Size2D, TargetShape
from mlphys.schema.layers.layer import Layer, Window, need_rank, text

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


class ZeroPadding2D(Layer):
    """Adds zeros around an image."""

    positional = ("padding",)
    shorthand = "padding"
    separable = True
    padding: Border2D = ((1, 1), (1, 1))
    """Pixels added at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding2D", shape, 3)
        return (shape[0] + sum(self.padding[0]), shape[1] + sum(self.padding[1]), shape[2])


class Cropping2D(Layer):
    """Cuts the border of an image off."""

    positional = ("cropping",)
    shorthand = "cropping"
    separable = True
    cropping: Border2D = ((0, 0), (0, 0))
    """Pixels cut off at the border: one number, [rows, columns] or [[top, bottom], [left, right]]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping2D", shape, 3)
        size = (shape[0] - sum(self.cropping[0]), shape[1] - sum(self.cropping[1]))
        if min(size) < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (*size, shape[2])


class ZeroPadding1D(Layer):
    """Adds zeros at the ends of a sequence."""

    positional = ("padding",)
    shorthand = "padding"
    takes_sequence = True
    separable = True
    padding: Border1D = (1, 1)
    """Steps added at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("ZeroPadding1D", shape, 2)
        return (shape[0] + sum(self.padding), shape[1])


class Cropping1D(Layer):
    """Cuts the ends of a sequence off."""

    positional = ("cropping",)
    shorthand = "cropping"
    takes_sequence = True
    separable = True
    cropping: Border1D = (1, 1)
    """Steps cut off at the ends: one number, or [front, end]. Example: 2"""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("Cropping1D", shape, 2)
        steps = shape[0] - sum(self.cropping)
        if steps < 1:
            raise Refusal((), f"nothing of {text(shape)} is left after cropping; crop less")
        return (steps, shape[1])


class UpSampling2D(Layer):
    """Enlarges an image by a whole factor."""

    positional = ("size",)
    shorthand = "size"
    separable = True
    compiles_in_xla = False
    size: Size2D = (2, 2)
    """The factor by which the image grows, down and to the right; one number is both. Example: 2"""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"
    """How the new pixels are computed."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling2D", shape, 3)
        return (shape[0] * self.size[0], shape[1] * self.size[1], shape[2])

    def window(self) -> Window | None:
        pixels = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}[self.interpolation]
        return tuple((pixels, 1 / size) for size in self.size)


class UpSampling1D(Layer):
    """Enlarges a sequence by a whole factor."""

    positional = ("size",)
    shorthand = "size"
    takes_sequence = True
    separable = True
    compiles_in_xla = False
    size: Count = 2
    """The factor by which the sequence grows."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("UpSampling1D", shape, 2)
        return (shape[0] * self.size, shape[1])

    def window(self) -> Window | None:
        return ((1, 1 / self.size),)
