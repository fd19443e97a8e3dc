"""An output of a network as a function of points, with its derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from mlphys.networks import autodiff
from mlphys.networks.compiled import Mapped
from mlphys.schema.samples import Split

LARGEST_JACOBIANS = 20_000_000  # numbers that are computed at once: 80 MB


class PointFunction:
    """y(z), compiled: points z are samples as the network sees them, each in a row, float32 (n, d); y is (n, m).

    `function` gives the tensor y (n, ...) of a tensor z (n, d), its rows independent of each other.
    """

    def __init__(self, function: Callable[[Any], Any], evaluated_at_once: int):
        self._unflattened = function
        self.evaluated_at_once = evaluated_at_once
        self._jacobians: Mapped | None = None
        self._laplacians: Mapped | None = None

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """y at points z, float32 (n, m)."""
        return self._values(_points(z))["y"]

    def jacobians(
        self, z: np.ndarray, each: Callable[[np.ndarray], np.ndarray] = lambda jacobians: jacobians
    ) -> np.ndarray:
        """J[b, i, j] = d y_i / d z_j at points z, float32 (n, m, d).

        `each(J)` makes something smaller, (k, ...), of the k Jacobians that are computed at once.
        """
        if self._jacobians is None:
            size = self(z[:1]).shape[1] * z.shape[1]
            self._jacobians = Mapped(
                lambda z, direction: {"J": autodiff.jacobians(self._function, z)}, max(1, LARGEST_JACOBIANS // size)
            )
        return self._jacobians(_points(z), lambda values, rows: {"J": each(values["J"])})["J"]

    def gradients(self, z: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """sum_i direction_i d y_i / d z_j at points z, float32 (n, d); direction (n, m)."""
        return self._gradients(Split(z.astype(np.float32), direction.astype(np.float32)))["gradient"]

    def laplacians(self, z: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """sum_ij direction_i d^2 y_i / d z_j^2 at points z, float32 (n,); direction (n, m)."""
        if self._laplacians is None:
            self._laplacians = Mapped(
                lambda z, direction: {"laplacian": autodiff.laplacians(self._function, z, direction)},
                max(1, LARGEST_JACOBIANS // z.shape[1] ** 2),
            )
        return self._laplacians(Split(z.astype(np.float32), direction.astype(np.float32)))["laplacian"]

    @cached_property
    def _values(self) -> Mapped:
        return Mapped(lambda z, direction: {"y": self._function(z)}, self.evaluated_at_once)

    @cached_property
    def _gradients(self) -> Mapped:
        return Mapped(
            lambda z, direction: {"gradient": autodiff.gradients(self._function, z, direction)}, self.evaluated_at_once
        )

    def _function(self, z: Any) -> Any:
        from keras import ops

        y = self._unflattened(z)
        return ops.reshape(y, (-1, math.prod(y.shape[1:])))


def _points(z: np.ndarray) -> Split:
    return Split(z.astype(np.float32, copy=False), np.zeros((len(z), 0), np.float32))
