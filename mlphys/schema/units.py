"""Units of the numbers in a file, decided with the training file and used for all later files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlphys.errors import UserError

CAMERA_BITS = (10, 12, 14, 16)
COARSE = 1e-3  # of a feature's standard deviation: larger float32 steps lose information
EXACT = 2**24  # float32 represents all whole numbers up to it
MOST_OFFSETS = 1000  # features with an offset of their own; more share one, as all values of a signal or image do

Pieces = Callable[[], Iterable[np.ndarray]]  # an iterator over the samples (n, ...)


@dataclass(frozen=True)
class Units:
    """A number in a file means (number - offset) / scale.

    `offset` has a value for each feature, one for all, or none. `given`: the config sets the scale, which then applies
    to every file. Otherwise it follows from `dtype`, the training file's: whole numbers are pixels, and a file of
    floats contains them already divided. `fill` is what missing values of each feature are replaced with, after that.
    """

    dtype: str
    scale: float = 1.0
    given: bool = False
    offset: tuple[float, ...] = ()
    fill: tuple[float, ...] = ()

    def converted(self, x: np.ndarray) -> np.ndarray:
        """Samples of the training file: float32, computed in float64 where float32 does not hold the numbers."""
        exact = (x.dtype.kind in "bui" and x.dtype.itemsize <= 2) or x.dtype == np.float32
        with np.errstate(over="ignore", invalid="ignore"):  # reported as not finite
            wide = np.float32 if exact and not self.offset else np.float64
            if self.scale == 1 and not self.offset:
                return np.ascontiguousarray(x, dtype=np.float32)
            x = np.array(x, dtype=wide, order="C")
            if self.offset:
                x -= np.asarray(self.offset if len(self.offset) > 1 else self.offset[0], np.float64)
            x /= wide(self.scale)
            return x.astype(np.float32, copy=False)

    def of_another_file(self, name: str, x: np.ndarray) -> np.ndarray:
        """Samples of another file as the training file's: float32. Raises UserError where its dtype leaves it open."""
        if self.given or self.scale == 1:
            return self.converted(x)
        if x.dtype.kind not in "ui":
            return Units(str(x.dtype), offset=self.offset).converted(x)
        if x.size and x.max() == 1 and x.min() >= 0:
            raise UserError(
                f"{name}: holds 0 and 1 only, and the network was trained on pixels from 0 to {self.scale:g}; "
                f"save them as 0 and {self.scale:g}, or as float32"
            )
        return self.converted(x)

    def filled(self, x: np.ndarray) -> np.ndarray:
        """Samples (n, features) whose missing values, NaN, are replaced."""
        if not self.fill:
            return x
        shape = (len(self.fill), *(1,) * (x.ndim - 2))
        return np.where(np.isnan(x), np.asarray(self.fill, np.float32).reshape(shape), x)

    def __str__(self) -> str:
        """In words: `uint8, divided by 255`."""
        parts = [self.dtype]
        if self.offset:
            low, high = min(self.offset), max(self.offset)
            parts.append(f"minus {low!r}" if low == high else f"each feature minus an offset ({low!r} to {high!r})")
        parts.append("unchanged" if self.scale == 1 and not self.offset else "")
        parts.append(f"divided by {self.scale:g}" if self.scale != 1 else "")
        parts.append("missing values filled with the means of training" if self.fill else "")
        return ", ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        return {
            "dtype": self.dtype,
            "scale": self.scale,
            "given": self.given,
            "offset": list(self.offset),
            "fill": list(self.fill),
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Units:
        return cls(facts["dtype"], facts["scale"], facts["given"], tuple(facts["offset"]), tuple(facts["fill"]))


def decide(dtype: np.dtype, sample_axes: int, pieces: Pieces, scale: float | None = None) -> Units:
    """The units of the training samples, whose values have `dtype` and `sample_axes` axes a sample.

    `scale` is the config's. Without it uint8 is divided by 255 unless it holds nothing but 0 and 1 (spins, masks), and
    images of uint16 by the largest value of the camera's 10, 12, 14 or 16 bits, unless all fit into 8. Values
    that float32 cannot distinguish, such as Julian dates and Unix times, are reduced by an offset.
    """
    return decide_with_losses(dtype, sample_axes, pieces, scale)[0]


@dataclass(frozen=True)
class Loss:
    """A feature, by its index, in which float32 merges different values: its range in the file, and the step there."""

    feature: tuple[int, ...]
    low: float
    high: float
    step: float

    def __str__(self) -> str:
        return f"values from {self.low:g} to {self.high:g}; float32 merges those closer than {self.step:g}"


def decide_with_losses(
    dtype: np.dtype, sample_axes: int, pieces: Pieces, scale: float | None = None
) -> tuple[Units, list[Loss]]:
    """The units of `decide`, and the features in which float32 loses differences even with the offset."""
    extent = Extent.of(pieces) if _wide(dtype) else None
    offset = () if extent is None else _offset(extent, sample_axes)
    losses = [] if extent is None else extent.losses(offset)
    if scale is not None:
        return Units(str(dtype), float(scale), True, offset), losses
    return Units(str(dtype), _divisor(dtype, sample_axes, pieces), False, offset), losses


