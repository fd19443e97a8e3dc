"""Layers as matrices from all inputs to all outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.schema.layers import Conv2D, Dense, FixedConv2D
from mlphys.schema.shapes import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 1_000_000  # numbers of a matrix
MOST_LAYERS = 4
TALL = 2  # times as many outputs as inputs are drawn; of a convolution whole filters


class WeightMatrix(Plot):
    """Convolutions and dense layers as matrices from inputs to outputs: shared local weights beside free ones."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable where no layer is a matrix, or all are too large."""
        if not _layers(resolved.rows()):
            raise NotApplicable(
                f"it has no layer Dense, Conv2D or FixedConv2D with at most {LARGEST:,} numbers from inputs to outputs"
            )

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        rows = _layers(run.rows)[:MOST_LAYERS]
        matrices = [matrix(row, run.weights[f"{row.name}.kernel"]) for row in rows]
        caption = (
            "rows are outputs, filter by filter, columns inputs, channel by channel; blue is negative, red positive, "
            "white no connection or zero, each layer on its own scale"
        )
        title, panels = f"{run.name}: layers as matrices", len(rows)
        figure, drawn = theme.row(panels, max(5.2 * panels, 7), 7.4, title, caption)
        table: dict[str, list[Any]] = {"layer": [], "output": [], "input": [], "weight": []}
        for axes, row, values in zip(drawn, rows, matrices, strict=True):
            shown = values[: _shown(row, *values.shape)]
            _panel(axes, row, values, len(shown))
            outputs, inputs = np.nonzero(shown)
            table["layer"] += [row.name] * len(outputs)
            table["output"] += outputs.tolist()
            table["input"] += inputs.tolist()
            table["weight"] += shown[outputs, inputs].tolist()
        yield Picture("weight_matrix", figure, table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _layers(rows: Any) -> list[Row]:
    return [
        row
        for row in rows
        if isinstance(row.layer, Dense | Conv2D | FixedConv2D)
        and (isinstance(row.layer, Dense) is (len(row.input_shape) == 1))
        and not row.tied_to
        and math.prod(row.input_shape) * math.prod(row.output_shape) <= LARGEST
    ]


def matrix(row: Row, kernel: np.ndarray) -> np.ndarray:
    """(outputs, inputs): the linear map of a layer without bias. Of images a filter, or channel, after the other."""
    if len(row.input_shape) == 1:
        return kernel.T
    layer: Any = row.layer
    (height, width, channels), (rows, columns, filters) = row.input_shape, row.output_shape
    steps, apart = layer.strides, getattr(layer, "dilation_rate", (1, 1))
    weights = np.zeros((filters, rows, columns, channels, height, width), np.float32)
    for a, b in np.ndindex(*kernel.shape[:2]):
        down, right = (
            step * np.arange(count) + offset * dilation - border
            for step, count, offset, dilation, border in zip(
                steps, (rows, columns), (a, b), apart, _borders(row, kernel.shape), strict=True
            )
        )
        i, j = np.flatnonzero((down >= 0) & (down < height)), np.flatnonzero((right >= 0) & (right < width))
        if i.size and j.size:
            i, j = (index.ravel() for index in np.meshgrid(i, j, indexing="ij"))
            weights[:, i, j, :, down[i], right[j]] = kernel[a, b].T
    return weights.reshape(filters * rows * columns, -1)


def _borders(row: Row, kernel: tuple[int, ...]) -> list[int]:
    """Zeros that the layer puts above and left of its image."""
    layer: Any = row.layer
    if layer.padding == "valid":
        return [0, 0]
    apart = getattr(layer, "dilation_rate", (1, 1))
    sides = zip(row.input_shape, row.output_shape, kernel, layer.strides, apart, strict=False)
    return [max(0, (out - 1) * step + (size - 1) * dilation + 1 - n) // 2 for n, out, size, step, dilation in sides]


def _shown(row: Row, outputs: int, inputs: int) -> int:
    """How many of the outputs are drawn: a matrix not too tall, of a convolution whole filters."""
    if outputs <= TALL * inputs or len(row.output_shape) == 1:
        return outputs
    maps = math.prod(row.output_shape[:2])
    return maps * max(1, TALL * inputs // maps)


def _panel(axes: Axes, row: Row, values: np.ndarray, shown: int) -> None:
    limit = float(np.abs(values).max()) or 1.0
    axes.imshow(
        values[:shown], cmap=theme.SIGNED, vmin=-limit, vmax=limit, interpolation="nearest",
        aspect="auto" if values.shape[0] * 8 < values.shape[1] else "equal",
    )  # fmt: skip
    connections = np.count_nonzero(values)
    title = f"{type(row.layer).__name__}: {connections:,} connections,\n{_free(row):,} different weights"
    axes.set_title(title, loc="left", fontsize=13)
    part = "" if shown == len(values) else f", the first {shown:,} of {len(values):,}"
    axes.set(xlabel="input", ylabel=f"output{part}")


def _free(row: Row) -> int:
    shapes = {**row.layer.weight_shapes(row.input_shape), **row.layer.statistic_shapes(row.input_shape)}
    return math.prod(shapes["kernel"])
