"""The steps of `data.preprocess`: fitted to the training samples, then applied to all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import PlainValidator, WithJsonSchema

from mlphys.errors import Refusal, UserError
from mlphys.numerics import chunked, pca
from mlphys.numerics.chunked import Array
from mlphys.schema.fields import LARGEST, NotNegative, Positive, Shape
from mlphys.schema.graph import Graph
from mlphys.schema.spec import Choice, Spec, refuse

Arrays = Mapping[str, np.ndarray]


def _components(value: object) -> int | float:
    """A count, or the fraction of the variance to explain."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise refuse("components", value)


Components = Annotated[
    int | float,
    PlainValidator(_components),
    WithJsonSchema({"type": "number", "description": "a count, or a fraction of the variance below 1"}),
]


class Step(Spec):
    """One preprocessing step, for samples x (n, *shape), float32; its fitted arrays have names and shapes.

    It can be fitted to a LazyArray, and is applied to arrays in memory.
    """

    invertible: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def arrays(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of the fitted arrays by name."""
        return {}

    def check(self, shape: Shape, samples: int) -> None:
        """Raise Refusal if it cannot be fitted to that many samples of `shape`."""

    def is_resolved(self) -> bool:
        """Whether its output shape is known without reading samples."""
        return True

    def resolved(self, x: Array) -> Step:
        """The step with numbers that depend on the training samples x filled in."""
        return self

    def fit(self, x: Array) -> dict[str, np.ndarray]:
        return {}

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        raise NotImplementedError

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        """The inverse of `apply`; the nearest samples of `shape` if directions were dropped."""
        raise NotImplementedError

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        """`apply`, written into a graph, for samples of `shape`."""
        raise NotImplementedError

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        """`invert`, written into a graph."""
        raise NotImplementedError


class SubtractMean(Step):
    """x minus the mean training sample."""

    def arrays(self, shape: Shape) -> dict[str, Shape]:
        return {"mean": shape}

    def fit(self, x: Array) -> dict[str, np.ndarray]:
        return {"mean": chunked.mean(x).astype(np.float32)}

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        return x - fitted["mean"]

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        return z + fitted["mean"]

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.standardized(x, fitted["mean"], np.ones(shape, np.float32))

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.scaled(z, 1.0, fitted["mean"])


class Standardize(Step):
    """(x - mean) / standard deviation for each feature; constant features are only shifted."""

    def arrays(self, shape: Shape) -> dict[str, Shape]:
        return {"mean": shape, "std": shape}

    def fit(self, x: Array) -> dict[str, np.ndarray]:
        mean = chunked.mean(x)
        std = np.sqrt(chunked.mean_square(x, mean))
        low, high = chunked.extremes(x)
        std[low == high] = 1
        return {"mean": mean.astype(np.float32), "std": std.astype(np.float32)}

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        return (x - fitted["mean"]) / fitted["std"]

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        return z * fitted["std"] + fitted["mean"]

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.standardized(x, fitted["mean"], fitted["std"])

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.scaled(z, fitted["std"], fitted["mean"])


class Scale(Step):
    """x / by: `{scale: 255}` maps pixels of 0 to 255 to 0 to 1."""

    shorthand: ClassVar[str] = "by"
    by: Positive
    """The number by which every value is divided. Example: 255.0"""

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        return x / np.float32(self.by)

    def invert(self, z: np.ndarray, fitted: Arrays, shape: Shape) -> np.ndarray:
        return z * np.float32(self.by)

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.scaled(x, 1 / self.by, 0.0)

    def invert_in(self, graph: Graph, z: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.scaled(z, self.by, 0.0)


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


class ContrastNormalize(Step):
    """(x - mean) / sqrt(variance + epsilon), over each sample's own values (Coates, Ng & Lee 2011).

    The default epsilon corresponds to their 10 for pixels of 0 to 255. Not invertible.
    """

    invertible: ClassVar[bool] = False
    epsilon: Positive = 1.5e-4
    """Added to the variance of a sample before its square root divides; in units of the squared values."""

    def apply(self, x: np.ndarray, fitted: Arrays) -> np.ndarray:
        axes = tuple(range(1, x.ndim))
        centred = x - x.mean(axis=axes, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + np.float32(self.epsilon))

    def apply_in(self, graph: Graph, x: Any, fitted: Arrays, shape: Shape) -> Any:
        return graph.contrast_normalized(x, shape, self.epsilon)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:]))  # -1 fails on no samples


STEPS: dict[str, type[Step]] = {
    "subtract_mean": SubtractMean,
    "standardize": Standardize,
    "scale": Scale,
    "project": Project,
    "whiten": Whiten,
    "contrast_normalize": ContrastNormalize,
}

StepField = Annotated[Step, Choice("step", STEPS)]
