"""Traversals of the code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.figures import image_grid, theme
from mlphys.figures.example_experiments import autoencoder_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.requirements import need_decoder, need_images_or_signals
from mlphys.figures.run_view import ResolvedView, RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 10  # numbers of the code
LEVELS = (0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98)
ACROSS = 13  # images in a line of the plane


class Traversals(Plot):
    """Decoded codes in which one number varies from small to large and the others are constant."""

    def check(self, resolved: ResolvedView) -> None:
        """Raise NotApplicable unless a decoder makes images or signals from codes."""
        need_decoder(resolved)
        need_images_or_signals(resolved)

    def draw(self, run: RunView) -> Iterator[Picture]:
        self.check(run.loaded)
        split, predictions = predicted(run, "codes", "")
        codes = predictions["codes"].reshape(len(predictions["codes"]), -1)
        normal = run.config.model.normal_code()
        values = _quantiles(run, codes, LEVELS)
        base, of_base = np.zeros(codes.shape[1]), "0"
        if not normal:
            place = int(((codes - np.median(codes, axis=0)) ** 2).sum(axis=1).argmin())
            base, of_base = codes[place], f"those of {split} sample {place}, whose code is nearest to the medians"
        numbers = _strongest(run, base, values)
        grid = np.tile(base, (len(numbers), len(LEVELS), 1))
        for line, j in enumerate(numbers):
            grid[line, :, j] = values[j]
        images = _decoded(run, grid)
        of = "N(0, 1)" if normal else f"its values of {len(codes):,} {split} samples"
        what = "images" if images.ndim == 5 else "signals"
        title = f"{run.name}: {what} along each number of the code"
        caption = f"above each column a quantile of {of}, beside each row the first and the last; "
        caption += f"the other numbers are {of_base}"
        if len(numbers) < codes.shape[1]:
            caption += f"; drawn are the {len(numbers)} of {codes.shape[1]} that change the {what[:-1]} most"
        labels = [f"{j}:  {_number(values[j][0])} to {_number(values[j][-1])}" for j in numbers]
        above = [f"{100 * level:g} %" for level in LEVELS]
        figure = image_grid.page(images, predictions["images"], labels, title, caption, above)
        columns = {"quantile": LEVELS, "code": values[numbers]}
        yield Picture("traversals", figure, image_grid.table(images, {"number": numbers}, columns))
        if codes.shape[1] == 2:
            yield _plane(run, codes, of, predictions["images"])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return autoencoder_of_images()


def _strongest(run: RunView, base: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The numbers of the code whose extremes give the most different images."""
    ends = np.tile(base, (len(base), 2, 1))
    places = np.arange(len(base))
    ends[places, :, places] = values[:, [0, -1]]
    images = _decoded(run, ends)
    apart = ((images[:, 1] - images[:, 0]) ** 2).reshape(len(base), -1).sum(axis=1)
    return np.argsort(-apart, kind="stable")[:MOST]


def _quantiles(run: RunView, codes: np.ndarray, levels: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """The quantiles of each number of the code, (numbers, levels): of N(0, 1) where training pulls codes to it."""
    if not run.config.model.normal_code():
        return np.array([np.quantile(column, levels) for column in codes.T])
    from statistics import NormalDist

    return np.tile([NormalDist().inv_cdf(float(level)) for level in levels], (codes.shape[1], 1))


def _decoded(run: RunView, codes: np.ndarray) -> np.ndarray:
    """Images or signals (rows, columns, *shape) of codes (rows, columns, numbers)."""
    images = run.trained.decoded(codes.reshape(-1, codes.shape[-1]))
    return images.reshape(*codes.shape[:2], *images.shape[1:])


def _plane(run: RunView, codes: np.ndarray, of: str, samples: np.ndarray) -> Picture:
    """Images over the plane of a code of two numbers, at equally probable steps (Kingma & Welling 2014, figure 4)."""
    levels = (np.arange(ACROSS) + 0.5) / ACROSS
    first, second = _quantiles(run, codes, levels)
    places = np.stack(np.meshgrid(first, second[::-1]), axis=-1)  # the second number grows upwards
    images = _decoded(run, places)
    title = f"{run.name}: {'images' if images.ndim == 5 else 'signals'} of the plane of codes"
    caption = f"each number of the code at {ACROSS} quantiles of {of}, equally probable steps apart"
    table = image_grid.table(images, {}, {"first": places[..., 0], "second": places[..., 1]})
    sheet = _sheet_of_images if images.ndim == 5 else _sheet_of_signals
    return Picture("traversals_plane", sheet(images, samples, (first, second), title, caption), table)


def _sheet_of_images(
    images: np.ndarray, samples: np.ndarray, values: tuple[np.ndarray, np.ndarray], title: str, caption: str
) -> Figure:
    lines, count, height, width, channels = images.shape
    sheet = images.transpose(0, 2, 1, 3, 4).reshape(lines * height, count * width, channels)
    figure = theme.figure(9, 9 * max(0.4, min(height / width, 1.5)), title, caption)
    axes = figure.subplots()
    image_grid.tile_image(axes, sheet, *image_grid.span(samples))
    _label_plane(axes, (width, height), (-0.5, -0.5), values)
    return figure


def _sheet_of_signals(
    signals: np.ndarray, samples: np.ndarray, values: tuple[np.ndarray, np.ndarray], title: str, caption: str
) -> Figure:
    """The curves in one pair of axes, each in its cell of size 1."""
    lines, count, steps = signals.shape[:3]
    low, high = image_grid.extent(samples)
    figure = theme.figure(9, 9, title, caption)
    axes = figure.subplots()
    heights = 1 - (signals.reshape(lines, count, steps, -1).clip(low, high) - low) / (high - low)
    across = np.linspace(0, 1, steps)
    for line, column in np.ndindex(lines, count):
        axes.set_prop_cycle(color=theme.LINES)
        axes.plot(column + across, line + heights[line, column], linewidth=1)
    axes.hlines(range(1, lines), 0, count, color=theme.PALE, linewidth=0.8)
    axes.vlines(range(1, count), 0, lines, color=theme.PALE, linewidth=0.8)
    axes.set(xlim=(0, count), ylim=(lines, 0))
    axes.spines[:].set(visible=True, color=theme.PALE)
    _label_plane(axes, (1, 1), (0, 0), values)
    return figure


def _label_plane(
    axes: Axes, cell: tuple[float, float], corner: tuple[float, float], values: tuple[np.ndarray, np.ndarray]
) -> None:
    """The code's two numbers beside cells of (width, height), the second one growing upwards."""
    (width, height), (left, top), (first, second) = cell, corner, values
    axes.set_xticks([(i + 0.5) * width + left for i in range(len(first))], [_number(v) for v in first], fontsize=11)
    axes.set_yticks([(i + 0.5) * height + top for i in range(len(second))], [_number(v) for v in second[::-1]])
    axes.tick_params(length=0)
    axes.tick_params(axis="y", labelsize=11)
    axes.set(xlabel="first number of the code", ylabel="second number")


def _number(value: float) -> str:
    return f"{round(float(value), 3) + 0.0:.2g}".replace("-", "−")
