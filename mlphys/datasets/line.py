"""A straight line, with noise and outliers (Bianco, data science for scientists)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description
from mlphys.schema.fields import LARGEST, Seed, Whole
from mlphys.schema.samples import Samples

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class Line(Dataset):
    """Points of a straight line with optional noise and outliers: one input, one output.

    y = slope x + intercept + noise N(0, 1) at x = start, start + step, ... below stop, as
    numpy.arange counts. The last `outliers` points, where they affect the slope most, are shifted up by
    `outlier_shift` (down, if it is negative).
    """

    name: Literal["line"]
    slope: Number = 21.0
    """The slope of the line."""
    intercept: Number = 10.0
    """The value of the line at x = 0."""
    start: Number = 3.0
    """The first x."""
    stop: Number = 19.0
    """The end of the range of x, not included."""
    step: Annotated[float, Field(gt=0, le=LARGEST)] = 0.1
    """The distance between neighbouring x."""
    noise: Annotated[float, Field(ge=0, le=LARGEST)] = 0.0
    """The standard deviation of the Gaussian noise on y."""
    outliers: Whole = 0
    """How many of the last points are outliers."""
    outlier_shift: Number = -300.0
    """What is added to y of an outlier."""
    sample_seed: Seed = 0
    """The random seed of the noise; the experiment's `seed` does not change it."""

    @model_validator(mode="after")
    def _has_points(self) -> Line:
        if self.stop <= self.start:
            raise ValueError(f"no points: stop is {self.stop:g} and start {self.start:g}; raise stop")
        if (self.stop - self.start) / self.step > LARGEST:
            raise ValueError(f"more than {LARGEST} points from start to stop; raise step")
        if self.outliers > self.points():
            raise ValueError(f"{self.outliers} outliers among {self.points()} points; lower outliers")
        return self

    def points(self) -> int:
        """The number of x from start to below stop; rounded first, since 0.1 is not a binary fraction."""
        return math.ceil(round((self.stop - self.start) / self.step, 6))

    def describe(self) -> Description:
        return Description((1,), classes=(), samples=self.points(), test_samples=None, target_shape=(1,))

    def load(self) -> Samples:
        x = self.start + self.step * np.arange(self.points())[:, None]
        y = self.slope * x + self.intercept
        y += self.noise * rng(self.sample_seed, "line").standard_normal(y.shape)
        y[len(y) - self.outliers :] += self.outlier_shift
        return Samples(x.astype(np.float32), y.astype(np.float32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "line", "noise": 1.0}
