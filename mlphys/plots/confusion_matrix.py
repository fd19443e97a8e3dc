"""The confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED = 20  # classes up to which counts fit into the cells
NAMED = 30  # classes up to which each has its name
ROOM = 40  # letters along an axis
MOST_CLASSES = 500


class ConfusionMatrix(Plot):
    """The confusion matrix: how often each class is predicted as each other."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        otherwise = "only a model of kind: classifier distinguishes classes"
        split, predictions = predicted(run, "probabilities", otherwise)
        classes = run.data["classes"]
        if len(classes) > MOST_CLASSES:
            raise NotApplicable(f"{len(classes):,} classes are too many to read; up to {MOST_CLASSES} are drawn")
        weights = predictions.get("weights")
        counts = np.zeros((len(classes), len(classes)), int if weights is None else float)
        guesses = predictions["probabilities"].argmax(axis=1)
        np.add.at(counts, (predictions["labels"], guesses), 1 if weights is None else weights)
        error = run.metrics.get(split, {}).get("accuracy_stderr")
        accuracy = theme.measured(counts.trace() / counts.sum(), error)
        samples = len(predictions["labels"])
        caption = f"{samples:,} {split} samples; coloured are the mistakes"
        caption += "" if weights is None else "; sums of weights"
        figure = theme.figure(9.2, 8, f"{run.name}: accuracy {accuracy}", caption)
        _matrix(figure.subplots(), counts, [theme.short(name) for name in classes])
        table = {
            "true": [name for name in classes for _ in classes],
            "predicted": [name for _ in classes for name in classes],
            "count": counts.ravel().tolist(),
        }  # of weights the sum
        yield Picture("confusion_matrix", figure, table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _matrix(axes: Axes, counts: np.ndarray, classes: list[str]) -> None:
    """Only errors are colored, by the square root of their fraction, so that few are visible."""
    from matplotlib.colors import ListedColormap, PowerNorm

    right = np.eye(len(classes), dtype=bool)
    totals = counts.sum(axis=1, keepdims=True)
    fractions = np.maximum(counts, 0) / np.where(totals > 0, totals, 1)  # negative weights may leave less than nothing
    wrong = np.ma.masked_array(fractions, right | (counts == 0))
    norm = PowerNorm(0.5, 0, 1.0 if wrong.mask.all() else wrong.max())
    axes.imshow(np.ma.masked_array(right, ~right), cmap=ListedColormap([theme.PALE]))
    image = axes.imshow(wrong, cmap="Oranges", norm=norm)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, aspect=28, pad=0.02)
    bar.ax.yaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g} %")
    bar.set_label("mistakes, as a share of the true class")
    if len(classes) <= NUMBERED:
        _numbers(axes, counts, norm(fractions))
    _names(axes, classes)


def _numbers(axes: Axes, counts: np.ndarray, depth: np.ndarray) -> None:
    texts = counts.astype(str) if counts.dtype.kind == "i" else np.vectorize(lambda count: f"{count:.4g}")(counts)
    size = min(15, 360 / len(counts) / (0.7 * max(len(text) for text in texts.ravel())))
    for i, j in zip(*counts.nonzero(), strict=True):
        light = i != j and depth[i, j] > 0.75
        axes.text(
            j, i, texts[i, j], ha="center", va="center", fontsize=size,
            color="white" if light else theme.INK, fontweight="bold" if i == j else "normal",
        )  # fmt: skip


def _names(axes: Axes, classes: list[str]) -> None:
    """Names along both axes, every second or third if they would overlap."""
    places = range(0, len(classes), math.ceil(len(classes) / NAMED))
    shown = [classes[i] for i in places]
    size = min(15, 400 / len(shown))
    turned: dict[str, Any] = {}
    if len(shown) * max(len(name) for name in shown) > ROOM:
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        turned = slanted if len(shown) <= 12 else {"rotation": 90}
    axes.set_xticks(places, shown, fontsize=size, **turned)
    axes.set_yticks(places, shown, fontsize=size)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.set_xticks([i - 0.5 for i in range(1, len(classes))], minor=True)
    axes.set_yticks([i - 0.5 for i in range(1, len(classes))], minor=True)
    axes.grid(which="minor", color="white" if len(classes) > NUMBERED else theme.PALE, linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
