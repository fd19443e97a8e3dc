"""Filled circles of random radius and position (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import Count, PlaceRange, RadiusRange
from mlphys.schema.samples import Samples


class Circles(GeneratedImages):
    """Filled circles of random radius and position, without targets: images for autoencoders.

    The `size` x `size` pixel centres are linspace(-1, 1); a pixel is 1 inside, 0 outside.
    The radius and both coordinates of the centre are drawn uniformly between their two numbers.
    """

    name: Literal["circles"]
    size: Count = 50
    radius: RadiusRange = (0.0, 1.0)
    """The smallest and the largest radius; half the image's width is 1."""
    centre: PlaceRange = (-1.0, 1.0)
    """The smallest and the largest coordinate of the centre; the image reaches from -1 to 1."""

    def describe(self) -> Description:
        return Description(
            (self.size, self.size, 1), classes=(), samples=self.samples, test_samples=None, target_shape=(0,)
        )

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "circles")
        radius = generator.uniform(*self.radius, (self.samples, 1, 1)).astype(np.float32)
        centre_x, centre_y = generator.uniform(*self.centre, (2, self.samples, 1, 1)).astype(np.float32)
        pixel = np.linspace(-1, 1, self.size, dtype=np.float32)
        inside = (pixel - centre_x) ** 2 + (pixel[:, None] - centre_y) ** 2 < radius**2
        return Samples(inside[..., None].astype(np.float32), np.empty((self.samples, 0), np.float32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "circles", "samples": 30, "size": 6}
