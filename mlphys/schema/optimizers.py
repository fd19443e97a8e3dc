"""Keras's optimizers and learning-rate schedules, with Keras's arguments."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from mlphys.schema import registry
from mlphys.schema.fields import Count, Counts, Fraction, NotNegative, NotNegatives, Positive, Rate, Whole
from mlphys.schema.spec import Choice, Spec, refuse


class Schedule(Spec):
    """A learning rate as a function of the training step (one batch)."""


class ExponentialDecay(Schedule):
    """rate = initial decay_rate^(step / decay_steps)."""

    positional = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")
    initial_learning_rate: Positive
    """The learning rate at the first step. Example: 0.1"""
    decay_steps: Count
    """After so many steps the rate has changed by `decay_rate` once. Example: 1000"""
    decay_rate: Positive
    """How much the rate decays in `decay_steps`. Example: 0.9"""
    staircase: bool = False
    """true changes the rate every `decay_steps` at once, not at every step."""


class InverseTimeDecay(ExponentialDecay):
    """rate = initial / (1 + decay_rate step / decay_steps)."""


class PolynomialDecay(Schedule):
    """From the initial rate to the end rate along a power of the steps left."""

    positional = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle")
    initial_learning_rate: Positive
    """The learning rate at the first step. Example: 0.1"""
    decay_steps: Count
    """The step at which `end_learning_rate` is reached. Example: 1000"""
    end_learning_rate: NotNegative = 0.0001
    """The learning rate at the end."""
    power: Positive = 1.0
    """The exponent of the polynomial; 1 is a straight line."""
    cycle: bool = False
    """true begins again after `decay_steps`."""


class PiecewiseConstantDecay(Schedule):
    """A constant rate between each two boundaries."""

    positional = ("boundaries", "values")
    boundaries: Counts
    """The steps at which the learning rate changes. Example: [1000, 2000]"""
    values: NotNegatives
    """The learning rates between the boundaries, one more than these. Example: [0.1, 0.01, 0.001]"""

    @model_validator(mode="after")
    def _one_value_more(self) -> PiecewiseConstantDecay:
        if len(self.values) != len(self.boundaries) + 1:
            counts = f"{len(self.values)} and {len(self.boundaries)}"
            raise ValueError(f"values needs one entry more than boundaries; received {counts}")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries must increase; received {list(self.boundaries)}")
        return self


class CosineDecay(Schedule):
    """Half a cosine from the initial rate to alpha of it, after a linear warmup (Loshchilov & Hutter 2017)."""

    positional = ("initial_learning_rate", "decay_steps", "alpha")
    initial_learning_rate: NotNegative
    """The learning rate at the first step. Example: 0.1"""
    decay_steps: Count
    """The steps of the decay, those of warmup not included. Example: 1000"""
    alpha: NotNegative = 0.0
    """The fraction of the rate that is left at the end."""
    warmup_target: Positive | None = None
    """The learning rate after the warmup; null: there is no warmup. Example: 0.1"""
    warmup_steps: Whole = 0
    """The steps of the linear warmup."""


class CosineDecayRestarts(Schedule):
    """A cosine decay that restarts, each time longer (Loshchilov & Hutter 2017)."""

    positional = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha")
    initial_learning_rate: Positive
    """The learning rate at the first step. Example: 0.1"""
    first_decay_steps: Count
    """The steps until the first restart. Example: 1000"""
    t_mul: Positive = 2.0
    """The factor by which each period is longer than the one before."""
    m_mul: Positive = 1.0
    """The factor of the initial rate at each restart."""
    alpha: NotNegative = 0.0
    """The fraction of the rate that is left at the end of a period."""


SCHEDULES = registry.classes(__name__, Schedule)


class RateOrSchedule(Choice):
    """A learning rate: a number above zero, or a schedule by name."""

    def validate(self, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise refuse("finite_number", value)
            if value <= 0:
                raise refuse("greater_than", value, gt=0)
            return float(value)
        if isinstance(value, str) and _is_number(value):
            raise refuse("float_type", value)
        if not isinstance(value, str | dict | Schedule):
            raise refuse("learning_rate", value)
        return super().validate(value)

    def in_words(self) -> str:
        return f"number, above 0, or {super().in_words()}"

    def dump(self, spec: Any) -> Any:
        return spec if isinstance(spec, float) else super().dump(spec)

    def _json_schema(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number = handler(core_schema.float_schema(gt=0))
        return {"anyOf": [number, *super()._json_schema(schema, handler)["anyOf"]]}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


LearningRate = Annotated[float | Schedule, RateOrSchedule("schedule", SCHEDULES)]


class Optimizer(Spec):
    """The arguments that all of Keras's optimizers share."""

    positional: ClassVar[tuple[str, ...]] = ("learning_rate",)
    shorthand = "learning_rate"
    learning_rate: LearningRate = 0.001
    """The size of a step: a number, or a schedule by name."""
    weight_decay: NotNegative | None = None
    """The fraction of a weight, times the learning rate, that is subtracted in each step; null: none. Example: 0.004"""
    clipnorm: Positive | None = None
    """The largest norm of the gradient of each weight tensor; null: no limit. Example: 1.0"""
    clipvalue: Positive | None = None
    """The largest absolute value of each component of the gradient; null: no limit. Example: 0.5"""
    global_clipnorm: Positive | None = None
    """The largest norm of the whole gradient; null: no limit. Example: 1.0"""

    @model_validator(mode="after")
    def _one_way_to_clip(self) -> Optimizer:
        ways = [key for key in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, key) is not None]
        if len(ways) > 1:
            raise ValueError(f"received {' and '.join(ways)}; keep one of them")
        return self


