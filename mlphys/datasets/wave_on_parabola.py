"""The curve sin(4 x) + x^2 + 1 (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mlphys.datasets._curves import require_in_memory
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated
from mlphys.schema.fields import LARGEST, NotNegative
from mlphys.schema.samples import Samples


class WaveOnParabola(Generated):
    """Curves sin(wave x) + x^2 + 1 without targets, to see what a kernel does to a signal.

    `points` values at equidistant x from -reach to reach, plus noise N(0, noise^2): without noise all samples are
    equal.
    """

    name: Literal["wave_on_parabola"]
    samples: Annotated[int, Field(ge=1, le=LARGEST)] = 3
    points: Annotated[int, Field(ge=2, le=LARGEST)] = 201
    """The number of values of a curve."""
    reach: Annotated[float, Field(gt=0, le=LARGEST)] = 2.0
    """The last x; the first is minus this."""
    wave: Annotated[float, Field(ge=0, le=LARGEST)] = 4.0
    """The wave number, in radians per unit of x."""
    noise: NotNegative = 0.0
    """The standard deviation of the Gaussian noise on each value."""

    @model_validator(mode="after")
    def _fits_in_memory(self) -> WaveOnParabola:
        require_in_memory(self.samples, self.points)
        return self

    def describe(self) -> Description:
        return Description((self.points,), classes=(), samples=self.samples, test_samples=None, target_shape=(0,))

    def load(self) -> Samples:
        x = np.linspace(-self.reach, self.reach, self.points)
        drawn = rng(self.sample_seed, "wave_on_parabola").standard_normal((self.samples, self.points))
        values = np.sin(self.wave * x) + x**2 + 1 + self.noise * drawn
        return Samples(values.astype(np.float32), np.zeros((self.samples, 0), np.float32))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "wave_on_parabola", "samples": 30, "points": 12, "noise": 0.1}
