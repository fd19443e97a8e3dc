"""Two interleaving half circles, by scikit-learn."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, Generated, Samples
from mlphys.schema.fields import LARGEST


class Spec(Generated):
    """Points on two interleaving half circles of radius 1 in the plane, one a class.

    `noise` is the standard deviation of what is added to both coordinates.
    """

    name: Literal["moons"]
    noise: Annotated[float, Field(ge=0, le=LARGEST)] = 0.1


def describe(spec: Spec) -> Description:
    return Description((2,), classes=("upper", "lower"), samples=spec.samples, test_samples=None)


def load(spec: Spec) -> Samples:
    from sklearn.datasets import make_moons  # takes a second

    random = np.random.RandomState(rng(spec.sample_seed, "moons").bit_generator)
    x, y = make_moons(spec.samples, noise=spec.noise, random_state=random)
    return Samples(x.astype(np.float32), y.astype(np.int32))
