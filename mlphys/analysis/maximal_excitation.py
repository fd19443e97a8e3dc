"""Activation maximization (Erhan et al. 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, SampledAnalysis, before_activation, needs_images
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.layer_curves import short
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.figures.weight_mosaic import mosaic
from mlphys.networks.point_function import PointFunction
from mlphys.numerics.randomness import rng
from mlphys.schema.fields import Count, Positive, Shape
from mlphys.schema.layers import Weighted, text
from mlphys.schema.shapes import Row

LONGEST, START = 0.3, 0.01  # the first step and the first image, as fractions of the radius or the range
ROUNDING = 1e-6  # of float32
PARTS = ("layers", "encoder", "decoder")


class MaximalExcitation(SampledAnalysis):
    """The image that excites each unit or filter most, by gradient ascent (Erhan et al. 2009).

    argmax of a unit's pre-activation, over images z |z|_2 <= `radius` (ball) or low <= z_i <= high (box).

    For a unit of the first Dense layer it is radius w/|w| in the ball, and high where w > 0 and low elsewhere in
    the box. A filter is the unit in the middle of its map. Each of `steps` follows the gradient (its
    direction in the ball, its signs in the box) with decreasing length, and is projected to the nearest allowed
    image; the start is small random numbers, and the best image is kept: a local maximum. `radius: null`
    is the samples' mean norm; the box is their range. For comparison: the largest value among `samples`
    training samples. For each layer with weights the first `units`; images are network inputs, after data.preprocess.
    """

    split: Literal["train", "validation", "test"] | None = "train"
    inside: Literal["ball", "box"] = "ball"
    """Whether the search is limited to a ball (by the norm) or to a box (by each value)."""
    radius: Positive | None = None
    """The radius of the ball; null is the mean norm of the samples. Example: 10.0"""
    units: Annotated[int, Field(ge=1, le=100)] = 20
    """How many units, or filters, of each layer."""
    steps: Count = 200
    """Steps of gradient ascent."""

    def check(self, resolved: ResolvedView) -> None:
        needs_images(resolved)
        if not _layers(resolved.rows()):
            kind = resolved.experiment.model.kind
            raise NotApplicable(f"it excites units of kind: classifier, regressor or autoencoder, not of {kind}")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.samples_of(run)
        z = run.trained.to_points(some.x)
        radius = self.radius or float(np.linalg.norm(z.astype(np.float64), axis=1).mean())
        low, high = float(z.min()), float(z.max())
        numbers: dict[str, Any] = {"split": split, "samples": len(z), "inside": self.inside, "layers": {}}
        numbers |= {"radius": radius} if self.inside == "ball" else {"low": low, "high": high}
        pictures: list[Picture] = []
        ratios = []
        for i, row in _layers(run.rows):
            excitation, units = before_activation(run, row), _units(row, self.units)
            start = START * rng(run.config.seed, "analysis/maximal_excitation", i).standard_normal(
                (len(units), z.shape[1])
            )
            if self.inside == "ball":
                images, reached = ascended(excitation, units, radius * start, self.steps, _in_ball(radius))
            else:
                first = np.clip((low + high) / 2 + (high - low) * start, low, high)
                images, reached = ascended(excitation, units, first, self.steps, _in_box(low, high))
            best = _most(excitation, z)[units]
            numbers["layers"][row.name] = {
                "reached": reached.tolist(),
                "best_sample": best.tolist(),
                "pixel_range": [[float(image.min()), float(image.max())] for image in images],
            }
            ratio = reached[best > 0] / best[best > 0]
            if len(ratio):
                ratios.append(f"{np.median(ratio):.2g} times at {short(row.name)}")
            name = f"maximal_excitation_{i}" if pictures else "maximal_excitation"
            visible = _reach(excitation, units, images, run.loaded.net_input.shape)
            size = f"of norm {radius:.3g}" if self.inside == "ball" else "whose pixels stay in the samples' range"
            compared = f"{len(z):,} {split} samples"
            pictures.append(_picture(run, name, row, images, visible, reached, best, size, compared))
        where = f"of norm {radius:.3g}" if self.inside == "ball" else f"from {low:g} to {high:g}"
        what = f"images {where} excite a unit (median) {', '.join(ratios)}" if ratios else "no sample excites a unit"
        return AnalysisResult(numbers, f"{what} as much as the best of {len(z)} {split} samples", pictures)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _layers(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    parts = [(i, row) for i, row in enumerate(rows) if row.name.partition(".")[0] in PARTS]
    return [(i, row) for i, row in parts if isinstance(row.layer, Weighted)]


def _units(row: Row, most: int) -> np.ndarray:
    """Indices of a layer's units in its flattened output; for maps the unit in the center."""
    *place, count = row.output_shape
    middle = np.ravel_multi_index([n // 2 for n in place], place) if place else 0
    return int(middle) * count + np.arange(min(count, most))


def _most(excitation: PointFunction, z: np.ndarray) -> np.ndarray:
    """Maximum of each output over points z, float64 (m,)."""
    at_once = excitation.evaluated_at_once
    pieces = [excitation(z[start : start + at_once]).max(axis=0) for start in range(0, len(z), at_once)]
    return np.max(pieces, axis=0).astype(np.float64)


def _reach(excitation: PointFunction, units: np.ndarray, images: np.ndarray, shape: Shape) -> tuple[slice, slice]:
    """The rows and columns of the pixels in the receptive field of any of the units."""
    gradients = excitation.gradients(images, _of_units(excitation, units, images))
    affected = (gradients.reshape(-1, *shape) != 0).any(axis=(0, 3))
    if not affected.any():
        return slice(0, shape[0]), slice(0, shape[1])
    down, right = (np.flatnonzero(affected.any(axis=axis)) for axis in (1, 0))
    return slice(int(down[0]), int(down[-1]) + 1), slice(int(right[0]), int(right[-1]) + 1)


def _of_units(excitation: PointFunction, units: np.ndarray, z: np.ndarray) -> np.ndarray:
    """One-hot rows (k, m) for the units."""
    direction = np.zeros((len(units), excitation(z[:1]).shape[1]), np.float32)
    direction[np.arange(len(units)), units] = 1
    return direction


def _in_ball(radius: float) -> Any:
    def step(z: np.ndarray, gradient: np.ndarray, length: float) -> np.ndarray:
        norms = np.linalg.norm(gradient, axis=1, keepdims=True)
        moved = z + length * radius * gradient / np.where(norms > 0, norms, 1)
        return moved / np.maximum(1, np.linalg.norm(moved, axis=1, keepdims=True) / radius)

    return step


def _in_box(low: float, high: float) -> Any:
    def step(z: np.ndarray, gradient: np.ndarray, length: float) -> np.ndarray:
        return np.clip(z + length * (high - low) * np.sign(gradient), low, high)

    return step


def ascended(
    excitation: PointFunction, units: np.ndarray, start: np.ndarray, steps: int, step: Any
) -> tuple[np.ndarray, np.ndarray]:
    """For each unit of the layer, the image that excites it most (k, d), and how much (k,), from `start` (k, d) on."""
    every = np.arange(len(units))
    direction = _of_units(excitation, units, start)
    z, best, most = start, start, np.full(len(units), -np.inf)
    for i in range(steps + 1):
        value = excitation(z)[every, units].astype(np.float64)
        better = value >= most - ROUNDING * abs(value)  # of equal ones the last, which is closer
        best = np.where(better[:, None], z, best)
        most = np.maximum(value, most)
        if i < steps:
            gradient = excitation.gradients(z, direction).astype(np.float64)
            z = step(z, gradient, LONGEST * (1 - i / steps))
    return best, most


def _picture(
    run: RunView,
    name: str,
    row: Row,
    images: np.ndarray,
    receptive_field: Any,
    reached: Any,
    best: Any,
    size: str,
    compared: str,
) -> Picture:
    """The visible part of the images, labelled with their value and that of the best sample.

    `size` and `compared` say in the caption how large the images may be, and with which samples they are compared.
    """
    shape, outputs = run.loaded.net_input.shape, row.output_shape[-1]
    tiles = images.reshape(-1, *shape)[:, *receptive_field].transpose(0, 3, 1, 2)
    classes = run.description.classes if row is run.rows[-1] and outputs == len(run.description.classes) else ()
    names = [theme.short(k, 8) for k in classes[: len(images)]] or [str(k) for k in range(len(images))]
    values = [f"{value:.3g} ({sample:.3g})" for value, sample in zip(reached, best, strict=True)]
    labels = [f"{k}: {value}" for k, value in zip(names, values, strict=True)] if shape[-1] == 1 else names
    part = f"; here the {text(tiles.shape[2:])} pixels that it sees" if tiles.shape[2:] != shape[:2] else ""
    numbers = (
        f"above each the unit, its input before the activation, and in brackets the most of one of {compared}"
        if shape[-1] == 1
        else "a column a channel"
    )
    some = f", first {len(images)} of {outputs}" if len(images) < outputs else ""
    title = f"{run.name}: what excites {short(row.name)}{some}"
    caption = f"images {size}, by gradient ascent; {numbers}{part}"
    limit = float(np.quantile(abs(tiles), 0.999)) or 1.0
    figure = mosaic(tiles, limit, "pixel", labels, title, caption)
    unit, channel, down, right = np.indices(tiles.shape).reshape(4, -1)
    table: dict[str, list[Any]] = {
        "unit": [names[k] for k in unit],
        "channel": list(channel),
        "row": list(down + receptive_field[0].start),
        "column": list(right + receptive_field[1].start),
        "value": list(tiles.ravel()),
    }
    return Picture(name, figure, table)
