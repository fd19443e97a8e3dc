"""Corruption of the inputs of a denoising autoencoder (Vincent et al. 2008)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from mlphys.schema.fields import Count, Fraction, NotNegative, Positive, low_first
from mlphys.schema.spec import Spec

Clip = Annotated[tuple[float, float], BeforeValidator(low_first)]


class Gaussian(Spec):
    """N(0, stddev^2) is added to every value."""

    stddev: Positive
    """The standard deviation of the noise. Example: 0.3"""


class Occlusion(Spec):
    """`count` squares of `size` x `size` pixels at random places are set to zero."""

    size: Count
    """The side of a square, in pixels. Example: 8"""
    count: Count = 1
    """How many squares."""


class Emphasis(Spec):
    """Weights of the errors of values that the corruption changed, and of the others (Vincent et al. 2010)."""

    corrupted: NotNegative = 1.0
    """The weight of the errors of corrupted values."""
    untouched: NotNegative = 1.0
    """The weight of the errors of the other values."""


class Corruption(Spec):
    """Corruption of the inputs of a denoising autoencoder (Vincent et al. 2008); the targets stay clean.

    One of GaussianNoise, `masking` (the fraction of values that are set to zero), `salt_and_pepper`
    (the fraction that is set to 0 or 1) and `occlude` (squares that are set to zero); then values are
    clipped to `clip`. Random in every epoch; with `fixed: true` the same in all epochs.
    """

    GaussianNoise: Gaussian | None = None
    """Gaussian noise added to every value. Example: {stddev: 0.3}"""
    masking: Fraction | None = None
    """The fraction of values that is set to zero. Example: 0.3"""
    salt_and_pepper: Fraction | None = None
    """The fraction of values that is set to 0 or 1. Example: 0.2"""
    occlude: Occlusion | None = None
    """Squares that are set to zero. Example: {size: 8}"""
    clip: Clip | None = None
    """The range to which corrupted values are cut; null does not cut. Example: [0.0, 1.0]"""
    fixed: bool = False
    """true draws the corruption once, not again in every epoch."""
    emphasis: Emphasis | None = None
    """Different weights for the errors of corrupted and of untouched values; null weighs both alike. Example:
    {corrupted: 1.0, untouched: 0.5}
    """

    @model_validator(mode="after")
    def _one_of_them(self) -> Corruption:
        kinds = (self.GaussianNoise, self.masking, self.salt_and_pepper, self.occlude)
        count = sum(kind is not None for kind in kinds)
        if count != 1:
            raise ValueError(
                f"one of GaussianNoise, masking, salt_and_pepper and occlude must be given; received {count}"
            )
        if self.emphasis and self.GaussianNoise:
            raise ValueError("emphasis distinguishes corrupted values from others; GaussianNoise corrupts all of them")
        return self