class SGD(Optimizer):
    """Gradient descent, with momentum if it is given."""

    positional = ("learning_rate", "momentum", "nesterov")
    learning_rate: LearningRate = 0.01
    momentum: Rate = 0.0
    """The fraction of the last step that is added to the next one."""
    nesterov: bool = False
    """true uses Nesterov's momentum."""


class RMSprop(Optimizer):
    """The gradient over the root of its running mean square (Hinton 2012)."""

    positional = ("learning_rate", "rho", "momentum", "epsilon", "centered")
    rho: Rate = 0.9
    """The weight of the old value in the running mean of squared gradients."""
    momentum: Rate = 0.0
    """The fraction of the last step that is added to the next one."""
    epsilon: Positive = 1e-7
    """Added to the denominator."""
    centered: bool = False
    """true divides by the variance of the gradient, not by its mean square."""


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares (Duchi et al. 2011)."""

    initial_accumulator_value: NotNegative = 0.1
    """The sum of squared gradients before the first step."""
    epsilon: Positive = 1e-7
    """Added to the denominator."""


class Adadelta(Optimizer):
    """Steps as large as recent ones, whatever the gradient's units (Zeiler 2012)."""

    rho: Rate = 0.95
    """The weight of the old value in the running means."""
    epsilon: Positive = 1e-7
    """Added to the denominator."""


class Adam(Optimizer):
    """The running mean of the gradient over the root of its mean square (Kingma & Ba 2015)."""

    positional: ClassVar[tuple[str, ...]] = ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad")

    beta_1: Rate = 0.9
    """The weight of the old value in the running mean of gradients."""
    beta_2: Rate = 0.999
    """The weight of the old value in the running mean of squared gradients."""
    epsilon: Positive = 1e-7
    """Added to the denominator."""
    amsgrad: bool = False
    """true divides by the largest mean square so far."""


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    positional = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad")
    weight_decay: NotNegative = 0.004


class Adamax(Optimizer):
    """Adam with the running maximum instead of the mean square (Kingma & Ba 2015)."""

    beta_1: Rate = 0.9
    """The weight of the old value in the running mean of gradients."""
    beta_2: Rate = 0.999
    """The weight of the old value in the running maximum, or mean square, of gradients."""
    epsilon: Positive = 1e-7
    """Added to the denominator."""


class Nadam(Adamax):
    """Adam with Nesterov's momentum (Dozat 2016)."""


class Lamb(Adamax):
    """Adam with a step scaled to each layer's weights (You et al. 2020)."""


class Lion(Optimizer):
    """The sign of a running mean of the gradient (Chen et al. 2023)."""

    beta_1: Fraction = 0.9
    """The weight of the old mean in the step's direction."""
    beta_2: Rate = 0.99
    """The weight of the old value in the running mean of gradients."""


class Ftrl(Optimizer):
    """Follow the regularized leader, for sparse weights (McMahan et al. 2013)."""

    learning_rate_power: Annotated[float, Field(le=0)] = -0.5
    """The exponent with which the learning rate falls as squared gradients add up."""
    initial_accumulator_value: NotNegative = 0.1
    """The sum of squared gradients before the first step."""
    l1_regularization_strength: NotNegative = 0.0
    """The factor of the L1 penalty."""
    l2_regularization_strength: NotNegative = 0.0
    """The factor of the L2 penalty."""
    l2_shrinkage_regularization_strength: NotNegative = 0.0
    """The factor of an L2 penalty that shrinks without changing the squared gradients."""
    beta: NotNegative = 0.0
    """Added to the denominator's square root of squared gradients."""


OPTIMIZERS = registry.classes(__name__, Optimizer)

OptimizerField = Annotated[Optimizer, Choice("optimizer", OPTIMIZERS)]
