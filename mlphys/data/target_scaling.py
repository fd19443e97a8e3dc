"""Standardized targets: what a net learns, and the way back to the targets' units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlphys.schema.fields import Shape

MEAN, SPREAD = "target_scaling.mean", "target_scaling.spread"


@dataclass(frozen=True)
class TargetScaling:
    """t = (y - mean) / spread with mean and standard deviation (k,) over the last axis of the targets.

    Each of k numbers has its own; of curves and images each channel has.
    """

    mean: np.ndarray
    spread: np.ndarray

    def scaled(self, y: np.ndarray) -> np.ndarray:
        """Targets (n, ..., k) as the network learns them, float32."""
        return ((y - self.mean) / self.spread).astype(np.float32)

    def undone(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs (n, ..., k) of the network in the units of the targets, float32."""
        return (outputs * self.spread.astype(np.float64) + self.mean).astype(np.float32)

    def named_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by the names of `shapes`."""
        return {MEAN: self.mean, SPREAD: self.spread}


def fit(y: np.ndarray) -> TargetScaling:
    """Mean and standard deviation of training targets (n, ..., k); a constant target has the spread 1."""
    flat = y.reshape(-1, y.shape[-1]).astype(np.float64)
    spread = flat.std(axis=0)
    constant = spread <= np.finfo(np.float32).eps * np.abs(flat).max(axis=0)
    return TargetScaling(flat.mean(axis=0).astype(np.float32), np.where(constant, 1, spread).astype(np.float32))


def restored(weights: Mapping[str, np.ndarray]) -> TargetScaling:
    """The scaling with the arrays saved in `weights`."""
    return TargetScaling(weights[MEAN], weights[SPREAD])


def shapes(target_shape: Shape) -> dict[str, Shape]:
    """Shapes of the fitted arrays by name."""
    return {MEAN: target_shape[-1:], SPREAD: target_shape[-1:]}
