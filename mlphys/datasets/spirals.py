"""Three spirals in the plane (Karpathy, CS231n: Convolutional Neural Networks for Visual Recognition)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Dataset, Description
from mlphys.schema.fields import LARGEST, Count, Seed
from mlphys.schema.samples import Samples

SPIRALS = 3


class Spirals(Dataset):
    """Three spirals of points in the plane, one per class.

    x = (r sin t, r cos t) with r = linspace(0, 1) and, for class j, t = linspace(angle j,
    angle (j + 1)) + noise N(0, 1): a spiral turns by `angle` radians from its inner end to the outer one.
    """

    name: Literal["spirals"]
    samples_per_class: Count
    """How many points each of the spirals has. Example: 100"""
    angle: Annotated[float, Field(ge=-LARGEST, le=LARGEST)] = 4.0
    """The angle through which a spiral turns, in radians."""
    noise: Annotated[float, Field(ge=0, le=LARGEST)] = 0.3
    """The standard deviation of the noise on the points."""
    sample_seed: Seed = 0
    """The random seed of the noise; the experiment's `seed` does not change it."""

    def describe(self) -> Description:
        classes = tuple(str(j) for j in range(SPIRALS))
        return Description((2,), classes, samples=SPIRALS * self.samples_per_class, test_samples=None)

    def load(self) -> Samples:
        start = self.angle * np.arange(SPIRALS)
        t = np.linspace(start, start + self.angle, self.samples_per_class, axis=1)
        t += self.noise * rng(self.sample_seed, "spirals").standard_normal(t.shape)
        r = np.linspace(0, 1, self.samples_per_class)
        x = np.stack([r * np.sin(t), r * np.cos(t)], axis=-1).reshape(-1, 2)
        y = np.repeat(np.arange(SPIRALS, dtype=np.int32), self.samples_per_class)
        return Samples(x.astype(np.float32), y)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "spirals", "samples_per_class": 10}
