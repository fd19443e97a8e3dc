"""The steps of `data.preprocess` along principal components: projecting and whitening."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import PlainValidator, WithJsonSchema

from mlphys.errors import Refusal, UserError
from mlphys.numerics import pca
from mlphys.numerics.chunked import Array
from mlphys.schema.fields import NotNegative, Shape, count_or_fraction
from mlphys.schema.graph import Graph
from mlphys.schema.preprocess_step import Arrays, Step


def _components(value: object) -> int | float:
    """A count, or the fraction of the variance to explain."""
    return count_or_fraction("components", value, least=1)


Components = Annotated[
    int | float,
    PlainValidator(_components),
    WithJsonSchema({"type": "number", "description": "a count, or a fraction of the variance below 1"}),
]


class _Principal(Step):
    """Base class of steps along principal components."""

    def _count(self) -> int | float | None:
        raise NotImplementedError

    def is_resolved(self) -> bool:
        return not isinstance(self._count(), float)

    def check(self, shape: Shape, samples: int) -> None:
        count, features = self._count(), math.prod(shape)
        if isinstance(count, int) and count > min(features, samples - 1):
            raise Refusal((), too_many(count, features, samples))
        if isinstance(count, float) and features > pca.MOST_FEATURES:
            raise Refusal((), no_fraction(features))

    def _centred_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        """Samples minus their mean, in one row: subtracted first, where large means would cost digits later."""
        centred = graph.standardized(x, fitted["mean"].reshape(shape), np.ones(shape, np.float32))
        return graph.reshaped(centred, (math.prod(shape),))


def too_many(count: int, features: int, samples: int) -> str:
    """The message for more components than directions."""
    return (
        f"{count} components, but {samples} training samples of {features} values vary in "
        f"{min(features, samples - 1)} directions at most; lower it"
    )


def no_fraction(features: int) -> str:
    """The message for a fraction of the variance that is too expensive."""
    return f"a fraction needs all components, for which {features} values are too many; write their number"


class Project(_Principal):
    """The coordinates along the first principal components: a number of them, or as many as explain that fraction
    of the variance."""

    shorthand: ClassVar[str] = "components"
    components: Components
    """How many principal components are kept, or the fraction of the variance that they hold. Example: 0.95"""

    def _count(self) -> int | float | None:
        return self.components

    def output_shape(self, shape: Shape) -> Shape:
        assert isinstance(self.components, int)
        return (self.components,)

    def arrays(self, shape: Shape) -> dict[str, Shape]:
        return {"mean": (math.prod(shape),), "vectors": (*self.output_shape(shape), math.prod(shape))}

    def resolved(self, x: Array) -> Step:
        return self.model_copy(update={"components": pca.count(x, self.components)})

    def fit(self, x: Array) -> dict[str, np.ndarray]:
        assert isinstance(self.components, int)
        components = pca.fit(x, self.components)
        return {"mean": components.mean.astype(np.float32), "vectors": components.vectors.astype(np.float32)}

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        return (_flat(x) - fitted["mean"]) @ fitted["vectors"].T

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        return (z @ fitted["vectors"] + fitted["mean"]).reshape(-1, *shape)

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.dense(self._centred_in(graph, x, fitted, shape), fitted["vectors"].T)

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.reshaped(graph.dense(z, fitted["vectors"], fitted["mean"]), shape)


class Whiten(_Principal):
    """Whitening: uncorrelated coordinates of variance 1, along the principal components (pca) or rotated back to
    the features (zca; Bell & Sejnowski 1997).

    Component i is divided by sqrt(variance_i + epsilon). `components` drops the smaller ones; null keeps all.
    """

    shorthand: ClassVar[str] = "kind"
    kind: Literal["pca", "zca"]
    """pca: coordinates along the principal components; zca: rotated back to the original features."""
    components: Components | None = None
    """How many principal components are kept, or the fraction of the variance that they hold; null keeps all. Example:
    50
    """
    epsilon: NotNegative = 1e-5
    """Added to every variance before its square root divides, so that directions of little variance are not blown up.
    """

    def _count(self) -> int | float | None:
        return self.components

    def check(self, shape: Shape, samples: int) -> None:
        super().check(shape, samples)
        if self.components is None and math.prod(shape) > pca.MOST_FEATURES:
            raise Refusal((), f"{math.prod(shape)} values have too many components to compute all; write components")

    def output_shape(self, shape: Shape) -> Shape:
        return shape if self.kind == "zca" else (self._kept(shape),)

    def arrays(self, shape: Shape) -> dict[str, Shape]:
        components, features = self._kept(shape), math.prod(shape)
        return {"mean": (features,), "vectors": (components, features), "scales": (components,)}

    def resolved(self, x: Array) -> Step:
        if self.components is None:
            return self
        return self.model_copy(update={"components": pca.count(x, self.components)})

    def fit(self, x: Array) -> dict[str, np.ndarray]:
        components = pca.fit(x, self._kept(x.shape[1:]))
        largest = components.variances.max()
        # the smallest variance that float32 resolves; irrelevant beside a larger epsilon
        if components.variances.min() <= np.finfo(np.float32).eps * largest and self.epsilon <= 1e-12 * largest:
            raise UserError(
                "data.preprocess: whiten: some directions are constant and cannot get variance 1; "
                "lower components, or raise epsilon"
            )
        arrays = {
            "mean": components.mean,
            "vectors": components.vectors,
            "scales": np.sqrt(components.variances + self.epsilon),
        }
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        z = (_flat(x) - fitted["mean"]) @ fitted["vectors"].T / fitted["scales"]
        return (z @ fitted["vectors"]).reshape(x.shape) if self.kind == "zca" else z

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        if self.kind == "zca":
            z = _flat(z) @ fitted["vectors"].T
        return (z * fitted["scales"] @ fitted["vectors"] + fitted["mean"]).reshape(-1, *shape)

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        vectors, scales = fitted["vectors"], fitted["scales"]
        z = graph.dense(self._centred_in(graph, x, fitted, shape), vectors.T / scales)
        return graph.reshaped(graph.dense(z, vectors), shape) if self.kind == "zca" else z

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        vectors, scales = fitted["vectors"], fitted["scales"]
        if self.kind == "zca":
            z = graph.dense(graph.reshaped(z, (math.prod(shape),)), vectors.T)
        return graph.reshaped(graph.dense(z, scales[:, None] * vectors, fitted["mean"]), shape)

    def _kept(self, shape: Shape) -> int:
        assert not isinstance(self.components, float)
        return self.components or math.prod(shape)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:]))  # -1 fails on no samples
