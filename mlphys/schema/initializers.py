"""Keras's initializers and regularizers, with Keras's arguments."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from mlphys.schema import registry
from mlphys.schema.fields import NotNegative, Positive
from mlphys.schema.spec import Choice, Spec


class Initializer(Spec):
    """Initial values of one weight tensor. Random ones derive their seed from the experiment's."""

    ranks: ClassVar[range] = range(1, 5)  # of the tensors that it can initialize
    random: ClassVar[bool] = False  # Keras's class has a seed


class Zeros(Initializer):
    """All weights are 0."""


class Ones(Initializer):
    """All weights are 1."""


class Constant(Initializer):
    """All weights have the same value."""

    positional = ("value",)
    shorthand = "value"
    value: float = 0.0
    """The value of every weight."""


class Identity(Initializer):
    """The identity matrix, for a square matrix."""

    ranks = range(2, 3)
    gain: float = 1.0
    """The factor of the identity matrix."""


class Orthogonal(Initializer):
    """A random orthogonal matrix (Saxe et al. 2014)."""

    positional = ("gain",)
    random = True
    ranks = range(2, 5)
    gain: float = 1.0
    """The factor of the orthogonal matrix."""


class RandomNormal(Initializer):
    """Normally distributed weights."""

    positional = ("mean", "stddev")
    random = True
    mean: float = 0.0
    """The mean of the weights."""
    stddev: NotNegative = 0.05
    """The standard deviation of the weights."""


class TruncatedNormal(RandomNormal):
    """Normally distributed weights, drawn again beyond two standard deviations."""


class RandomUniform(Initializer):
    """Uniformly distributed weights."""

    positional = ("minval", "maxval")
    random = True
    minval: float = -0.05
    """The lower end of the range of weights."""
    maxval: float = 0.05
    """The upper end of the range of weights."""


class GlorotUniform(Initializer):
    """Uniform in +- sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010)."""

    random = True


class GlorotNormal(Initializer):
    """Normal with variance 2 / (inputs + outputs), truncated (Glorot & Bengio 2010)."""

    random = True


class HeUniform(Initializer):
    """Uniform in +- sqrt(6 / inputs), for relu (He et al. 2015)."""

    random = True


class HeNormal(Initializer):
    """Normal with variance 2 / inputs, truncated, for relu (He et al. 2015)."""

    random = True


class LecunUniform(Initializer):
    """Uniform in +- sqrt(3 / inputs) (LeCun et al. 1998)."""

    random = True


class LecunNormal(Initializer):
    """Normal with variance 1 / inputs, truncated (LeCun et al. 1998)."""

    random = True


class VarianceScaling(Initializer):
    """Variance scaled by the number of inputs, outputs, or their mean."""

    positional = ("scale", "mode", "distribution")
    random = True
    scale: Positive = 1.0
    """The variance times the number of units that `mode` counts."""
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    """The number of units that divides the variance: inputs, outputs, or their mean."""
    distribution: Literal["truncated_normal", "untruncated_normal", "uniform"] = "truncated_normal"
    """The distribution of the weights."""


class Regularizer(Spec):
    """A penalty on a tensor, added to the cost."""

    ranks: ClassVar[range] = range(1, 5)  # of the tensors that it can penalize

    @abstractmethod
    def formula(self, symbol: str) -> str: ...


class L1(Regularizer):
    """l1 sum |w|."""

    positional = ("l1",)
    shorthand = "l1"

    l1: NotNegative = 0.01
    """The factor of the sum of absolute values."""

    def formula(self, symbol: str) -> str:
        return f"{self.l1:g} sum|{symbol}|"


class L2(Regularizer):
    """l2 sum w^2."""

    positional = ("l2",)
    shorthand = "l2"

    l2: NotNegative = 0.01
    """The factor of the sum of squares."""

    def formula(self, symbol: str) -> str:
        return f"{self.l2:g} sum {symbol}^2"


class L1L2(Regularizer):
    """l1 sum |w| + l2 sum w^2."""

    positional = ("l1", "l2")

    l1: NotNegative = 0.0
    """The factor of the sum of absolute values."""
    l2: NotNegative = 0.0
    """The factor of the sum of squares."""

    def formula(self, symbol: str) -> str:
        return f"{self.l1:g} sum|{symbol}| + {self.l2:g} sum {symbol}^2"


class OrthogonalRegularizer(Regularizer):
    """Drives rows or columns of a matrix to be orthogonal."""

    positional = ("factor", "mode")
    ranks = range(2, 3)
    factor: NotNegative = 0.01
    """The factor of the mean |cosine| between two vectors."""
    mode: Literal["rows", "columns"] = "rows"
    """Whether rows or columns of the matrix are to be orthogonal."""

    def formula(self, symbol: str) -> str:
        return f"{self.factor:g} mean |cos| between the {self.mode} of {symbol}"


INITIALIZERS = registry.classes(__name__, Initializer)
REGULARIZERS = registry.classes(__name__, Regularizer)

InitializerField = Annotated[Initializer, Choice("initializer", INITIALIZERS)]
RegularizerField = Annotated[Regularizer, Choice("regularizer", REGULARIZERS)]
