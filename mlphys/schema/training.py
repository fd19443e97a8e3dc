"""The keys of `training`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema

from mlphys.schema.fields import NotNegative, Whole
from mlphys.schema.losses import LossField
from mlphys.schema.optimizers import Adam, OptimizerField
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

    As in Keras, patience 0 is patience 1. The weights kept are those of the best epoch. Any
    column of history.csv can be monitored.
    """

    monitor: str = "validation_loss"
    patience: Whole = 5
    min_delta: NotNegative = 0.0
    target: float | None = None

    def greater_is_better(self) -> bool:
        return self.monitor.removeprefix("validation_") == "accuracy"


class Training(Spec):
    """How a model is trained. `batch_size: all` is one step an epoch; `epochs: 0` leaves the net untrained."""

    optimizer: OptimizerField = Adam()
    loss: LossField | None = None  # null: the kind of model's own
    loss_per: Literal["output", "sample"] = "output"
    batch_size: BatchSize = 32
    shuffle: bool = True
    epochs: Whole = 1
    early_stopping: EarlyStopping | None = None
