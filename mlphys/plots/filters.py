"""Filters and weights as images."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme, weight_images
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.figures.weight_mosaic import mosaic
from mlphys.schema.layers import Weighted, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TILES, MOST_CHANNELS = 400, 20  # of a sheet
SHEETS = ["", *string.ascii_lowercase[1:]]  # what follows the name: filters_2, filters_2b, ...
MOST_ROWS = 1_000_000  # weights in the CSV of the first sheet; of more each sheet has its own
CUT, FAR_OUT = 0.005, 1.75  # fraction of weights that may be clipped, if the largest is that many times larger


class Filters(Plot):
    """Every convolution kernel, and the weights of units that receive an image, as images."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if kernel := run.config.model.unit_kernel():
            yield from _of_hidden_units(run, kernel)
            return
        if units := run.config.model.class_units():
            yield from _of_classes(run, units)
            return
        if not run.rows:
            raise NotApplicable(f"kind: {run.config.model.kind} has no layers")
        image, drawn, sample = run.rows[0].input_shape, 0, tuple(run.data["shape"])
        if image == (math.prod(sample),):  # an autoencoder flattens its samples
            image = sample
        last = [i for i, row in enumerate(run.rows) if isinstance(row.layer, Weighted)][-1:]
        for layer in weight_images.image_layers(run.rows, image):
            i, kernels = layer.number, layer.arranged(run.weights[layer.kernel])
            classes = run.data["classes"] if [i] == last else ()
            name = f"filters_{i}" if drawn else "filters"
            yield from _pictures(name, f"{run.name}: weights of {layer.title}", i, kernels, classes)
            drawn += 1
        if not drawn:
            raise NotApplicable("the network has no convolution, and no dense layer that sees an image")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _of_hidden_units(run: RunView, kernel: str) -> Iterator[Picture]:
    """The weights between the visible units of a Boltzmann machine and each of its hidden ones."""
    image = run.loaded.net_input.shape
    if len(image) != 3:
        raise NotApplicable(f"its visible units are {text(image)}, no image")
    kernels = weight_images.of_columns(image)(run.weights[kernel])
    yield from _pictures("filters", f"{run.name}: weights of the hidden units", 0, kernels, ())


def _of_classes(run: RunView, noun: str) -> Iterator[Picture]:
    """The weights of the hidden units, or what else `noun` calls them, of each class: a class a line."""
    image = run.loaded.net_input.shape
    if len(image) != 3 or image[-1] != 1:
        raise NotApplicable(f"a line for each class is of grey images, and these samples are {text(image)}")
    encoders = [row for row in run.rows if not row.tied_to]
    kernels = np.stack([run.weights[f"{row.name}.kernel"].T.reshape(-1, *image[:2]) for row in encoders])
    title, sides = f"{run.name}: {noun} of each class", {"class": "classes", "unit": noun}
    yield from _pictures("filters", title, 0, kernels, run.data["classes"], sides)


OUTPUTS = {"filter": "outputs", "channel": "input channels"}  # the columns of the table: what they count


def _pictures(
    name: str,
    title: str,
    layer: int,
    kernels: np.ndarray,
    classes: Sequence[str],
    counted: Mapping[str, str] = OUTPUTS,
) -> Iterator[Picture]:
    """Sheets of kernels (filters, channels, height, width): `name`, `name`b, ...; the table of the first has all."""
    filters, channels = kernels.shape[:2]
    across = min(channels, max(MOST_CHANNELS, MOST_TILES // filters))
    down = max(1, MOST_TILES // across)
    starts = list(itertools.product(range(0, filters, down), range(0, channels, across)))
    shown = starts[: len(SHEETS)]
    names = [theme.short(label) for label in classes] if len(classes) == filters else _numbers(filters)
    for letter, (output, channel) in zip(SHEETS, shown, strict=False):
        some = slice(output, output + down), slice(channel, channel + across)
        tiles, outputs, inputs = kernels[some], names[some[0]], _numbers(channels)[some[1]]
        part = _part(tiles, (output, channel), list(counted.values())) if len(starts) > 1 else ""
        if len(shown) < len(starts):
            part += f"; of {len(starts)} sheets the first {len(shown)} are drawn"
        figure = _sheet(tiles, kernels, (outputs, inputs), list(counted.values()), title, part)
        whole = not letter and kernels.size <= MOST_ROWS
        block = (kernels, 0, 0) if whole else (tiles, output, channel)
        sheet = f"{name}{letter}" if name[-1].isdecimal() else f"{name}_{letter}".rstrip("_")
        yield Picture(sheet, figure, _table(*block, layer, tuple(counted)))


def _part(tiles: np.ndarray, start: tuple[int, int], nouns: Sequence[str]) -> str:
    """Which of the kernels are on a sheet."""
    of = [
        f"{noun} {first} to {first + count - 1}"
        for noun, first, count in zip(nouns, start, tiles.shape[:2], strict=True)
        if count > 1 or first
    ]
    return f"; here {' and '.join(of)}"


def _sheet(
    tiles: np.ndarray,
    kernels: np.ndarray,
    labels: tuple[Sequence[str], Sequence[str]],
    nouns: Sequence[str],
    title: str,
    part: str,
) -> Figure:
    (filters, channels), sides = kernels.shape[:2], list(zip(nouns, labels, strict=True))
    wide = tiles.shape[1] > 3 * tiles.shape[0]  # then channels are rows and outputs are columns
    (first, rows), (second, columns) = sides[::-1] if wide else sides
    counts = (channels, filters) if wide else (filters, channels)
    caption = f"rows: {counts[0]} {first}; columns: {counts[1]} {second}" if channels > 1 else f"{filters} {first}"
    caption += f"; {text(kernels.shape[2:])} weights each{part}"
    return mosaic(tiles.swapaxes(0, 1) if wide else tiles, *_scale(kernels), rows, title, caption, columns)


def _table(
    kernels: np.ndarray, first_filter: int, first_channel: int, layer: int, counted: tuple[str, ...]
) -> dict[str, list]:
    """One row per weight."""
    indices = np.indices(kernels.shape).reshape(4, -1)
    indices[0] += first_filter
    indices[1] += first_channel
    places = dict(zip((*counted, "row", "column"), indices.tolist(), strict=True))
    return {"layer": [layer] * kernels.size, **places, "weight": list(kernels.ravel())}


def _numbers(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def _scale(kernels: np.ndarray) -> tuple[float, str]:
    """The largest weight of the color scale, and the label of the color bar.

    A few outliers would leave all other weights pale: they are clipped, and the label says so.
    """
    sizes = np.abs(kernels[np.isfinite(kernels)])
    largest = float(sizes.max(initial=0)) or 1.0
    most = float(np.quantile(sizes, 1 - CUT)) if sizes.size else largest
    if 0 < most < largest / FAR_OUT:
        return most, f"weight ({100 * CUT:g} % lie beyond the scale)"
    return largest, "weight"
