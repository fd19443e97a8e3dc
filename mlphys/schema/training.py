"""The keys of `training`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

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


def _validation(monitor: Any) -> Any:
    """Keras's `val_loss` is `validation_loss` here."""
    if isinstance(monitor, str) and monitor.startswith("val_"):
        return f"validation_{monitor.removeprefix('val_')}"
    return monitor


class EarlyStopping(Spec):
    """Stop when `monitor` has not improved by more than min_delta for `patience` epochs, or reached `target`.

    As in Keras, patience 0 is patience 1. The weights of the best epoch are restored. Any
    column of history.csv can be monitored.
    """

    monitor: Annotated[str, BeforeValidator(_validation)] = "validation_loss"
    """The column of history.csv that is watched."""
    patience: Whole = 5
    """How many epochs without improvement end the training."""
    min_delta: NotNegative = 0.0
    """The smallest change of the monitored quantity that counts as an improvement, in its units."""
    target: float | None = None
    """The value of the monitored quantity at which training ends; null: none. Example: 0.98"""

    def greater_is_better(self) -> bool:
        return greater_is_better(self.monitor)


class ReduceLROnPlateau(Spec):
    """Multiply the learning rate by `factor` when `monitor` has not improved by more than min_delta for `patience`
    epochs, as Keras's callback of this name. Any column of history.csv can be monitored.
    """

    monitor: Annotated[str, BeforeValidator(_validation)] = "validation_loss"
    """The column of history.csv that is watched."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What the learning rate is multiplied by."""
    patience: Whole = 10
    """How many epochs without improvement lower the learning rate; 0 is 1."""
    min_delta: NotNegative = 1e-4
    """The smallest change of the monitored quantity that counts as an improvement, in its units."""
    min_learning_rate: NotNegative = 0.0
    """The learning rate is never set lower than this."""

    def greater_is_better(self) -> bool:
        return greater_is_better(self.monitor)


def greater_is_better(column: str) -> bool:
    """Whether a column of history.csv is to grow."""
    return column.removeprefix("validation_") in ("accuracy", "pseudo_log_likelihood")


MOST_SNAPSHOTS, LARGEST_SNAPSHOTS = 100, 64_000_000  # and bytes of all together
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
    Literal["balanced"] | dict[str, int | float],
    PlainValidator(_class_weight),
    WithJsonSchema(
        {"anyOf": [{"const": "balanced"}, {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}]}
    ),
]


class PhaseTraining(Spec):
    """Keys of `training` that differ in one phase; `labels` is the number of labelled samples for a head."""

    optimizer: OptimizerField | None = None
    """The optimizer of this phase; null is that of `training`. Example: {SGD: {learning_rate: 0.01}}"""
    batch_size: BatchSize | None = None
    """Samples per step in this phase; null is that of `training`. Example: 100"""
    epochs: Whole | None = None
    """Epochs of this phase; null is that of `training`. Example: 15"""
    steps_per_epoch: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    """Steps per epoch of this phase; null is that of `training`. Example: 500"""
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    """When this phase lowers its learning rate; null is that of `training`. Example: {patience: 5}"""
    early_stopping: EarlyStopping | None = None
    """When this phase ends early; null is that of `training`. Example: {patience: 5}"""
    labels: Count | None = None
    """How many labelled samples the head is trained on; null is all. Example: 1000"""


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
    `initial` is the finished run, or the file, whose weights are the initial weights.
    """

    optimizer: OptimizerField = Adam()
    """The optimizer, with Keras's arguments. Example: {Adam: {learning_rate: 0.001}}"""
    loss: LossField | None = None  # null: the default of the kind of model
    """The loss, by Keras's name; null is the usual one of the kind of model. Example: categorical_crossentropy"""
    loss_per: Literal["output", "sample"] | None = None  # null: the default of the kind of model
    """Whether a sample's loss is the mean over its outputs (output, as in Keras) or their sum (sample); null is the
    usual one of the kind of model.
    """
    batch_size: BatchSize = 32
    """Samples per step; all makes one step per epoch."""
    shuffle: bool = True
    """false keeps the order of the samples in every epoch."""
    epochs: Whole = 1
    """Passes over the training samples; 0 leaves the network untrained."""
    steps_per_epoch: Annotated[int, Field(ge=1, le=MOST_STEPS)] | None = None
    """Steps that count as an epoch; null is one pass over the training samples. Example: 500"""
    class_weight: ClassWeight | None = None
    """The weight of each class in the loss, or balanced, which makes rare classes count as much as frequent ones; null
    weighs samples alike. Example: balanced
    """
    augmentation: Augmentation | None = None
    """Random distortions of the training images, drawn again in every epoch; null: none. Example: {rotation: 10.0}"""
    phases: dict[str, PhaseTraining] | None = None
    """Keys that differ in one phase of a model that is trained in several. Example: {pretrain: {epochs: 15}}"""
    track: list[Literal["gradient_norms", "weight_norms", "saturation", "parameters"]] = Field([])
    """What else is recorded in every epoch, for each layer. Example: [gradient_norms]"""
    early_stopping: EarlyStopping | None = None
    """When training ends before its last epoch, with the weights of the best one; null: never. Example: {monitor:
    validation_loss, patience: 5}
    """
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    """When the learning rate is lowered because a quantity does not improve any more; null: never. Example: {factor:
    0.2, patience: 5}
    """
    tensorboard: bool = False
    """true also writes the columns of history.csv, images of filters and reconstructions, and the config for
    TensorBoard, into the run's folder tensorboard; the training is the same to the byte.
    """
    snapshots: Annotated[int, Field(ge=2, le=MOST_SNAPSHOTS)] | None = None
    """How many times the weights are kept, after epochs in a geometric sequence, for the page to show how they changed;
    null: never. Example: 20
    """
    initial: Initial | None = None
    """The finished run, or the file, whose weights training begins with; null: initializers draw them. Example: {run:
    dense_mnist}
    """

    def monitors(self) -> dict[str, str]:
        """The column of history.csv that each key watches, for the keys that watch one."""
        watching = {"early_stopping": self.early_stopping, "reduce_lr_on_plateau": self.reduce_lr_on_plateau}
        return {key: settings.monitor for key, settings in watching.items() if settings is not None}

    def of_phase(self, name: str) -> Training:
        """These keys with those that `phases` overrides for one phase."""
        overrides = (self.phases or {}).get(name)
        if overrides is None:
            return self
        other = {key: value for key, value in overrides.arguments().items() if value is not None and key != "labels"}
        return self.model_copy(update=other)
