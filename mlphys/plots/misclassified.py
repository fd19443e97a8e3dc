"""Misclassified samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlphys.errors import NotApplicable
from mlphys.figures import named_values, theme
from mlphys.figures.example_experiments import classifier_of_images
from mlphys.figures.picture import Picture, Plot, predicted
from mlphys.figures.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOWN, ACROSS = 5, 8
ROWS = 20  # of a table
MOST_LINES = 6  # channels of a sequence that colors can distinguish


class Misclassified(Plot):
    """Misclassified samples, most confident first; "8 (3!)" is a 3 predicted as an 8 (Marquardt, lecture 5)."""

    def draw(self, run: RunView) -> Iterator[Picture]:
        otherwise = "only a model of kind: classifier distinguishes classes"
        split, predictions = predicted(run, "probabilities", otherwise)
        labels, probabilities = predictions["labels"], predictions["probabilities"]
        guesses, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
        wrong = int((guesses != labels).sum())
        if not wrong:
            raise NotApplicable(f"all {len(labels):,} {split} samples are classified correctly")
        features = named_values.names(run)
        if not features:
            _need_drawable(tuple(run.data["shape"]))
        shown = predictions["shown"]
        mistakes = [i for i in range(len(shown)) if guesses[shown[i]] != labels[shown[i]]]
        mistakes = sorted(mistakes, key=lambda i: -sureness[shown[i]])[: DOWN * ACROSS]
        if not mistakes:
            raise NotApplicable(f"none of the {wrong} mistakes is kept; `mlphys evaluate {run.path}` keeps them")
        indices, images = shown[mistakes], predictions["images"][mistakes]
        classes = run.data["classes"]
        table = {
            "index": indices.tolist(),
            "true": [classes[k] for k in labels[indices]],
            "predicted": [classes[k] for k in guesses[indices]],
            "probability": list(sureness[indices]),
        }
        across = min(len(indices), ACROSS)
        down = math.ceil(len(indices) / across)
        some = f"; here the {len(indices)} surest mistakes" if wrong > len(indices) else ""
        title = f"{run.name}: predicted (true!)"
        caption = f"{wrong:,} of {len(labels):,} {split} samples wrong{some}; p is the predicted probability"
        if features:
            yield _of_table(run, images[:ROWS], features, table, title, caption)
            return
        figure = theme.figure(max(1.45 * across, 7.5), 1.75 * down + 1.0, title, caption)
        axes = figure.subplots(down, across, squeeze=False).ravel()
        _tiles(axes, images, table)
        yield Picture("misclassified", figure, table)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return classifier_of_images()


def _of_table(
    run: RunView, samples: np.ndarray, features: Sequence[str], table: dict[str, list], title: str, caption: str
) -> Picture:
    """Named features, each with its unit, as a table; the CSV has them in columns."""
    rows = [f"{theme.short(p)} ({theme.short(t)}!) {_sure(sure)}" for p, t, sure in _columns(table)[: len(samples)]]
    scaled = named_values.standardized(run, samples)
    if len(samples) < len(table["index"]):
        caption = caption.replace(f"the {len(table['index'])} surest", f"the {len(samples)} surest")
    figure = named_values.figure(samples, scaled, rows, features, title, f"{caption}; {named_values.STANDARDIZED}")
    shown = {name: values[: len(samples)] for name, values in table.items()}
    return Picture("misclassified", figure, shown | dict(zip(features, map(list, samples.T), strict=True)))


def _columns(table: dict[str, list]) -> list[tuple[str, str, float]]:
    return list(zip(table["predicted"], table["true"], table["probability"], strict=True))


def _sure(probability: float) -> str:
    return "p > 0.999" if probability > 0.9995 else f"p = {probability:.3f}"


def _need_drawable(shape: tuple[int, ...]) -> None:
    image = len(shape) == 3 and shape[-1] in (1, 3)
    sequence = len(shape) == 1 or (len(shape) == 2 and shape[-1] <= MOST_LINES)
    if not image and not sequence:
        raise NotApplicable(
            f"a sample of {' x '.join(str(n) for n in shape)} is neither an image of 1 or 3 channels "
            f"nor a sequence of at most {MOST_LINES}"
        )


def _tiles(axes: np.ndarray, images: np.ndarray, table: dict[str, list]) -> None:
    low, high = min(0.0, float(images.min())), max(1.0, float(images.max()))
    long = max(len(name) for name in [*table["true"], *table["predicted"]]) > 3
    for i, panel in enumerate(axes):
        if i >= len(images):
            panel.remove()
            continue
        _sample(panel, images[i], low, high)
        true, predicted = (theme.short(table[name][i]) for name in ("true", "predicted"))
        panel.set_title(
            f"{predicted}\n({true}!)" if long else f"{predicted} ({true}!)",
            fontsize=11 if long else 16,
            pad=4,
        )
        panel.set_xlabel(_sure(table["probability"][i]), fontsize=11, color=theme.GREY, labelpad=3)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[:].set(visible=True, color=theme.PALE)


def _sample(axes: Axes, sample: np.ndarray, low: float, high: float) -> None:
    if sample.ndim == 3 and sample.shape[-1] == 3:
        axes.imshow((sample - low) / (high - low))
    elif sample.ndim == 3:
        axes.imshow(sample[..., 0], cmap="gray_r", vmin=low, vmax=high)
    else:
        axes.set_prop_cycle(color=theme.LINES)
        axes.plot(sample, linewidth=1.5)
