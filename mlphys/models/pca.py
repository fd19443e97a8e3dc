"""Principal component analysis (Pearson 1901): the best of all linear autoencoders (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from mlphys.errors import Refusal
from mlphys.models._projection_error import ProjectionError
from mlphys.networks import tensorflow
from mlphys.networks.cost import Batch, Cost, formula
from mlphys.networks.forward_pass import ForwardPass, tied_pair
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import Network
from mlphys.networks.phases import Fit
from mlphys.numerics import pca
from mlphys.numerics.chunked import Array
from mlphys.numerics.metrics import explained_variance, reconstruction
from mlphys.schema.data import Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.losses import Loss, MeanSquaredError
from mlphys.schema.principal_steps import Components, no_fraction, too_many
from mlphys.schema.samples import Split
from mlphys.schema.training import Training


class PCA(ModelKind[Network]):
    """The eigenvectors of the covariance of the training samples, those of the largest variance first.

    `components` is their number, or the fraction of the variance that they hold together. Saved are
    mean, components (a row each) and variances, also of the directions that are left out.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = ("MeanSquaredError",)
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "mse")
    PICTURES: ClassVar[tuple[str, ...]] = ("components", "reconstructions")
    MEASURED: ClassVar[tuple[str, ...]] = (
        "mse", "mae", "psnr", "squared_error", "explained_variance", "reconstruction_loss", "loss",
        "mean_image_mse", "pixel_mse", "pixel_pca_mse", "mse_gap",
    )  # fmt: skip
    ITERATIVE: ClassVar[bool] = False
    PROJECTS_LINEARLY: ClassVar[bool] = True

    kind: Literal["pca"]
    components: Components
    """The number of principal components, or the fraction of the variance that they hold. Example: 10"""

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "pca", "components": 3}

    def completed(self, training: Training, description: Description, train: Callable[[], Array]) -> PCA:
        """A fraction of the variance becomes the number of components that hold it."""
        features = math.prod(description.shape)
        if isinstance(self.components, int):
            return self
        if features > pca.MOST_FEATURES:
            raise Refusal(("model", "components"), no_fraction(features))
        return self.model_copy(update={"components": pca.count(train(), self.components)})

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes by name."""
        features = math.prod(description.shape)
        return {
            "mean": (features,),
            "components": (self._count(), features),
            "variances": (self._variances(description),),
        }

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for more components than there are directions, and for a training that would do nothing."""
        features = math.prod(description.shape)
        if self._count() > min(features, description.samples - 1):
            raise Refusal(("model", "components"), too_many(self._count(), features, description.samples))
        if training != Training(loss=training.loss, loss_per=training.loss_per):
            raise Refusal(("training",), "components are computed at once, by eigenvectors: leave training out")

    def cost_formula(self, training: Training, description: Description) -> str:
        """What the components minimize among all linear maps."""
        return formula([ProjectionError(math.prod(description.shape))])

    def linear_planes(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"components": weights["components"].astype(np.float64)}

    def build(self, description: Description, seed: int) -> Network:
        """Mean, components and variances as variables; there is no Keras model."""
        tensorflow.start()
        import keras

        shapes = self.weight_shapes(description)
        return Network(
            weights={name: keras.Variable(np.zeros(shape, np.float32)) for name, shape in shapes.items()},
            compiles_in_xla=False,
            evaluated_at_once=1000,
        )

    def phases(self, training: Training, description: Description, network: Network, train: Split) -> list[Fit]:
        """One phase, that diagonalizes the covariance."""

        def solve(train: Split, validation: Split) -> dict[str, np.ndarray]:
            fitted = pca.fit(train.x, self._variances(description))
            return {
                "mean": fitted.mean,
                "components": fitted.vectors[: self._count()],
                "variances": fitted.variances,
            }

        return [Fit("fit", solve, self.cost(training, description, network), self.RECORDED, network)]

    def cost(self, training: Training, description: Description, network: Network) -> Cost:
        """What is measured of a batch: the squared error of each sample; y is not looked at."""

        def forward(x: Any, y: Any, training: bool) -> Batch:
            return Batch(x, y, training, _flat(x), _reconstructed(network, x))

        return Cost(
            (ProjectionError(math.prod(description.shape)),), forward, lambda batch, each, losses: {"mse": each}
        )

    def predictions(self, network: Network, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: its coordinates along the components, and its squared and absolute error."""
        from keras import ops

        difference = _reconstructed(network, x) - _flat(x)
        return {
            "codes": _codes(network, x),
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return {"codes": (self._count(),), "squared_errors": (), "absolute_errors": ()}

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split; explained_variance is of this split, around the training mean."""
        measured = reconstruction(arrays, split.x, train.x)
        return {**measured, **explained_variance(arrays, split.x, train.x)}

    def image_outputs(self, network: Network, x: Any) -> dict[str, Any]:
        """Reconstructions of the shown samples."""
        from keras import ops

        return {"reconstructions": ops.reshape(_reconstructed(network, x), ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {"reconstructions": description.shape}

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        codes = self.write_encoder(graph, description, weights, x)
        return {"reconstructions": self._decoded_in(graph, description, weights, codes)}

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        mean = weights["mean"].reshape(description.shape)
        centred = graph.standardized(x, mean, np.ones(description.shape, np.float32))
        return graph.dense(graph.reshaped(centred, (math.prod(description.shape),)), weights["components"].T)

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        components, mean = weights["components"], weights["mean"]
        encoder = "components", "linear", -components @ mean
        return tied_pair(components.T, encoder, ("reconstruction", "linear", mean))

    def _decoded_in(self, graph: Graph, description: Description, weights: Weights, codes: Any) -> Any:
        return graph.reshaped(graph.dense(codes, weights["components"], weights["mean"]), description.shape)

    def _count(self) -> int:
        assert isinstance(self.components, int)
        return self.components

    def _variances(self, description: Description) -> int:
        """How many variances are kept: all, unless only the leading ones are computed."""
        features = math.prod(description.shape)
        return features if features <= pca.MOST_FEATURES else self._count()


def _flat(x: Any) -> Any:
    from keras import ops

    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def _codes(network: Network, x: Any) -> Any:
    from keras import ops

    return ops.matmul(_flat(x) - network.weights["mean"], ops.transpose(network.weights["components"]))


def _reconstructed(network: Network, x: Any) -> Any:
    from keras import ops

    return ops.matmul(_codes(network, x), network.weights["components"]) + network.weights["mean"]
