"""A chain of fixed layers: convolutions with given kernels, activations, pooling; nothing is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import builder
from mlphys.networks.cost import Batch, Cost, Term
from mlphys.networks.forward_pass import ForwardPass, of_rows
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import LayeredNetwork
from mlphys.numerics.metrics import outputs
from mlphys.schema.data import Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.layers import LayerField
from mlphys.schema.losses import Loss, MeanSquaredError
from mlphys.schema.samples import Split
from mlphys.schema.shapes import Row, trace
from mlphys.schema.training import Training


class Transform(ModelKind[LayeredNetwork]):
    """Fixed layers, to see what kernels do to an image: FixedConv2D, activations, pooling; nothing is trained."""

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = ("MeanSquaredError",)
    RECORDED: ClassVar[tuple[str, ...]] = ("loss",)
    PICTURES: ClassVar[tuple[str, ...]] = ("feature_maps",)
    MEASURED: ClassVar[tuple[str, ...]] = ("output_mean", "output_std")
    ITERATIVE: ClassVar[bool] = False

    kind: Literal["transform"]
    layers: Annotated[list[LayerField], Field(min_length=1)]
    """The layers, none of which has trained weights. Example: [{FixedConv2D: {kernel: [[-1, 0, 1], [-2, 0, 2], [-1, 0,
    1]]}}]
    """

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "transform", "layers": [{"AveragePooling2D": {"pool_size": 2}}, "Flatten"]}

    def rows(self, description: Description) -> list[Row]:
        """The layers with their shapes. Raises Refusal for a layer that would have to be trained."""
        chain = trace(self.layers, description.shape, ("model", "layers"))
        for i, row in enumerate(chain):
            if row.layer.weight_shapes(row.input_shape):
                name = type(row.layer).__name__
                raise Refusal(("model", "layers", i, name), f"{name} is trained; a transform has FixedConv2D instead")
        return chain

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal where shapes do not go together, and for a training that would do nothing."""
        self.rows(description)
        if training != Training(loss=training.loss, loss_per=training.loss_per):
            raise Refusal(("training",), "nothing is trained: leave training out")

    def cost_formula(self, training: Training, description: Description) -> str:
        """There is none."""
        return "none: nothing is trained"

    def build(self, description: Description, seed: int) -> LayeredNetwork:
        """The Keras model."""
        return builder.build(self.rows(description), seed)

    def cost(self, training: Training, description: Description, network: LayeredNetwork) -> Cost:
        """What is measured of a batch: nothing."""
        return Cost((Nothing(),), Batch, lambda batch, each, losses: {})

    def predictions(self, network: LayeredNetwork, x: Any) -> dict[str, Any]:
        """Mean and standard deviation over the values of each sample's output."""
        from keras import ops

        out = network.model(x, training=False)
        axes = tuple(range(1, len(out.shape)))
        return {"output_means": ops.mean(out, axis=axes), "output_stds": ops.std(out, axis=axes)}

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        """The output of the last layer, of which `predictions` has mean and standard deviation."""
        return {"outputs": graph.chain(self.rows(description), weights, x, description.shape)}

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        return ForwardPass(of_rows(self.rows(description), weights))

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return {"output_means": (), "output_stds": ()}

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split, from its per-sample arrays."""
        return outputs(arrays["output_means"], arrays["output_stds"])


@dataclass(frozen=True)
class Nothing(Term):
    """Zero of each sample."""

    separable: ClassVar[bool] = True

    def formulas(self) -> list[str]:
        return []

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.zeros((ops.shape(batch.x)[0],))
