"""Functions of one variable, to be fitted (Bishop 2006, figure 5.3)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated, Samples


class Spec(Generated):
    """Points of x^2, sin x, |x| or a step on [-1, 1], to be fitted: a number in, a number out.

    x is drawn from U(-1, 1); the step is 0 below zero and 1 above.
    """

    name: Literal["function_1d"]
    function: Literal["square", "sine", "absolute", "step"]


def describe(spec: Spec) -> Description:
    return Description((1,), classes=(), samples=spec.samples, test_samples=None, target_shape=(1,))


def load(spec: Spec) -> Samples:
    x = rng(spec.sample_seed, "function_1d").uniform(-1, 1, (spec.samples, 1)).astype(np.float32)
    return Samples(x, FUNCTIONS[spec.function](x))


def step(x: np.ndarray) -> np.ndarray:
    """Heaviside's: 0 below zero, 1 above, 1/2 at it."""
    return np.heaviside(x, x.dtype.type(0.5))


FUNCTIONS = {"square": np.square, "sine": np.sin, "absolute": np.abs, "step": step}
