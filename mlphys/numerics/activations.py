"""Activation functions with their derivatives, antiderivatives and saturated ranges."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Known = Literal["linear", "relu", "sigmoid", "tanh"]

NEAR = 0.05  # distance from a bound within which a unit counts as saturated (Glorot & Bengio 2010)


@dataclass(frozen=True)
class Activation:
    """An elementwise activation h = f(s), with h between the two ends of `range`.

    Each function takes the operations it needs from `xp`: keras.ops for tensors, NumPyOps for arrays.
    """

    function: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any], Any]  # (h, xp) -> f'(s) as a function of h = f(s)
    antiderivative: Callable[[Any, Any], Any]  # (s, xp) -> H(s) with H' = f
    antiderivative_formula: str
    range: tuple[float, float]

    @property
    def bounded(self) -> bool:
        """Whether the range has two ends."""
        return all(math.isfinite(end) for end in self.range)

    @property
    def saturates(self) -> bool:
        """Whether the function becomes flat, so that gradients vanish."""
        return any(math.isfinite(end) for end in self.range)

    def saturated(self, h: Any) -> Any:
        """Mask of saturated values h: within NEAR of an end of a bounded range, or exactly at a single end."""
        low, high = self.range
        return (h < low + NEAR) | (h > high - NEAR) if self.bounded else h == low


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(
        function=lambda s, xp: s,
        slope=lambda h, xp: xp.ones_like(h),
        antiderivative=lambda s, xp: s**2 / 2,
        antiderivative_formula="s_j^2 / 2",
        range=(-math.inf, math.inf),
    ),
    "relu": Activation(
        function=lambda s, xp: xp.relu(s),
        slope=lambda h, xp: xp.cast(h > 0, h.dtype),
        antiderivative=lambda s, xp: xp.relu(s) ** 2 / 2,  # the lecture's is twice that
        antiderivative_formula="max(0, s_j)^2 / 2",
        range=(0.0, math.inf),
    ),
    "sigmoid": Activation(
        function=lambda s, xp: xp.sigmoid(s),
        slope=lambda h, xp: h * (1 - h),
        antiderivative=lambda s, xp: xp.softplus(s),
        antiderivative_formula="log(1 + exp s_j)",
        range=(0.0, 1.0),
    ),
    "tanh": Activation(
        function=lambda s, xp: xp.tanh(s),
        slope=lambda h, xp: 1 - h**2,
        antiderivative=lambda s, xp: s + xp.softplus(-2 * s) - math.log(2),  # cosh itself overflows
        antiderivative_formula="log cosh s_j",
        range=(-1.0, 1.0),
    ),
}

# the order of messages: bounded functions first
SATURATING = (
    *(name for name, known in ACTIVATIONS.items() if known.bounded),
    *(name for name, known in ACTIVATIONS.items() if known.saturates and not known.bounded),
)
KINKED = ("hard_sigmoid", "leaky_relu", "relu", "relu6")  # whose slope jumps


class NumPyOps:
    """The functions of keras.ops that the table uses, for NumPy arrays."""

    ones_like = staticmethod(np.ones_like)
    tanh = staticmethod(np.tanh)

    @staticmethod
    def cast(x: np.ndarray, dtype: Any) -> np.ndarray:
        return x.astype(dtype)

    @staticmethod
    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    @staticmethod
    def sigmoid(x: np.ndarray) -> np.ndarray:
        return np.exp(-np.logaddexp(0, -x))

    @staticmethod
    def softplus(x: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, x)
