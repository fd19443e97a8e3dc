"""Filters and weights as images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme, weight_images
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.figures.weight_mosaic import mosaic
from mlphys.schema.layers import Weighted, text

MOST_TILES, MOST_CHANNELS, MOST_UNITS = 400, 20, 25
CUT, FAR_OUT = 0.005, 1.75  # fraction of weights that may be clipped, if the largest is that many times larger


class Filters(Plot):
    """Kernels of convolutions, and weights of units that receive an image, as images."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        if kernel := run.config.model.unit_kernel():
            yield _of_hidden_units(run, kernel)
            return
        if units := run.config.model.class_units():
            yield _of_classes(run, units)
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
            yield _picture(name, f"{run.name}: weights of {layer.title}", i, kernels, classes)
            drawn += 1
        if not drawn:
            raise NotApplicable("the network has no convolution, and no dense layer that sees an image")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _of_hidden_units(run: RunView, kernel: str) -> Picture:
    """The weights between the visible units of a Boltzmann machine and each of its hidden ones."""
    image = run.loaded.net_input.shape
    if len(image) != 3:
        raise NotApplicable(f"its visible units are {text(image)}, no image")
    kernels = weight_images.of_columns(image)(run.weights[kernel])
    return _picture("filters", f"{run.name}: weights of the hidden units", 0, kernels, ())


def _of_classes(run: RunView, noun: str) -> Picture:
    """The weights of the hidden units, or what else `noun` calls them, of each class: a class a line."""
    image = run.loaded.net_input.shape
    if len(image) != 3 or image[-1] != 1:
        raise NotApplicable(f"a line for each class is of grey images, and these samples are {text(image)}")
    encoders = [row for row in run.rows if not row.tied_to]
    kernels = np.stack([run.weights[f"{row.name}.kernel"].T.reshape(-1, *image[:2]) for row in encoders])
    units = kernels.shape[1]
    of = noun if units <= MOST_UNITS else f"of {units} {noun}"
    title, sides = f"{run.name}: {noun} of each class", {"class": "classes", "unit": of}
    return _picture("filters", title, 0, kernels[:, :MOST_UNITS], run.data["classes"], sides)


OUTPUTS = {"filter": "outputs", "channel": "input channels"}  # the columns of the table: what they count


def _picture(
    name: str,
    title: str,
    layer: int,
    kernels: np.ndarray,
    classes: Sequence[str],
    counted: Mapping[str, str] = OUTPUTS,
) -> Picture:
    (filters, channels), nouns = kernels.shape[:2], list(counted.values())
    across = min(channels, max(MOST_CHANNELS, MOST_TILES // filters))
    shown = kernels[: max(1, MOST_TILES // across), :across]
    names = [theme.short(name) for name in classes] if len(classes) == filters else _numbers(filters)
    sides = [(f"{filters} {nouns[0]}", names[: len(shown)]), (f"{channels} {nouns[1]}", _numbers(across))]
    wide = across > 3 * len(shown)  # then channels are rows and outputs are columns
    (down, labels), (right, _) = sides[::-1] if wide else sides
    caption = f"rows: {down}; columns: {right}" if channels > 1 else down
    caption += f"; {text(kernels.shape[2:])} weights each"
    if shown.size < kernels.size:
        caption += f"; here the first {len(shown)} {nouns[0]} and {across} {nouns[1]}"
    tiles = shown.swapaxes(0, 1) if wide else shown
    figure = mosaic(tiles, *_scale(kernels), labels, title, caption)
    indices = np.indices(shown.shape).reshape(4, -1).tolist()
    places = dict(zip((*counted, "row", "column"), indices, strict=True))
    return Picture(name, figure, {"layer": [layer] * shown.size, **places, "weight": list(shown.ravel())})


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
