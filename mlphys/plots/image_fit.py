"""An image, fitted as a function of the position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture, Plot
from mlphys.figures.run_view import RunView
from mlphys.numerics import chunked
from mlphys.schema.layers import text
from mlphys.schema.samples import Splits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.1  # minimum fraction of the pixels
TILE = 4.2  # inches
NAMES = "image", "the net's image", "the net's − image"
MISSING = "#F7E3B5"  # neither gray nor a color of differences


class ImageFit(Plot):
    """An image, the network's approximation of it as a function of position, and their difference."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        _need_image(run)
        dataset, split = run.dataset(), run.shown_split()
        columns, rows, image = _image(dataset)
        places = np.stack([values.ravel() for values in np.meshgrid(columns, rows)], axis=1)
        output = run.trained.predictions(places)["outputs"].reshape(image.shape)
        metrics = run.metrics.get(split, {})
        error = f", {split} mse {theme.measured(metrics['mse'], metrics['mse_stderr'])}" if metrics else ""
        yield Picture(
            "image_fit",
            _figure(image, output, f"{run.name}: image{error}", _caption(image, output, len(dataset.train))),
            {
                "x1": list(places[:, 0]),
                "x2": list(places[:, 1]),
                "target": ["" if math.isnan(value) else value for value in image.ravel()],
                "output": list(output.ravel()),
            },
        )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "data": {"name": "image_function", "size": 12},
            "model": {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]},
            "training": {"epochs": 2},
        }


def _need_image(run: RunView) -> None:
    outputs = run.config.model.prediction_shapes(run.loaded.net_input)
    if "outputs" not in outputs:
        raise NotApplicable("only a model of kind: regressor fits an image")
    shapes = tuple(run.data["shape"]), tuple(run.data["target_shape"])
    if shapes != ((2,), (1,)):
        raise NotApplicable(
            f"a sample of {text(shapes[0])} and a target of {text(shapes[1])}; "
            "an image needs two numbers for the place and one value"
        )


def _image(dataset: Splits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The positions of columns and rows, and the image on them, NaN for pixels that are in no split."""
    splits = dataset.train, dataset.validation, dataset.test
    x, y = np.concatenate([chunked.read(split.x) for split in splits]), np.concatenate([split.y for split in splits])
    columns, j = np.unique(x[:, 0], return_inverse=True)
    rows, i = np.unique(x[:, 1], return_inverse=True)
    pixels = len(columns) * len(rows)
    if len(x) < LEAST * pixels:
        raise NotApplicable(f"the samples fill {len(x):,} of {pixels:,} places of a grid: they are not an image")
    image = np.full((len(rows), len(columns)), np.nan, np.float32)
    image[i, j] = y[:, 0]
    return columns, rows, image


def _caption(image: np.ndarray, output: np.ndarray, trained: int) -> str:
    count = int(np.isfinite(image).sum())
    mse = float(np.nanmean((output.astype(np.float64) - image) ** 2))
    psnr = f", psnr {-10 * math.log10(mse):.1f} dB" if mse > 0 else ""
    missing = f" ({image.size - count:,} are in no split)" if count < image.size else ""
    size = text(image.shape[::-1])
    return f"{size} pixels, {trained:,} of them trained on{missing}; mse of all {theme.measured(mse)}{psnr}"


def _figure(image: np.ndarray, output: np.ndarray, title: str, caption: str) -> Figure:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    low, high = min(0.0, float(np.nanmin(image))), max(1.0, float(np.nanmax(image)))
    limit = float(np.nanmax(abs(output - image))) or 1.0
    height = TILE * min(max(image.shape[0] / image.shape[1], 0.3), 1.6)
    figure = theme.figure(3 * TILE + 1.2, height + 1.25, title, caption)
    panels = figure.subplots(1, 3)
    for panel, values, name in zip(panels, (image, output, output - image), NAMES, strict=True):
        colours, ends = ("gray", (low, high)) if panel is not panels[2] else (theme.SIGNED, (-limit, limit))
        shown = panel.imshow(values, cmap=colormaps[colours].with_extremes(bad=MISSING), vmin=ends[0], vmax=ends[1])
        panel.set(xticks=[], yticks=[], title=name)
        panel.spines[:].set(visible=True, color=theme.PALE)
    bar = figure.colorbar(shown, cax=panels[2].inset_axes((1.04, 0, 0.04, 1)))
    bar.locator = MaxNLocator(nbins=5, symmetric=True)
    return figure
