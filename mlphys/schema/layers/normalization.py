"""Normalization over the batch or over a sample."""

from __future__ import annotations

from mlphys.schema.fields import Positive, Rate, Shape
from mlphys.schema.initializers import InitializerField, Ones, RegularizerField, Zeros
from mlphys.schema.layers.layer import Layer


class BatchNormalization(Layer):
    """Mean 0 and variance 1 over the batch, then a trained scale and offset (Ioffe & Szegedy 2015)."""

    momentum: Rate = 0.99
    """The weight of the old value in the moving mean and variance."""
    epsilon: Positive = 0.001
    """Added to the variance before its square root divides."""
    center: bool = True
    """false leaves the trained offset beta out."""
    scale: bool = True
    """false leaves the trained factor gamma out."""
    beta_initializer: InitializerField = Zeros()
    """How beta is initialized."""
    gamma_initializer: InitializerField = Ones()
    """How gamma is initialized."""
    moving_mean_initializer: InitializerField = Zeros()
    """How the moving mean is initialized."""
    moving_variance_initializer: InitializerField = Ones()
    """How the moving variance is initialized."""
    beta_regularizer: RegularizerField | None = None
    """A penalty on beta, added to the cost. Example: {L2: {l2: 0.001}}"""
    gamma_regularizer: RegularizerField | None = None
    """A penalty on gamma, added to the cost. Example: {L2: {l2: 0.001}}"""

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        used_by_name = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in used_by_name.items() if used}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"moving_mean": (shape[-1],), "moving_variance": (shape[-1],)}


class LayerNormalization(Layer):
    """Mean 0 and variance 1 over each sample's last axis, then a trained scale and offset (Ba et al. 2016)."""

    separable = True
    epsilon: Positive = 0.001
    """Added to the variance before its square root divides."""
    center: bool = True
    """false leaves the trained offset beta out."""
    scale: bool = True
    """false leaves the trained factor gamma out."""
    beta_initializer: InitializerField = Zeros()
    """How beta is initialized."""
    gamma_initializer: InitializerField = Ones()
    """How gamma is initialized."""
    beta_regularizer: RegularizerField | None = None
    """A penalty on beta, added to the cost. Example: {L2: {l2: 0.001}}"""
    gamma_regularizer: RegularizerField | None = None
    """A penalty on gamma, added to the cost. Example: {L2: {l2: 0.001}}"""

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        used_by_name = {"gamma": self.scale, "beta": self.center}
        return {name: (shape[-1],) for name, used in used_by_name.items() if used}
