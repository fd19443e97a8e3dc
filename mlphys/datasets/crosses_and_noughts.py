"""Classification of X and O by a convolutional network (Bianco, Machine Learning)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, model_validator

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages
from mlphys.schema.fields import Count, Whole
from mlphys.schema.samples import Samples


class CrossesAndNoughts(GeneratedImages):
    """One cross or nought per image, half of each, shifted and with some pixels flipped.

    A drawn pixel is +1, one of the background -1. The cross is both diagonals of the square of
    2 `arm` + 1 pixels in the middle, the nought all pixels less than half a pixel off the circle of
    radius `arm`; both are their own mirror images. The whole shift, `shift` pixels at most, is equally
    likely each way, right and down. Each pixel's sign is flipped with the probability `flips`.
    """

    name: Literal["crosses_and_noughts"]
    size: Count = 9
    arm: Count = 3
    """The length of an arm of the cross, and the radius of the nought, in pixels."""
    shift: Whole = 1
    """The largest shift in each direction, in pixels."""
    flips: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The probability that a pixel is flipped."""

    @model_validator(mode="after")
    def _stays_inside(self) -> CrossesAndNoughts:
        needed = 2 * (self.arm + self.shift) + 1
        if needed > self.size:
            raise ValueError(
                f"arm {self.arm} and shift {self.shift} need {needed} x {needed} pixels, the size is {self.size}; "
                "lower arm or shift, or raise size"
            )
        return self

    def describe(self) -> Description:
        return Description((self.size, self.size, 1), ("cross", "nought"), samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "crosses_and_noughts")
        y = np.arange(self.samples, dtype=np.int32) % 2
        up, left = generator.integers(0, 2 * self.shift, (2, self.samples), endpoint=True)
        views = sliding_window_view(self._symbols(), (self.size, self.size), axis=(1, 2))
        x = views[y, up, left]  # to look further down and right shifts the symbol up and left
        x[generator.random(x.shape, np.float32) < self.flips] *= -1
        return Samples(x[..., None], y)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "crosses_and_noughts", "samples": 30}

    def _symbols(self) -> np.ndarray:
        """Cross and nought, (2, n, n), with a margin of `shift` pixels around the image."""
        middle = (self.size - 1) // 2 + self.shift
        dx = np.arange(self.size + 2 * self.shift, dtype=np.int32) - middle
        dy = dx[:, None]
        cross = (abs(dx) == abs(dy)) & (abs(dx) <= self.arm)
        nought = abs(np.hypot(dx, dy) - self.arm) < 0.5
        return np.where(np.stack([cross, nought]), np.float32(1), np.float32(-1))
