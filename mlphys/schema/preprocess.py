"""The steps of `data.preprocess`; those along principal components stand in `principal_steps`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np

from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.fields import Positive, Shape
from mlphys.schema.graph import Graph
from mlphys.schema.preprocess_step import Arrays, Step
from mlphys.schema.principal_steps import Project, Whiten
from mlphys.schema.spec import Choice


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


STEPS: dict[str, type[Step]] = {
    "subtract_mean": SubtractMean,
    "standardize": Standardize,
    "scale": Scale,
    "project": Project,
    "whiten": Whiten,
    "contrast_normalize": ContrastNormalize,
}

StepField = Annotated[Step, Choice("step", STEPS)]
