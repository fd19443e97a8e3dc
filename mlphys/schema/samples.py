"""The samples of a dataset, and those of its splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.schema.units import Units


@dataclass(frozen=True)
class Samples:
    """All samples of a dataset: x float32 of shape (n, *shape), images in [0, 1]; an array or a LazyArray.

    y of shape (n, *target_shape) are int32 labels, or float32 targets.

    `x_test`, `y_test` are the official test set, None where there is none, and so are `x_validation`,
    `y_validation`. `files` are the files of the user's that were read, with what data.json records of
    them; `units` and `target_units` are the units of their numbers. `notes` name what is not used.

    `weights` float32 (n,) are those of the samples, and so on; `groups` int (n,) number the groups that a split by
    a column keeps together.
    """

    x: Array
    y: np.ndarray
    x_test: Array | None = None
    y_test: np.ndarray | None = None
    files: tuple[dict[str, Any], ...] = ()
    units: Units | None = None
    target_units: Units | None = None
    x_validation: Array | None = None
    y_validation: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    weights_test: np.ndarray | None = None
    weights_validation: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Split:
    """One split: x float32 (n, *shape), array or LazyArray; y (n, *target_shape), int32 labels or float32 targets.

    `weights` float32 (n,) of the samples, where the data has any.
    """

    x: Array
    y: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    def some(self, most: int) -> SplitInMemory:
        """At most `most` samples, evenly spaced."""
        rows = np.arange(min(most, len(self))) * len(self) // max(1, min(most, len(self)))
        return SplitInMemory(chunked.read(self.x[rows]), self.y[rows], self._weights(rows))

    def at(self, rows: np.ndarray | slice) -> Split:
        """The samples with these indices."""
        return Split(self.x[rows], self.y[rows], self._weights(rows))

    def pieces(self) -> Iterator[SplitInMemory]:
        """Iterate over the split in chunks."""
        start = 0
        for x in chunked.pieces(self.x):
            rows = slice(start, start + len(x))
            yield SplitInMemory(x, self.y[rows], self._weights(rows))
            start += len(x)

    def _weights(self, rows: np.ndarray | slice) -> np.ndarray | None:
        return None if self.weights is None else self.weights[rows]


@dataclass(frozen=True)
class SplitInMemory(Split):
    """A split, or a part of one, in memory."""

    x: np.ndarray


@dataclass(frozen=True)
class Splits:
    """The three splits of a dataset."""

    train: Split
    validation: Split
    test: Split
    files: tuple[dict[str, Any], ...] = ()
    units: Units | None = None
    target_units: Units | None = None
    notes: tuple[str, ...] = ()
