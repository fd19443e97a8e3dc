"""The keys of `training.augmentation`: random distortions of the training images in every epoch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mlphys.schema.fields import NotNegative, Positive, low_first
from mlphys.schema.spec import Spec

Pixels = Annotated[float, Field(ge=0, le=1000)]


class Elastic(Spec):
    """A smooth random field of displacements (Simard, Steinkraus & Platt 2003).

    `alpha` is the standard deviation of a displacement, `sigma` the width of the Gaussian that
    smooths the field, both in pixels.
    """

    alpha: Annotated[float, Field(gt=0, le=1000)]
    """The standard deviation of a displacement, in pixels. Example: 2.0"""
    sigma: Annotated[float, Field(gt=0, le=100)] = 4.0
    """The width of the Gaussian that smooths the displacements, in pixels."""


class Augmentation(Spec):
    """Each image is rotated by up to `rotation` degrees, magnified by a factor within `scale`, shifted by up to
    `shift` pixels in each direction, all uniformly distributed, and distorted by `elastic`; bilinear.

    Then Gaussian noise of standard deviation `noise` is added to each pixel. `edges` fills pixels from outside of
    the image: constant (0), nearest, reflect or wrap.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """The largest rotation either way, in degrees."""
    scale: Annotated[tuple[Positive, Positive], BeforeValidator(low_first)] = (1.0, 1.0)
    """The smallest and the largest factor of magnification. Example: [0.9, 1.1]"""
    shift: Pixels = 0.0
    """The largest shift in each direction, in pixels."""
    elastic: Elastic | None = None
    """A smooth random distortion; null: none. Example: {alpha: 2.0}"""
    noise: NotNegative = 0.0
    """The standard deviation of the noise added to each pixel."""
    edges: Literal["constant", "nearest", "reflect", "wrap"] = "constant"
    """What is outside of the image: zeros, its nearest pixel, its reflection, or its other side."""

    @model_validator(mode="after")
    def _does_something(self) -> Augmentation:
        if not self.moves() and not self.noise:
            raise ValueError("changes nothing; give rotation, scale, shift, elastic or noise, or leave it out")
        return self

    def moves(self) -> bool:
        """Whether pixels move, not only change by noise."""
        return bool(self.rotation or self.shift or self.elastic or self.scale != (1.0, 1.0))
