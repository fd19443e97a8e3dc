"""Classifiers: a chain of layers with one output per class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.cost import (
    Batch,
    ClassWeightedTerm,
    Cost,
    DataTerm,
    LayerPenalties,
    Term,
    TwoClassTerm,
    formula,
    right_or_wrong,
)
from mlphys.networks.model_kind import ModelKind, refuse_without_classes
from mlphys.networks.network import LayeredNetwork
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.pretrained_encoder import PretrainedEncoder, rows_after_encoder
from mlphys.numerics.metrics import PER_CLASS, classification
from mlphys.numerics.shown_samples import worth_seeing
from mlphys.schema.data import DataRequirements, Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.layers import Activation, Layer, LayerField, Softmax, begins_with_sequence, text
from mlphys.schema.losses import CLASSIFIER_LOSSES, BinaryCrossentropy, CategoricalCrossentropy, Loss
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trained
from mlphys.schema.training import Training


class Classifier(ModelKind[LayeredNetwork]):
    """Dense and convolutional networks for classification.

    They end in one output for each class; for two classes one sigmoid unit, the probability of the second, is enough.

    With `encoder: {run: RUN}` the layers follow the encoder of a finished run.
    """

    DEFAULT_LOSS: ClassVar[Loss] = CategoricalCrossentropy()
    LOSSES: ClassVar[Collection[str]] = CLASSIFIER_LOSSES
    ONE_CHAIN_TO_COST: ClassVar[bool] = True
    CALIBRATES: ClassVar[bool] = True
    TAKES_WEIGHTS: ClassVar[bool] = True
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "confusion_matrix", "misclassified")
    MEASURED_PER: ClassVar[Mapping[str, tuple[str, ...]]] = {"per_class": PER_CLASS}
    MEASURED: ClassVar[tuple[str, ...]] = (
        "accuracy", "error_rate", "balanced_accuracy", "loss", "majority_accuracy",
        "auc", "average_precision", "efficiency_at_90_percent_rejection", "efficiency_at_99_percent_rejection",
        "nll", "ece", "temperature", "calibrated_nll", "calibrated_ece", "accuracy_gap",
        "effective_samples",
    )  # fmt: skip

    kind: Literal["classifier"]
    encoder: PretrainedEncoder | None = None
    """The encoder of a finished run, before the layers; null: none. Example: {run: dae}"""
    layers: Annotated[list[LayerField], Field(min_length=1)]
    """The layers, from the input to one output for each class. Example: [Flatten, {Dense: {units: 10, activation:
    softmax}}]
    """

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]}

    def data_requirements(self) -> DataRequirements:
        return DataRequirements("classes", signals=begins_with_sequence(self.layers) and not self.encoder)

    def pretrained_encoder(self) -> PretrainedEncoder | None:
        return self.encoder

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes. Raises Refusal where they do not fit the data or each other."""
        refuse_without_classes(description)
        if len(description.classes) == 1:
            raise Refusal(("data",), f"there is one class only, {description.classes[0]}: nothing to tell apart")
        chain = rows_after_encoder(self.encoder, self.layers, description.shape)
        classes, out = len(description.classes), chain[-1].output_shape
        last = ("model", "layers", len(self.layers) - 1, type(chain[-1].layer).__name__)
        if len(out) != 1:
            raise Refusal(
                last,
                f"the output is {text(out)}, not one number a class; "
                f"put Flatten (or GlobalAveragePooling2D) before the last Dense layer",
            )
        if out[0] != classes and not _is_one_sigmoid(chain[-1], classes):
            raise Refusal(last, f"{out[0]} outputs for {classes} classes; end with Dense: {{units: {classes}, ...}}")
        return chain

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes, loss and data do not go together."""
        last = self.rows(description)[-1]
        loss = training.loss or self.DEFAULT_LOSS
        if loss.probabilities() and not _gives_probabilities(last.layer):
            raise Refusal(
                ("model", "layers", len(self.layers) - 1, type(last.layer).__name__),
                f"{type(loss).__name__} takes probabilities and the last layer gives none; "
                "add activation: softmax to it",
            )
        one = last.output_shape == (1,)
        if one and not isinstance(loss, BinaryCrossentropy):
            why = "one sigmoid unit is the probability of the second class; write binary_crossentropy"
            raise Refusal(("training", "loss"), why)
        chosen = training.class_weight
        if isinstance(chosen, dict) and set(chosen) != set(description.classes):
            different = sorted(set(chosen) ^ set(description.classes))[0]
            raise Refusal(
                ("training", "class_weight"),
                f"needs one weight for each of {', '.join(description.classes)}; {different} is "
                + ("no class" if different in chosen else "missing"),
            )

    def cost_terms(self, training: Training, description: Description) -> tuple[Term, ...]:
        """The loss, and the penalties of the layers."""
        rows = self.rows(description)
        shape = rows[-1].output_shape
        term = DataTerm if shape == (len(description.classes),) else TwoClassTerm
        return term(training.loss or self.DEFAULT_LOSS, "classes", shape, training.loss_per), LayerPenalties(
            tuple(rows)
        )

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost as a formula with its numbers."""
        weighted = "\nthe loss of each sample times its weight" if description.weighted else ""
        return "\n".join(formula(plan.terms) for plan in self.plans(training, description)) + weighted

    def build(self, description: Description, seed: int) -> LayeredNetwork:
        """The Keras model with its initial weights."""
        return builder.build(self.rows(description), seed)

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """One phase: the gradient of the loss over all trained weights."""
        data, *others = self.cost_terms(training, description)
        if training.class_weight is not None:
            assert isinstance(data, DataTerm)
            data = ClassWeightedTerm(data.loss, data.target, data.shape, data.loss_per)
        chain = tuple(self.rows(description))
        return [Plan("train", training, (data, *others), trained(chain), chain, weighted=description.weighted)]

    def phases(
        self, training: Training, description: Description, network: LayeredNetwork, train: Split
    ) -> list[Gradient]:
        """The phase of `plans`; balanced weights of the classes follow from the training labels."""
        [plan] = self.plans(training, description)
        data, *others = plan.terms
        weights = class_weights(training, description, train)
        if weights is not None:
            assert isinstance(data, ClassWeightedTerm)
            plan = replace(plan, terms=(replace(data, weights=tuple(weights.tolist())), *others))
        forward, recorded = passing(network, len(description.classes)), right_or_wrong
        return [builder.gradient_phase(network, plan, forward, recorded, self.RECORDED)]

    def cost(self, training: Training, description: Description, network: LayeredNetwork) -> Cost:
        """What is measured of a batch: the loss and accuracy of each sample, and the penalty."""
        terms = self.cost_terms(training, description)
        return Cost(terms, passing(network, len(description.classes)), right_or_wrong)

    def predictions(self, network: LayeredNetwork, x: Any) -> dict[str, Any]:
        """Probabilities (n, classes) of a batch."""
        return {"probabilities": each_class(network.model(x, training=False))}

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""
        losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
        return classification(split.y, arrays["probabilities"], losses, description.classes, split.weights)

    def shown_samples(self, split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
        """Indices of samples whose images are saved: the most confident mistakes, and one correct sample per class."""
        return worth_seeing(split.y, arrays["probabilities"], most)

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """The probabilities; one sigmoid unit gives that of the second class alone."""
        return {"probabilities": graph.chain(self.rows(description), weights, x, description.shape)}

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return {"probabilities": (len(description.classes),)}


def _is_one_sigmoid(row: Row, classes: int) -> bool:
    return row.output_shape == (1,) and classes == 2 and row.layer.activation_name() == "sigmoid"


def _gives_probabilities(layer: Layer) -> bool:
    if isinstance(layer, Activation):
        return layer.activation in ("softmax", "sigmoid")
    return isinstance(layer, Softmax) or getattr(layer, "activation", None) in ("softmax", "sigmoid")


def class_weights(training: Training, description: Description, train: Split) -> np.ndarray | None:
    """The weight of each class in the loss, (K,); None: all are 1."""
    chosen, classes = training.class_weight, description.classes
    if chosen is None:
        return None
    if chosen == "balanced":
        counts = np.bincount(train.y, train.weights, minlength=len(classes))
        safe = np.where(counts > 0, counts, 1)
        return np.where(counts > 0, counts.sum() / (len(classes) * safe), 0.0)
    return np.array([chosen[name] for name in classes])


def each_class(p: Any) -> Any:
    """The probability of each class, (n, K); of one sigmoid unit p the pair 1 - p and p."""
    from keras import ops

    return p if p.shape[-1] > 1 else ops.concatenate([1 - p, p], axis=-1)


def passing(network: LayeredNetwork, classes: int) -> Callable[[Any, Any, bool], Batch]:
    """The forward pass of a batch, as `forward` of the cost."""
    from keras import ops

    def forward(x: Any, y: Any, training: bool) -> Batch:
        p = each_class(network.model(x, training=training))
        return Batch(x, y, training, ops.one_hot(y, classes), p, penalties=network.model.losses)

    return forward
