"""The decoder on whitened data (Memisevic)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlphys.data import preprocessing
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import Analysis, AnalysisResult, needs_matrices
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics import chunked
from mlphys.numerics.chunked import Array
from mlphys.numerics.uncertainty import mean_stderr, rounded
from mlphys.schema.fields import Shape
from mlphys.schema.layers import Dense, Weighted
from mlphys.schema.principal_steps import Whiten

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DecoderSmoothing(Analysis):
    """For whitened data, a tied decoder in pixel space is the encoder smoothed by the data's covariance (Memisevic).

    The weights W of a tied layer on whitened samples z = P (x - mean), transformed into the space of x.

        encoder: W^T z = (P^T W)^T (x - mean),   W_pixel = P^T W
        decoder: x = P^+ z + mean,               A_pixel = P^+ W = C W_pixel

    because P^+ = C P^T for P P^T = C^-1: sharp filters have smooth patterns (Haufe et al. 2014). W_pixel is computed
    by whitening unit vectors, A_pixel by inverting the whitening, and C is the covariance of the training samples plus
    whitening's epsilon. The plot shows the first `units`, each on its own scale.
    """

    units: Annotated[int, Field(ge=1, le=30)] = 10
    """How many units the picture shows."""

    def check(self, resolved: ResolvedView) -> None:
        rows = resolved.rows()
        weighted = [row for row in rows if isinstance(row.layer, Weighted)]
        if not weighted or weighted[-1].tied_to != weighted[0].name:
            raise NotApplicable("the decoder's weights are the encoder's in a tied kind: autoencoder only")
        if not isinstance(rows[0].layer, Dense):
            raise NotApplicable("the encoder must begin with Dense, whose weights have one place for each value")
        steps = resolved.experiment.data.preprocess
        if not steps or not isinstance(steps[-1], Whiten):
            raise NotApplicable("the last step of data.preprocess must be whiten; set data.preprocess: [{whiten: pca}]")
        needs_matrices(preprocessing.output_shape(steps[:-1], resolved.description.shape))

    def measure(self, run: RunView) -> AnalysisResult:
        weights = run.weights[f"{run.rows[0].name}.kernel"]
        before, step, fitted = _whitening(run)
        shape = preprocessing.output_shape(before.steps, run.description.shape)
        d = math.prod(shape)
        units = np.concatenate([np.zeros((1, d)), np.eye(d)]).reshape(-1, *shape)  # float64 keeps its digits in a step
        preprocessed = step.apply(units, fitted).reshape(d + 1, -1)
        encoder = (preprocessed[1:] - preprocessed[0]) @ weights
        codes = np.concatenate([np.zeros((1, len(weights))), weights.T])
        back = step.invert(codes, fitted, shape).reshape(len(codes), -1)
        decoder = (back[1:] - back[0]).T
        smoothed = _covariance(before.apply(run.dataset().train.x), encoder) + step.epsilon * encoder
        difference = float(np.linalg.norm(decoder - smoothed) / np.linalg.norm(decoder))
        numbers: dict[str, Any] = {"units": weights.shape[1], "relative_difference": difference}
        summary = f"|A - C W| / |A| = {difference:.1g} for {weights.shape[1]} units in the space of the samples"
        if len(shape) == 3:
            ratios = _roughness(encoder, shape) / _roughness(decoder, shape)
            error = mean_stderr(ratios)
            numbers |= {"roughness_ratio": float(ratios.mean()), "roughness_ratio_stderr": error}
            summary += f"; from pixel to pixel the encoder varies {rounded(float(ratios.mean()), error)} times as much"
        parts = {"encoder W": encoder, "decoder A": decoder, "C W": smoothed}
        draw = _images if len(shape) == 3 and shape[-1] in (1, 3) else _points
        figure = draw(
            parts, shape, self.units, f"{run.name}: is the decoder the encoder, smoothed?", summary.replace("+-", "±")
        )
        return AnalysisResult(numbers, summary, [Picture("decoder_smoothing", figure, _table(parts, self.units))])

    @classmethod
    def example(cls) -> dict[str, Any]:
        data = {"name": "photo_patches", "size": 6, "samples": 300, "validation": 20, "test": 20}
        encoder, decoder = [{"Dense": {"units": 5, "activation": "tanh"}}], [{"Dense": {"units": 20}}]
        return {
            "data": data | {"preprocess": [{"whiten": {"kind": "pca", "components": 20}}]},
            "model": {"kind": "autoencoder", "encoder": encoder, "decoder": decoder, "tied": True},
            "training": {"epochs": 2},
        }


def _whitening(run: RunView) -> tuple[Preprocessing, Whiten, Mapping[str, np.ndarray]]:
    """The steps before whitening, the whitening step, and its fitted arrays."""
    fitted = run.preprocessing
    step = fitted.steps[-1]
    assert isinstance(step, Whiten)
    return Preprocessing(fitted.steps[:-1], fitted.shape, fitted.arrays[:-1]), step, fitted.arrays[-1]


def _covariance(x: Array, columns: np.ndarray) -> np.ndarray:
    """C @ columns (d, m), with C the covariance of samples x."""
    mean, product = chunked.mean(x).ravel(), np.zeros_like(columns)
    for piece in chunked.pieces(x):
        centred = piece.reshape(len(piece), -1) - mean
        product += centred.T @ (centred @ columns)
    return product / len(x)


def _roughness(columns: np.ndarray, shape: Shape) -> np.ndarray:
    """Roughness of each column (d, m), an image of `shape`: rms difference of neighbours / rms value."""
    images = columns.T.reshape(-1, *shape)
    steps = (np.diff(images, axis=axis) ** 2 for axis in (1, 2))
    return np.sqrt(sum(step.sum(axis=(1, 2, 3)) for step in steps) / (images**2).sum(axis=(1, 2, 3)))


def _images(parts: Mapping[str, np.ndarray], shape: Shape, units: int, title: str, caption: str) -> Figure:
    """One column per unit; each image on its own color scale around zero."""
    count = min(units, next(iter(parts.values())).shape[1])
    figure = theme.figure(
        max(1.05 * count + 1.5, 9), 4.9, title, f"{caption}; each image has its own scale around zero"
    )
    panels = figure.subplots(len(parts), count, squeeze=False)
    for line, (name, columns) in zip(panels, parts.items(), strict=True):
        for panel, column in zip(line, columns.T[:count], strict=True):
            limit = float(abs(column).max()) or 1.0
            image = column.reshape(shape) / limit
            colours = {"cmap": theme.SIGNED, "vmin": -1, "vmax": 1}
            panel.imshow(image[..., 0] if shape[-1] == 1 else 0.5 + image / 2, **colours)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=theme.PALE)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def _points(parts: Mapping[str, np.ndarray], shape: Shape, units: int, title: str, caption: str) -> Figure:
    """Weights of the decoder against the smoothed weights of the encoder."""
    figure = theme.figure(8, 6.5, title, caption)
    axes = figure.subplots()
    decoder, smoothed = (parts[name][:, :units].ravel() for name in ("decoder A", "C W"))
    ends = [min(decoder.min(), smoothed.min()), max(decoder.max(), smoothed.max())]
    axes.plot(ends, ends, color=theme.GREY, linewidth=1)
    axes.plot(smoothed, decoder, "o", color=theme.BLUE, alpha=0.6)
    axes.set(xlabel="C W", ylabel="decoder A")
    return figure


def _table(parts: Mapping[str, np.ndarray], units: int) -> dict[str, list]:
    shown = {name: columns[:, :units] for name, columns in parts.items()}
    value, unit = np.indices(next(iter(shown.values())).shape).reshape(2, -1)
    return {
        "unit": list(unit),
        "value": list(value),
        **{name: list(columns.ravel()) for name, columns in shown.items()},
    }
