"""A net as a graph of operations, which the formats of other programs write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.schema.fields import Shape
from mlphys.schema.shapes import Row

Arrays = Mapping[str, np.ndarray]


class Graph(ABC):
    """A graph that is being written. Its tensors x have the shape (n, ...), float32, channels last.

    Tensors take +, - and * with each other, with numbers and with arrays that broadcast over the n samples. `relu` and
    `softplus` make it the operations of `numerics.activations`.
    """

    @abstractmethod
    def layer(self, row: Row, arrays: Arrays, x: Any) -> Any:
        """The output of a layer in evaluation; `arrays` are its weights by Keras's names, in Keras's order."""

    @abstractmethod
    def dense(self, x: Any, kernel: np.ndarray, bias: np.ndarray | None = None) -> Any:
        """x W + b for x (n, d), W (d, k) and b (k,)."""

    @abstractmethod
    def standardized(self, x: Any, mean: np.ndarray, spread: np.ndarray) -> Any:
        """(x - mean) / spread, both of the shape of a sample."""

    @abstractmethod
    def scaled(self, x: Any, factor: float | np.ndarray, offset: float | np.ndarray) -> Any:
        """factor x + offset, numbers or arrays of the last axes of x."""

    @abstractmethod
    def contrast_normalized(self, x: Any, shape: Shape, epsilon: float) -> Any:
        """(x - mean) / sqrt(variance + epsilon), over each sample's own values; `shape` is that of a sample."""

    @abstractmethod
    def reshaped(self, x: Any, shape: Shape) -> Any:
        """The samples in another shape (n, *shape)."""

    @abstractmethod
    def activation(self, x: Any, name: str) -> Any:
        """An activation function by Keras's name."""

    @abstractmethod
    def sqrt(self, x: Any) -> Any: ...

    @abstractmethod
    def sum(self, x: Any) -> Any:
        """Over the last axis, which stays as 1."""

    @abstractmethod
    def one_hot_of_smallest(self, x: Any, values: int) -> Any:
        """1 at the smallest of a sample's values, the first of equal ones, else 0: of x (n, values), the same shape."""

    @abstractmethod
    def concatenated(self, tensors: Sequence[Any]) -> Any:
        """Along the last axis."""

    def relu(self, x: Any) -> Any:
        return self.activation(x, "relu")

    def softplus(self, x: Any) -> Any:
        return self.activation(x, "softplus")

    def chain(self, rows: Sequence[Row], weights: Arrays, x: Any, shape: Shape) -> Any:
        """The output of layers, one after the other, for samples of `shape`; `weights` are those of the whole net."""
        if shape != rows[0].input_shape:
            x = self.reshaped(x, rows[0].input_shape)
        for row in rows:
            x = self.layer(row, arrays_of(row, weights), x)
        return x


def arrays_of(row: Row, weights: Arrays) -> dict[str, np.ndarray]:
    """The weights of a row's layer as Keras's layer of its own has them: a tied kernel is a copy, transposed."""
    own = {name.removeprefix(f"{row.name}."): weights[name] for name in row.weight_shapes()}
    if not row.tied_to:
        return own
    kernel = weights[f"{row.tied_to}.kernel"]
    return {"kernel": kernel.T if kernel.ndim == 2 else kernel, **own}
