"""A chain of layers that ends in the shape of its target: numbers, a curve, an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.cost import Batch, Cost, DataTerm, LayerPenalties, Term, formula
from mlphys.networks.phases import Gradient, Network, Plan
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import peak_signal_to_noise, regression
from mlphys.schema.data import Description, Split
from mlphys.schema.fields import Shape
from mlphys.schema.layers import LayerField, text
from mlphys.schema.losses import REGRESSION_LOSSES, MeanSquaredError
from mlphys.schema.model import ModelSpec, refuse_class_weights
from mlphys.schema.pretrained import TakenEncoder, chained
from mlphys.schema.shapes import Row, trained
from mlphys.schema.shapes import weights as weights_of
from mlphys.schema.training import Training

DEFAULT_LOSS = MeanSquaredError()
LOSSES = REGRESSION_LOSSES
RECORDED = ("loss", "mse")
MEASURED = ("mse", "mae", "psnr", "loss", "mean_target_mse", "copy_input_mse")
ITERATIVE = True


class Spec(ModelSpec):
    """Dense and convolutional networks that give numbers, curves or images.

    With `encoder: {run: RUN}` the layers stand behind the encoder of a finished run.
    """

    kind: Literal["regressor"]
    encoder: TakenEncoder | None = None
    layers: Annotated[list[LayerField], Field(min_length=1)]

    def taken(self) -> TakenEncoder | None:
        return self.encoder


def completed(spec: Spec, training: Training, description: Description, train: Callable[[], Array]) -> Spec:
    """Nothing is left open."""
    return spec


def rows(spec: Spec, description: Description) -> list[Row]:
    """The layers with their shapes. Raises Refusal where they do not end in the target's shape."""
    if description.classes or 0 in description.target_shape:
        has = "classes" if description.classes else "no targets"
        raise Refusal(("model", "kind"), f"a regressor needs targets that are numbers; this dataset has {has}")
    chain = chained(spec.encoder, spec.layers, description.shape)
    out, target = chain[-1].output_shape, description.target_shape
    if out != target:
        last = ("model", "layers", len(spec.layers) - 1, type(chain[-1].layer).__name__)
        raise Refusal(last, f"the output is {text(out)}; it must be {text(target)}, the shape of the targets")
    return chain


def weights(spec: Spec, description: Description) -> dict[str, Shape]:
    """Shapes by name."""
    return weights_of(rows(spec, description))


def check(spec: Spec, training: Training, description: Description) -> None:
    """Raise Refusal where shapes and data do not go together."""
    rows(spec, description)
    refuse_class_weights(training)


def cost_terms(spec: Spec, training: Training, description: Description) -> tuple[Term, ...]:
    """The loss, and the penalties of the layers."""
    data = DataTerm(training.loss or DEFAULT_LOSS, "y", description.target_shape, training.loss_per)
    return data, LayerPenalties(tuple(rows(spec, description)))


def cost_formula(spec: Spec, training: Training, description: Description) -> str:
    """The cost as a formula with its numbers."""
    return formula(cost_terms(spec, training, description))


def build(spec: Spec, description: Description, seed: int) -> Network:
    """The Keras model with its initial weights."""
    return builder.build(rows(spec, description), seed)


def plans(spec: Spec, training: Training, description: Description) -> list[Plan]:
    """One phase: the gradient of the loss over all trained weights."""
    chain = tuple(rows(spec, description))
    return [Plan("train", training, cost_terms(spec, training, description), trained(chain), chain)]


def phases(spec: Spec, training: Training, description: Description, network: Network, train: Split) -> list[Gradient]:
    """The phase of `plans`."""
    [plan] = plans(spec, training, description)
    forward = passing(network, math.prod(description.target_shape))
    return [builder.gradient_phase(network, plan, forward, squared_error, RECORDED)]


def cost(spec: Spec, training: Training, description: Description, network: Network) -> Cost:
    """What is measured of a batch: the loss and squared error of each sample, and the penalty."""
    terms = cost_terms(spec, training, description)
    return Cost(terms, passing(network, math.prod(description.target_shape)), squared_error)


def passing(network: Network, outputs: int) -> Callable[[Any, Any, bool], Batch]:
    """The way of a batch through the net; `forward` of its cost."""
    from keras import ops

    def forward(x: Any, y: Any, training: bool) -> Batch:
        p = ops.reshape(network.model(x, training=training), (-1, outputs))
        return Batch(x, y, training, ops.reshape(y, (-1, outputs)), p, penalties=network.model.losses)

    return forward


def squared_error(batch: Batch, each: Any, losses: Any) -> dict[str, Any]:
    """What is recorded beside the loss: the squared error of each sample."""
    from keras import ops

    return {"mse": ops.mean((batch.prediction - batch.target) ** 2, axis=1)}


def predictions(network: Network, x: Any) -> dict[str, Any]:
    """What the net says of a batch: outputs of the target's shape."""
    return {"outputs": network.model(x, training=False)}


def prediction_shapes(spec: Spec, description: Description) -> dict[str, Shape]:
    """The shape, for each sample, of what `predictions` gives."""
    return {"outputs": description.target_shape}


def metrics(
    spec: Spec, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
) -> dict[str, Any]:
    """The entry of metrics.json for a split, from its per-sample arrays."""
    losses = arrays["losses"].astype(np.float64) + arrays["penalties"]
    found = regression(split.y, arrays["outputs"], losses, train.y)
    if len(description.target_shape) == 3:
        found |= peak_signal_to_noise(found["mse"], found["mse_stderr"])
    if description.target_shape == description.shape:
        found["copy_input_mse"] = _distance(split)
    return found


def _distance(split: Split) -> float:
    """The mean squared difference between samples and targets of their shape."""
    total = sum(float(np.square(piece.x - piece.y).sum(dtype=np.float64)) for piece in split.pieces())
    return total / split.y.size


def shown(split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
    """Which samples' images are kept: the first."""
    return np.arange(min(most, len(split)))


def pictured(network: Network, x: Any) -> dict[str, Any]:
    """What is kept of the shown samples beside their images."""
    return {}


def pictured_shapes(description: Description) -> dict[str, Shape]:
    """The shape, for each shown sample, of what `pictured` gives."""
    return {}
