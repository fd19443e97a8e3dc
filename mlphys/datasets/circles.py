"""Filled circles of random radius and place (Marquardt, Machine Learning for Physicists)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from mlphys.download import Source
from mlphys.randomness import rng
from mlphys.schema.data import DataSpec, Description, Samples
from mlphys.schema.fields import LARGEST, Count, Seed
from mlphys.schema.spec import refuse

LARGEST_IMAGES = 250_000_000  # pixels of all samples together: 1 GB of float32


def _low_first(value: Any) -> Any:
    numbers = isinstance(value, list | tuple) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    if not numbers or not value[0] <= value[1]:
        raise refuse("range", value)
    return tuple(value)


Radius = Annotated[float, Field(ge=0, le=LARGEST)]
Place = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class Spec(DataSpec):
    """Filled circles of random radius and place, without a target: images for autoencoders.

    The image's `size` x `size` pixel centres lie on linspace(-1, 1); a pixel is 1 inside, 0 outside.
    The radius and both coordinates of the centre are drawn uniformly between their two numbers.
    """

    name: Literal["circles"]
    samples: Count
    size: Count = 50
    radius: Annotated[tuple[Radius, Radius], BeforeValidator(_low_first)] = (0.0, 1.0)
    centre: Annotated[tuple[Place, Place], BeforeValidator(_low_first)] = (-1.0, 1.0)
    sample_seed: Seed = 0

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Spec:
        pixels = self.samples * self.size**2
        if pixels > LARGEST_IMAGES:
            raise ValueError(
                f"{self.samples} images of {self.size} x {self.size} are {pixels} pixels, "
                f"more than {LARGEST_IMAGES}; lower samples or size"
            )
        return self


def describe(spec: Spec) -> Description:
    return Description(
        (spec.size, spec.size, 1), classes=(), samples=spec.samples, test_samples=None, target_shape=(0,)
    )


def sources() -> tuple[Source, ...]:
    return ()


def files(spec: Spec) -> tuple[Path, ...]:
    return ()


def load(spec: Spec) -> Samples:
    generator = rng(spec.sample_seed, "circles")
    radius = generator.uniform(*spec.radius, (spec.samples, 1, 1)).astype(np.float32)
    centre_x, centre_y = generator.uniform(*spec.centre, (2, spec.samples, 1, 1)).astype(np.float32)
    pixel = np.linspace(-1, 1, spec.size, dtype=np.float32)
    inside = (pixel - centre_x) ** 2 + (pixel[:, None] - centre_y) ** 2 < radius**2
    return Samples(inside[..., None].astype(np.float32), np.empty((spec.samples, 0), np.float32))
