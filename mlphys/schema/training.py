"""The keys of `training`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from mlphys.schema.augmentation import Augmentation
from mlphys.schema.fields import Count, NotNegative, Whole
from mlphys.schema.losses import LossField
from mlphys.schema.optimizers import Adam, OptimizerField
from mlphys.schema.pretrained import Initial
from mlphys.schema.spec import Spec, refuse


def _batch_size(value: Any) -> int | str:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise refuse("batch_size", value)


BatchSize = Annotated[
    int | Literal["all"],
    PlainValidator(_batch_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}),
]


class EarlyStopping(Spec):
    """Stop when `monitor` has not improved by more than min_delta for `patience` epochs, or reached `target`.

    As in Keras, patience 0 is patience 1. The weights of the best epoch are restored. Any
    column of history.csv can be monitored.
    """

    monitor: str = "validation_loss"
    patience: Whole = 5
    min_delta: NotNegative = 0.0
    target: float | None = None

    def greater_is_better(self) -> bool:
        return self.monitor.removeprefix("validation_") in ("accuracy", "pseudo_log_likelihood")


MOST_STEPS = 1_000_000


def _class_weight(value: Any) -> Any:
    if value == "balanced":
        return value
    if not isinstance(value, dict) or not value:
        raise refuse("class_weight", value)
    named = {str(name): weight for name, weight in value.items()}
    for weight in named.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0 or weight == math.inf:
            raise refuse("class_weight", value)
    return named


ClassWeight = Annotated[
    Literal["balanced"] | dict[str, float],
    PlainValidator(_class_weight),
    WithJsonSchema(
        {"anyOf": [{"const": "balanced"}, {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}]}
    ),
]


class PhaseTraining(Spec):
    """Keys of `training` that differ in one phase; `labels` is the number of labelled samples for a head."""

    optimizer: OptimizerField | None = None
    batch_size: BatchSize | None = None
    epochs: Whole | None = None
    steps_per_epoch: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    early_stopping: EarlyStopping | None = None
    labels: Count | None = None


class Training(Spec):
    """How a model is trained. `batch_size: all` is one step an epoch; `epochs: 0` leaves the net untrained.

    An epoch is one pass over the training samples, or `steps_per_epoch` batches, in which case passes
    continue across epochs. `class_weight: balanced` weighs the loss of a sample of class k with
    n / (K n_k), so that each of the K classes counts equally; or give a weight for each class.
    `phases` overrides keys for each phase of a model that has several: `{pretrain: {epochs: 15}, ...}`.
    `track` adds columns to history.csv, named after the layers: `gradient_norms`
    |dC/dw| of the cost with respect to a layer's trained weights, the mean over the steps; `weight_norms` |w| at the
    end; `saturation` the fraction of a layer's outputs h in training with h < .05 or h > .95 (sigmoid),
    |h| > .95 (tanh), h = 0 (relu); `parameters` every weight of a small net.
    `initial` is the finished run whose weights are the initial weights.
    """

    optimizer: OptimizerField = Adam()
    loss: LossField | None = None  # null: the default of the kind of model
    loss_per: Literal["output", "sample"] | None = None  # null: the default of the kind of model
    batch_size: BatchSize = 32
    shuffle: bool = True
    epochs: Whole = 1
    steps_per_epoch: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    class_weight: ClassWeight | None = None
    augmentation: Augmentation | None = None
    phases: dict[str, PhaseTraining] | None = None
    track: list[Literal["gradient_norms", "weight_norms", "saturation", "parameters"]] = Field([])
    early_stopping: EarlyStopping | None = None
    initial: Initial | None = None

    def of_phase(self, name: str) -> Training:
        """These keys with those that `phases` overrides for one phase."""
        given = (self.phases or {}).get(name)
        if given is None:
            return self
        other = {key: value for key, value in given.arguments().items() if value is not None and key != "labels"}
        return self.model_copy(update=other)
