"""Filled circles of random radius and place (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description, GeneratedImages, Samples
from mlphys.schema.fields import Count, PlaceRange, RadiusRange


class Spec(GeneratedImages):
    """Filled circles of random radius and place, without a target: images for autoencoders.

    The image's `size` x `size` pixel centres lie on linspace(-1, 1); a pixel is 1 inside, 0 outside.
    The radius and both coordinates of the centre are drawn uniformly between their two numbers.
    """

    name: Literal["circles"]
    size: Count = 50
    radius: RadiusRange = (0.0, 1.0)
    centre: PlaceRange = (-1.0, 1.0)


def describe(spec: Spec) -> Description:
    return Description(
        (spec.size, spec.size, 1), classes=(), samples=spec.samples, test_samples=None, target_shape=(0,)
    )


def load(spec: Spec) -> Samples:
    generator = rng(spec.sample_seed, "circles")
    radius = generator.uniform(*spec.radius, (spec.samples, 1, 1)).astype(np.float32)
    centre_x, centre_y = generator.uniform(*spec.centre, (2, spec.samples, 1, 1)).astype(np.float32)
    pixel = np.linspace(-1, 1, spec.size, dtype=np.float32)
    inside = (pixel - centre_x) ** 2 + (pixel[:, None] - centre_y) ** 2 < radius**2
    return Samples(inside[..., None].astype(np.float32), np.empty((spec.samples, 0), np.float32))
