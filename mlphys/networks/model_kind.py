"""The base class of kinds of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np

from mlphys.errors import NotApplicable, Refusal
from mlphys.networks.cost import Cost
from mlphys.networks.energies import EnergyForm
from mlphys.networks.forward_pass import ForwardPass, of_rows
from mlphys.networks.network import Network
from mlphys.networks.phases import Phase, Plan
from mlphys.networks.pretrained_encoder import PretrainedEncoder
from mlphys.numerics.chunked import Array
from mlphys.schema.autoencoding import Corruption
from mlphys.schema.data import DataRequirements, Dataset, Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.losses import Loss
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, weight_shapes
from mlphys.schema.spec import Spec
from mlphys.schema.training import Training

Built = TypeVar("Built", bound=Network)


class ModelKind(Spec, ABC, Generic[Built]):
    """Base class of the entries of models/. Its fields are the keys of `model`.

    `Built` is the class of network that `build` returns and that all methods with a `network` take.

    A `description` is of the network's input, the preprocessed data. `RECORDED` are the metrics in history.csv,
    `MEASURED` those in metrics.json, the main metric first, `MEASURED_PER` those of each class or target. `ITERATIVE`
    is false if more epochs are useless.
    """

    DEFAULT_LOSS: ClassVar[Loss]
    LOSSES: ClassVar[Collection[str]]
    RECORDED: ClassVar[tuple[str, ...]]
    MEASURED: ClassVar[tuple[str, ...]]
    MEASURED_PER: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # by the block of metrics.json
    PICTURES: ClassVar[tuple[str, ...]] = ()  # drawn where a config names none, as far as they apply
    ITERATIVE: ClassVar[bool] = True
    PROJECTS_LINEARLY: ClassVar[bool] = False  # its codes are coordinates along principal components
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = None  # what its loss compares outputs with, None: classes
    ONE_CHAIN_TO_COST: ClassVar[bool] = False  # its samples go through one chain of layers to one cost

    PREDICTS_TARGETS: ClassVar[bool] = False  # its outputs are numbers of the targets' shape
    CALIBRATES: ClassVar[bool] = False  # its probabilities are scaled by a temperature
    TAKES_WEIGHTS: ClassVar[bool] = False  # of samples, in its loss and its metrics
    DRAWS_SAMPLES: ClassVar[bool] = False  # a distribution with Gibbs sampling

    kind: str
    """Which kind of model; `mlphys list models` describes them. Example: classifier"""

    @classmethod
    @abstractmethod
    def example(cls) -> dict[str, Any]:
        """The block `model` of a small net of this kind: for images of 8 x 8 x 1 in ten classes, or with two numbers
        as targets."""

    # capabilities

    def data_requirements(self) -> DataRequirements:
        """Requirements for reading the data."""
        return DataRequirements()

    def input_corruption(self) -> Corruption | None:
        """The corruption of inputs in training, with clean targets."""
        return None

    def phase_names(self) -> tuple[str, ...]:
        """The keys that `training.phases` may have."""
        return ()

    def measures_all_in(self, phase: str) -> bool:
        """Whether a phase records quantities of the whole network, as `metrics` does, and not of a part of it."""
        return True

    def pretrained_encoder(self) -> PretrainedEncoder | None:
        """The pretrained encoder from another run."""
        return None

    def encoder_rows(self, description: Description) -> list[Row]:
        """The layers of the encoder, for use as a pretrained encoder; empty without one."""
        return []

    def loss_per(self) -> Literal["output", "sample"]:
        """The default of `training.loss_per`."""
        return "output"

    def why_no_decoder(self) -> str | None:
        """Why there is no decoder from codes to samples; None if there is one."""
        return f"kind: {self.kind} has no decoder; train one of kind: autoencoder"

    def normal_code(self) -> bool:
        """Whether codes are trained to be distributed as N(0, 1)."""
        return False

    def energy_form(self) -> EnergyForm:
        """The energy whose gradient gives r(x). Raises NotApplicable if there is none."""
        raise NotApplicable(
            f"kind: {self.kind} has no energy; it takes a tied kind: autoencoder of one layer, or an rbm"
        )

    def without_output_activation(self) -> Self:
        """The model without the last activation of its decoder. Raises NotApplicable unless a decoder gives r(x)."""
        raise NotApplicable(
            f"kind: {self.kind} has no field r(x) - x of a decoder; it takes kind: autoencoder, or stacked_autoencoder"
        )

    def linear_planes(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """If r(x) is linear, vectors (k, d) float64: `components` or `decoder` span its range, each of `encoder` gives
        a number of the code; else empty."""
        return {}

    def stage_codes(self, description: Description) -> list[Shape]:
        """The shape of the code of each autoencoder in a stack; empty for other models."""
        return []

    def unit_kernel(self) -> str | None:
        """The name of the kernel (values, hidden units) of a model of hidden units without layers."""
        return None

    def class_units(self) -> str | None:
        """The name for columns of per-class encoders, such as hidden units; None if classes share layers."""
        return None

    # the config

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> Self:
        """The spec with data-dependent values filled in; `train()` reads the training samples. Raises Refusal."""
        return self

    def check_data(self, data: Dataset) -> None:
        """Raise Refusal for keys of `data` that this model cannot be trained with."""
        if data.target_scaling and not self.PREDICTS_TARGETS:
            text = f"kind: {self.kind} has no targets of numbers to scale; leave it out"
            raise Refusal(("data", "target_scaling"), text)
        if data.weighted() and not self.TAKES_WEIGHTS:
            text = f"kind: {self.kind} does not weigh samples; classifier and regressor do; leave it out"
            raise Refusal(("data", "weights"), text)

    def check_samples(self, train: Split) -> None:
        """Raise UserError if the preprocessed training samples do not suit this model."""

    @abstractmethod
    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for incompatible parts."""

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes, empty for a model without layers. Raises Refusal."""
        return []

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes of the network's weights, by name."""
        return weight_shapes(self.rows(description))

    # training

    @abstractmethod
    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost as a formula with its numbers."""

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """The gradient phases, as far as they follow from the config."""
        return []

    @abstractmethod
    def build(self, description: Description, seed: int) -> Built:
        """The network with its initial weights."""

    def phases(self, training: Training, description: Description, network: Built, train: Split) -> Sequence[Phase]:
        """The phases of training, one after the other. Raises UserError for samples that do not fit."""
        return []

    @abstractmethod
    def cost(self, training: Training, description: Description, network: Built) -> Cost:
        """The cost of a trained network."""

    def further_costs(self, training: Training, description: Description, network: Built) -> Mapping[str, Cost]:
        """Costs that are measured beside the loss, by the names of their metrics."""
        return {}

    # evaluation

    @abstractmethod
    def predictions(self, network: Built, x: Any) -> dict[str, Any]:
        """The network's outputs for each sample of a batch."""

    @abstractmethod
    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""

    @abstractmethod
    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Indices of the samples whose images are saved: the first."""
        return np.arange(min(most, len(split)))

    def image_outputs(self, network: Built, x: Any) -> dict[str, Any]:
        """Images in the network's input space, such as reconstructions, that are saved for the shown samples."""
        return {}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {}

    def decoded(self, network: Built, codes: Any) -> Any:
        """Decoded codes (n, ...). Raises NotApplicable without a decoder."""
        raise NotApplicable(self.why_no_decoder() or f"kind: {self.kind} has no decoder")

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """The outputs for preprocessed samples x, written into a graph, by their names in `predictions` and
        `image_outputs`. Raises NotApplicable for what no graph can say."""
        raise NotApplicable(f"kind: {self.kind} has no form that other programs read")

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        """The codes of preprocessed samples x, written into a graph. Raises NotApplicable without an encoder."""
        raise NotApplicable(f"kind: {self.kind} has no encoder")

    def write_decoder(self, graph: Graph, description: Description, weights: Weights, codes: Any) -> Any:
        """The decoded codes, written into a graph. Raises NotApplicable without a decoder."""
        raise NotApplicable(self.why_no_decoder() or f"kind: {self.kind} has no decoder")

    def forward_pass(self, description: Description, weights: Mapping[str, np.ndarray]) -> ForwardPass:
        """What the trained net does with a preprocessed sample. Raises NotApplicable for what no steps can say."""
        if not self.ONE_CHAIN_TO_COST:
            raise NotApplicable(f"kind: {self.kind} is no chain of layers")
        code = len(self.encoder_rows(description)) if self.why_no_decoder() is None else 0
        return ForwardPass(of_rows(self.rows(description), weights), code)

    def through_stages(self, network: Built, x: Any) -> list[Any]:
        """Reconstructions by a stack through the first stage, the first two, ...: one array per stage."""
        return []

    def sampled(self, network: Built, x: Any, lines: int, every: int) -> Any:
        """Markov chains that start at a batch: means after each `every` steps, (n, lines, ...).

        Raises NotApplicable unless the model is a distribution.
        """
        raise NotApplicable(f"kind: {self.kind} draws no samples; train a model of kind: rbm")


def refuse_without_classes(description: Description) -> None:
    """Raise Refusal for data without classes."""
    if description.classes:
        return
    if 0 in description.target_shape:
        text = (
            "the data has no labels, which this kind of model needs; add them: y in a file of arrays, target in a "
            "table, a sub-folder for each class in a folder of images"
        )
    else:
        text = "the targets are numbers, and this kind of model needs classes; kind: regressor takes numbers"
    raise Refusal(("model", "kind"), text)


def refuse_class_weights(training: Training) -> None:
    """Raise Refusal for class weights, for a kind of model without classes."""
    if training.class_weight is not None:
        raise Refusal(("training", "class_weight"), "only a classifier's loss weighs classes; leave it out")
