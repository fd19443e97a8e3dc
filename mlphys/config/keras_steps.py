"""Keras's preprocessing layers at the beginning of a model as steps of `data.preprocess`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.config.keras_chain import KerasLayer
from mlphys.config.keras_vocabulary import numbers
from mlphys.errors import UserError
from mlphys.schema.fields import Shape

SMALLEST_SPREAD = 1e-7  # Keras's epsilon: Normalization divides by at least that
CLOSE = 1e-6


@dataclass(frozen=True)
class _Standardize:
    """A step `standardize`: its number, its layer, the axes that have numbers of their own, and those in its config."""

    number: int
    layer: KerasLayer
    axes: tuple[int, ...]
    given: tuple[np.ndarray, np.ndarray] | None

    def places(self) -> tuple[str, str]:
        return f"{self.layer.weights}/0", f"{self.layer.weights}/1"

    def size(self, shape: Shape) -> Shape:
        return tuple(shape[axis - 1] for axis in self.axes)

    def spread_out(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        """Numbers of the kept axes as those of a whole sample."""
        broadcast_shape = [n if axis in self.axes else 1 for axis, n in enumerate(shape, 1)]
        full = values.reshape(broadcast_shape) if values.size == math.prod(broadcast_shape) else values
        return np.ascontiguousarray(np.broadcast_to(full, shape), np.float32)


@dataclass(frozen=True)
class LeadingSteps:
    """The first layers of a model that are preprocessing of samples of `shape`: so many, as a config writes them."""

    count: int
    written: tuple[Any, ...]
    shape: Shape
    standardize: tuple[_Standardize, ...] = ()

    def expected(self) -> dict[str, Shape]:
        """The arrays of the HDF5 file that they need."""
        return {
            place: step.size(self.shape) for step in self.standardize if step.given is None for place in step.places()
        }

    def fitted(self, read: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The fitted arrays, by the names of a run."""
        arrays = {}
        for step in self.standardize:
            mean, variance = step.given or tuple(read[place] for place in step.places())
            std = np.maximum(np.sqrt(variance.astype(np.float64)), SMALLEST_SPREAD)
            name = f"preprocess.{step.number}.standardize"
            arrays[f"{name}.mean"] = step.spread_out(mean, self.shape)
            arrays[f"{name}.std"] = step.spread_out(std, self.shape)
        return arrays


def leading_steps(layers: Sequence[KerasLayer], shape: Shape) -> LeadingSteps:
    """The steps with which the layers begin. Raises UserError for such layers that no step says."""
    written: list[Any] = []
    standardize: list[_Standardize] = []
    for layer in layers:
        match layer.kind:
            case "Rescaling":
                written.append({"scale": _divisor(layer)})
            case "Normalization":
                standardize.append(_standardize(len(written), layer, shape))
                written.append("standardize")
            case "LayerNormalization" if _over_all_values(layer, shape):
                written.append({"contrast_normalize": {"epsilon": layer.arguments.get("epsilon", 1e-3)}})
            case _:
                break
    return LeadingSteps(len(written), tuple(written), shape, tuple(standardize))


def undone(trailing: Sequence[KerasLayer], steps: LeadingSteps) -> bool:
    """Whether Rescaling layers at the end are the inverse of the steps, as far as these have no fitted arrays."""
    if len(trailing) != len(steps.written):
        return False
    for layer, step in zip(trailing, reversed(steps.written), strict=True):
        scale = numbers(layer.arguments, "scale", layer.place)
        if isinstance(step, dict) and (
            "scale" not in step or scale is None or np.any(np.abs(scale / step["scale"] - 1) > CLOSE)
        ):
            return False
    return True


def _divisor(layer: KerasLayer) -> float:
    scale, offset = (numbers(layer.arguments, key, layer.place) for key in ("scale", "offset"))
    if scale is None or scale.ndim or scale <= 0 or (offset is not None and np.any(offset != 0)):
        raise UserError(
            f"{layer.place}: x scale + offset is read for one scale above 0 and the offset 0; "
            "use Normalization, or scale the data itself"
        )
    by = 1 / float(scale)
    return float(round(by)) if abs(by / (round(by) or 1) - 1) < CLOSE / 10 else by


def _standardize(number: int, layer: KerasLayer, shape: Shape) -> _Standardize:
    axis = layer.arguments.get("axis", -1)
    axes = [] if axis is None else [axis] if isinstance(axis, int) else axis
    rank = len(shape) + 1
    if not isinstance(axes, list) or not all(type(each) is int and -rank < each < rank and each != 0 for each in axes):
        raise UserError(f"{layer.place}: axis: {str(axis)[:40]}: expected axes of a sample")
    if layer.arguments.get("invert"):
        raise UserError(f"{layer.place}: invert=True belongs at the end of a net, not before it")
    keep_axes = tuple(sorted(each % rank for each in axes))
    mean, variance = (numbers(layer.arguments, key, layer.place) for key in ("mean", "variance"))
    moments = None if mean is None or variance is None else (mean, variance)
    step = _Standardize(number, layer, keep_axes, moments)
    if moments and any(each.size not in (1, math.prod(step.size(shape))) for each in moments):
        raise UserError(f"{layer.place}: its mean and variance do not have the shape {step.size(shape)}")
    return step


def _over_all_values(layer: KerasLayer, shape: Shape) -> bool:
    axis = layer.arguments.get("axis")
    everywhere = list(range(1, 1 + len(shape)))
    return axis == everywhere and not (layer.arguments.get("center", True) or layer.arguments.get("scale", True))
