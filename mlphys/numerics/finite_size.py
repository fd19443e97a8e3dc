"""Finite-size scaling of the temperature of a transition (Fisher & Barber 1972)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extrapolation:
    """T(L) = T_c + a L^(-1/nu), fitted by weighted least squares.

    `scale` is sqrt(chi2 / freedom) where that is above 1, else 1; the errors are multiplied by it, since points that
    scatter more than their errors say have larger ones (Particle Data Group). It is 1 for two sizes, which say nothing
    of it.
    """

    critical: float
    stderr: float
    slope: float
    slope_stderr: float
    chi2: float
    freedom: int
    scale: float


def extrapolated(
    lengths: Sequence[int], temperatures: Sequence[float], stderrs: Sequence[float], nu: float
) -> Extrapolation:
    """The transition of the infinite system, from those of systems of at least two lengths; errors are above 0."""
    inverse = np.asarray(lengths, np.float64) ** (-1 / nu)
    design = np.stack([np.ones_like(inverse), inverse], axis=1) / np.asarray(stderrs)[:, None]
    values = np.asarray(temperatures) / np.asarray(stderrs)
    covariance = np.linalg.inv(design.T @ design)
    critical, slope = covariance @ design.T @ values
    chi2, freedom = float(np.sum((values - design @ (critical, slope)) ** 2)), len(values) - 2
    scale = max(1.0, math.sqrt(chi2 / freedom)) if freedom else 1.0
    errors = scale * np.sqrt(np.diag(covariance))
    return Extrapolation(float(critical), float(errors[0]), float(slope), float(errors[1]), chi2, freedom, scale)
