"""The numbers of arrays: in the units of the network, in memory or lazily read, all finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mlphys.datasets._array_names import shape_of_sample
from mlphys.errors import UserError
from mlphys.numerics import chunked
from mlphys.numerics.chunked import LazyArray
from mlphys.schema import units
from mlphys.schema.units import Units


def column(y: np.ndarray) -> np.ndarray:
    """Single values as a column, images with a last axis of channels."""
    return y.reshape(len(y), -1) if y.ndim < 2 else y.reshape(len(y), *shape_of_sample(y.shape, axes=2))


def image_units(y: np.ndarray) -> Units:
    """The units of targets: images of bytes or of a camera like samples, other numbers unchanged."""
    if y.ndim > 2 and y.dtype in (np.uint8, np.uint16):
        return units.decide(y.dtype, 3, partial(pieces, y))
    return Units(str(y.dtype))


def pieces(x: np.ndarray) -> Iterator[np.ndarray]:
    step = chunked.at_once(x, chunked.AT_ONCE, chunked.LARGEST_PIECE)
    return (np.asarray(x[start : start + step]) for start in range(0, len(x), step))


def on_disk(path: Path, name: str, x: np.ndarray, shape: tuple[int, ...], meant: Units) -> LazyArray:
    """Samples (n, ...) of `shape`, lazily read from their npy file and converted."""

    def fetch(rows: np.ndarray) -> np.ndarray:
        values = meant.converted(_rows(x, rows)).reshape(len(rows), *shape[1:])
        if not np.isfinite(values).all():
            _check_finite(path, name, (meant.converted(piece).reshape(-1, *shape[1:]) for piece in pieces(x)))
        return values

    return chunked.lazy_array(len(x), shape[1:], fetch)


def _rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Samples of a file with the indices `rows`, read in file order."""
    if len(rows) and (np.diff(rows) == 1).all():
        return np.array(x[rows[0] : rows[-1] + 1])
    order = np.argsort(rows, kind="stable")
    values = np.empty((len(rows), *x.shape[1:]), x.dtype)
    values[order] = x[rows[order]]
    return values


def finite(path: Path, name: str | None, x: np.ndarray) -> np.ndarray:
    _check_finite(path, str(name), [x])
    return x


def _check_finite(path: Path, name: str, chunks: Iterable[np.ndarray]) -> None:
    """Raise UserError with the count of values that are not finite, over all chunks."""
    wrong, before, first = 0, 0, ""
    for x in chunks:
        is_finite = np.isfinite(x)
        if not is_finite.all():
            if not wrong:
                sample, *place = np.unravel_index(is_finite.argmin(), x.shape)
                first = ", ".join(str(i) for i in (before + sample, *place))
            wrong += int(x.size - is_finite.sum())
        before += len(x)
    if wrong:
        raise UserError(
            f"{path}: {name} has {wrong} values that are NaN, infinite or beyond float32, "
            f"the first at [{first}]; replace them, or leave these samples out"
        )
