"""Regression of functions of one variable (Bishop 2006, figure 5.3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated
from mlphys.schema.samples import Samples


class Function1D(Generated):
    """Points of x^2, sin x, |x| or a step on [-1, 1] for regression: one input, one output.

    x is drawn from U(-1, 1); the step is 0 below zero and 1 above.
    """

    name: Literal["function_1d"]
    function: Literal["square", "sine", "absolute", "step"]
    """The function to be fitted: x^2, sin, |x| or a step."""

    def describe(self) -> Description:
        return Description((1,), classes=(), samples=self.samples, test_samples=None, target_shape=(1,))

    def load(self) -> Samples:
        x = rng(self.sample_seed, "function_1d").uniform(-1, 1, (self.samples, 1)).astype(np.float32)
        return Samples(x, FUNCTIONS[self.function](x))

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "function_1d", "samples": 30, "function": "sine"}


def step(x: np.ndarray) -> np.ndarray:
    """The Heaviside step: 0 below zero, 1 above, 1/2 at zero."""
    return np.heaviside(x, x.dtype.type(0.5))


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "square": np.square,
    "sine": np.sin,
    "absolute": np.abs,
    "step": step,
}
