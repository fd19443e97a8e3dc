"""Keras's initializers and regularizers, with Keras's arguments."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from mlphys.schema import registry
from mlphys.schema.fields import NotNegative, Positive
from mlphys.schema.spec import Choice, Spec


class Initializer(Spec):
    """The start of one weight tensor. Random ones get their seed from the experiment's."""

    ranks: ClassVar[range] = range(1, 5)  # of the tensors that it can start
    random: ClassVar[bool] = False  # Keras's class takes a seed


class Zeros(Initializer):
    pass


class Ones(Initializer):
    pass


class Constant(Initializer):
    value: float = 0.0


class Identity(Initializer):
    ranks = range(2, 3)
    gain: float = 1.0


class Orthogonal(Initializer):
    random = True
    ranks = range(2, 5)
    gain: float = 1.0


class RandomNormal(Initializer):
    random = True
    mean: float = 0.0
    stddev: NotNegative = 0.05


class TruncatedNormal(RandomNormal):
    pass


class RandomUniform(Initializer):
    random = True
    minval: float = -0.05
    maxval: float = 0.05


class GlorotUniform(Initializer):
    random = True


class GlorotNormal(Initializer):
    random = True


class HeUniform(Initializer):
    random = True


class HeNormal(Initializer):
    random = True


class LecunUniform(Initializer):
    random = True


class LecunNormal(Initializer):
    random = True


class VarianceScaling(Initializer):
    random = True
    scale: Positive = 1.0
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in"
    distribution: Literal["truncated_normal", "untruncated_normal", "uniform"] = "truncated_normal"


class Regularizer(Spec):
    """A penalty on a tensor, added to the cost as it is."""

    ranks: ClassVar[range] = range(1, 5)  # of the tensors that it can measure

    @abstractmethod
    def formula(self, symbol: str) -> str: ...


class L1(Regularizer):
    l1: NotNegative = 0.01

    def formula(self, symbol: str) -> str:
        return f"{self.l1:g} sum|{symbol}|"


class L2(Regularizer):
    l2: NotNegative = 0.01

    def formula(self, symbol: str) -> str:
        return f"{self.l2:g} sum {symbol}^2"


class L1L2(Regularizer):
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0

    def formula(self, symbol: str) -> str:
        return f"{self.l1:g} sum|{symbol}| + {self.l2:g} sum {symbol}^2"


class OrthogonalRegularizer(Regularizer):
    ranks = range(2, 3)
    factor: NotNegative = 0.01
    mode: Literal["rows", "columns"] = "rows"

    def formula(self, symbol: str) -> str:
        return f"{self.factor:g} mean |cos| between the {self.mode} of {symbol}"


INITIALIZERS = registry.classes(__name__, Initializer)
REGULARIZERS = registry.classes(__name__, Regularizer)

InitializerField = Annotated[Initializer, Choice("initializer", INITIALIZERS)]
RegularizerField = Annotated[Regularizer, Choice("regularizer", REGULARIZERS)]
