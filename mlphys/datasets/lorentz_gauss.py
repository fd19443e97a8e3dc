"""Classification of Lorentz and Gauss peaks (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from mlphys.datasets._curves import require_in_memory
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated
from mlphys.schema.fields import Count
from mlphys.schema.samples import Samples


class LorentzGauss(Generated):
    """Curves with a Lorentz or a Gauss peak, half of each.

    `points` values of A / (((x - x0) / R)^2 + 1) or A exp(-((x - x0) / R)^2) on linspace(-1, 1),
    with A and R from U(0, 1), x0 from U(-1, 1).
    """

    name: Literal["lorentz_gauss"]
    points: Count = 100
    """The number of values of a curve."""

    @model_validator(mode="after")
    def _fits_in_memory(self) -> LorentzGauss:
        require_in_memory(self.samples, self.points)
        return self

    def describe(self) -> Description:
        return Description((self.points,), classes=("lorentz", "gauss"), samples=self.samples, test_samples=None)

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "lorentz_gauss")
        amplitude, width = 1 - generator.random((2, self.samples, 1))  # in (0, 1]: no width is zero
        centre = generator.uniform(-1, 1, (self.samples, 1))
        y = np.arange(self.samples, dtype=np.int32) % 2
        position = np.linspace(-1, 1, self.points)
        x = np.empty((self.samples, self.points), np.float32)
        for k, peak in enumerate((lorentz, gauss)):
            of_kind = slice(k, None, 2)
            x[of_kind] = peak(position, amplitude[of_kind], centre[of_kind], width[of_kind])
        return Samples(x, y)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "lorentz_gauss", "samples": 30, "points": 10}


def lorentz(x: np.ndarray, amplitude: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """A / (((x - x0) / R)^2 + 1); R is half the width at half the height."""
    return amplitude / (((x - centre) / width) ** 2 + 1)


def gauss(x: np.ndarray, amplitude: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """A exp(-((x - x0) / R)^2); the height is A / e at distance R."""
    return amplitude * np.exp(-(((x - centre) / width) ** 2))
