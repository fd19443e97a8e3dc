"""Noise that is there in training only."""

from __future__ import annotations

from mlphys.schema.fields import NotNegative, Rate, Shape
from mlphys.schema.layers.layer import Layer, need_rank


class Dropout(Layer):
    """Sets a fraction of the values to zero in training (Srivastava et al. 2014)."""

    positional = ("rate",)
    shorthand = "rate"
    separable = True
    only_in_training = True
    compiles_in_xla = False
    rate: Rate
    """The fraction of values that is set to zero in training. Example: 0.5"""


class SpatialDropout2D(Dropout):
    """Sets whole channels of an image to zero in training."""

    def output_shape(self, shape: Shape) -> Shape:
        need_rank("SpatialDropout2D", shape, 3)
        return shape


class GaussianDropout(Dropout):
    """Multiplies by Gaussian noise of mean 1 in training."""


class GaussianNoise(Layer):
    """Adds Gaussian noise in training."""

    positional = ("stddev",)
    shorthand = "stddev"
    separable = True
    only_in_training = True
    compiles_in_xla = False
    stddev: NotNegative
    """The standard deviation of the noise that is added in training. Example: 0.1"""
