"""Lorentz and Gauss peaks, to be told apart (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import model_validator

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated, Samples
from mlphys.schema.fields import Count

LARGEST_CURVES = 125_000_000  # points of all samples together: 1 GB while they are computed in float64


class Spec(Generated):
    """Curves with a Lorentz or a Gauss peak, as many of one as of the other.

    `points` values of A / (((x - x0) / R)^2 + 1) or A exp(-((x - x0) / R)^2) on linspace(-1, 1),
    with A and R from U(0, 1), x0 from U(-1, 1).
    """

    name: Literal["lorentz_gauss"]
    points: Count = 100

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Spec:
        values = self.samples * self.points
        if values > LARGEST_CURVES:
            raise ValueError(
                f"{self.samples} curves of {self.points} points are {values} values, "
                f"more than {LARGEST_CURVES}; lower samples or points"
            )
        return self


def describe(spec: Spec) -> Description:
    return Description((spec.points,), classes=("lorentz", "gauss"), samples=spec.samples, test_samples=None)


def load(spec: Spec) -> Samples:
    generator = rng(spec.sample_seed, "lorentz_gauss")
    amplitude, width = 1 - generator.random((2, spec.samples, 1))  # in (0, 1]: no width is zero
    centre = generator.uniform(-1, 1, (spec.samples, 1))
    y = np.arange(spec.samples, dtype=np.int32) % 2
    position = np.linspace(-1, 1, spec.points)
    x = np.empty((spec.samples, spec.points), np.float32)
    for k, peak in enumerate((lorentz, gauss)):
        of_kind = slice(k, None, 2)
        x[of_kind] = peak(position, amplitude[of_kind], centre[of_kind], width[of_kind])
    return Samples(x, y)


def lorentz(x: np.ndarray, amplitude: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """A / (((x - x0) / R)^2 + 1); R is half the width at half the height."""
    return amplitude / (((x - centre) / width) ** 2 + 1)


def gauss(x: np.ndarray, amplitude: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """A exp(-((x - x0) / R)^2); R is where the height has fallen to A / e."""
    return amplitude * np.exp(-(((x - centre) / width) ** 2))
