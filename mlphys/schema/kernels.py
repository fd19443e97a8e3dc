"""Fixed kernels, not learned: numbers, or a formula by name."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from mlphys.schema.fields import NotNegative
from mlphys.schema.spec import Choice, Mentions, Spec, refuse, under

LARGEST_NUMBER = 1e6
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
LARGEST_SIDE = 999
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
SMALLEST = 1e-12  # below it a formula's values are rounding errors


class Kernel(Spec):
    """`size` x `size` values of a formula at the pixels x (to the right) and y (down) from the center, with
    r = sqrt(x^2 + y^2). `normalize: true` divides by the sum of the absolute values."""

    size: Side
    """The height and width of the kernel, in pixels. Example: 5"""
    normalize: bool = False
    """true divides by the sum of the absolute values."""

    @model_validator(mode="after")
    def _has_values(self) -> Kernel:
        if not np.abs(self._raw()).max() > SMALLEST:
            raise ValueError("all its values vanish; lower decay, or change the wave")
        return self

    def values(self) -> np.ndarray:
        """float32 (size, size)."""
        values = self._raw()
        if self.normalize:
            values = values / np.abs(values).sum()
        return values.astype(np.float32)

    def _raw(self) -> np.ndarray:
        place = np.arange(self.size) - (self.size - 1) / 2
        return self._formula(place[None, :], place[:, None])

    def _formula(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Gauss(Kernel):
    """exp(-decay r^2): a blur."""

    decay: NotNegative
    """The factor of r^2 in the exponent, in 1/pixel^2. Example: 0.5"""

    def _formula(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.exp(-self.decay * (x**2 + y**2))


class Gabor(Kernel):
    """cos(wave_x x + wave_y y + phase) exp(-decay r^2) (Gabor 1946), waves in radians a pixel, the phase in degrees:
    -90 makes it a sine."""

    wave_x: Number = 0.0
    """The wave number to the right, in radians per pixel."""
    wave_y: Number = 0.0
    """The wave number downwards, in radians per pixel."""
    phase: Number = 0.0
    """The phase of the wave, in degrees; -90 makes it a sine."""
    decay: NotNegative
    """The factor of r^2 in the exponent, in 1/pixel^2. Example: 0.1"""

    def _formula(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wave = np.cos(self.wave_x * x + self.wave_y * y + np.deg2rad(self.phase))
        return wave * np.exp(-self.decay * (x**2 + y**2))


class Rings(Kernel):
    """cos(wave r) exp(-decay r^2)."""

    wave: Number
    """The wave number along r, in radians per pixel. Example: 1.5"""
    decay: NotNegative
    """The factor of r^2 in the exponent, in 1/pixel^2. Example: 0.1"""

    def _formula(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r2 = x**2 + y**2
        return np.cos(self.wave * np.sqrt(r2)) * np.exp(-self.decay * r2)


FORMULAS = Choice("kernel", {kernel.__name__: kernel for kernel in (Gauss, Gabor, Rings)})

Matrix = tuple[tuple[float, ...], ...]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _matrix(value: Any) -> Matrix:
    rows = [row for row in value if isinstance(row, list | tuple) and row and all(map(_is_number, row))]
    widths = {len(row) for row in rows}
    if len(rows) != len(value) or len(widths) != 1:
        raise refuse("matrix", value)
    if max(len(value), *widths) > LARGEST_SIDE:
        raise refuse("side", value, most=LARGEST_SIDE)
    return tuple(tuple(float(number) for number in row) for row in value)


def _is_matrix(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and isinstance(value[0], list | tuple)
        and bool(value[0])
        and not isinstance(value[0][0], list | tuple)
    )


def _kernels(value: Any) -> tuple[Matrix | Kernel, ...]:
    """One kernel, or a list of them, all of the same size."""
    several = isinstance(value, list | tuple) and bool(value) and not _is_matrix(value)
    kernels = tuple(under(i, _one, kernel) for i, kernel in enumerate(value)) if several else (_one(value),)
    if len({array(kernel).shape for kernel in kernels}) > 1:
        raise refuse("sizes", value)
    return kernels


def _one(value: Any) -> Matrix | Kernel:
    if isinstance(value, list | tuple):
        return _matrix(value)
    return FORMULAS.validate(value)  # type: ignore[return-value]


def array(kernel: Matrix | Kernel) -> np.ndarray:
    """The kernel's numbers, float32 (height, width)."""
    return kernel.values() if isinstance(kernel, Kernel) else np.array(kernel, np.float32)


def dump(kernels: tuple[Matrix | Kernel, ...]) -> list[Any]:
    """The kernels as plain data for YAML."""
    return [
        FORMULAS.dump(kernel) if isinstance(kernel, Kernel) else [list(row) for row in kernel] for kernel in kernels
    ]


Kernels = Annotated[
    tuple[Any, ...],
    PlainValidator(_kernels),
    WithJsonSchema({"anyOf": [{"type": "array"}, {"type": "object"}]}),
    Mentions(FORMULAS),
]
