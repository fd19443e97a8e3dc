"""k-means clustering (Lloyd 1982), the sparsest autoencoder: its code names the nearest centroid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import Refusal
from mlphys.networks import tensorflow
from mlphys.networks.cost import Batch, Cost, Term, formula
from mlphys.networks.forward_pass import ForwardPass, Step
from mlphys.networks.model_kind import ModelKind
from mlphys.networks.network import Network
from mlphys.networks.phases import Fit
from mlphys.numerics import chunked, pca
from mlphys.numerics.metrics import reconstruction
from mlphys.numerics.randomness import rng
from mlphys.schema.data import Description
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays as Weights
from mlphys.schema.graph import Graph
from mlphys.schema.losses import Loss, MeanSquaredError
from mlphys.schema.samples import Split
from mlphys.schema.training import Training

MOST_CLUSTERS = 10_000


class KMeans(ModelKind[Network]):
    """Clusters around centroids, each the mean of the samples nearest to it: the sparsest autoencoder.

    The code of a sample has a number for each centroid. `features: hard` gives the nearest a one, all
    others zero; `triangle` (Coates, Ng & Lee 2011) max(0, mean distance - distance). Either is
    reconstructed as the nearest centroid. Of `restarts` from k-means++ (Arthur & Vassilvitskii 2007),
    each of at most so many `iterations`, the one of the smallest error is kept. Saved are centroids
    (a row each) and the shares of the training samples that they have, the largest first.
    """

    DEFAULT_LOSS: ClassVar[Loss] = MeanSquaredError()
    LOSSES: ClassVar[Collection[str]] = ("MeanSquaredError",)
    RECORDED: ClassVar[tuple[str, ...]] = ("loss", "mse")
    PICTURES: ClassVar[tuple[str, ...]] = ("centroids", "reconstructions")
    MEASURED: ClassVar[tuple[str, ...]] = (
        "mse", "mae", "psnr", "squared_error", "inertia", "reconstruction_loss", "loss",
        "mean_image_mse", "pca_mse", "pixel_mse", "pixel_pca_mse", "mse_gap",
    )  # fmt: skip
    ITERATIVE: ClassVar[bool] = False

    kind: Literal["kmeans"]
    clusters: Annotated[int, Field(ge=1, le=MOST_CLUSTERS)]
    """The number of centroids. Example: 10"""
    features: Literal["hard", "triangle"] = "hard"
    """The code: hard is 1 for the nearest centroid and 0 for others; triangle is how much nearer than the mean
    distance.
    """
    restarts: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many times the search starts; the best result is kept."""
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 300
    """The most iterations of one search."""

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"kind": "kmeans", "clusters": 5}

    def weight_shapes(self, description: Description) -> dict[str, Shape]:
        """Shapes by name."""
        return {"centroids": (self.clusters, math.prod(description.shape)), "shares": (self.clusters,)}

    def check(self, training: Training, description: Description) -> None:
        """Raise Refusal for more clusters than samples, and for a training that would do nothing."""
        if self.clusters > description.samples:
            text = f"{self.clusters} clusters for {description.samples} training samples; lower it, or raise data.train"
            raise Refusal(("model", "clusters"), text)
        if training != Training(loss=training.loss, loss_per=training.loss_per):
            text = "centroids are found at once, by model.restarts and model.iterations: leave training out"
            raise Refusal(("training",), text)

    def cost_terms(self, description: Description) -> tuple[Term, ...]:
        """The one term."""
        return (Distortion(math.prod(description.shape), self.clusters),)

    def cost_formula(self, training: Training, description: Description) -> str:
        """What the centroids minimize, if only locally."""
        return formula(self.cost_terms(description))

    def build(self, description: Description, seed: int) -> Network:
        """Centroids and shares as variables; there is no Keras model."""
        tensorflow.start()
        import keras

        start = rng(seed, "k-means++").integers(2**32, size=1, dtype=np.uint32)
        shapes = self.weight_shapes(description)
        centroids = keras.Variable(np.zeros(shapes["centroids"], np.float32))
        shares = keras.Variable(np.zeros(shapes["shares"], np.float32))
        return Network(
            weights={"centroids": centroids, "shares": shares},
            state={"k-means++": keras.Variable(start, dtype="uint32", trainable=False)},
            compiles_in_xla=False,
            evaluated_at_once=1000,
        )

    def phases(self, training: Training, description: Description, network: Network, train: Split) -> list[Fit]:
        """One phase: Lloyd's iterations."""

        def solve(train: Split, validation: Split) -> dict[str, np.ndarray]:
            start = int(np.asarray(network.state["k-means++"])[0])
            return clustered(
                chunked.read(train.x).reshape(len(train), -1), self.clusters, self.restarts, self.iterations, start
            )

        return [Fit("fit", solve, self.cost(training, description, network), self.RECORDED, network)]

    def cost(self, training: Training, description: Description, network: Network) -> Cost:
        """What is measured of a batch: the squared error of each sample; y is not looked at."""

        def forward(x: Any, y: Any, training: bool) -> Batch:
            return Batch(x, y, training, _flat(x), _nearest(network, x))

        return Cost(self.cost_terms(description), forward, lambda batch, each, losses: {"mse": each})

    def predictions(self, network: Network, x: Any) -> dict[str, Any]:
        """Of each sample of a batch: its code, and the squared and absolute error of the nearest centroid."""
        from keras import ops

        encode = {"hard": _hard, "triangle": _triangle}[self.features]
        difference = _nearest(network, x) - _flat(x)
        return {
            "codes": encode(_squared_distances(network.weights["centroids"], _flat(x))),
            "squared_errors": ops.mean(difference**2, axis=1),
            "absolute_errors": ops.mean(ops.abs(difference), axis=1),
        }

    def prediction_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per sample of each array in `predictions`."""
        return {"codes": (self.clusters,), "squared_errors": (), "absolute_errors": ()}

    def metrics(
        self, description: Description, arrays: Mapping[str, np.ndarray], split: Split, train: Split
    ) -> dict[str, Any]:
        """The entry of metrics.json for a split; inertia is the sum of the squared distances.

        Principal components, as many as there are clusters, are better on the training samples: the k
        centroids are in a subspace of k - 1 dimensions (Ding & He 2004).
        """
        measured = reconstruction(arrays, split.x, train.x)
        n, error = len(split), measured["squared_error_stderr"]
        inertia = {"inertia": n * measured["squared_error"], "inertia_stderr": None if error is None else n * error}
        return {**measured, **inertia, "pca_mse": pca.error(train.x, split.x, self.clusters)}

    def image_outputs(self, network: Network, x: Any) -> dict[str, Any]:
        """Reconstructions of the shown samples."""
        from keras import ops

        return {"reconstructions": ops.reshape(_nearest(network, x), ops.shape(x))}

    def image_output_shapes(self, description: Description) -> dict[str, Shape]:
        """The shape per shown sample of each array in `image_outputs`."""
        return {"reconstructions": description.shape}

    def write(self, graph: Graph, description: Description, weights: Weights, x: Any) -> dict[str, Any]:
        nearest = graph.one_hot_of_smallest(self._squared_in(graph, description, weights, x), self.clusters)
        return {"reconstructions": graph.reshaped(graph.dense(nearest, weights["centroids"]), description.shape)}

    def write_encoder(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        squared = self._squared_in(graph, description, weights, x)
        if self.features == "hard":
            return graph.one_hot_of_smallest(squared, self.clusters)
        distances = graph.sqrt(squared)
        mean = graph.scaled(graph.sum(distances), 1 / self.clusters, 0.0)
        return graph.relu(mean - distances)

    def forward_pass(self, description: Description, weights: Weights) -> ForwardPass:
        """The code by the distances to the centroids, and of it the centroid with the largest number."""
        centroids = weights["centroids"]
        clusters, values = centroids.shape
        steps = [
            Step("code", "Centroids", (values,), {"features": self.features}, {"centroids": centroids}),
            Step("nearest centroid", "LargestCentroid", (clusters,), {}, {"centroids": centroids}),
        ]
        return ForwardPass(steps, 1, prototypes=centroids)

    def _squared_in(self, graph: Graph, description: Description, weights: Weights, x: Any) -> Any:
        """`_squared_distances`, written into a graph."""
        middle = weights["centroids"].mean(axis=0)
        m = weights["centroids"] - middle
        x = graph.reshaped(x, middle.shape)
        x = graph.standardized(x, middle, np.ones_like(middle))
        return graph.relu(graph.sum(x * x) + graph.dense(x, -2 * m.T, (m**2).sum(axis=1)))


@dataclass(frozen=True)
class Distortion(Term):
    """The squared distance of each sample from its centroid, over its values."""

    separable: ClassVar[bool] = True

    values: int
    clusters: int

    def formulas(self) -> list[str]:
        return [f"1/{self.values} min_k |x - m_k|^2, k = 1 ... {self.clusters}"]

    def each(self, batch: Batch) -> Any:
        from keras import ops

        return ops.mean((batch.prediction - batch.target) ** 2, axis=1)


def clustered(x: np.ndarray, clusters: int, restarts: int, iterations: int, seed: int) -> dict[str, np.ndarray]:
    """Centroids (k, d) of samples x (n, d) and their shares of these (k,), the largest first.

    With fewer different samples than clusters some centroids are copies with a share of zero.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    fit = KMeans(clusters, n_init=restarts, max_iter=iterations, tol=0, algorithm="lloyd", random_state=seed)
    # Threads add up their parts in the order in which they come: with one the bytes are the same every time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        nearest = fit.fit_predict(x)
    counts = np.bincount(nearest, minlength=clusters)
    centroids = fit.cluster_centers_.astype(np.float64)
    for k in np.flatnonzero(counts):  # float32 sums of many samples lose digits
        centroids[k] = x[nearest == k].mean(axis=0, dtype=np.float64)
    order = np.argsort(-counts, kind="stable")
    return {"centroids": centroids[order], "shares": counts[order] / len(x)}


def _flat(x: Any) -> Any:
    from keras import ops

    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def _squared_distances(centroids: Any, x: Any) -> Any:
    """|x - m_k|^2 of samples (n, d) as (n, k): from the middle of the centroids, where its terms are small."""
    from keras import ops

    middle = ops.mean(centroids, axis=0)
    x, m = x - middle, centroids - middle
    cross = ops.matmul(x, ops.transpose(m))
    return ops.maximum(ops.sum(x**2, axis=1, keepdims=True) - 2 * cross + ops.sum(m**2, axis=1), 0.0)


def _hard(squared: Any) -> Any:
    from keras import ops

    return ops.one_hot(ops.argmin(squared, axis=1), squared.shape[1])


def _triangle(squared: Any) -> Any:
    from keras import ops

    distances = ops.sqrt(squared)
    return ops.maximum(ops.mean(distances, axis=1, keepdims=True) - distances, 0.0)


def _nearest(network: Network, x: Any) -> Any:
    from keras import ops

    centroids = network.weights["centroids"]
    return ops.take(centroids, ops.argmin(_squared_distances(centroids, _flat(x)), axis=1), axis=0)
