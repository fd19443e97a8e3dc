"""Activation functions as layers of their own."""

from __future__ import annotations

from mlphys.schema.fields import ActivationName, NotNegative
from mlphys.schema.layers.layer import Layer


class Activation(Layer):
    """An activation function by itself."""

    positional = ("activation",)
    shorthand = "activation"
    separable = True
    activation: ActivationName
    """The function applied to every value. Example: relu"""

    def activation_name(self) -> str | None:
        return self.activation


class ReLU(Layer):
    """max(0, x), with Keras's variants."""

    positional = ("max_value", "negative_slope", "threshold")
    separable = True
    max_value: NotNegative | None = None
    """The largest output; null: no limit. Example: 6.0"""
    negative_slope: NotNegative = 0.0
    """The slope below the threshold."""
    threshold: NotNegative = 0.0
    """The input at which the linear part begins."""

    def activation_name(self) -> str | None:
        return "leaky_relu" if self.negative_slope else "relu"


class LeakyReLU(Layer):
    """x above zero, a fraction of it below."""

    positional = ("negative_slope",)
    shorthand = "negative_slope"
    separable = True
    negative_slope: NotNegative = 0.3
    """The slope for negative inputs."""


class ELU(Layer):
    """x above zero, alpha (exp(x) - 1) below (Clevert et al. 2015)."""

    positional = ("alpha",)
    shorthand = "alpha"
    separable = True
    alpha: NotNegative = 1.0
    """The limit -alpha of the output for very negative inputs."""


class Softmax(Layer):
    """Probabilities from the last axis: exp(x_k) / sum_j exp(x_j)."""

    separable = True
