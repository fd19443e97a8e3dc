"""What every kind of model has: the block `model` of a config, and what is done with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np

from mlphys.errors import NotApplicable, Refusal
from mlphys.networks.cost import Cost
from mlphys.networks.energies import EnergyForm
from mlphys.networks.network import Network
from mlphys.networks.phases import Phase, Plan
from mlphys.numerics.chunked import Array
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import DataRequirements, Dataset, Description, Split
from mlphys.schema.fields import Shape
from mlphys.schema.losses import Loss
from mlphys.schema.pretrained import PretrainedEncoder
from mlphys.schema.shapes import Row, weight_shapes
from mlphys.schema.spec import Spec
from mlphys.schema.training import Training

Built = TypeVar("Built", bound=Network)


class ModelKind(Spec, ABC, Generic[Built]):
    """An entry of models/: its fields are the keys of `model`, its docstring says what it is.

    `Built` is the class of network that `build` returns and that all methods with a `network` take.

    A `description` is of what the net sees: the data behind its preprocessing. `RECORDED` are the metrics in
    history.csv, `MEASURED` those in metrics.json, the first the one that sums a run up. `ITERATIVE` is false where
    nothing is gained by more epochs.
    """

    DEFAULT_LOSS: ClassVar[Loss]
    LOSSES: ClassVar[Collection[str]]
    RECORDED: ClassVar[tuple[str, ...]]
    MEASURED: ClassVar[tuple[str, ...]]
    ITERATIVE: ClassVar[bool] = True
    PROJECTS_LINEARLY: ClassVar[bool] = False  # its codes are coordinates along principal components
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = None  # what its loss compares outputs with, None: classes
    ONE_CHAIN_TO_COST: ClassVar[bool] = False  # its samples go through one chain of layers to one cost

    PREDICTS_TARGETS: ClassVar[bool] = False  # its outputs are numbers of the targets' shape
    DRAWS_SAMPLES: ClassVar[bool] = False  # it is a distribution, which Gibbs sampling draws from

    kind: str
    """Which kind of model; `mlphys list models` describes them. Example: classifier"""

    @classmethod
    @abstractmethod
    def example(cls) -> dict[str, Any]:
        """The block `model` of a small net of this kind: for images of 8 x 8 x 1 in ten classes, or with two numbers
        as targets."""

    # what others ask of a kind

    def data_requirements(self) -> DataRequirements:
        """What the data must be read as."""
        return DataRequirements()

    def input_corruption(self) -> Corruption | None:
        """What is done to the inputs in training, if the targets are the clean ones."""
        return None

    def phase_names(self) -> tuple[str, ...]:
        """The keys that `training.phases` may have."""
        return ()

    def pretrained_encoder(self) -> PretrainedEncoder | None:
        """The encoder of another run that the net begins with."""
        return None

    def encoder_rows(self, description: Description) -> list[Row]:
        """The layers up to the code, which another net can begin with; none where there is no encoder of layers."""
        return []

    def loss_per(self) -> Literal["output", "sample"]:
        """What `training.loss_per` is where the config leaves it out."""
        return "output"

    def why_no_decoder(self) -> str | None:
        """Why no decoder makes samples of codes; None: there is one."""
        return f"kind: {self.kind} has no decoder; train one of kind: autoencoder"

    def normal_code(self) -> bool:
        """Whether the codes are to lie as N(0, 1)."""
        return False

    def energy_form(self) -> EnergyForm:
        """The formula of the energy whose gradient leads to r(x). Raises NotApplicable where there is none."""
        raise NotApplicable(
            f"kind: {self.kind} has no energy; it takes a tied kind: autoencoder of one layer, or an rbm"
        )

    def without_output_activation(self) -> Self:
        """The model whose r(x) is what its last activation is applied to. Raises NotApplicable where no one decoder
        gives r(x)."""
        raise NotApplicable(f"kind: {self.kind} has no field r(x) - x of a decoder; it takes kind: autoencoder")

    def linear_planes(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Where r(x) is linear, vectors (k, d) float64: `components` or `decoder` span what it can reach, of `encoder`
        each gives a number of the code; else none."""
        return {}

    def stage_codes(self, description: Description) -> list[Shape]:
        """The shape of the code of each autoencoder in a stack; none for a model that is no stack."""
        return []

    def unit_kernel(self) -> str | None:
        """The name of the kernel (values, hidden units) of a model of hidden units without layers."""
        return None

    def class_units(self) -> str | None:
        """What the columns of each class's own encoder belong to, such as hidden units; None where all share layers."""
        return None

    # the config

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> Self:
        """The spec with all that follows from the data; `train()` reads the training samples. Raises Refusal."""
        return self

    def check_data(self, data: Dataset) -> None:
        """Raise Refusal for keys of `data` that this model cannot be trained with."""

    def check_samples(self, train: Split) -> None:
        """Raise UserError where the training samples, as the net sees them, are none that this model can learn."""

    @abstractmethod
    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where parts do not go together."""

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes, none for a model without layers. Raises Refusal."""
        return []

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes of the network's weights, by name."""
        return weight_shapes(self.rows(description))

    # training

    @abstractmethod
    def cost_formula(self, training: Training, description: Description) -> str:
        """What is minimized, as a formula with its numbers."""

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """The phases that follow a gradient, as far as the config tells them."""
        return []

    @abstractmethod
    def build(self, description: Description, seed: int) -> Built:
        """The network with its initial weights."""

    def phases(self, training: Training, description: Description, network: Built, train: Split) -> Sequence[Phase]:
        """The phases of training, one after the other. Raises UserError for samples that do not fit."""
        return []

    @abstractmethod
    def cost(self, training: Training, description: Description, network: Built) -> Cost:
        """What is measured of a trained network."""

    def further_costs(self, training: Training, description: Description, network: Built) -> Mapping[str, Cost]:
        """Costs that are measured beside the loss, by the names of their metrics."""
        return {}

    # evaluation

    @abstractmethod
    def predictions(self, network: Built, x: Any) -> dict[str, Any]:
        """What the net says of each sample of a batch."""

    @abstractmethod
    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape, for each sample, of what `predictions` gives."""

    @abstractmethod
    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Which samples' images are kept: the first."""
        return np.arange(min(most, len(split)))

    def image_outputs(self, network: Built, x: Any) -> dict[str, Any]:
        """Images, in the net's space, that are kept of the shown samples beside their own."""
        return {}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape, for each shown sample, of what `image_outputs` gives."""
        return {}

    def decoded(self, network: Built, codes: Any) -> Any:
        """What the decoder makes of codes (n, ...). Raises NotApplicable where there is none."""
        raise NotApplicable(self.why_no_decoder() or f"kind: {self.kind} has no decoder")

    def through_stages(self, network: Built, x: Any) -> list[Any]:
        """What a stack makes of a batch through its first stage alone, the first two, ...: an array a stage."""
        return []

    def sampled(self, network: Built, x: Any, lines: int, every: int) -> Any:
        """Markov chains that start at a batch, each shown after every so many steps: means, (n, lines, ...).

        Raises NotApplicable where the model is no distribution.
        """
        raise NotApplicable(f"kind: {self.kind} draws no samples; train a model of kind: rbm")


def refuse_without_classes(description: Description) -> None:
    """For a kind of model that tells classes apart. Raises Refusal."""
    if description.classes:
        return
    if 0 in description.target_shape:
        text = (
            "the data has no labels, which this kind of model needs; add them, y in a file of arrays, in a table target"
        )
    else:
        text = "the targets are numbers, and this kind of model needs classes; kind: regressor takes numbers"
    raise Refusal(("model", "kind"), text)


def refuse_class_weights(training: Training) -> None:
    """For a kind of model whose loss knows no classes. Raises Refusal."""
    if training.class_weight is not None:
        raise Refusal(("training", "class_weight"), "only a classifier's loss weighs classes; leave it out")
