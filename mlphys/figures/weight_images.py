"""The weights of a layer as images, brought back through preprocessing where the net sees components of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlphys.data import preprocessing
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import NotApplicable
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.schema.fields import Shape
from mlphys.schema.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Dense,
    FixedConv2D,
    Flatten,
    Reshape,
    Weighted,
    text,
)
from mlphys.schema.shapes import Row

Arranged = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ImageLayer:
    """A layer whose weights are images. `arranged` makes (filters, channels, height, width) of a kernel of `shape`.

    One `behind` preprocessing has a row in its kernel for each component that the net sees, `shape` one for each pixel.
    """

    number: int
    title: str
    kernel: str
    shape: Shape
    arranged: Arranged
    behind: bool = False

    @property
    def size(self) -> Shape:
        """(filters, channels, height, width)."""
        return self.arranged(np.broadcast_to(np.float32(0), self.shape)).shape


def image_layers(rows: Sequence[Row], image: Shape) -> Iterator[ImageLayer]:
    """Those of the layers, fed with images of a shape, or with other samples, whose weights are images."""
    for number, row in enumerate(rows):
        arranged = None if row.tied_to else _arranged(row, image)
        image = _image_after(row, image)
        if arranged:
            kernel = f"{row.name}.kernel"
            title = f"layer {number}, {type(row.layer).__name__}"
            yield ImageLayer(number, title, kernel, row.weight_shapes()[kernel], arranged)


def _image_after(row: Row, image: Shape) -> Shape:
    """The shape of the image whose pixels the outputs of `row` are, in its order; () if there is none."""
    if len(row.output_shape) == 3:
        return row.output_shape
    moved = row.output_shape != row.input_shape and not isinstance(row.layer, Flatten | Reshape)
    return () if moved or isinstance(row.layer, Weighted) else image


def _arranged(row: Row, image: Shape) -> Arranged | None:
    match row.layer:
        case Conv2D() | FixedConv2D():
            return lambda kernel: kernel.transpose(3, 2, 0, 1)
        case Conv2DTranspose():  # Keras has its filters before its channels
            return lambda kernel: kernel.transpose(2, 3, 0, 1)
        case Conv1D():
            return lambda kernel: kernel.transpose(2, 1, 0)[:, :, None, :]
        case Conv1DTranspose():
            return lambda kernel: kernel.transpose(1, 2, 0)[:, :, None, :]
        case Dense() if len(row.input_shape) == 1 and len(image) == 3 and math.prod(image[:2]) > 1:
            return of_columns(image)
    return None


def of_columns(image: Shape) -> Arranged:
    """Each column of a kernel (values of an image, filters) as this image."""
    return lambda kernel: kernel.T.reshape(-1, *image).transpose(0, 3, 1, 2)


def chosen(loaded: ResolvedView, number: int | None, smallest: int) -> ImageLayer:
    """The layer `number`, null the first one, whose weights are images of `smallest` pixels and more either way.

    Raises NotApplicable where there is none.
    """
    layers = {layer.number: layer for layer in _of(loaded)}
    if not layers:
        raise NotApplicable("it has no convolution, and no dense layer that sees an image")
    image_layer = layers.get(min(layers) if number is None else number)
    if image_layer is None:
        known = ", ".join(map(str, sorted(layers)))
        raise NotApplicable(f"the weights of layer {number} are no images; there are those of {known}")
    if min(image_layer.size[2:]) < smallest:
        size = text(image_layer.size[2:])
        raise NotApplicable(f"{size} weights a filter are too few; it takes {smallest} x {smallest} and more")
    return image_layer


def _of(loaded: ResolvedView) -> Iterator[ImageLayer]:
    sample, rows = loaded.net_input.shape, loaded.rows()
    if kernel := loaded.experiment.model.unit_kernel():
        if len(sample) == 3:
            yield ImageLayer(0, "hidden units", kernel, loaded.weight_shapes()[kernel], of_columns(sample))
        return
    if not rows:  # of principal components, or of clusters
        return
    image = preprocessing.display_shape(loaded.experiment.data.preprocess, loaded.description.shape)
    if len(sample) == 1 and len(image) == 3 and isinstance(rows[0].layer, Dense):
        kernel = f"{rows[0].name}.kernel"
        shape = math.prod(image), rows[0].weight_shapes()[kernel][1]
        yield ImageLayer(0, "layer 0, Dense", kernel, shape, of_columns(image), behind=True)
    first = rows[0].input_shape
    yield from image_layers(rows, sample if first == (math.prod(sample),) else first)  # an autoencoder flattens


def of_run(layer: ImageLayer, run: RunView) -> np.ndarray:
    """The weights of a layer of a run, (filters, channels, height, width)."""
    return as_images(layer, run.weights[layer.kernel], run.preprocessing)


def as_images(layer: ImageLayer, kernel: np.ndarray, fitted: Preprocessing) -> np.ndarray:
    """The weights `kernel` of a layer, (filters, channels, height, width)."""
    return layer.arranged(_in_pictures(fitted, kernel) if layer.behind else kernel)


def each_of_run(layer: ImageLayer, run: RunView) -> tuple[np.ndarray, int]:
    """All channels of all filters one after the other, (filters * channels, height, width), and how many channels."""
    images = of_run(layer, run)
    return images.reshape(-1, *images.shape[2:]), images.shape[1]


def _in_pictures(fitted: Preprocessing, kernel: np.ndarray) -> np.ndarray:
    """Columns (values that the net sees, filters) as the changes of a picture that they represent."""
    columns = np.concatenate([np.zeros((1, len(kernel)), np.float32), kernel.T])
    pictures = fitted.inverse(columns).reshape(len(columns), -1)
    return (pictures[1:] - pictures[0]).T
