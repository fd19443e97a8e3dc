"""What a step of `data.preprocess` does: it is fitted to the training samples, then applied to all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mlphys.numerics.chunked import Array
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Graph
from mlphys.schema.spec import Spec

Arrays = Mapping[str, np.ndarray]


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
