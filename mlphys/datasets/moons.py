"""Two interleaving half circles, by scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated
from mlphys.schema.fields import LARGEST
from mlphys.schema.samples import Samples


class Moons(Generated):
    """Points on two interleaving half circles of radius 1 in the plane, one per class.

    `noise` is the standard deviation of Gaussian noise on both coordinates.
    """

    name: Literal["moons"]
    noise: Annotated[float, Field(ge=0, le=LARGEST)] = 0.1
    """The standard deviation of the Gaussian noise on both coordinates; the circles have radius 1."""

    def describe(self) -> Description:
        return Description((2,), classes=("upper", "lower"), samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        from sklearn.datasets import make_moons  # takes a second

        random = np.random.RandomState(rng(self.sample_seed, "moons").bit_generator)
        x, y = make_moons(self.samples, noise=self.noise, random_state=random)
        return Samples(x.astype(np.float32), y.astype(np.int32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "moons", "samples": 30}
