"""Occlusion maps (Zeiler & Fergus 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.analysis_result import AnalysisResult, PerClassAnalysis, needs_classes_of_images
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture
from mlphys.figures.run_view import ResolvedView, RunView
from mlphys.numerics.uncertainty import fraction_stderr, mean_stderr, rounded
from mlphys.schema.fields import Count
from mlphys.schema.layers import text

MOST_CLASSES = 12
MOST_PLACES = 32  # along a side
LARGEST = 20_000_000  # numbers of occluded images at once: 80 MB


class Occlusion(PerClassAnalysis):
    """Occlusion maps: the probability of the true class against the position of a square (Zeiler & Fergus 2014).

    p(true class) with all pixels in a square set to `fill`, for every position of the square, `stride` pixels apart.

    The side of the square is `size`, null a quarter of the image's shorter side; stride null is 1, or more, so
    that there are at most 32 positions along a side. Pixels are those of the data, before data.preprocess. Measured:
    the minimum of these p and the decrease from the whole image's p, and how often the predicted class changes.
    """

    per_class: Count = 5
    size: Count | None = None
    """The side of the square, in pixels; null is a quarter of the image's shorter side. Example: 4"""
    stride: Count | None = None
    """The distance of neighbouring squares, in pixels; null chooses at most 32 places along a side. Example: 1"""
    fill: float = 0.0
    """The value of the covered pixels."""

    def check(self, resolved: ResolvedView) -> None:
        needs_classes_of_images(resolved)
        shape = resolved.description.shape
        if len(shape) != 3:
            raise NotApplicable(f"samples of {text(shape)} are no images that a square could cover")
        if self._size(shape) > min(shape[:2]):
            raise NotApplicable(f"a square of {self.size} does not fit into {text(shape[:2])}; use a smaller size")

    def measure(self, run: RunView) -> AnalysisResult:
        split, some = self.of_each_class(run)
        size, stride = self._size(run.description.shape), self._stride(run.description.shape)
        places = _places(run.description.shape, size, stride)
        whole = run.trained.predictions(some.x)["probabilities"]
        maps, answers = [], []
        for x, label in zip(some.x, some.y, strict=True):
            p = _probabilities(run, x, list(product(*places)), size, self.fill)
            maps.append(p[:, label])
            answers.append(p.argmax(axis=1))
        p = np.array(maps).reshape(len(some), len(places[0]), len(places[1]))
        own = whole[np.arange(len(some)), some.y].astype(np.float64)
        drops = own - p.min(axis=(1, 2))
        turned = int((np.array(answers) != whole.argmax(axis=1)[:, None]).any(axis=1).sum())
        numbers = {
            "split": split,
            "samples": len(some),
            "size": size,
            "stride": stride,
            "probability": float(own.mean()),
            "probability_stderr": mean_stderr(own),
            "largest_drop": float(drops.mean()),
            "largest_drop_stderr": mean_stderr(drops),
            "answer_can_change": turned / len(some),
            "answer_can_change_stderr": fraction_stderr(turned, len(some)),
        }
        summary = (
            f"a square of {size} x {size} at the worst place takes {rounded(drops.mean(), mean_stderr(drops))} of the "
            f"true class's probability of {rounded(own.mean(), mean_stderr(own))}, and changes the answer for "
            f"{rounded(turned / len(some), fraction_stderr(turned, len(some)))} of {len(some)} {split} samples"
        )
        return AnalysisResult(numbers, summary, [_picture(run, some.x, some.y, p, size, stride, summary)])

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()

    def _size(self, shape: tuple[int, ...]) -> int:
        return self.size or max(1, min(shape[:2]) // 4)

    def _stride(self, shape: tuple[int, ...]) -> int:
        return self.stride or math.ceil((max(shape[:2]) - self._size(shape) + 1) / MOST_PLACES)


def _places(shape: tuple[int, ...], size: int, stride: int) -> tuple[range, range]:
    """The rows and the columns of the square's upper left corner."""
    return range(0, shape[0] - size + 1, stride), range(0, shape[1] - size + 1, stride)


def _probabilities(run: RunView, x: np.ndarray, places: list[tuple[int, int]], size: int, fill: float) -> np.ndarray:
    """(places, classes)."""
    at_once = max(1, LARGEST // x.size)
    pieces = [places[start : start + at_once] for start in range(0, len(places), at_once)]
    probabilities = [run.trained.predictions(occluded(x, piece, size, fill))["probabilities"] for piece in pieces]
    return np.concatenate(probabilities)


def occluded(x: np.ndarray, places: Sequence[tuple[int, int]], size: int, fill: float) -> np.ndarray:
    """Copies of an image (height, width, channels) with a square of `fill` at each position (row, column)."""
    covered = np.repeat(x[None], len(places), axis=0)
    for image, (row, column) in zip(covered, places, strict=True):
        image[row : row + size, column : column + size] = fill
    return covered


def _picture(
    run: RunView, x: np.ndarray, labels: np.ndarray, p: np.ndarray, size: int, stride: int, summary: str
) -> Picture:
    """The first sample of each class, and below it its map, drawn at the center of the square."""
    classes = run.description.classes[:MOST_CLASSES]
    first = [int(np.flatnonzero(labels == k)[0]) for k in range(len(classes)) if (labels == k).any()]
    tile = min(2.0, max(1.2, 8 / len(first)))  # inches
    figure = theme.figure(
        max(tile * len(first) + 1, 7), 2 * tile + 1.7, f"{run.name}: probability of the true class behind a square",
        f"{summary.replace('+-', '±')}; the map shows it at the middle of the square, whose size is that of the frame",
    )  # fmt: skip
    panels = figure.subplots(2, len(first), squeeze=False)
    high, low = float(x.max()), float(x.min())
    for (upper, lower), i in zip(panels.T, first, strict=True):
        photo = x.shape[-1] == 3
        scale = {} if photo else {"cmap": "gray_r", "vmin": low, "vmax": high}
        picture = (x[i] - low) / ((high - low) or 1.0) if photo else x[i][..., 0]
        upper.imshow(picture, interpolation="nearest", **scale)
        upper.set_title(theme.short(run.description.classes[labels[i]], 10))
        start = (size - 1) / 2 - stride / 2
        extent = (start, start + stride * p.shape[2], start + stride * p.shape[1], start)
        lower.set_facecolor(theme.PALE)
        image = lower.imshow(p[i], cmap="viridis", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        lower.set(xlim=upper.get_xlim(), ylim=upper.get_ylim())
        for panel in (upper, lower):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color=theme.PALE)
    _frame(panels[0, 0], size, high)
    figure.colorbar(image, ax=panels, label="p", aspect=16, pad=0.02)
    rows, columns = _places(x.shape[1:], size, stride)
    sample, row, column = np.indices(p[first].shape).reshape(3, -1)
    table: dict[str, list[Any]] = {
        "class": [run.description.classes[labels[first[k]]] for k in sample],
        "row": [rows[k] for k in row],
        "column": [columns[k] for k in column],
        "probability": list(p[first].ravel()),
    }
    return Picture("occlusion", figure, table)


def _frame(panel: Any, size: int, high: float) -> None:
    """The square, in the upper left corner."""
    from matplotlib.patches import Rectangle

    panel.add_patch(Rectangle((-0.5, -0.5), size, size, fill=False, edgecolor=theme.VERMILLION, linewidth=2))
