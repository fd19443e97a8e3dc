"""What every kind of model has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from mlphys.errors import Refusal
from mlphys.numerics.chunked import Array
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import Dataset, Description, Split
from mlphys.schema.fields import Shape
from mlphys.schema.losses import Loss
from mlphys.schema.pretrained import TakenEncoder
from mlphys.schema.shapes import Row
from mlphys.schema.spec import Spec
from mlphys.schema.training import Training


class ModelSpec(Spec):
    """The block `model` of a config."""

    kind: str

    def corrupts(self) -> Corruption | None:
        """What is done to the inputs in training, if the targets are the clean ones."""
        return None

    def phase_names(self) -> tuple[str, ...]:
        """The keys that `training.phases` may have."""
        return ()

    def taken(self) -> TakenEncoder | None:
        """The encoder of another run that the net begins with."""
        return None

    def encoder_rows(self, description: Description) -> list[Row]:
        """The layers up to the code, which another net can begin with; none where there is no encoder of layers."""
        return []

    def loss_per(self) -> Literal["output", "sample"]:
        """What `training.loss_per` is where the config leaves it out."""
        return "output"

    def no_decoder(self) -> str | None:
        """Why no decoder makes samples of codes; None: there is one."""
        return f"kind: {self.kind} has no decoder; train one of kind: autoencoder"

    def normal_code(self) -> bool:
        """Whether the codes are to lie as N(0, 1)."""
        return False

    def check_data(self, data: Dataset) -> None:
        """Raise Refusal for keys of `data` that this model cannot be trained with."""


def refuse_class_weights(training: Training) -> None:
    """For a kind of model whose loss knows no classes. Raises Refusal."""
    if training.class_weight is not None:
        raise Refusal(("training", "class_weight"), "only a classifier's loss weighs classes; leave it out")


class Kind(Protocol):
    """An entry of models/. A `description` is of what the net sees: the data behind its preprocessing.

    `RECORDED` are the metrics in history.csv, `MEASURED` those in metrics.json, the first the one
    that sums a run up. `ITERATIVE` is false where nothing is gained by more epochs.
    """

    Spec: type[ModelSpec]
    DEFAULT_LOSS: Loss
    LOSSES: Sequence[str]
    RECORDED: tuple[str, ...]
    MEASURED: tuple[str, ...]
    ITERATIVE: bool

    def completed(self, spec: Any, training: Training, description: Description, train: Callable[[], Array]) -> Any:
        """The spec with all that follows from the data; `train()` reads the training samples. Raises Refusal."""

    def rows(self, spec: Any, description: Description) -> list[Row]:
        """The layers with their shapes, none for a model without layers. Raises Refusal."""

    def weights(self, spec: Any, description: Description) -> dict[str, Shape]:
        """What is learned: shapes by name."""

    def check(self, spec: Any, training: Training, description: Description) -> None:
        """Raise Refusal where parts do not go together."""

    def cost_formula(self, spec: Any, training: Training, description: Description) -> str:
        """What is minimized, as a formula with its numbers."""

    def build(self, spec: Any, description: Description, seed: int) -> Any:
        """The Network with its initial weights."""

    def plans(self, spec: Any, training: Training, description: Description) -> list[Any]:
        """Its gradient phases as far as the config tells them."""

    def phases(self, spec: Any, training: Training, description: Description, network: Any, train: Split) -> list[Any]:
        """The phases of training, one after the other."""

    def cost(self, spec: Any, training: Training, description: Description, network: Any) -> Any:
        """The Cost that is measured of a trained network."""

    def predictions(self, network: Any, x: Any) -> dict[str, Any]:
        """What the net says of each sample of a batch."""

    def prediction_shapes(self, spec: Any, description: Description) -> dict[str, Shape]:
        """The shape, for each sample, of what `predictions` gives."""

    def metrics(
        self, spec: Any, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""

    def shown(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Which samples' images are kept."""

    def pictured(self, network: Any, x: Any) -> dict[str, Any]:
        """Images, in the net's space, that are kept of the shown samples beside their own."""

    def pictured_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape, for each shown sample, of what `pictured` gives."""
