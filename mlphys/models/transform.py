"""A chain of fixed layers: convolutions with given kernels, activations, pooling; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.cost import Batch, Cost, Term
from mlphys.networks.phases import Network, Phase, Plan
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import outputs
from mlphys.schema.data import Description, Split
from mlphys.schema.fields import Shape
from mlphys.schema.layers import LayerField
from mlphys.schema.losses import MeanSquaredError
from mlphys.schema.model import ModelSpec
from mlphys.schema.shapes import Row, trace
from mlphys.schema.shapes import weights as weights_of
from mlphys.schema.training import Training

DEFAULT_LOSS = MeanSquaredError()
LOSSES = ("MeanSquaredError",)
RECORDED = ("loss",)
MEASURED = ("output_mean", "output_std")
ITERATIVE = False


class Spec(ModelSpec):
    """Fixed layers, to see what kernels do to an image: FixedConv2D, activations, pooling; nothing is trained."""

    kind: Literal["transform"]
    layers: Annotated[list[LayerField], Field(min_length=1)]


def completed(spec: Spec, training: Training, description: Description, train: Callable[[], Array]) -> Spec:
    """Nothing is left open."""
    return spec


def rows(spec: Spec, description: Description) -> list[Row]:
    """The layers with their shapes. Raises Refusal for a layer that would have to be trained."""
    chain = trace(spec.layers, description.shape, ("model", "layers"))
    for i, row in enumerate(chain):
        if row.layer.weights(row.input_shape):
            name = type(row.layer).__name__
            raise Refusal(("model", "layers", i, name), f"{name} is trained; a transform has FixedConv2D instead")
    return chain


def weights(spec: Spec, description: Description) -> dict[str, Shape]:
    """The kernels' shapes by name."""
    return weights_of(rows(spec, description))


def check(spec: Spec, training: Training, description: Description) -> None:
    """Raise Refusal where shapes do not go together, and for a training that would do nothing."""
    rows(spec, description)
    if training != Training(loss=training.loss, loss_per=training.loss_per):
        raise Refusal(("training",), "nothing is trained: leave training out")


@dataclass(frozen=True)
class Nothing(Term):
    """Zero of each sample."""

    separable: ClassVar[bool] = True

    def formulas(self) -> list[str]:
        return []

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.zeros((ops.shape(batch.x)[0],))


def cost_formula(spec: Spec, training: Training, description: Description) -> str:
    """There is none."""
    return "none: nothing is trained"


def build(spec: Spec, description: Description, seed: int) -> Network:
    """The Keras model."""
    return builder.build(rows(spec, description), seed)


def phases(spec: Spec, training: Training, description: Description, network: Network, train: Split) -> list[Phase]:
    """None."""
    return []


def plans(spec: Spec, training: Training, description: Description) -> list[Plan]:
    """No gradient is followed."""
    return []


def cost(spec: Spec, training: Training, description: Description, network: Network) -> Cost:
    """What is measured of a batch: nothing."""
    return Cost((Nothing(),), Batch, lambda batch, each, losses: {})


def predictions(network: Network, x: Any) -> dict[str, Any]:
    """Mean and standard deviation over the values of each sample's output."""
    from keras import ops

    out = network.model(x, training=False)
    axes = tuple(range(1, len(out.shape)))
    return {"output_means": ops.mean(out, axis=axes), "output_stds": ops.std(out, axis=axes)}


def prediction_shapes(spec: Spec, description: Description) -> dict[str, Shape]:
    """The shape, for each sample, of what `predictions` gives."""
    return {"output_means": (), "output_stds": ()}


def metrics(
    spec: Spec, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
) -> dict[str, Any]:
    """The entry of metrics.json for a split, from its per-sample arrays."""
    return outputs(arrays["output_means"], arrays["output_stds"])


def shown(split: Split, arrays: Mapping[str, np.ndarray], most: int) -> np.ndarray:
    """Which samples' images are kept: the first."""
    return np.arange(min(most, len(split)))


def pictured(network: Network, x: Any) -> dict[str, Any]:
    """What is kept of the shown samples beside their images."""
    return {}


def pictured_shapes(description: Description) -> dict[str, Shape]:
    """The shape, for each shown sample, of what `pictured` gives."""
    return {}
