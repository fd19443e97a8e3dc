"""Regression: a chain of layers that ends in the shape of the target: numbers, a curve, an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.cost import Batch, Cost, DataTerm, LayerPenalties, Term, formula
from mlphys.networks.model_kind import ModelKind, refuse_class_weights
from mlphys.networks.network import LayeredNetwork
from mlphys.networks.phases import Gradient, Plan
from mlphys.networks.pretrained_encoder import PretrainedEncoder, rows_after_encoder
from mlphys.numerics import central_pixel
from mlphys.numerics.metrics import PER_TARGET, peak_signal_to_noise, regression
from mlphys.schema.data import DataRequirements, Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.layers import LayerField, begins_with_sequence, text
from mlphys.schema.losses import REGRESSION_LOSSES, Loss, MeanSquaredError
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trained
from mlphys.schema.training import Training


class Regressor(ModelKind[LayeredNetwork]):
    """Dense and convolutional networks that give numbers, curves or images.

    With `encoder: {run: RUN}` the layers follow the encoder of a finished run.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = REGRESSION_LOSSES
    COMPARES_WITH: ClassVar[Literal["x", "y"] | None] = "y"
    ONE_CHAIN_TO_COST: ClassVar[bool] = True
    PREDICTS_TARGETS: ClassVar[bool] = True
    TAKES_WEIGHTS: ClassVar[bool] = True
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "mse")
    PICTURES: ClassVar[tuple[str, ...]] = ("learning_curves", "predicted_against_true")
    MEASURED_PER: ClassVar[Mapping[str, tuple[str, ...]]] = {"per_target": PER_TARGET}
    MEASURED: ClassVar[tuple[str, ...]] = (
        "mse", "rmse", "mae", "r2", "psnr", "loss", "mean_target_mse", "mean_target_rmse", "central_pixel_rmse",
        "copy_input_mse", "mse_gap", "effective_samples",
    )  # fmt: skip

    kind: Literal["regressor"]
    encoder: PretrainedEncoder | None = None
    """The encoder of a finished run, before the layers; null: none. Example: {run: dae}"""
    layers: Annotated[list[LayerField], Field(min_length=1)]
    """The layers, from the input to the target's shape. Example: [{Dense: {units: 20, activation: tanh}}, {Dense:
    {units: 1}}]
    """

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "regressor", "layers": ["Flatten", {"Dense": {"units": 2}}]}

    def data_requirements(self) -> DataRequirements:
        return DataRequirements("numbers", signals=begins_with_sequence(self.layers) and not self.encoder)

    def pretrained_encoder(self) -> PretrainedEncoder | None:
        return self.encoder

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes. Raises Refusal where they do not end in the target's shape."""
        if description.classes or 0 in description.target_shape:
            has, remedy = "no targets", "kind: autoencoder needs none"
            if description.classes:
                has, remedy = "classes", "kind: classifier takes them"
            why = f"a regressor needs targets that are numbers; this dataset has {has}; {remedy}"
            raise Refusal(("model", "kind"), why)
        chain = rows_after_encoder(self.encoder, self.layers, description.shape)
        out, target = chain[-1].output_shape, description.target_shape
        if out != target:
            last = ("model", "layers", len(self.layers) - 1, type(chain[-1].layer).__name__)
            raise Refusal(last, f"the output is {text(out)}; it must be {text(target)}, the shape of the targets")
        return chain

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes and data do not go together."""
        self.rows(description)
        refuse_class_weights(training)

    def cost_terms(self, training: Training, description: Description) -> tuple[Term, ...]:
        """The loss, and the penalties of the layers."""
        data = DataTerm(training.loss or self.DEFAULT_LOSS, "y", description.target_shape, training.loss_per)
        return data, LayerPenalties(tuple(self.rows(description)))

    def cost_formula(self, training: Training, description: Description) -> str:
        """The cost as a formula with its numbers."""
        scaled = "\nof targets less their mean, in units of their spread" if description.scaled_targets else ""
        weighted = "\nthe loss of each sample times its weight" if description.weighted else ""
        return formula(self.cost_terms(training, description)) + scaled + weighted

    def build(self, description: Description, seed: int) -> LayeredNetwork:
        """The Keras model with its initial weights."""
        return builder.build(self.rows(description), seed)

    def plans(self, training: Training, description: Description) -> list[Plan]:
        """One phase: the gradient of the loss over all trained weights."""
        chain = tuple(self.rows(description))
        return [
            Plan(
                "train",
                training,
                self.cost_terms(training, description),
                trained(chain),
                chain,
                weighted=description.weighted,
            )
        ]

    def phases(
        self, training: Training, description: Description, network: LayeredNetwork, train: Split
    ) -> list[Gradient]:
        """The phase of `plans`."""
        [plan] = self.plans(training, description)
        forward = passing(network, math.prod(description.target_shape))
        return [builder.gradient_phase(network, plan, forward, squared_error, self.RECORDED)]

    def cost(self, training: Training, description: Description, network: LayeredNetwork) -> Cost:
        """What is measured of a batch: the loss and squared error of each sample, and the penalty."""
        terms = self.cost_terms(training, description)
        return Cost(terms, passing(network, math.prod(description.target_shape)), squared_error)

    def predictions(self, network: LayeredNetwork, x: Any) -> dict[str, Any]:
        """What the net says of a batch: outputs of the target's shape."""
        return {"outputs": network.model(x, training=False)}

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        return {"outputs": graph.chain(self.rows(description), weights, x, description.shape)}

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return {"outputs": description.target_shape}

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""
        losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
        measured = regression(
            split.y, arrays["outputs"], losses, train.y, description.target_names, split.weights, train.weights
        )
        if len(description.target_shape) == 3:
            measured |= peak_signal_to_noise(measured["mse"], measured["mse_stderr"])
        if len(description.shape) == 3 and len(description.target_shape) == 1:
            measured["central_pixel_rmse"] = central_pixel.error(
                split.x, split.y, train.x, train.y, split.weights, train.weights
            )
        if description.target_shape == description.shape:
            measured["copy_input_mse"] = _distance(split)
        return measured


def passing(network: LayeredNetwork, outputs: int) -> Callable[[Any, Any, bool], Batch]:
    """The forward pass of a batch, as `forward` of the cost."""
    from keras import ops

    def forward(x: Any, y: Any, training: bool) -> Batch:
        p = ops.reshape(network.model(x, training=training), (-1, outputs))
        return Batch(x, y, training, ops.reshape(y, (-1, outputs)), p, penalties=network.model.losses)

    return forward


def squared_error(batch: Batch, each: Any, losses: Any) -> dict[str, Any]:
    """What is recorded beside the loss: the squared error of each sample."""
    from keras import ops

    return {"mse": ops.mean((batch.prediction - batch.target) ** 2, axis=1)}


def _distance(split: Split) -> float:
    """The mean squared difference between samples and targets of their shape."""
    total = sum(float(np.square(piece.x - piece.y).sum(dtype=np.float64)) for piece in split.pieces())
    return total / split.y.size
