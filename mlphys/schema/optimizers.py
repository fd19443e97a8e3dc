"""Keras's optimizers and learning-rate schedules, with Keras's arguments."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from mlphys.schema import registry
from mlphys.schema.fields import Count, Counts, Fraction, NotNegative, NotNegatives, Positive, Rate, Whole
from mlphys.schema.spec import Choice, Spec, refuse


class Schedule(Spec):
    """The learning rate as a function of the step (one batch is one step)."""


class ExponentialDecay(Schedule):
    initial_learning_rate: Positive
    decay_steps: Count
    decay_rate: Positive
    staircase: bool = False


class InverseTimeDecay(ExponentialDecay):
    pass


class PolynomialDecay(Schedule):
    initial_learning_rate: Positive
    decay_steps: Count
    end_learning_rate: NotNegative = 0.0001
    power: Positive = 1.0
    cycle: bool = False


class PiecewiseConstantDecay(Schedule):
    boundaries: Counts
    values: NotNegatives

    @model_validator(mode="after")
    def _one_value_more(self) -> PiecewiseConstantDecay:
        if len(self.values) != len(self.boundaries) + 1:
            counts = f"{len(self.values)} and {len(self.boundaries)}"
            raise ValueError(f"values needs one entry more than boundaries; received {counts}")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries must increase; received {list(self.boundaries)}")
        return self


class CosineDecay(Schedule):
    initial_learning_rate: NotNegative
    decay_steps: Count
    alpha: NotNegative = 0.0
    warmup_target: Positive | None = None
    warmup_steps: Whole = 0


class CosineDecayRestarts(Schedule):
    initial_learning_rate: Positive
    first_decay_steps: Count
    t_mul: Positive = 2.0
    m_mul: Positive = 1.0
    alpha: NotNegative = 0.0


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

    learning_rate: LearningRate = 0.001
    weight_decay: NotNegative | None = None
    clipnorm: Positive | None = None
    clipvalue: Positive | None = None
    global_clipnorm: Positive | None = None

    @model_validator(mode="after")
    def _one_way_to_clip(self) -> Optimizer:
        ways = [key for key in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, key) is not None]
        if len(ways) > 1:
            raise ValueError(f"received {' and '.join(ways)}; keep one of them")
        return self


class SGD(Optimizer):
    learning_rate: LearningRate = 0.01
    momentum: Rate = 0.0
    nesterov: bool = False


class RMSprop(Optimizer):
    rho: Rate = 0.9
    momentum: Rate = 0.0
    epsilon: Positive = 1e-7
    centered: bool = False


class Adagrad(Optimizer):
    initial_accumulator_value: NotNegative = 0.1
    epsilon: Positive = 1e-7


class Adadelta(Optimizer):
    rho: Rate = 0.95
    epsilon: Positive = 1e-7


class Adam(Optimizer):
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: Positive = 1e-7
    amsgrad: bool = False


class AdamW(Adam):
    weight_decay: NotNegative = 0.004


class Adamax(Optimizer):
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: Positive = 1e-7


class Nadam(Adamax):
    pass


class Lamb(Adamax):
    pass


class Lion(Optimizer):
    beta_1: Fraction = 0.9
    beta_2: Rate = 0.99


class Ftrl(Optimizer):
    learning_rate_power: Annotated[float, Field(le=0)] = -0.5
    initial_accumulator_value: NotNegative = 0.1
    l1_regularization_strength: NotNegative = 0.0
    l2_regularization_strength: NotNegative = 0.0
    l2_shrinkage_regularization_strength: NotNegative = 0.0
    beta: NotNegative = 0.0


OPTIMIZERS = registry.classes(__name__, Optimizer)

OptimizerField = Annotated[Optimizer, Choice("optimizer", OPTIMIZERS)]
