"""Classification of circles and squares (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import Count
from mlphys.schema.samples import Samples

RADIUS = (0.2, 1)
CENTRE = (-0.8, 0.8)


class CircleOrSquare(GeneratedImages):
    """One filled circle or filled square per image, half of each.

    The `size` x `size` pixel centres are linspace(-1, 1); a pixel is 1 inside, 0 outside. The
    radius, half the side of a square, is drawn from U(0.2, 1), the centre from U(-0.8, 0.8)^2.
    """

    name: Literal["circle_or_square"]
    size: Count = 20

    def describe(self) -> Description:
        return Description((self.size, self.size, 1), ("circle", "square"), samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "circle_or_square")
        radius = generator.uniform(*RADIUS, (self.samples, 1, 1)).astype(np.float32)
        centre_x, centre_y = generator.uniform(*CENTRE, (2, self.samples, 1, 1)).astype(np.float32)
        pixel = np.linspace(-1, 1, self.size, dtype=np.float32)
        dx, dy = pixel - centre_x, pixel[:, None] - centre_y
        y = np.arange(self.samples, dtype=np.int32) % 2
        circle = dx**2 + dy**2 < radius**2
        square = (abs(dx) < radius) & (abs(dy) < radius)
        inside = np.where(y[:, None, None] == 0, circle, square)
        return Samples(inside[..., None].astype(np.float32), y)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "circle_or_square", "samples": 30, "size": 6}
