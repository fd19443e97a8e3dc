"""Fitted preprocessing, between the space of the data and the network's input space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlphys.data import target_scaling
from mlphys.data.target_scaling import TargetScaling
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array, LazyArray
from mlphys.numerics.memory_layout import as_saved
from mlphys.schema.data import Dataset
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Graph
from mlphys.schema.preprocess_step import Step
from mlphys.schema.samples import Split, Splits
from mlphys.schema.spec import snake_case


@dataclass(frozen=True)
class Preprocessing:
    """A chain of steps with their arrays fitted to the training samples, for samples of `shape`.

    `targets`: how targets are scaled; None: not at all.
    """

    steps: tuple[Step, ...]
    shape: Shape
    arrays: tuple[Mapping[str, np.ndarray], ...]
    targets: TargetScaling | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", tuple(as_saved(fitted) for fitted in self.arrays))

    @property
    def invertible(self) -> bool:
        return all(step.invertible for step in self.steps)

    def apply(self, x: Array) -> Array:
        """Network inputs of samples (n, *shape), float32; a LazyArray stays lazy.

        Steps along components round differently for different chunks, so that lazy samples then differ from those
        in memory in the last digits; all other steps give the same bytes.
        """
        if not self.steps:
            return x
        if isinstance(x, LazyArray):
            return x.mapped(self._in_memory, output_shape(self.steps, self.shape))
        return self._in_memory(x)

    def _in_memory(self, x: np.ndarray) -> np.ndarray:
        if not len(x):
            return np.zeros((0, *output_shape(self.steps, self.shape)), np.float32)
        pieces = [self._forward(piece, len(self.steps)) for piece in chunked.pieces(x)]
        return np.ascontiguousarray(np.concatenate(pieces), dtype=np.float32)

    def split(self, split: Split) -> Split:
        """Samples as the network sees them, with targets as it learns them."""
        if not self.steps and self.targets is None:
            return split
        return replace(self.inputs(split), y=self.targets.scaled(split.y) if self.targets else split.y)

    def inputs(self, split: Split) -> Split:
        """Samples as the network sees them, with targets in their own units."""
        return replace(split, x=self.apply(split.x)) if self.steps else split

    def in_target_units(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predictions by name, the outputs among them in the units of the targets."""
        undo = self.targets.undone if self.targets else None
        return {name: undo(values) if undo and name == "outputs" else values for name, values in arrays.items()}

    def dataset(self, dataset: Splits) -> Splits:
        """The three splits after preprocessing."""
        if not self.steps and self.targets is None:
            return dataset
        train, validation, test = (self.split(split) for split in (dataset.train, dataset.validation, dataset.test))
        return replace(dataset, train=train, validation=validation, test=test)

    def for_display(self, x: np.ndarray) -> np.ndarray:
        """Samples as pictures show them: unchanged, or after the last step that cannot be inverted."""
        return self._forward(x, first_invertible(self.steps))

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Invert the trailing invertible steps: from the network's input space to the space of pictures."""
        first = first_invertible(self.steps)
        shapes = _shapes(self.steps, self.shape)
        for i in range(len(self.steps) - 1, first - 1, -1):
            z = self.steps[i].invert(z, self.arrays[i], shapes[i])
        return z.astype(np.float32, copy=False)

    def apply_in(self, graph: Graph, x: Any) -> Any:
        """`apply`, written into a graph."""
        shapes = _shapes(self.steps, self.shape)
        for step, arrays, shape in zip(self.steps, self.arrays, shapes, strict=False):
            x = step.apply_in(graph, x, arrays, shape)
        return x

    def inverse_in(self, graph: Graph, z: Any) -> Any:
        """`inverse`, written into a graph."""
        shapes = _shapes(self.steps, self.shape)
        for i in range(len(self.steps) - 1, first_invertible(self.steps) - 1, -1):
            z = self.steps[i].invert_in(graph, z, self.arrays[i], shapes[i])
        return z

    def named_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by the names of `fitted_shapes`."""
        of_targets = self.targets.named_arrays() if self.targets else {}
        return {
            _name(i, step, key): value
            for i, (step, arrays) in enumerate(zip(self.steps, self.arrays, strict=True))
            for key, value in arrays.items()
        } | of_targets

    def _forward(self, x: np.ndarray, stop: int) -> np.ndarray:
        for step, arrays in zip(self.steps[:stop], self.arrays[:stop], strict=True):
            x = step.apply(x, arrays)
        return x


def fit(steps: Sequence[Step], x: Array) -> Preprocessing:
    """Fit each step to the training samples (n, ...) after the steps before it."""
    shape, arrays = x.shape[1:], []
    for number, step in enumerate(steps, start=1):
        arrays.append(step.fit(x))
        if number < len(steps):
            x = Preprocessing((step,), x.shape[1:], (arrays[-1],)).apply(x)
    return Preprocessing(tuple(steps), shape, tuple(arrays))


def fit_splits(data: Dataset, train: Split) -> Preprocessing:
    """The steps of `data` and the scaling of its targets, fitted to the training split."""
    return with_targets(data, fit(data.preprocess, train.x), train.y)


def with_targets(data: Dataset, fitted: Preprocessing, y: np.ndarray) -> Preprocessing:
    """`fitted` with the scaling that `data` writes, fitted to training targets."""
    return replace(fitted, targets=target_scaling.fit(y)) if data.target_scaling else fitted


def restored_for(data: Dataset, shape: Shape, weights: Mapping[str, np.ndarray]) -> Preprocessing:
    """The steps of `data` and the scaling of its targets with the arrays saved in `weights`."""
    fitted = restored(data.preprocess, shape, weights)
    return replace(fitted, targets=target_scaling.restored(weights)) if data.target_scaling else fitted


def resolved(steps: Sequence[Step], x: Array) -> list[Step]:
    """The steps, with fractions of the variance replaced by the counts of components that reach them on x."""
    steps_fitted: list[Step] = []
    for step in steps:
        steps_fitted.append(step.resolved(fit(steps_fitted, x).apply(x)))
    return steps_fitted


def restored(steps: Sequence[Step], shape: Shape, weights: Mapping[str, np.ndarray]) -> Preprocessing:
    """The fitted steps with the arrays saved in `weights`."""
    shapes = _shapes(steps, shape)
    arrays = tuple(
        {key: weights[_name(i, step, key)] for key in step.arrays(shapes[i])} for i, step in enumerate(steps)
    )
    return Preprocessing(tuple(steps), shape, arrays)


def fitted_shapes(steps: Sequence[Step], shape: Shape) -> dict[str, Shape]:
    """Shapes of the fitted arrays by name: `preprocess.0.subtract_mean.mean`."""
    shapes = _shapes(steps, shape)
    return {_name(i, step, key): size for i, step in enumerate(steps) for key, size in step.arrays(shapes[i]).items()}


def output_shape(steps: Sequence[Step], shape: Shape) -> Shape:
    """The shape of a sample after the steps."""
    return _shapes(steps, shape)[-1]


def display_shape(steps: Sequence[Step], shape: Shape) -> Shape:
    """The shape of a sample in pictures."""
    return _shapes(steps, shape)[first_invertible(steps)]


def first_invertible(steps: Sequence[Step]) -> int:
    """Index of the first of the trailing steps that can all be inverted."""
    return max((i + 1 for i, step in enumerate(steps) if not step.invertible), default=0)


def _shapes(steps: Sequence[Step], shape: Shape) -> list[Shape]:
    """The shapes before each step and after the last."""
    shapes = [shape]
    for step in steps:
        shapes.append(step.output_shape(shapes[-1]))
    return shapes


def _name(i: int, step: Step, key: str) -> str:
    return f"preprocess.{i}.{snake_case(type(step).__name__)}.{key}"