def require_resolved(path: object, names: Sequence[str], y: np.ndarray) -> None:
    """Raise UserError for targets (n, targets) whose differences float32 loses; they have no offset, as samples do."""
    extent = Extent.of(lambda: [y]) if _wide(y.dtype) and len(y) else None
    if extent is None or not extent.coarse().any():
        return
    i = int(extent.coarse().reshape(-1).argmax())
    low, high, step, centre = (
        float(a.reshape(-1)[i]) for a in (extent.low, extent.high, extent.steps(), extent.centre())
    )
    raise UserError(
        f"{path}: the targets {names[min(i, len(names) - 1)]} go from {low!r} to {high!r}, and float32 merges "
        f"those closer than {step:g}; save them minus {centre!r}"
    )


def _wide(dtype: np.dtype) -> bool:
    return dtype.itemsize > 4 or (dtype.kind in "ui" and dtype.itemsize == 4)


def _divisor(dtype: np.dtype, sample_axes: int, pieces: Pieces) -> float:
    if dtype == np.uint8:
        return 255.0 if any(piece.max(initial=0) > 1 for piece in pieces()) else 1.0
    if dtype == np.uint16 and sample_axes == 3:
        return white_level(max(int(piece.max(initial=0)) for piece in pieces()))
    return 1.0


def white_level(largest: int) -> float:
    """The white level of 16-bit camera files with the maximum `largest`; 1 if all fit into 8 bits."""
    if largest <= 255:
        return 1.0
    return float(next(2**bits - 1 for bits in CAMERA_BITS if largest < 2**bits))


def _offset(extent: Extent, sample_axes: int) -> tuple[float, ...]:
    """The offset of each feature; empty if float32 resolves all of them."""
    if not extent.coarse().any():
        return ()
    if extent.low.size <= MOST_OFFSETS and sample_axes == 1:
        return tuple(float(value) for value in np.where(extent.coarse(), extent.centre(), 0.0))
    whole = extent.together()
    return (float(whole.centre()[0]),) if whole.coarse().any() else ()


@dataclass(frozen=True)
class Extent:
    """Extremes and standard deviation of each feature in float64, and whether all values are whole numbers."""

    low: np.ndarray
    high: np.ndarray
    std: np.ndarray
    whole: np.ndarray

    @classmethod
    def of(cls, pieces: Pieces) -> Extent | None:
        """The extent; None if a value is not a finite float32, which is refused elsewhere."""
        low: np.ndarray | None = None
        n = 0
        for piece in pieces():
            x = np.asarray(piece, np.float64)
            if not (np.abs(x) <= np.finfo(np.float32).max).all():
                return None
            if low is None:
                first, low, high = x[0], x.min(axis=0), x.max(axis=0)
                total = square = np.zeros(x.shape[1:])
                whole = np.ones(x.shape[1:], bool)
            n += len(x)
            low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
            total, square = total + (x - first).sum(axis=0), square + np.square(x - first).sum(axis=0)
            whole = whole & (x == np.floor(x)).all(axis=0)
        if low is None:
            return None
        return cls(low, high, np.sqrt(np.maximum(square / n - (total / n) ** 2, 0)), whole)

    def steps(self) -> np.ndarray:
        """The distance of neighbouring float32 at the largest value of each feature."""
        largest = np.maximum(np.abs(self.low), np.abs(self.high))
        return np.spacing(largest.astype(np.float32)).astype(np.float64)

    def coarse(self) -> np.ndarray:
        """Whether float32 loses differences between values that an offset would preserve."""
        largest = np.maximum(np.abs(self.low), np.abs(self.high))
        counted = self.whole & (largest > EXACT) & (self.high - self.low < EXACT)
        return np.asarray(
            (self.high > self.low) & ((self.steps() > COARSE * self.std) | counted) & (self._relief() > 4)
        )

    def losses(self, offset: tuple[float, ...]) -> list[Loss]:
        """The features that float32 does not resolve after subtraction of the offset."""
        by = np.asarray(offset) if len(offset) > 1 else np.asarray(offset[0] if offset else 0.0)
        shifted = replace(self, low=self.low - by, high=self.high - by)
        largest = np.maximum(np.abs(shifted.low), np.abs(shifted.high))
        lost = (self.high > self.low) & ((shifted.steps() > COARSE * self.std) | (self.whole & (largest > EXACT)))
        return [
            Loss(
                tuple(int(i) for i in place), *(float(a[tuple(place)]) for a in (self.low, self.high, shifted.steps()))
            )
            for place in np.argwhere(lost)
        ]

    def centre(self) -> np.ndarray:
        """A round offset near the middle, a multiple of a power of two of the range, so that nothing is rounded."""
        with np.errstate(divide="ignore", invalid="ignore"):
            step = 2.0 ** np.ceil(np.log2(self.high - self.low))
            return np.where(self.high > self.low, np.round((self.low + self.high) / 2 / step) * step, self.low)

    def together(self) -> Extent:
        """The extent of all features together."""
        each = self.low.min(), self.high.max(), self.std.min(), self.whole.all()
        return Extent(*(np.array([value]) for value in each))

    def _relief(self) -> np.ndarray:
        """The factor by which the offset reduces the largest value."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.maximum(np.abs(self.low), np.abs(self.high)) / (self.high - self.low)
