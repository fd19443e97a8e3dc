"""Squares, squares rotated by 45 degrees, and circles (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import Count, PlaceRange, RadiusRange, as_tuple
from mlphys.schema.samples import Samples

Kind = Literal["square", "diamond", "circle"]


class Shapes(GeneratedImages):
    """Squares, squares rotated by 45 degrees, circles: one or several per image, also image to image.

    Each image has `count` objects of one of the `kinds`, every kind equally often. The `size` x
    `size` pixel centres are linspace(-1, 1); a pixel is the number of objects that cover it. The
    radius, half the side of a square, and both coordinates of the centre are drawn uniformly between
    their two numbers. The target is the kind, or with `target: squares` the image of squares with
    the same centres and radii.
    """

    name: Literal["shapes"]
    size: Count = 27
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1), BeforeValidator(as_tuple)] = ("square", "diamond")
    """The shapes that are drawn."""
    count: Annotated[int, Field(ge=1, le=100)] = 1
    """How many shapes there are in an image."""
    radius: RadiusRange = (0.3, 0.7)
    """The smallest and the largest size of a shape; half the image's width is 1."""
    centre: PlaceRange = (-0.4, 0.4)
    """The smallest and the largest coordinate of a shape's centre; the image reaches from -1 to 1."""
    target: Literal["kind", "squares"] = "kind"
    """What the network is to predict of an image."""

    def images(self) -> int:
        return self.samples * (2 if self.target == "squares" else 1)

    @field_validator("kinds")
    @classmethod
    def _distinct(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if len(set(kinds)) < len(kinds):
            raise ValueError("a kind is named twice; each is drawn equally often")
        return kinds

    def describe(self) -> Description:
        shape = (self.size, self.size, 1)
        if self.target == "squares":
            return Description(shape, classes=(), samples=self.samples, test_samples=None, target_shape=shape)
        return Description(shape, classes=self.kinds, samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "shapes")
        x = np.zeros((self.samples, self.size, self.size), np.float32)
        squares = np.zeros_like(x) if self.target == "squares" else None
        for _ in range(self.count):
            dx, dy, radius = self._place(generator)
            for k, kind in enumerate(self.kinds):
                of_kind = slice(k, None, len(self.kinds))
                x[of_kind] += _inside(kind, dx[of_kind], dy[of_kind], radius[of_kind])
            if squares is not None:
                squares += _inside("square", dx, dy, radius)
        if squares is not None:
            return Samples(x[..., None], squares[..., None])
        return Samples(x[..., None], np.arange(self.samples, dtype=np.int32) % len(self.kinds))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "shapes", "samples": 30, "size": 9}

    def _place(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One object per sample: distances dx (n, 1, size), dy (n, size, 1) of pixels from the centre; its radius."""
        radius = generator.uniform(*self.radius, (self.samples, 1, 1)).astype(np.float32)
        centre_x, centre_y = generator.uniform(*self.centre, (2, self.samples, 1, 1)).astype(np.float32)
        pixel = np.linspace(-1, 1, self.size, dtype=np.float32)
        return pixel - centre_x, pixel[:, None] - centre_y, radius


def _inside(kind: Kind, dx: np.ndarray, dy: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Mask (n, size, size) of the pixels that an object covers."""
    match kind:
        case "circle":
            return dx**2 + dy**2 < radius**2
        case "square":
            return (abs(dx) < radius) & (abs(dy) < radius)
        case "diamond":
            return abs(dx) + abs(dy) < math.sqrt(2) * radius
